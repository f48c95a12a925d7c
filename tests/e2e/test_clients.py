"""Clients straight from CSV: what `fit`, `elbow` and `describe` make of them is what they make of an imported table."""

import csv
import fcntl

import h5py
import pytest

from conftest import TOP
from judge import contents, differences, messages, read_model

SAMPLE = TOP / "data" / "sample" / "clients.csv"
QUICK = ["--n-init", 2, "--no-swaps"]
COMMANDS = {"fit": ["-k", 4, *QUICK, "--stability", 0], "elbow": ["--k-max", 3, *QUICK], "describe": []}


def core(path):
    """all that does not name the file it comes from"""
    own = ("provenance@input_name", "provenance@input_bytes", "@content_checksum", "@seal")
    return {name: value for name, value in contents(path).items() if name not in own}


@pytest.fixture(scope="module")
def table(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "clients.h5"
    segmpi("import", SAMPLE, "-o", path, ranks=2)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_csv_gives_what_its_table_gives(segmpi, table, tmp_path, command):
    segmpi(command, table, "-o", tmp_path / "a.h5", *COMMANDS[command], ranks=2)
    segmpi(command, SAMPLE, "-o", tmp_path / "b.h5", *COMMANDS[command], ranks=2)
    assert differences(core(tmp_path / "a.h5"), core(tmp_path / "b.h5")) == []
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["provenance"].attrs["input_name"] == b"clients.csv"
        assert file["provenance"].attrs["input_bytes"] == SAMPLE.stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "b.h5"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """the sample in two files as a bank may have it: semicolons, decimal commas, a weight, a column of numbers and texts"""
    folder = tmp_path_factory.mktemp("parts")
    with open(SAMPLE) as file:
        header, *rows = csv.reader(file)
    for name, some in (("a.csv", rows[:600]), ("b.csv", rows[600:])):
        lines = [[*header, "times", "odd"]]
        lines += [[*(cell.replace(".", ",") for cell in row), "2", "7" if i % 3 else "n/k"] for i, row in enumerate(some)]
        (folder / name).write_text("\n".join(map(";".join, lines)) + "\n")
    return folder


def test_only_wanted_columns_are_read(segmpi, parts, tmp_path):
    """other ones may hold anything; weights and profiled columns are wanted without being named"""
    files, fit = [parts / "a.csv", parts / "b.csv"], ["-o", tmp_path / "m.h5", *COMMANDS["fit"]]
    refused = segmpi("fit", *files, *fit, ok=False)
    assert refused.returncode == 65 and "'odd'" in refused.stderr and len(messages(refused)) == 1
    assert list(tmp_path.iterdir()) == []
    segmpi("fit", *files, *fit, "--exclude-columns", "odd,TENURE", "--weights", "times", "--profile-only", "BALANCE")
    model = read_model(tmp_path / "m.h5")
    assert len(model.feature) == 15 and not {"odd", "TENURE", "times", "BALANCE"} & set(model.feature)
    assert model.kmeans.cluster_size.sum() == 2000
    segmpi("fit", *files, *fit, "--columns", "PURCHASES,CASH_ADVANCE", "--weights", "times", "--profile-only",
           "BALANCE", "--force")
    assert read_model(tmp_path / "m.h5").feature.tolist() == ["PURCHASES", "CASH_ADVANCE"]
    assert "PURCHASES" in segmpi("describe", *files, "--columns", "PURCHASES", cwd=tmp_path).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"m.h5"}


@pytest.mark.parametrize("words, says", [
    (["{table}", "--delimiter", ";"], "--delimiter is for CSV"),
    (["{table}", "--exclude-ids", "x"], "--exclude-ids is for CSV"),
    (["{csv}", "--dataset", "x"], "--dataset is for HDF5"),
    (["{table}", "{table}"], "only CSV files can be several"),
])
def test_words_without_effect_are_refused(segmpi, table, tmp_path, words, says):
    words = [word.format(table=table, csv=SAMPLE) for word in words]
    result = segmpi("describe", *words, "-o", tmp_path / "d.h5", ok=False)
    assert result.returncode == 64 and says in result.stderr and len(messages(result)) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_a_run_that_has_not_ended_is_left_alone(segmpi, table, tmp_path):
    """two runs import CSV files of one name in one folder"""
    hidden = tmp_path / ".clients.csv.clients"
    hidden.write_bytes(table.read_bytes())
    with hidden.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = segmpi("describe", SAMPLE, cwd=tmp_path, ranks=2, ok=False)
        assert result.returncode == 73 and "has not ended" in result.stderr and len(messages(result)) == 1
        assert hidden.read_bytes() == table.read_bytes()
    part = tmp_path / "..clients.csv.clients.abcdef.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = segmpi("describe", SAMPLE, cwd=tmp_path, ok=False)
        assert result.returncode == 73 and "the table that CSV becomes" in result.stderr
    part.unlink()
    segmpi("describe", SAMPLE, cwd=tmp_path, ranks=2)  # what a killed run has left is removed
    assert list(tmp_path.iterdir()) == []
