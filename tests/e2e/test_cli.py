"""The command line: help, usage errors, outputs, what goes to which stream, exit codes."""

import json
import os
import re
import subprocess
import time

import h5py
import numpy as np
import pytest

from conftest import TOP

COMMANDS = ["import", "generate", "describe", "elbow", "fit", "score", "compare", "report", "export", "inspect",
            "doctor", "help"]

USAGE_ERRORS = [
    ([], "no command"),
    (["ft"], "did you mean 'fit'"),
    (["zzzzzzzz"], "'segmpi help' lists all"),
    (["fit"], "clients.h5|CLIENTS.csv... is missing; usage: segmpi fit"),
    (["fit", "a.h5"], "--output is missing"),
    (["fit", "a.h5", "b.h5", "-o", "m.h5"], "'b.h5' is one word too many"),
    (["fit", "a.h5", "-o"], "-o needs a value"),
    (["fit", "a.h5", "-o", "m.h5", "--n-clsters", "3"], "did you mean '--n-clusters'"),
    (["fit", "a.h5", "-o", "m.h5", "-qz"], "there is no option '-z'"),
    (["fit", "a.h5", "-o", "m.h5", "-qzv"], "there is no option '-z'"),
    (["fit", "a.h5", "-o", "m.h5", "--quiet=1"], "--quiet takes no value"),
    (["fit", "a.h5", "-o", "m.h5", "--i", "mean"], "short for more than one"),
    (["fit", "a.h5", "-o", "m.h5", "-k", "0"], "expected 1 to 65535"),
    (["fit", "a.h5", "-o", "m.h5", "-k", "3.5"], "expected a whole number"),
    (["fit", "a.h5", "-o", "m.h5", "--tol", "nan"], "expected a number"),
    (["fit", "a.h5", "-o", "m.h5", "--outliers", "quantile:0.5"], "P between 0 and 0.5"),
    (["fit", "a.h5", "-o", "m.h5", "--outliers", "z:0"], "z:S with S above 0"),
    (["fit", "a.h5", "-o", "m.h5", "--outliers", "iqr:-1"], "iqr:F with F of at least 0"),
    (["fit", "a.h5", "-o", "m.h5", "--impute", "constant"], "constant:V"),
    (["fit", "a.h5", "-o", "m.h5", "--impute", "constant:nan"], "constant:V"),
    (["fit", "a.h5", "-o", "m.h5", "--scale", "rank"], "standard, robust, minmax or none"),
    (["fit", "a.h5", "-o", "m.h5", "--embed", "code"], "--embed is none, autoencoder"),
    (["fit", "a.h5", "-o", "m.h5", "--embed", "pca:0"], "--embed is none, autoencoder"),
    (["fit", "a.h5", "-o", "m.h5", "--embed", "pca:2.5"], "a number of components or a share of variance"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-layers", "64,,32"], "list of at most 7 widths from 1 to 65536"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-layers", "8,8,8,8,8,8,8,8"], "list of at most 7 widths"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-layers", "65537"], "list of at most 7 widths"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-activation", "sigmoid"], "--ae-activation is linear, relu, elu or tanh"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-code-activation", "x"], "--ae-code-activation is linear, relu, elu or tanh"),
    (["fit", "a.h5", "-o", "m.h5", "--init", "/dev/null", "--embed", "pca:2"], "--init FILE and --embed do not go"),
    (["fit", "a.h5", "-o", "m.h5", "--init", "/dev/null", "-k", "auto"], "-k auto does not go with starting centers"),
    (["fit", "a.h5", "-o", "m.h5", "-k", "3", "--n-segments", "4"], "--n-segments 4 is more than the 3 clusters"),
    (["fit", "a.h5", "-o", "m.h5", "-qk"], "option -k needs a value"),
    (["export", "m.h5", "--sql", "x.sql", "--table", ""], "1 to 255 bytes"),
    (["import", "a.csv", "-o", "c.h5", "--delimiter", ";;"], "--delimiter is one character"),
    (["import", "a.csv", "-o", "c.h5", "--delimiter", '"'], "--delimiter is one character"),
    (["import", "a.csv", "-o", "c.h5", "--decimal", ";"], "--decimal is . or ,"),
    (["import", "a.csv", "-o", "c.h5", "--delimiter", ",", "--decimal", ","], "same character"),
    (["import", "a.csv", "-o", "c.h5", "--thousands", "-"], "--thousands is"),
    (["import", "a.csv", "-o", "c.h5", "--thousands", ",", "--delimiter", "comma"], "--delimiter and --thousands are"),
    (["import", "a.csv", "-o", "c.h5", "--thousands", " ", "--delimiter", "blanks"], "--delimiter and --thousands are"),
    (["import", "a.csv", "-o", "c.h5", "--decimal", ".", "--thousands", "."], "--decimal and --thousands are"),
    (["import", "a.csv", "-o", "c.h5", "--thousands", ".", "--delimiter", ","], "the comma the decimal mark"),
    (["generate", "many", "-o", "c.h5"], "expected a whole number"),
    (["generate", "0", "-o", "c.h5"], "is 0, expected at least 1"),
    (["generate", "1e6", "-o", "c.h5"], "expected digits only: 1000000"),
    (["generate"], "N is missing; usage"),
    (["inspect", "--chek", "a.h5"], "did you mean '--check'"),
    (["elbow", "a.h5", "-o", "e.h5", "--k-min", "5", "--k-max", "3"], "--k-max is 3, below --k-min, which is 5"),
    (["elbow", "a.h5", "-o", "e.h5", "--gap-reference", "rows"], "pca or columns"),
    (["elbow", "a.h5", "-o", "e.h5", "--memory-limit", "0"], "a size such as 500M or 4G"),
    (["fit", "a.h5", "-o", "m.h5", "-k", "some"], "expected a whole number"),
    (["fit", "a.h5", "-o", "m.h5", "--ae-epochs", "3"], "--ae-epochs has no effect without --embed autoencoder"),
    (["elbow", "a.h5", "-o", "e.h5", "--embed", "pca:2", "--ae-code", "3"], "no effect without --embed autoencoder"),
    (["fit", "a.h5", "-o", "m.h5", "--whiten"], "--whiten has no effect without --embed pca:C"),
    (["fit", "a.h5", "-o", "m.h5", "--k-max", "5"], "--k-max has no effect without -k auto"),
    (["fit", "a.h5", "-o", "m.h5", "-k", "auto", "--elbow", "e.h5", "--k-max", "5"], "no effect beside --elbow"),
    (["elbow", "a.h5", "-o", "e.h5", "--gap-reference", "columns"], "--gap-reference has no effect without --gap"),
]


def messages(result):
    return [line for line in result.stderr.splitlines() if line.startswith("segmpi")]


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "clients.h5"
    segmpi("generate", "3000", "-o", path)
    return path


# ---- help ----


def test_help_lists_every_command(segmpi):
    text = segmpi("help").stdout
    assert re.findall(r"^  (\w+) ", text, re.M) == COMMANDS
    assert segmpi("--help").stdout == text == segmpi("-h").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_fits_a_terminal(segmpi, command):
    text = segmpi("help", command).stdout
    assert text.startswith(f"Usage: segmpi {command} ")
    assert segmpi(command, "--help").stdout == text
    assert max(map(len, text.splitlines())) < 80


def test_version_names_the_source(segmpi):
    assert re.fullmatch(r"segmpi \d+\.\d+\.\d+ \(.+\)\n", segmpi("--version").stdout)


# ---- usage errors ----


@pytest.mark.parametrize("words, hint", USAGE_ERRORS)
def test_a_usage_error_is_one_message_and_64(segmpi, words, hint):
    result = segmpi(*words, ok=False)
    assert result.returncode == 64
    assert result.stdout == ""
    assert hint in result.stderr
    command = words[0] if words and words[0] in COMMANDS else None
    assert result.stderr.startswith(f"segmpi {command}: " if command else "segmpi: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_usage_error_on_many_ranks_is_still_one_message(segmpi):
    result = segmpi("fit", "a.h5", "--bogus", ranks=3, ok=False)
    assert result.returncode == 64
    assert len(messages(result)) == 1


@pytest.mark.parametrize("variable", ["PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"])
def test_other_ranks_are_silent(segmpi, variable):
    result = segmpi("help", env={variable: "2"})
    assert (result.stdout, result.stderr) == ("", "")


def test_other_ranks_leave_with_the_same_code_after_the_one_that_speaks(segmpi):
    begin = time.monotonic()
    result = segmpi("fit", "a.h5", "--bogus", env={"PMIX_RANK": "2"}, ok=False)
    assert (result.returncode, result.stdout, result.stderr) == (64, "", "")
    assert time.monotonic() - begin > 4


# ---- inputs and outputs ----


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_missing_input_is_66(segmpi, tmp_path, ranks):
    for words in (["fit", tmp_path / "none.h5", "-o", tmp_path / "m.h5"],
                  ["import", tmp_path / "none.csv", "-o", tmp_path / "c.h5"]):
        result = segmpi(*words, ranks=ranks, ok=False)
        assert result.returncode == 66
        assert len(messages(result)) == 1 and "none." in messages(result)[0]
    assert list(tmp_path.iterdir()) == []


def test_the_place_in_the_program_is_for_its_own_faults(segmpi, clients, tmp_path):
    (tmp_path / "x.h5").write_text("id,a,b\n1,2,3\n")
    words = ["fit", tmp_path / "x.h5", "-o", tmp_path / "m.h5"]
    plain = segmpi(*words, ok=False)
    assert plain.returncode == 65 and "is not an HDF5 file" in plain.stderr
    assert "(rank" not in plain.stderr
    assert "(rank 0, input_open.c:" in segmpi(*words, "--verbose", ok=False).stderr
    assert "(rank 0, input_open.c:" in segmpi(*words, ranks=2, ok=False).stderr
    assert "(rank" not in segmpi("fit", clients, "-o", tmp_path / "none" / "m.h5", ok=False).stderr


def test_a_link_that_leads_nowhere_is_found_before_the_work(segmpi, clients, tmp_path):
    link = tmp_path / "m.h5"
    link.symlink_to(tmp_path / "nowhere")
    result = segmpi("fit", clients, "-o", link, ok=False)
    assert result.returncode == 73 and "exists, as a link; --force replaces it" in result.stderr
    assert "statistics" not in result.stderr
    segmpi("fit", clients, "-o", link, "-k", 2, "--stability", 0, "--force")
    assert not link.is_symlink() and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("ranks", [1, 3])
def test_an_existing_output_is_kept_without_force(segmpi, clients, tmp_path, ranks):
    for name in ("m.h5", "figures.json"):
        (tmp_path / name).write_text("mine")
        words = ["fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--json", tmp_path / "figures.json"]
        result = segmpi(*words, ranks=ranks, ok=False)
        assert result.returncode == 73
        assert len(messages(result)) == 1 and "--force" in messages(result)[0]
        assert (tmp_path / name).read_text() == "mine"
        assert [p.name for p in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def test_force_replaces_an_output(segmpi, clients, tmp_path):
    (tmp_path / "m.h5").write_text("mine")
    segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--force", ranks=2)
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["kmeans/cluster_size"][:].sum() == 3000
    assert [p.name for p in tmp_path.iterdir()] == ["m.h5"]
    assert (tmp_path / "m.h5").stat().st_mode & 0o777 == 0o600


def test_an_input_is_never_an_output(segmpi, clients, tmp_path):
    before = clients.read_bytes()
    (tmp_path / "link.h5").symlink_to(clients)
    for output in (clients, tmp_path / "link.h5"):
        result = segmpi("fit", clients, "-o", output, "--force", ok=False)
        assert result.returncode == 64 and "is an input" in result.stderr
    (tmp_path / "m").write_text("mine")
    for same in (tmp_path / "m", f"{tmp_path}/../{tmp_path.name}/m"):
        result = segmpi("fit", clients, "-o", tmp_path / "m", "--json", same, "--force", ok=False)
        assert result.returncode == 64 and "two outputs" in result.stderr
        assert (tmp_path / "m").read_text() == "mine"
    assert clients.read_bytes() == before
    for option in ("--exclude-ids", "--pseudonymize", "--config"):  # what options name is read as well
        (tmp_path / "file").write_text("" if option == "--config" else "a key of at least 16 bytes")
        (tmp_path / "file").chmod(0o600)
        result = segmpi("import", TOP / "data/sample/clients.csv", "-o", tmp_path / "file", option, tmp_path / "file", "--force", ok=False)
        assert result.returncode == 64 and "is an input" in result.stderr
        assert (tmp_path / "file").stat().st_size < 30


def test_an_output_folder_that_is_not_there_is_73(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "none" / "m.h5", ok=False)
    assert result.returncode == 73 and len(messages(result)) == 1


# ---- what goes where ----


def test_the_result_goes_to_stdout_and_talk_to_stderr(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, ranks=2)
    assert result.stdout.startswith("3,000 clients, 17 features, 3 clusters\n")
    assert "CASH_ADVANCE_FREQUENCY" in result.stdout
    assert "clients" not in messages(result)
    assert "\033" not in result.stdout + result.stderr


def test_nothing_is_said_into_a_file_in_the_place_of_a_closed_stream(program, environment, tmp_path):
    """only of standard output is it missed"""
    for stream, code in enumerate((0, 74, 0)):
        path = tmp_path / f"{stream}.h5"
        result = subprocess.run([program, "generate", "5000", "-o", path], env=environment, capture_output=stream == 0,
                                preexec_fn=lambda closed=stream: os.close(closed))
        assert result.returncode == code
        assert subprocess.run([program, "inspect", "--check", path], env=environment).returncode == 0


def test_defaults_phases_and_weights_are_told(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "--stability", 0, "--weights", "TENURE", ranks=2)
    assert "8 clusters (default; -k auto chooses)" in result.stderr
    for phase in ("statistics", "preparing", "segments"):
        assert f"{phase} ...\n{phase}: " in result.stderr
    with h5py.File(clients) as file:
        tenure = file["features"][:, file["feature"].asstr()[:].tolist().index("TENURE")].sum()
    assert result.stdout.startswith(f"{int(tenure):,} clients (weighted: 3,000 rows), 16 features, 8 clusters\n")
    assert segmpi("inspect", tmp_path / "m.h5").stdout.startswith(result.stdout)


def test_quiet_leaves_files_only(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--quiet", ranks=2)
    assert (result.stdout, result.stderr) == ("", "")
    assert (tmp_path / "m.h5").exists()


def test_json_holds_the_figures_of_the_model(segmpi, clients, tmp_path):
    segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--json", tmp_path / "f.json", ranks=2)
    figures = json.loads((tmp_path / "f.json").read_text())
    with h5py.File(tmp_path / "m.h5") as file:
        assert figures["kmeans"]["cluster_size"] == file["kmeans/cluster_size"][:].tolist()
        original = file["kmeans/cluster_centers_original"][:]
        assert (np.array(figures["kmeans"]["cluster_centers_original"]) == original).all()
        assert figures["features"] == file["feature"].asstr()[:].tolist()
        ratio = file["pca/explained_variance_ratio"][:].tolist()
        assert figures["pca"]["explained_variance_ratio"] == ratio


def test_json_to_stdout_takes_the_place_of_the_summary(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--json", "-", ranks=2)
    assert json.loads(result.stdout)["n_clients"] == 3000


def test_import_says_what_it_read(segmpi, tmp_path):
    csv = tmp_path / "c.csv"
    csv.write_text("id,a,b\n" + "".join(f"c{i},{i},{'' if i % 2 else i}\n" for i in range(10)))
    result = segmpi("import", csv, "-o", tmp_path / "c.h5", "--json", tmp_path / "c.json", ranks=2)
    assert "10 clients, 2 features, 5 missing cells" in result.stdout
    figures = json.loads((tmp_path / "c.json").read_text())
    assert (figures["n_clients"], figures["missing_cells"]) == (10, 5)
    assert figures["csv_bytes"] == csv.stat().st_size


def test_timing_ends_with_a_table_of_phases(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--quiet", "--timing", ranks=3)
    rows = [line.split() for line in result.stderr.splitlines()]
    assert rows[0] == ["phase", "seconds", "GB", "GB/s", "collectives", "waiting"]
    phases = [row[0] for row in rows[1:]]
    assert {"prepare", "pca", "k-means", "write"} <= set(phases)
    assert rows[-1][:2] == ["memory", "at"] and rows[-1][-2:] == ["3", "ranks"]


def number_before_unit(words):
    return float(words[-2]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[words[-1]]


@pytest.mark.parametrize("extra", [[], ["--n-init", "40", "-k", "30"]])
def test_dry_run_tells_memory_and_writes_nothing(segmpi, tmp_path, extra):
    clients = tmp_path / "c.h5"
    segmpi("generate", "300000", "-o", clients, ranks=2)
    words = ["fit", clients, "-o", tmp_path / "m.h5", "--max-iter", "5", "--no-swaps"] + extra
    plan = segmpi(*words, "--dry-run", ranks=2).stdout.splitlines()
    assert [line.split()[0] for line in plan] == ["clients", "columns", "memory", "output"]
    assert not (tmp_path / "m.h5").exists()

    result = segmpi(*words, "--timing", ranks=2)
    used = number_before_unit(result.stderr.splitlines()[-1].split()[:5])
    assert used <= number_before_unit(plan[2].split()) * 1.05
    assert used >= number_before_unit(plan[2].split()) * 0.7
    size = (tmp_path / "m.h5").stat().st_size
    assert size == pytest.approx(number_before_unit(plan[3].split()), rel=0.05)


# ---- environment ----


def test_an_unknown_simd_level_is_78(segmpi, clients, tmp_path):
    words = ["fit", clients, "-o", tmp_path / "m.h5"]
    result = segmpi(*words, ranks=2, env={"SEGMPI_SIMD": "v9"}, ok=False)
    assert result.returncode == 78
    assert len(messages(result)) == 1 and "SEGMPI_SIMD" in messages(result)[0]


def test_a_deadline_that_is_no_number_is_78(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", env={"SEGMPI_DEADLINE": "soon"}, ok=False)
    assert result.returncode == 78 and "SEGMPI_DEADLINE is 'soon', expected seconds" in result.stderr


def datasets(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update(
            {name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_centers_from_a_model_start_where_it_ended(segmpi, clients, tmp_path):
    one, two = tmp_path / "one.h5", tmp_path / "two.h5"
    segmpi("fit", clients, "-o", one, "-k", 4, "--tol", 0)
    segmpi("fit", clients, "-o", two, "-k", 4, "--tol", 0, "--init", one, "--no-swaps", ranks=3)
    a, b = datasets(one), datasets(two)
    assert (a["labels/cluster"] == b["labels/cluster"]).all()
    assert np.allclose(a["kmeans/cluster_centers"], b["kmeans/cluster_centers"], rtol=1e-12)
    with h5py.File(two) as file:
        options = json.loads(file["provenance"].attrs["options"])
    assert (options["init"], options["n-init"], options["n-clusters"]) == ("one.h5", 1, 4)


def test_centers_are_matched_by_name(segmpi, clients, tmp_path):
    one = tmp_path / "one.h5"
    segmpi("fit", clients, "-o", one, "-k", 4)
    words = ["fit", clients, "-o", tmp_path / "two.h5", "--init", one]
    segmpi(*words, "-k", 4, "--exclude-columns", "BALANCE,TENURE")
    result = segmpi(*words, "-k", 5, "--force", ranks=2, ok=False)
    assert result.returncode == 65
    assert len(messages(result)) == 1 and "say -k 4" in messages(result)[0]
    segmpi("fit", clients, "-o", one, "-k", 4, "--columns", "BALANCE,TENURE", "--force")
    result = segmpi(*words, "-k", 4, "--force", ranks=2, ok=False)
    assert result.returncode == 65 and "no feature" in result.stderr


def test_options_in_the_model_are_the_effective_ones(segmpi, clients, tmp_path):
    segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, "--outliers=none", "--seed", 5)
    with h5py.File(tmp_path / "m.h5") as file:
        options = json.loads(file["provenance"].attrs["options"])
    assert options.items() >= {
        "n-clusters": 3, "n-segments": 3, "merge": "catalog", "init": "k-means++", "n-init": 10, "max-iter": 300, "tol": 1e-4,
        "no-swaps": False, "impute": "median", "outliers": "none", "scale": "standard", "seed": 5,
    }.items()
    assert not any(name.startswith("ae-") or name == "whiten" for name in options)  # nothing that has no effect


@pytest.mark.parametrize("how", ["file", "variable"])
def test_ranks_that_read_other_options_are_refused(environment, program, tmp_path, how):
    """as nodes would whose files or environment differ"""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "mine.ini").write_text("seed = 1\n")
    (tmp_path / "b" / "mine.ini").write_text("seed = 2\n")

    def part(name, seed):
        rank = ["env", f"SEGMPI_SEED={seed}"] if how == "variable" else []
        config = ["--config", f"{name}/mine.ini"] if how == "file" else []
        return ["-n", "1", *rank, program, "generate", "9", "-o", "x.h5", *config]

    def run(*parts):
        return subprocess.run(["mpirun", *parts[0], ":", *parts[1]], cwd=tmp_path, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=70)

    result = run(part("a", 1), part("b", 2))
    assert result.returncode == 78 and not (tmp_path / "x.h5").exists()
    assert [line for line in result.stderr.splitlines() if line.startswith("segmpi")][0].count("different options") == 1
    assert run(part("a", 1), part("a", 1)).returncode == 0
