"""Edges: few rows on many ranks, values at the limits, files and folders that do not play along.  A documented result
or exit code, one message, no file left, and never a hang."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from judge import check_clusters, check_components, contents, differences, messages, read_model, read_table, warnings


def put(path, columns):
    """an HDF5 file with a 2-D dataset of the named columns"""
    with h5py.File(path, "w") as file:
        file["x"] = np.stack([np.asarray(values, float) for values in columns.values()], axis=1)
        file["x"].attrs["names"] = list(columns)
    return path


@pytest.fixture
def fails(segmpi, tmp_path):
    """fails(code, says, *words): one message, and the folder stays as it was"""

    def run(code, says, *words, folder=tmp_path, **how):
        before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        result = segmpi(*words, ok=False, timeout=60, **how)
        assert result.returncode == code, result.stderr
        assert len(messages(result)) == 1 and says in result.stderr, result.stderr
        assert result.stdout == ""
        assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before

    return run


def noise(rows, seed=0):
    return np.random.default_rng(seed).normal(size=rows)


# ---- few rows ----


@pytest.mark.parametrize("rows", [1, 63, 1025])
def test_more_ranks_than_rows(segmpi, tmp_path, rows):
    clients = tmp_path / "c.h5"
    segmpi("generate", rows, "-o", clients, ranks=64)
    segmpi("fit", clients, "-o", tmp_path / "many.h5", "-k", min(rows, 5), "--stability", 2, ranks=64)
    segmpi("fit", clients, "-o", tmp_path / "one.h5", "-k", min(rows, 5), "--stability", 2)
    assert differences(contents(tmp_path / "many.h5"), contents(tmp_path / "one.h5")) == []
    check_clusters(read_model(tmp_path / "many.h5"), read_table(clients)[1])


@pytest.mark.parametrize("ranks", [1, 64])
def test_no_rows_at_all(fails, tmp_path, ranks):
    fails(65, "has no rows", "fit", put(tmp_path / "c.h5", {"a": [], "b": []}), "-o", tmp_path / "m.h5", ranks=ranks)
    (tmp_path / "c.csv").write_text("id,a,b\n")
    fails(65, "has no data rows", "import", tmp_path / "c.csv", "-o", tmp_path / "o.h5", ranks=ranks)


def test_one_client(segmpi, tmp_path):
    segmpi("fit", put(tmp_path / "c.h5", {"a": [3.0], "b": [-7.5]}), "-o", tmp_path / "m.h5", "-k", 1, ranks=2)
    model = read_model(tmp_path / "m.h5")
    assert model.kmeans.cluster_centers_original.tolist() == [[3.0, -7.5]]
    assert (model.kmeans.inertia, model.labels.cluster.tolist(), model.labels.distance.tolist()) == (0, [0], [0])
    assert model.pca.explained_variance.tolist() == model.pca.explained_variance_ratio.tolist() == [0]


# ---- few or many clusters ----


def test_one_cluster_is_the_mean(segmpi, tmp_path):
    x = np.stack([noise(5000), 100 + noise(5000, 1)], axis=1)
    clients = put(tmp_path / "c.h5", {"a": x[:, 0], "b": x[:, 1]})
    segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 1, "--outliers", "none", ranks=3)
    model = read_model(tmp_path / "m.h5")
    assert model.kmeans.cluster_centers_original[0] == pytest.approx(x.mean(axis=0), abs=1e-6)
    assert model.kmeans.inertia == pytest.approx(model.kmeans.total_inertia, rel=1e-12)
    assert (model.labels.margin == 1).all() and (model.labels.cluster == 0).all()
    check_clusters(model, x)


@pytest.mark.parametrize("rows", [2, 17, 300])
def test_as_many_clusters_as_clients(segmpi, tmp_path, rows):
    clients = put(tmp_path / "c.h5", {"a": noise(rows), "b": noise(rows, 1)})
    segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", rows, "--n-init", 2, ranks=3)
    model = read_model(tmp_path / "m.h5")
    assert model.kmeans.cluster_size.tolist() == [1] * rows
    assert sorted(model.labels.cluster) == list(range(rows))
    assert model.kmeans.inertia == pytest.approx(0, abs=1e-12 * model.kmeans.total_squares)
    assert model.labels.distance == pytest.approx(0, abs=1e-6)


def test_more_clusters_than_clients(fails, tmp_path):
    clients = put(tmp_path / "c.h5", {"a": noise(7)})
    for ranks in (1, 3):
        fails(65, "8 clusters are more than there are clients", "fit", clients, "-o", tmp_path / "m.h5", ranks=ranks)


def test_fewer_distinct_clients_than_clusters(segmpi, tmp_path):
    clients = put(tmp_path / "c.h5", {"a": [1, 2, 3] * 500, "b": [5, 5, 6] * 500})
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 5, "--outliers", "none", ranks=2)
    model = read_model(tmp_path / "m.h5")
    assert any("3 clusters instead of 5" in line for line in warnings(result))
    assert model.kmeans.cluster_size.tolist() == [500, 500, 500]
    assert model.kmeans.inertia == pytest.approx(0, abs=1e-9)


def test_all_clients_equal(segmpi, tmp_path):
    clients = put(tmp_path / "c.h5", {"a": [4.25] * 2000, "b": [-1.0] * 2000})
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 3, ranks=3)
    model = read_model(tmp_path / "m.h5")
    assert any("is constant" in line for line in warnings(result))
    assert model.kmeans.cluster_size.tolist() == [2000]
    assert model.kmeans.cluster_centers_original.tolist() == [[4.25, -1.0]]
    assert (model.kmeans.inertia, model.preprocessing.scale.tolist()) == (0, [1, 1])
    assert (model.labels.cluster == 0).all() and (model.labels.distance == 0).all()


# ---- columns and values ----


def test_one_column(segmpi, tmp_path):
    x = np.concatenate([noise(700), 20 + noise(500, 1), -20 + noise(100, 2)])
    segmpi("fit", put(tmp_path / "c.h5", {"a": x}), "-o", tmp_path / "m.h5", "-k", 3, "--outliers", "none", ranks=2)
    model = read_model(tmp_path / "m.h5")
    assert model.kmeans.cluster_size.tolist() == [700, 500, 100]
    assert model.pca.explained_variance_ratio.tolist() == [1] and model.pca.components.tolist() == [[1]]
    check_clusters(model, x[:, None])
    check_components(model, x[:, None])


HUGE = {
    "one cell": np.where(np.arange(3000) == 5, 1e300, noise(3000)),
    "all cells": 1e300 + 1e284 * noise(3000),
    "both signs": np.where(np.arange(3000) % 2, 1e300, -1e300),
    "the largest": np.where(np.arange(3000) % 2, 1.7e308, -1.7e308),
}


@pytest.mark.parametrize("outliers", ["none", "quantile:0.01", "iqr:3", "z:5"])
@pytest.mark.parametrize("values", HUGE)
def test_a_column_of_1e300(segmpi, tmp_path, values, outliers):
    """capped or scaled into reach, or refused by its name"""
    clients = put(tmp_path / "c.h5", {"a": noise(3000, 1), "huge": HUGE[values]})
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 2, "--outliers", outliers, ranks=2, ok=False)
    assert result.returncode in (0, 65), result.stderr
    if result.returncode == 65:
        assert len(messages(result)) == 1 and "'huge'" in messages(result)[0]
        assert os.listdir(tmp_path) == ["c.h5"]
        return
    model = read_model(tmp_path / "m.h5")
    assert np.isfinite(model.kmeans.cluster_centers_original).all() and np.isfinite(model.kmeans.inertia)
    check_clusters(model, read_cells(clients))
    if values == "one cell" and outliers == "quantile:0.01":
        assert model.preprocessing.upper_bound[1] < 10


def read_cells(path):
    with h5py.File(path) as file:
        return file["x"][:]


def test_values_too_large_to_square_without_a_scale(fails, tmp_path):
    clients = put(tmp_path / "c.h5", {"a": noise(100), "huge": 1e19 * noise(100, 1)})
    fails(65, "'huge'", "fit", clients, "-o", tmp_path / "m.h5", "-k", 2, "--scale", "none", ranks=2)


def test_cells_that_are_not_finite_are_gaps(segmpi, tmp_path):
    x = np.stack([noise(3000), noise(3000, 1)], axis=1)
    x[::7, 0], x[5, 1], x[9, 1], x[11, 1] = np.nan, np.inf, -np.inf, np.nan
    clients = put(tmp_path / "c.h5", {"a": x[:, 0], "b": x[:, 1]})
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 4, ranks=3)
    assert warnings(result) == ["warning: infinite cells are taken as missing: 2"]
    model, finite = read_model(tmp_path / "m.h5"), np.where(np.isfinite(x), x, np.nan)
    assert model.preprocessing.missing.tolist() == np.isnan(finite).sum(axis=0).tolist()
    assert model.preprocessing.fill_value.tolist() == np.nanmedian(finite, axis=0).tolist()
    check_clusters(model, x)


def test_a_column_without_any_value(fails, tmp_path):
    for value in (np.nan, np.inf):
        clients = put(tmp_path / "c.h5", {"a": noise(50), "gone": [value] * 50})
        fails(65, "--exclude-columns 'gone'", "fit", clients, "-o", tmp_path / "m.h5", "-k", 2, "--quiet", ranks=2)


def test_a_constant_column_does_not_separate(segmpi, tmp_path):
    x = np.stack([noise(900), np.full(900, 7.25)], axis=1)
    clients = put(tmp_path / "c.h5", {"a": x[:, 0], "same": x[:, 1]})
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 2, ranks=2)
    assert any("'same' is constant" in line for line in warnings(result))
    model = read_model(tmp_path / "m.h5")
    assert (model.preprocessing.mean[1], model.preprocessing.scale[1]) == (7.25, 1)
    assert (model.kmeans.cluster_centers[:, 1] == 0).all()
    check_clusters(model, x)


# ---- files and folders ----


@pytest.fixture
def open_folder():
    """a folder that every user can reach"""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize("ranks", [None, 3])
def test_no_permission_is_77(program, environment, segmpi, open_folder, ranks):
    """to read the input, or to write into the folder of the output"""
    binary = shutil.copy(program, open_folder / "segmpi")
    for name in ("mine", "yours"):
        (open_folder / name).mkdir()
    segmpi("generate", 50, "-o", open_folder / "c.h5", "--csv", open_folder / "c.csv")
    clients, secret = open_folder / "c.h5", open_folder / "secret.h5"
    shutil.copy(clients, secret)
    for path in open_folder.glob("c.*"):
        path.chmod(0o644)
    secret.chmod(0)
    (open_folder / "secret.csv").write_text("id,a\n1,2\n")
    (open_folder / "secret.csv").chmod(0)
    who = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    (open_folder / "mine").chmod(0o777)
    (open_folder / "yours").chmod(0o555)

    def run(*words):
        launcher = [] if ranks is None else ["mpirun", "-n", str(ranks)]
        return subprocess.run([*launcher, binary, *map(str, words)], capture_output=True, text=True, timeout=60,
                              cwd=open_folder, env={**environment, "HOME": str(open_folder)}, **who)

    assert run("fit", clients, "-o", "mine/m.h5", "-k", 2).returncode == 0
    for words in (["fit", secret, "-o", "mine/a.h5"], ["import", "secret.csv", "-o", "mine/a.h5"],
                  ["fit", clients, "-o", "yours/a.h5"], ["import", "c.csv", "-o", "yours/a.h5"],
                  ["generate", "10", "-o", "yours/a.h5"], ["generate", "10", "-o", "mine/a.h5", "--csv", "yours/a.csv"]):
        result = run(*words)
        assert result.returncode == 77, (words, result.stderr)
        assert len(messages(result)) == 1 and "ermission denied" in result.stderr
    assert run("inspect", secret).returncode == 77
    assert os.listdir(open_folder / "mine") == ["m.h5"] and os.listdir(open_folder / "yours") == []


FULL = {
    "generate": ["generate", "20000", "-o", "{}/o.h5"],
    "generate --csv": ["generate", "6000", "-o", "{}/o.h5", "--csv", "{}/o.csv"],
    "import": ["import", "clients.csv", "-o", "{}/o.h5"],
    "fit": ["fit", "clients.h5", "-o", "{}/o.h5", "-k", "2", "--n-init", "1"],
}


@pytest.fixture(scope="module")
def inputs(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    segmpi("generate", 20000, "-o", folder / "clients.h5", "--csv", folder / "clients.csv")
    return folder


def can_mount():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no private mounts here")
@pytest.mark.parametrize("ranks", [1, 4])
@pytest.mark.parametrize("command", FULL)
@pytest.mark.parametrize("kilobytes", [0, 8, 100])
def test_a_full_disk_is_74(program, environment, inputs, tmp_path, command, ranks, kilobytes):
    """a file system with so much room left, in a mount namespace of its own; what is left on it goes to the end of
    stdout"""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = ('mount -t tmpfs -o size=1m none "$0" && head -c $((1024 * (1024 - $1))) /dev/zero >"$0/filler" 2>/dev/null;'
              ' shift; "$@"; code=$?; ls -A "$0"; exit $code')
    words = [word.format(disk) for word in FULL[command]]
    run = ["unshare", "-m", "sh", "-c", script, disk, str(kilobytes)]
    run += ["mpirun", "-n", str(ranks), program, *words, "--quiet"]
    result = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=inputs, env=environment)
    assert result.returncode == 74, result.stderr
    assert len(messages(result)) == 1 and "No space left on device" in result.stderr, result.stderr
    assert result.stdout.split() == ["filler"]


@pytest.mark.parametrize("command", FULL)
def test_a_limit_of_file_size_is_74(program, environment, inputs, tmp_path, command):
    words = [word.format(tmp_path) for word in FULL[command]]
    run = ["mpirun", "-n", "1", "sh", "-c", 'ulimit -f 128 && exec "$0" "$@"', program, *words, "--quiet"]
    environment = {**environment, "UCX_TLS": "self"}  # or MPICH would make files in memory, too large ones
    result = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=inputs, env=environment)
    assert result.returncode == 74, result.stderr
    assert len(messages(result)) == 1 and "File too large" in result.stderr, result.stderr
    assert os.listdir(tmp_path) == []


def test_a_standard_output_that_is_full_is_74(program, environment, inputs):
    with open("/dev/full", "w") as full:
        result = subprocess.run([program, "inspect", inputs / "clients.h5"], stdout=full, stderr=subprocess.PIPE,
                                text=True, env=environment)
    assert result.returncode == 74 and len(messages(result)) == 1


# ---- damage ----


@pytest.fixture(scope="module")
def small(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    segmpi("generate", 1500, "-o", folder / "clients.h5")
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "-k", 3, "--n-init", 2)
    return folder


def everything(path):
    """all that can be read from a file, or None where reading fails"""
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from judge import contents; " \
             "print(hash(str(sorted(contents(sys.argv[1]).items()))))"
    result = subprocess.run(["/usr/bin/python3", "-c", script, path], capture_output=True, text=True, timeout=60,
                            env={**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"})
    return result.stdout if result.returncode == 0 else None


@pytest.mark.parametrize("name", ["clients.h5", "model.h5"])
def test_a_flipped_bit_is_found_or_changes_nothing(segmpi, small, tmp_path, name):
    whole = (small / name).read_bytes()
    random = np.random.default_rng(len(whole))
    places = [*range(0, 96, 7), *random.integers(0, len(whole), 60).tolist(), *range(len(whole) - 300, len(whole), 43)]
    unseen = []
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        (tmp_path / name).write_bytes(damaged)
        result = segmpi("inspect", "--check", tmp_path / name, ok=False, timeout=10)
        assert result.returncode in (0, 65), (place, result.stderr)
        assert len(messages(result)) == (result.returncode == 65)
        if result.returncode == 0:
            unseen.append(place)
            assert everything(tmp_path / name) == everything(small / name), f"byte {place}"
    assert len(unseen) < len(places) / 3  # bytes of the file that nothing uses


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_damaged_table_is_65(fails, small, tmp_path, ranks):
    with h5py.File(small / "clients.h5") as file:
        place = file["features"].id.get_offset() + 8 * 17 * 1200
    whole = (small / "clients.h5").read_bytes()
    damages = {"a cell": whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1:],
               "half": whole[: len(whole) // 2], "2000 bytes short": whole[:-2000], "empty": b"", "text": b"id,a\n1,2\n" * 100}
    for what, damaged in damages.items():
        (tmp_path / "c.h5").write_bytes(damaged)
        fails(65, "c.h5", "fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "-k", 2, "--quiet", ranks=ranks)


def test_a_model_that_was_edited_is_65(fails, small, tmp_path):
    shutil.copy(small / "model.h5", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["kmeans/cluster_centers_original"][0, 0] += 1
    fails(65, "m.h5", "inspect", "--check", tmp_path / "m.h5")
    fails(65, "m.h5", "fit", small / "clients.h5", "-o", tmp_path / "o.h5", "-k", 3, "--init", tmp_path / "m.h5",
          "--quiet", ranks=2)


def test_a_damaged_model_is_65(fails, small, tmp_path):
    whole = (small / "model.h5").read_bytes()
    with h5py.File(small / "model.h5") as file:
        place = file["kmeans/cluster_centers_original"].id.get_offset() + 3
    for damaged in (whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:], whole[:5000], b""):
        (tmp_path / "m.h5").write_bytes(damaged)
        fails(65, "m.h5", "inspect", tmp_path / "m.h5")
        fails(65, "m.h5", "fit", small / "clients.h5", "-o", tmp_path / "o.h5", "-k", 3, "--init", tmp_path / "m.h5",
              "--quiet", ranks=2)


def test_a_file_of_a_later_version_is_65(fails, small, tmp_path):
    shutil.copy(small / "clients.h5", tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file.attrs["format_version"] = "9.0"
    fails(65, "version 9.0", "fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", ranks=2)


def test_a_model_is_no_table_and_a_table_no_model(fails, small, tmp_path):
    fails(65, "format 'model'", "fit", small / "model.h5", "-o", tmp_path / "m.h5", ranks=2)
    fails(65, "kmeans", "fit", small / "clients.h5", "-o", tmp_path / "m.h5", "--init", small / "clients.h5", "--quiet",
          ranks=2)
