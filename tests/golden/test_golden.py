"""Files of each released format: they are read, and scored with, as when they were written; later formats are refused."""

import shutil
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest

HERE = Path(__file__).parent
ARCHIVES = sorted(path.name for path in HERE.glob("*.tar.gz"))
CHECKPOINT = "stopped.h5.checkpoint-000001"


@pytest.fixture(scope="module", params=ARCHIVES)
def golden(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(HERE / request.param) as archive:
        archive.extractall(folder)
    return folder


def test_each_file_is_whole_and_told(segmpi, golden):
    words = {"clients.h5": "60 clients, 4 features", "describe.h5": "60 clients", "elbow.h5": "k from 1 to 4",
             "model.h5": "Choice of k", "code.h5": "autoencoder", "scores.h5": "scores of 60 clients",
             CHECKPOINT: "format checkpoint"}
    assert sorted(path.name for path in golden.iterdir()) == sorted([*words, "clients.csv", "comparison.json"])
    for name, part in words.items():
        assert "ok: " in segmpi("inspect", "--check", golden / name).stdout
        assert part in segmpi("inspect", golden / name).stdout, name


def test_clients_get_the_labels_that_they_had(segmpi, golden, tmp_path):
    segmpi("score", golden / "model.h5", golden / "clients.h5", "-o", tmp_path / "scores.h5", "-q", ranks=2)
    segmpi("score", golden / "code.h5", golden / "clients.h5", "-o", tmp_path / "code.h5", "-q")
    with h5py.File(golden / "scores.h5") as was, h5py.File(tmp_path / "scores.h5") as now:
        for name in ("cluster", "segment", "distance", "ids/client_id"):
            assert np.array_equal(was[name][:], now[name][:]), name
    with h5py.File(golden / "code.h5") as model, h5py.File(tmp_path / "code.h5") as now:
        assert np.array_equal(model["labels/cluster"][:], now["cluster"][:])
    text = segmpi("compare", golden / "scores.h5", tmp_path / "scores.h5").stdout
    assert "model" in text and "0 moved" in text, text


def test_what_commands_take_from_files_is_taken_from_these(segmpi, golden, tmp_path):
    segmpi("fit", golden / "clients.h5", "-o", tmp_path / "m.h5", "-k", "auto", "--elbow", golden / "elbow.h5",
           "--match", golden / "model.h5", "--stability", 0, "--n-init", 1, "-q")
    segmpi("report", golden / "model.h5", "-o", tmp_path / "page", "--compare", golden / "comparison.json",
           "--scores", golden / "scores.h5", "-q")
    page = (tmp_path / "page/report.html").read_text()
    assert "Population stability index from scores.h5" in page and "changed segment" in page


def test_a_checkpoint_is_of_one_build(segmpi, golden, tmp_path):
    shutil.copy(golden / CHECKPOINT, tmp_path / CHECKPOINT)
    found = segmpi("fit", golden / "clients.h5", "-o", tmp_path / "stopped.h5", "-k", 3, "--resume", ok=False)
    assert found.returncode == 65
    assert "is not used: it belongs to " in found.stderr and "leave --resume out" in found.stderr


def test_a_later_format_is_refused_by_its_number(segmpi, golden, tmp_path):
    for name in ("clients.h5", "describe.h5", "elbow.h5", "model.h5", "scores.h5"):
        path = tmp_path / name
        shutil.copy(golden / name, path)
        with h5py.File(path, "r+") as file:
            file.attrs["format_version"] = "2.0"
        found = segmpi("inspect", path, ok=False)
        assert found.returncode == 65 and "has format version 2.0" in found.stderr, (name, found.stderr)
