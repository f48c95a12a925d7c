"""A model as SQL, run in SQLite: the labels of the fit, except where two centers are equally near."""

import sqlite3

import h5py
import numpy as np
import pytest

from judge import messages, read_model

NEAR_TIE = 1e-5  # margin below which the rounding of prepared values decides

# quotes, what looks like code, and letters beyond ASCII
NAMES = ['plain', 'O"Brien\'s', '"; DROP TABLE clients; --', 'Größe', 'x0', 'client_id']


def label(table, model, folder, segmpi, *words, table_name="clients", ids=None):
    """rows of the SELECT over the cells of a table, checked to be those of the model; ids number the rows"""
    segmpi("export", model, "--sql", folder / "model.sql", "--force", *words)
    with h5py.File(table) as file:
        names, x = file["feature"].asstr()[:], file["features"][:].astype(float)
    ids = range(len(x)) if ids is None else ids
    database = sqlite3.connect(":memory:")
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in ["the id", *names])
    database.execute(f"CREATE TABLE {table_name} ({quoted})")
    cells = ((i, *(None if np.isnan(value) else value for value in row)) for i, row in zip(ids, x))
    database.executemany(f"INSERT INTO {table_name} VALUES ({', '.join('?' * (len(names) + 1))})", cells)
    rows = database.execute((folder / "model.sql").read_text())
    columns = [column[0] for column in rows.description]
    return columns, rows.fetchall()


def check(rows, path):
    model = read_model(path)
    labels, segments = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    certain = model.labels.margin > NEAR_TIE
    assert certain.mean() > 0.999
    assert np.array_equal(labels[certain], model.labels.cluster[certain])
    assert np.array_equal(segments[certain], model.labels.segment[certain])
    assert all(row[3] == model.segments.name[row[2]] for row in rows)
    assert len(set(labels)) == len(model.kmeans.cluster_size)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """clients with gaps, infinite cells, whole numbers, long tails, and names that want quotes"""
    path = tmp_path_factory.mktemp("export") / "clients.h5"
    draw = np.random.default_rng(5)
    x = draw.normal(size=(3000, len(NAMES))) * [1, 2, 3, 4, 5, 6] + draw.integers(0, 3, (3000, 1)) * 4
    x[:, 1] = np.exp(x[:, 1])
    x[:, 2] = np.round(x[:, 2])
    x[draw.random(x.shape) < 0.05] = np.nan
    x[7, 3], x[8, 3] = np.inf, -np.inf
    with h5py.File(path, "w") as file:
        file["features"], file["feature"] = x, NAMES
        file["feature"].make_scale("feature")
        file["features"].dims[1].attach_scale(file["feature"])
    return path


@pytest.mark.parametrize("words", [
    ("--transform", "O\"Brien's=log1p,plain=sqrt", "-k", 6),
    ("--embed", "pca:3", "--whiten", "--outliers", "none", "--scale", "robust"),
    ("-k", 1, "--scale", "minmax", "--impute", "mean"),
])
def test_sql_gives_the_labels_of_the_fit(segmpi, table, tmp_path, words):
    segmpi("fit", table, "-o", tmp_path / "m.h5", "--n-init", 2, *words, ranks=2)
    named_as_a_step = ("--table", "labels", "--id", "the id")
    columns, rows = label(table, tmp_path / "m.h5", tmp_path, segmpi, *named_as_a_step, table_name="labels")
    assert columns == ["the id", "cluster_number", "segment_number", "segment_name"]
    assert [row[0] for row in rows] == list(range(3000))
    check(rows, tmp_path / "m.h5")


def test_sql_and_score_give_the_segments_of_the_real_table(segmpi, real_table, tmp_path):
    segmpi("import", real_table, "-o", tmp_path / "c.h5", ranks=2)
    segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "--n-init", 2, ranks=2)
    words = ("--table", "main.people", "--id", "the id", "--materialized")
    _, rows = label(tmp_path / "c.h5", tmp_path / "m.h5", tmp_path, segmpi, *words, table_name="people")
    assert len(rows) == 8950
    check(rows, tmp_path / "m.h5")
    segmpi("score", tmp_path / "m.h5", tmp_path / "c.h5", "-o", tmp_path / "s.h5", ranks=3)
    with h5py.File(tmp_path / "m.h5") as model, h5py.File(tmp_path / "s.h5") as scores:
        for name, labels in model["labels"].items():
            assert labels[:].tobytes() == scores[name][:].tobytes() and labels.dtype == scores[name].dtype


def test_what_cannot_be_exported_is_refused(segmpi, table, tmp_path):
    words = ("--embed", "autoencoder", "--ae-epochs", 1, "--n-init", 1)
    segmpi("fit", table, "-o", tmp_path / "m.h5", *words)
    result = segmpi("export", tmp_path / "m.h5", "--sql", tmp_path / "m.sql", ok=False)
    assert result.returncode == 65 and "autoencoder" in messages(result)[0]
    assert not (tmp_path / "m.sql").exists()
    assert segmpi("export", table, "--sql", tmp_path / "m.sql", ok=False).returncode == 65
    (tmp_path / "m.sql").write_text("old")
    assert segmpi("export", tmp_path / "m.h5", "--sql", tmp_path / "m.sql", ok=False).returncode == 73
    assert segmpi("export", tmp_path / "m.h5", "--sql", tmp_path / "m.h5", "--force", ok=False).returncode == 64
    assert (tmp_path / "m.sql").read_text() == "old"
