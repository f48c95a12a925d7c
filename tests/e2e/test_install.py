"""What users get: the installed program, its manual pages, the completion of bash, the package; the option file."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import pytest
from conftest import TOP

COMMANDS = ["import", "generate", "describe", "elbow", "fit", "score", "compare", "report", "export", "inspect",
            "doctor", "help"]


@pytest.fixture(scope="module")
def prefix(program, tmp_path_factory):
    """where the build of the program under test is installed"""
    folder = tmp_path_factory.mktemp("prefix")
    build = Path(program).resolve().parents[1]
    subprocess.run(["cmake", "--build", build, "--target", "printed"], capture_output=True, check=True)
    subprocess.run(["cmake", "--install", build, "--prefix", folder], capture_output=True, check=True)
    return folder


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("clients") / "clients.h5"
    segmpi("import", TOP / "data" / "sample" / "clients.csv", "-o", path)
    return path


def options_of(path):
    with h5py.File(path) as file:
        text = file["provenance"].attrs["options"]
    return json.loads(text)


# ---- installed ----


def test_the_installed_program_fits_with_what_is_installed(prefix, environment, tmp_path):
    moved = shutil.copytree(prefix, tmp_path / "elsewhere")
    share = moved / "share" / "segmpi"

    def run(*words):
        done = subprocess.run([str(word) for word in (moved / "bin" / "segmpi", *words)], env=environment,
                              cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    run("import", share / "sample" / "clients.csv", "-o", "clients.h5")
    quick = ["fit", "clients.h5", "--stability", "0", "--n-init", "2"]
    built_in = run(*quick, "-o", "a.h5")
    assert "Luxury Seekers" in built_in
    files = ["--catalog", share / "catalog" / "card_holders.ini", "--schema", share / "schema" / "card_holders.ini"]
    assert run(*quick, "-o", "b.h5", *files) == built_in


def test_installed_job_scripts_find_the_installed_program(prefix):
    script = f"unset SEGMPI_BINARY; export SEGMPI_HOME={prefix}/share/segmpi SEGMPI_LAUNCHER=mpirun; " \
             '. $SEGMPI_HOME/jobs/job.sh; readlink -f "$segmpi"'
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str((prefix / "bin" / "segmpi").resolve())
    assert {path.name for path in (TOP / "jobs").glob("*.sbatch")} <= {
        path.name for path in (prefix / "share" / "segmpi" / "jobs").iterdir()}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manual_page_says_what_help_says(prefix, segmpi, command):
    page = gzip.open(prefix / "share" / "man" / "man1" / f"segmpi-{command}.1.gz", "rt").read()
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou"], input=page, capture_output=True, text=True,
                          check=True)
    assert done.stderr == ""
    text = segmpi("help", command).stdout
    options = re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text.split("Examples:")[0], re.M)
    assert len(options) >= 2 and set(options) <= set(re.findall(r"--[\w-]+", done.stdout))
    examples = text.split("Examples:\n")[1].splitlines()
    assert 2 <= len(examples) <= 4
    assert all(example.strip() in done.stdout for example in examples)


def test_the_page_of_segmpi_names_every_command(prefix):
    text = gzip.open(prefix / "share" / "man" / "man1" / "segmpi.1.gz", "rt").read()
    assert re.findall(r"segmpi\\-(\w+)", text) == COMMANDS


def test_the_package_runs_and_names_what_it_needs(program, environment, tmp_path):
    build = Path(program).resolve().parents[1]
    subprocess.run(["cpack", "--config", build / "CPackConfig.cmake", "-B", tmp_path], cwd=tmp_path,
                   capture_output=True, check=True)
    package, = tmp_path.glob("segmpi_*.deb")
    needs = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
    mpi = "mpich" if "SEG_MPI:STRING=mpich" in (build / "CMakeCache.txt").read_text() else "openmpi"
    for name in [{"openmpi": "openmpi-bin"}.get(mpi, mpi), f"libhdf5-{mpi}", f"lib{mpi}", "libc6", "libopenblas0", "libssl",
                 "libjansson"]:
        assert re.search(rf"\b{name}", needs), name
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    docs = tmp_path / "root" / "usr" / "share" / "doc" / "segmpi"
    assert {path.name for path in docs.iterdir()} == {"README.md", "copyright", "changelog.gz"}
    done = subprocess.run([tmp_path / "root" / "usr" / "bin" / "segmpi", "doctor", tmp_path], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0 and "SIMD level" in done.stdout


# ---- completion ----


@pytest.fixture(scope="module")
def complete(prefix, environment):
    """complete("segmpi", "fit", ""): what bash offers for the last word"""
    script = prefix / "share" / "bash-completion" / "completions" / "segmpi"

    def run(*words, function="_segmpi"):
        code = f'. "{script}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); {function}; printf "%s\\n" "${{COMPREPLY[@]}}"'
        path = f"{prefix / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", code, "bash", *words], capture_output=True, text=True, check=True,
                              env={**environment, "PATH": path})
        assert done.stderr == ""
        return done.stdout.split()

    return run


@pytest.mark.parametrize("words, offered", [
    (["segmpi", "e"], ["elbow", "export"]),
    (["segmpi", "help", "in"], ["inspect"]),
    (["segmpi", "fit", "--n-"], ["--n-clusters", "--n-segments", "--n-init"]),
    (["segmpi", "fit", "a.h5", "--merge", ""], ["catalog", "ward", "average", "kmeans"]),
    (["segmpi", "fit", "a.h5", "--merge", "=", "w"], ["ward"]),
    (["segmpi", "fit", "a.h5", "--scale", "="], ["standard", "robust", "minmax", "none"]),
    (["segmpi", "fit", "a.h5", "-o", ""], []),
    (["segmpi", "inspect", "--c"], ["--check", "--columns", "--config"]),
])
def test_bash_completes(complete, words, offered):
    assert complete(*words) == offered


def test_bash_completes_every_option_that_help_lists(complete, segmpi):
    for command in COMMANDS:
        text = segmpi("help", command).stdout.split("Examples:")[0]
        assert complete("segmpi", command, "--") == re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.M)


def test_a_bash_completes_words_and_files(prefix, tmp_path):
    """the real thing: an interactive bash, and tabs"""
    script = prefix / "share" / "bash-completion" / "completions" / "segmpi"
    (tmp_path / "october.h5").touch()
    typed = f". {script}\nsegmpi() {{ printf '<%s>' \"$@\"; }}\nsegmpi insp\t oct\t --chec\t\nexit\n"
    done = subprocess.run(["bash", "--norc", "--noprofile", "-i"], input=typed, cwd=tmp_path, text=True,
                          env={"PATH": "/usr/bin:/bin", "TERM": "dumb"}, capture_output=True, timeout=20,
                          start_new_session=True)
    assert "<inspect><october.h5><--check>" in done.stdout


@pytest.mark.parametrize("words, offered", [
    (["segmpi", "fit", "{table}", "--columns", "PURCHASES_"],
     ["PURCHASES_FREQUENCY", "PURCHASES_INSTALLMENTS_FREQUENCY", "PURCHASES_TRX"]),
    (["segmpi", "fit", "-o", "m.h5", "{table}", "--exclude-columns", "TENURE,CREDIT"], ["TENURE,CREDIT_LIMIT"]),
    (["segmpi", "import", "{csv}", "--id-column", "=", "CU"], ["CUST_ID"]),
    (["segmpi", "fit", "none.h5", "--weights", ""], []),
    (["mpirun", "-n", "4", "segmpi", "elbow", "{table}", "--columns", "TEN"], ["TENURE"]),
    (["mpirun", "-n", "4", "segmpi", "e"], ["elbow", "export"]),
    (["mpirun", "-n", ""], []),
])
def test_bash_completes_columns_and_behind_a_launcher(complete, clients, words, offered):
    words = [word.format(table=clients, csv=TOP / "data/sample/clients.csv") for word in words]
    assert complete(*words, function="_segmpi_launched" if words[0] == "mpirun" else "_segmpi") == offered


@pytest.mark.parametrize("choice", ["--impute median", "--impute mean", "--outliers none", "--scale robust",
                                    "--scale minmax", "--merge average", "--merge kmeans", "--transform sqrt",
                                    "--embed autoencoder:study"])
def test_offered_words_are_taken(segmpi, complete, clients, tmp_path, choice):
    option, word = choice.split()
    assert word in complete("segmpi", "fit", option, "")
    segmpi("fit", clients, "-o", tmp_path / "m.h5", option, word, "--dry-run")


# ---- the option file ----


def test_words_go_before_variables_before_the_file_before_defaults(segmpi, clients, tmp_path):
    config, model = tmp_path / "fit.ini", tmp_path / "m.h5"
    config.write_text(f"seed = 5\nmax-iter = 11\nsql = not-for-fit\n"
                      f"[fit]\noutput = {model}\nn-clusters = 5\nn-init = 2\nmax-iter = 50\nstability = 0\n"
                      f"no-swaps = yes\n[elbow]\nk-max = 3\n")
    segmpi("fit", clients, "--config", config, "--n-segments", "3", "--n-init", "4",
           env={"SEGMPI_N_CLUSTERS": "6", "SEGMPI_N_INIT": "3", "SEGMPI_SCALE": "robust"})
    options = options_of(model)
    wanted = {"n-clusters": 6, "n-init": 4, "max-iter": 50, "n-segments": 3, "no-swaps": True, "scale": "robust",
              "stability": 0, "tol": 1e-4}
    assert {name: options[name] for name in wanted} == wanted
    with h5py.File(model) as file:
        assert len(file["kmeans/cluster_centers_original"]) == 6
        assert file["provenance"].attrs["seed"] == 5


@pytest.mark.parametrize("text, code, message", [
    ("[fit]\n\nn-clsters = 3\n", 64, "fit has no option 'n-clsters', did you mean 'n-clusters'?"),
    ("[fit]\n\nsql = a.sql\n", 64, "fit has no option 'sql'"),
    ("\n\nn-clsters = 3\n", 64, "no command has an option 'n-clsters', did you mean 'n-clusters'?"),
    ("\n[elbw]\nk-max = 3\n", 64, "there is no command 'elbw', did you mean 'elbow'?"),
    ("\n\nn-clusters = many\n", 64, "expected a whole number"),
    ("\n\nno-swaps = perhaps\n", 64, "'no-swaps' is 'perhaps', expected true or false"),
    ("\nseed = 1\nseed = 2\n", 64, "'seed' is set in line 2 already"),
    ("\n\nconfig = other.ini\n", 64, "'config'"),
    ("\n\nnonsense\n", 65, "neither [SECTION] nor KEY = VALUE"),
    (None, 66, "No such file"),
])
def test_a_bad_option_file_is_one_message_with_its_line(segmpi, tmp_path, text, code, message):
    config = tmp_path / "fit.ini"
    if text:
        config.write_text(text)
    result = segmpi("fit", "a.h5", "-o", "m.h5", "--config", config, ok=False)
    assert result.returncode == code
    assert message in result.stderr
    assert len(re.findall("^segmpi", result.stderr, re.M)) == 1
    assert str(config) in result.stderr and (text is None or "line 3" in result.stderr)


def test_a_bad_variable_is_named(segmpi):
    result = segmpi("fit", "a.h5", "-o", "m.h5", env={"SEGMPI_N_CLUSTERS": "0"}, ok=False)
    assert result.returncode == 64 and "variable SEGMPI_N_CLUSTERS" in result.stderr


# ---- the recipe for Spack ----


def test_the_recipe_for_spack_names_options_of_this_build():
    """read with a stand-in for Spack: it is Python that runs, and what it defines is in CMakeLists.txt"""
    said, cmake = [], (TOP / "CMakeLists.txt").read_text()
    names = {name: lambda *words, **more: said.append(words[0]) for name in ("version", "variant", "depends_on")}
    source = (TOP / "jobs/packaging/spack/packages/segmpi/package.py").read_text()
    exec(source.replace("from spack.package import *", "").replace("(CMakePackage)", ""), names)
    assert {"main", "figures", "tests", "hdf5@1.10: +mpi +hl", "libinih"} <= set(said)  # Spack's own names
    place = type("place", (), {"mpicc": "mpicc", "prefix": type("prefix", (), {"include": "include"})})
    package = names["Segmpi"]()
    package.spec = {"mpi": place, "hdf5": place, "random123": place}
    package.define = package.define_from_variant = lambda name, value: name
    ours = [name for name in package.cmake_args() if name not in ("MPI_C_COMPILER", "HDF5_ROOT")]
    assert ours and all(name in cmake for name in ours)
