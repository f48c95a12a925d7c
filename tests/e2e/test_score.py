"""`segmpi score`: the labels of the fit on its own clients, and on others what the written model says, by numpy."""

import csv
import ctypes
import json
import re
import shutil
import struct

import h5py
import numpy as np
import pytest
from pytest import approx

from judge import (contents, differences, messages, prepare, read_model, read_table, rounded, squared_distances,
                   warnings)

LABELS = ["cluster", "segment", "distance", "margin"]


def run_score(segmpi, model, clients, out, *words, **how):
    """scores.h5 as {name: array}"""
    clients = clients if isinstance(clients, list) else [clients]
    segmpi("score", model, *clients, "-o", out, "--force", "--quiet", *words, **how)
    with h5py.File(out, "r") as file:
        found = {name: file[name][()] for name in file if isinstance(file[name], h5py.Dataset)}
        if "ids" in file:
            found["id"] = file["ids/client_id"][()]
    return found


def labels_of_fit(model):
    with h5py.File(model, "r") as file:
        return {name: file[f"labels/{name}"][()] for name in file["labels"]}


def same(a, b, names):
    return [name for name in names if a[name].tobytes() != b[name].tobytes() or a[name].dtype != b[name].dtype] == []


@pytest.fixture(scope="module")
def folder(segmpi, tmp_path_factory):
    """old.h5 is what model.h5 was fitted to; new.h5 and new.csv are other clients"""
    path = tmp_path_factory.mktemp("score")
    segmpi("generate", 20000, "-o", path / "old.h5", ranks=2)
    segmpi("generate", 5000, "-o", path / "new.h5", "--csv", path / "new.csv", "--seed", 7)
    segmpi("fit", path / "old.h5", "-o", path / "model.h5", "--n-init", 2, "--stability", 0, "--quiet", ranks=2)
    return path


@pytest.fixture(scope="module")
def new(segmpi, folder):
    return run_score(segmpi, folder / "model.h5", folder / "new.h5", folder / "new-scores.h5", "--components", 3)


def test_the_training_clients_get_their_labels_back(segmpi, folder):
    found = run_score(segmpi, folder / "model.h5", folder / "old.h5", folder / "s.h5", ranks=3)
    assert same(found, labels_of_fit(folder / "model.h5"), LABELS)


def test_other_clients_get_what_the_model_says(folder, new):
    model = read_model(folder / "model.h5")
    names, x = read_table(folder / "new.h5")
    stages = model.preprocessing
    z = rounded(model, prepare(model, x))
    d2 = squared_distances(z, model.kmeans.cluster_centers)
    best, second = np.partition(d2, 1, axis=1)[:, :2].T
    outside = (x < stages.lower_bound) | (x > stages.upper_bound)

    assert np.array_equal(new["cluster"], d2.argmin(axis=1))
    assert np.array_equal(new["segment"], model.segments.cluster_to_segment[new["cluster"]])
    assert new["distance"] == approx(np.sqrt(best), rel=5e-5)
    assert new["margin"] == approx(1 - np.sqrt(best / second), abs=1e-4)
    assert np.array_equal(new["n_imputed"], np.isnan(x).sum(axis=1)) and new["n_imputed"].any()
    assert np.array_equal(new["outlier"], outside.sum(axis=1)) and new["outlier"].any()
    assert new["pc"] == approx((z - model.pca.mean) @ model.pca.components[:3].T, rel=1e-5, abs=1e-5)
    with h5py.File(folder / "new.h5") as clients, h5py.File(folder / "new-scores.h5") as scores:
        assert np.array_equal(new["id"], clients["ids/client_id"])
        assert scores["segments/name"].asstr()[:].tolist() == model.segments.name.tolist()
        assert scores.attrs["model_id"].decode() == model.model_id
        assert scores["provenance"].attrs["rows_read"] == 5000


def test_any_number_of_ranks_gives_the_same_file(segmpi, folder, new):
    first = contents(folder / "new-scores.h5")
    for ranks in (1, 2, 3, 7, 64):  # of 5 blocks
        run_score(segmpi, folder / "model.h5", folder / "new.h5", folder / "r.h5", "--components", 3, ranks=ranks)
        assert differences(contents(folder / "r.h5"), first) == []


def test_csv_gives_the_same_answers(segmpi, folder, new):
    """directly, in two pieces, and with ids that are texts; nothing else is left in the folder"""
    lines = (folder / "new.csv").read_text().splitlines(keepends=True)
    for name, part in (("a.csv", lines[:2000]), ("b.csv", [lines[0], *lines[2000:]])):
        (folder / name).write_text("".join(part))
    (folder / "text.csv").write_text(lines[0] + "".join(f"id-{line}" for line in lines[1:]))
    before = {path.name for path in folder.iterdir()} | {"c.h5"}
    shutil.copy(folder / "new.h5", folder / ".c.h5.clients")  # what a killed run has left
    for inputs in ("new.csv",), ("a.csv", "b.csv"), ("text.csv",):
        found = run_score(segmpi, folder / "model.h5", [folder / name for name in inputs], folder / "c.h5",
                          "--components", 3, ranks=2)
        assert same(found, new, sorted(new.keys() - {"id"}))
        expected = [f"id-{i}".encode() for i in new["id"]] if inputs == ("text.csv",) else new["id"].tolist()
        assert found["id"].tolist() == expected
        assert {path.name for path in folder.iterdir()} == before


def test_segments_as_csv(segmpi, folder, new):
    """ids of any kind come back as they were; what a spreadsheet would take for a formula does not"""
    model = read_model(folder / "model.h5")
    head, *lines = (folder / "new.csv").read_text().splitlines()
    odd = ["=1+2", "+4", "-5x", "@a", 'say "hi"', "a;b", "c c", "d,e"]
    ids = odd + [f"id-{i}" for i in range(len(odd), len(lines))]
    quoted = ['"' + name.replace('"', '""') + '"' for name in ids]
    (folder / "odd.csv").write_text("\n".join([head, *(i + line[line.index(","):] for i, line in zip(quoted, lines))]))
    texts = []
    for ranks in (1, 3):
        run_score(segmpi, folder / "model.h5", folder / "odd.csv", folder / "o.h5", "--csv", folder / "out.csv",
                  ranks=ranks)
        texts.append((folder / "out.csv").read_bytes())
    assert texts[0] == texts[1] and (folder / "out.csv").stat().st_mode & 0o777 == 0o600
    header, *rows = csv.reader(texts[0].decode().splitlines())
    assert header == ["client_id", "segment", "segment_name"]
    assert [row[0] for row in rows] == [f"'{name}" if name[0] in "=+-@" else name for name in ids]
    assert [int(row[1]) for row in rows] == new["segment"].tolist()
    assert [row[2] for row in rows] == model.segments.name[new["segment"]].tolist()
    names, x = read_table(folder / "new.h5")
    write_columns(folder / "nameless.h5", names, x)
    run_score(segmpi, folder / "model.h5", folder / "nameless.h5", folder / "o.h5", "--csv", folder / "out.csv")
    assert (folder / "out.csv").read_text().startswith(f"row,segment,segment_name\n1,{new['segment'][0]},")
    run_score(segmpi, folder / "model.h5", folder / "new.h5", folder / "o.h5", "--csv", folder / "out.csv")
    assert (folder / "out.csv").read_text().splitlines()[-1].startswith(f"5000,{new['segment'][-1]},")


def test_new_csv_never_stands_beside_old_scores(segmpi, folder, new):
    """scores and CSV are complete before either has its name, the scores first; needs injected faults"""
    out = [folder / "pair.h5", folder / "pair.csv"]
    words = ["score", folder / "model.h5", folder / "new.h5", "-o", out[0], "--csv", out[1], "--force"]
    if segmpi("score", *words[1:], env={"SEGMPI_FAULT": "score_rows"}, ok=False).returncode == 0:
        pytest.skip("built without faults")
    for name, renewed in (("store_rename", [False, False]), ("generate_csv_rename", [True, False])):
        for path in out:
            path.write_text("old")
        found = segmpi(*words, env={"SEGMPI_FAULT": name}, ranks=2, ok=False)
        assert found.returncode == 74 and len(messages(found)) == 1
        assert [path.read_bytes() != b"old" for path in out] == renewed
        assert ("naming the CSV file of scores that are written" in found.stderr) == renewed[0]
    assert segmpi("inspect", "--check", out[0]).returncode == 0
    assert [path.name for path in folder.iterdir() if ".pair" in path.name] == []


def test_ids_do_not_leak(segmpi, folder):
    (folder / "canary.csv").write_text((folder / "text.csv").read_text().replace("id-1,", "CANARY-1,", 1))
    found = segmpi("score", folder / "model.h5", folder / "canary.csv", "-o", folder / "canary.h5", "--verbose",
                   "--json", folder / "canary.json")
    assert "CANARY" not in found.stdout + found.stderr + (folder / "canary.json").read_text()
    assert b"CANARY-1" in (folder / "canary.h5").read_bytes()


def write_columns(path, names, x):
    """a group of columns, as another program may write it"""
    with h5py.File(path, "w") as file:
        for name, column in zip(names, x.T):
            file[name] = column


def test_columns_are_matched_by_name(segmpi, folder, new):
    names, x = read_table(folder / "new.h5")
    order = np.random.default_rng(0).permutation(len(names))
    write_columns(folder / "shuffled.h5", [*(names[i] for i in order), "OTHER"], np.c_[x[:, order], x[:, 0]])
    found = run_score(segmpi, folder / "model.h5", folder / "shuffled.h5", folder / "s.h5", "--components", 3)
    assert "id" not in found and same(found, new, sorted(new.keys() - {"id"}))
    lines = [line.split(",") for line in (folder / "new.csv").read_text().splitlines()]
    text = "\n".join(",".join([row[0], f"note {i}", *row[:0:-1]]) for i, row in enumerate(lines)) + "\n"
    (folder / "shuffled.csv").write_text(text)
    found = run_score(segmpi, folder / "model.h5", folder / "shuffled.csv", folder / "s.h5", "--components", 3)
    assert same(found, new, sorted(new))


def test_columns_that_do_not_fit_are_refused(segmpi, folder):
    names, x = read_table(folder / "new.h5")
    other = [{"BALANCE": "BALANCES"}.get(name, name) for name in names]
    write_columns(folder / "bad.h5", other, x)
    head, *lines = (folder / "new.csv").read_text().splitlines()
    (folder / "bad.csv").write_text("\n".join([head.replace("BALANCE,", "BALANCES,", 1), *lines]) + "\n")
    words = [[head, *(line.replace(",", ",high", 1) for line in lines)], folder / "words.csv"]
    words[1].write_text("\n".join(words[0]) + "\n")
    for path, says in (("bad.h5", "'BALANCE' (did you mean 'BALANCES'?)"), ("bad.csv", "did you mean 'BALANCES'"),
                       ("words.csv", "line 2: 'BALANCE' is no number")):
        found = segmpi("score", folder / "model.h5", folder / path, "-o", folder / "x.h5", ranks=2, ok=False)
        assert found.returncode == 65 and len(messages(found)) == 1 and says in found.stderr, found.stderr
        assert not (folder / "x.h5").exists()


def test_values_beyond_all_bounds_name_their_column(segmpi, folder):
    names, x = read_table(folder / "old.h5")
    segmpi("fit", folder / "old.h5", "-o", folder / "free.h5", "--outliers", "none", "-k", 3, "--n-init", 1,
           "--stability", 0, "--quiet")
    x[1500, 3] = 1e300
    write_columns(folder / "far.h5", names, x)
    found = segmpi("score", folder / "free.h5", folder / "far.h5", "-o", folder / "x.h5", ranks=2, ok=False)
    assert found.returncode == 65 and f"row 1501: '{names[3]}'" in found.stderr, found.stderr
    free = run_score(segmpi, folder / "free.h5", folder / "old.h5", folder / "s.h5")
    low, high = np.nanquantile(read_table(folder / "old.h5")[1], [0.01, 0.99], axis=0)
    x = read_table(folder / "old.h5")[1]
    assert np.array_equal(free["outlier"], ((x < low) | (x > high)).sum(axis=1))  # bounds without a cap


@pytest.mark.parametrize("embed", [["pca:5"], ["autoencoder", "--ae-epochs", "1"]], ids=["pca", "autoencoder"])
def test_codes_are_those_of_the_fit(segmpi, folder, embed):
    model = folder / f"{embed[0][:3]}.h5"
    segmpi("fit", folder / "new.h5", "-o", model, "--embed", *embed, "-k", 4, "--n-init", 1, "--stability", 0,
           "--quiet", ranks=2)
    found, expected = run_score(segmpi, model, folder / "new.h5", folder / "s.h5", ranks=3), labels_of_fit(model)
    assert same(found, expected, sorted(expected))
    assert ("reconstruction_error" in found) == (embed[0] == "autoencoder")


@pytest.mark.parametrize("rows", [0, 1])
def test_few_clients(segmpi, folder, new, rows):
    names, x = read_table(folder / "new.h5")
    write_columns(folder / "few.h5", names, x[:rows])
    found = run_score(segmpi, folder / "model.h5", folder / "few.h5", folder / "s.h5", ranks=2)
    assert all(np.array_equal(found[name], new[name][:rows]) for name in LABELS)
    assert segmpi("inspect", folder / "s.h5", "--check").returncode == 0


def test_what_is_said(segmpi, folder, new):
    found = segmpi("score", folder / "model.h5", folder / "new.h5", "-o", folder / "j.h5", "--json", folder / "j.json")
    said = json.loads((folder / "j.json").read_text())
    assert said["n_clients"] == 5000 and sum(said["cluster_size"]) == 5000
    assert said["cluster_size"] == np.bincount(new["cluster"], minlength=8).tolist()
    assert [segment["size"] for segment in said["segments"]] == np.bincount(new["segment"]).tolist()
    assert said["imputed_cells"] == new["n_imputed"].sum() and said["outliers"] == (new["outlier"] > 0).sum()
    assert "5,000 clients" in found.stdout and "per rank" in found.stdout
    shown = segmpi("inspect", folder / "j.h5").stdout
    assert "scores of 5,000 clients, with ids" in shown
    assert all(f"{s['name']} ({s['size']:,})" in shown and f"{s['name']} ({s['size']:,})" in found.stdout
               for s in said["segments"])
    planned = segmpi("score", folder / "model.h5", folder / "new.h5", "-o", folder / "d.h5", "--dry-run")
    assert not (folder / "d.h5").exists()
    memory = re.search(r"memory per rank +([\d.]+) MB", planned.stdout)  # with the program itself
    assert 40 < float(memory[1]) < 80
    for words, code in ((["-o", folder / "j.h5"], 73), (["-o", folder / "d.h5", "--components", 99], 64)):
        result = segmpi("score", folder / "model.h5", folder / "new.h5", *words, ok=False)
        assert result.returncode == code and len(messages(result)) == 1
    result = segmpi("score", folder / "new.h5", folder / "new.h5", "-o", folder / "d.h5", ok=False)
    assert result.returncode == 65 and "expected 'model'" in result.stderr


# ---- are these clients like those of the training base? ----


def reference_of(path):
    with h5py.File(path, "r") as file:
        return {name: item[()] for name, item in file["reference"].items()}


def test_the_training_clients_are_counted_as_the_fit_counted_them(segmpi, folder):
    run_score(segmpi, folder / "model.h5", folder / "old.h5", folder / "s.h5", ranks=3)
    found, expected = reference_of(folder / "s.h5"), reference_of(folder / "model.h5")
    assert [name for name in expected if not np.array_equal(found[name], expected[name])] == []


def test_other_clients_are_counted_by_the_same_yardstick(folder, new):
    names, x = read_table(folder / "new.h5")
    found = reference_of(folder / "new-scores.h5")
    for t in range(len(names)):
        bins = np.searchsorted(found["bin_edges"][t][1:-1], x[:, t][~np.isnan(x[:, t])], side="left")
        assert np.array_equal(found["bin_counts"][t], np.bincount(bins, minlength=10))
    assert np.array_equal(found["missing_count"], np.isnan(x).sum(axis=0))
    assert np.array_equal(found["segment_count"], np.bincount(new["segment"], minlength=len(found["segment_count"])))


def test_another_unit_is_refused(segmpi, folder, new):
    """cents for euros in three columns; without drift nothing is said"""
    names, x = read_table(folder / "new.h5")
    x[:, [0, 12]] *= 100
    x[:, 1] /= 100
    write_columns(folder / "cents.h5", names, x)
    words = ["score", folder / "model.h5", folder / "cents.h5", "-o", folder / "x.h5"]
    said = [f"'{names[0]}' / 100", f"'{names[1]}' * 100", f"'{names[12]}' / 100"]
    for ranks in (1, 3):
        found = segmpi(*words, ranks=ranks, ok=False)
        assert found.returncode == 65 and all(text in found.stderr for text in said), found.stderr
        assert f"{names[2]}" not in found.stderr and not (folder / "x.h5").exists()
    found = segmpi(*words, "--allow-drift")
    assert all(text in warnings(found)[0] for text in said)
    assert warnings(segmpi("score", folder / "model.h5", folder / "new.h5", "-o", folder / "w.h5")) == []


def test_what_has_moved_is_warned_of(segmpi, folder):
    names, x = read_table(folder / "new.h5")
    x[:, 0] *= 3  # no unit
    x[::10, 5] = np.nan
    x[7, 3] = 1e9
    write_columns(folder / "moved.h5", names, x)
    found = segmpi("score", folder / "model.h5", folder / "moved.h5", "-o", folder / "x.h5", "--force", "--json",
                   folder / "x.json")
    assert [line.split("'")[1] for line in warnings(found)] == [names[0], names[3], names[5]]
    assert "PSI" in warnings(found)[0] and "1e+09" in warnings(found)[1] and "10.0 %" in warnings(found)[2]
    drift = {column["name"]: column for column in json.loads((folder / "x.json").read_text())["drift"]}
    assert drift[names[0]]["psi"] > 0.25 > drift[names[1]]["psi"] and drift[names[5]]["missing_share"] == 0.1
    few = segmpi("score", folder / "model.h5", folder / "few.h5", "-o", folder / "x.h5", "--force")
    assert warnings(few) == []  # of one client nothing can be said


# ---- a run that is asked to stop ----


@pytest.fixture(scope="module")
def many(segmpi, folder):
    """a table of more than one step of a rank, and its scores"""
    segmpi("generate", 600000, "-o", folder / "many.h5", "--seed", 3, ranks=2)
    run_score(segmpi, folder / "model.h5", folder / "many.h5", folder / "whole.h5", "--json", folder / "many.json", ranks=2)
    return contents(folder / "whole.h5")


def test_memory_does_not_grow_with_the_clients(segmpi, folder, many):
    """of 600,000 as of 5,000, but for checksums of blocks"""
    run_score(segmpi, folder / "model.h5", folder / "new.h5", folder / "few.h5", "--json", folder / "few.json", ranks=2)
    few, much = (json.loads((folder / f"{name}.json").read_text())["memory"] for name in ("few", "many"))
    assert much < few + 586 * 8 * 20 + (4 << 20) < 52e6  # and a window on what is read back
    plan = segmpi("score", folder / "model.h5", folder / "many.h5", "-o", folder / "p.h5", "--dry-run").stdout
    planned = 1e6 * float(re.search(r"memory per rank +([\d.]+) MB", plan)[1])
    assert 0.95 * planned < much <= planned


def test_a_run_that_is_stopped_is_gone_on_with(segmpi, folder, many):
    """twice, on other numbers of ranks; a run that goes on gets somewhere, however short its time is"""
    words = ["score", folder / "model.h5", folder / "many.h5", "-o", folder / "stopped.h5"]
    partial, done = folder / "stopped.h5.partial", []
    for more, ranks in (([], 1), (["--resume"], 1)):
        found = segmpi(*words, "--max-seconds", 0.001, *more, ranks=ranks, ok=False)
        assert found.returncode == 75 and "--resume" in messages(found)[0], found.stderr
        assert not (folder / "stopped.h5").exists() and partial.stat().st_mode & 0o777 == 0o600
        with h5py.File(partial) as file:
            assert file.attrs["format"] == b"partial scores"
            done.append(file["partial/done"][:].sum())
    assert done == [512, 586]
    found = segmpi(*words, "--resume", ranks=3)
    assert "going on from" in found.stderr and not partial.exists()
    assert differences(contents(folder / "stopped.h5"), many) == []


def test_files_of_the_user_stay(segmpi, folder, tmp_path):
    """those that have the names of a run's own"""
    (tmp_path / ".q.h5.clients").write_bytes((folder / "new.h5").read_bytes())
    segmpi("score", folder / "model.h5", tmp_path / ".q.h5.clients", "-o", tmp_path / "q.h5")
    assert (tmp_path / ".q.h5.clients").read_bytes() == (folder / "new.h5").read_bytes()
    for name, words in (("r.h5.partial", ["new.h5"]), (".r.h5.clients", ["new.csv"])):
        (tmp_path / name).write_text("mine")
        found = segmpi("score", folder / "model.h5", folder / words[0], "-o", tmp_path / "r.h5", ok=False)
        assert found.returncode == 65 and "move what stands there" in found.stderr
        assert (tmp_path / name).read_text() == "mine" and not (tmp_path / "r.h5").exists()
        (tmp_path / name).unlink()


def seal(path):
    """as segmpi does it (src/store/seal.c), here for a file that segmpi has not made"""
    xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]
    body = path.read_bytes()
    words = struct.pack("<3Q", 0, len(body), xxh3(body, len(body)))
    path.write_bytes(body + words + struct.pack("<Q", xxh3(words, len(words))) + b"segmpi\r\n")


def test_partial_scores_with_longer_rows_are_refused(segmpi, folder, tmp_path):
    """from someone who knows how they are sealed"""
    words = ["score", folder / "model.h5", folder / "new.h5", "-o", tmp_path / "wide.h5", "--resume"]
    assert segmpi(*words, "--max-seconds", 0.001, ranks=2, ok=False).returncode == 75
    partial = tmp_path / "wide.h5.partial"
    kept = partial.read_bytes()
    for name in ("distance", "cluster", "n_imputed"):
        partial.write_bytes(kept)
        with h5py.File(partial, "r+") as file:
            old = file[name][:]
            del file[name], file[f"checksums/{name}"]
            file[name] = np.repeat(old[:, None], 300, axis=1)
        seal(partial)
        found = segmpi(*words, ok=False)
        assert found.returncode == 65 and re.search(f"'{name}' in .* has not the shape", found.stderr), found.stderr
        assert not (tmp_path / "wide.h5").exists()


def test_partial_scores_of_something_else_are_refused(segmpi, folder, many):
    words = ["score", folder / "model.h5", folder / "new.h5", "-o", folder / "again.h5", "--resume"]
    fresh = segmpi(*words, "--max-seconds", 0.001, ranks=2, ok=False)
    assert fresh.returncode == 75 and "a fresh start" in fresh.stderr
    partial = folder / "again.h5.partial"
    kept = partial.read_bytes()
    for other in (["--components", 2], [folder / "many.h5"]):
        changed = [*words[:2], other[0], *words[3:]] if len(other) == 1 else [*words, *other]
        found = segmpi(*changed, ok=False)
        assert found.returncode == 65 and "belongs to other options or clients" in found.stderr
    for core in ("Prescott", "Nehalem"):  # one of them is not this machine's, and rounds otherwise
        found = segmpi(*words, "--max-seconds", 0.001, env={"OPENBLAS_CORETYPE": core}, ok=False)
        if found.returncode == 65:
            break
    assert found.returncode == 65 and "BLAS library or CPU" in found.stderr and partial.read_bytes() == kept
    with h5py.File(partial) as file:
        assert len(file.attrs["identity"]) == 16  # however many files there are
        at = file["distance"].id.get_offset()
    partial.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1:])
    found = segmpi(*words, ok=False)
    assert found.returncode == 65 and "damaged" in found.stderr
    partial.write_bytes(kept)
    again = segmpi(*words, ranks=2)
    assert "going on" in again.stderr and not partial.exists()
    expected = contents(folder / "new-scores.h5")
    found = contents(folder / "again.h5")
    assert all(found[name] == expected[name] for name in ("cluster", "distance", "reference/bin_counts"))
