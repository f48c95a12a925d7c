"""segmpi elbow: its indices judged by scikit-learn on the same rounded matrix, its costs by the best known, its choice of
k on tables whose number of clusters is known; the sweep inside a model."""

import json
import os
import pty
import re
import struct
import termios
from fcntl import ioctl

import h5py
import numpy as np
import pytest
import xarray
from pytest import approx
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score, silhouette_score

from judge import contents, differences, exact_sum, prepare, read_model, read_table, rounded, squared_distances

# lowest costs known of the real table: median fill, no outlier step, standard scaling
COSTS = {1: 152149.995, 2: 127784.301, 3: 111973.362, 4: 99061.696, 5: 91489.822, 6: 84824.161, 7: 79500.780,
         8: 74463.324, 10: 66427.210}


@pytest.fixture(scope="module")
def elbow(segmpi, tmp_path_factory):
    """elbow(clients, *words, ranks=...): path of the sweep"""
    folder = tmp_path_factory.mktemp("elbow")

    def run(clients, *words, ranks=2):
        path = folder / f"{len(list(folder.iterdir()))}.h5"
        segmpi("elbow", clients, "-o", path, *words, ranks=ranks, timeout=300)
        return path

    return run


@pytest.fixture(scope="module")
def real(segmpi, real_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "clients.h5"
    segmpi("import", real_table, "-o", path)
    return path


@pytest.fixture(scope="module")
def plain(elbow, real):
    return elbow(real, "--outliers", "none", "--k-max", 20)


@pytest.fixture(scope="module")
def generated(segmpi, tmp_path_factory):
    """more clients than a silhouette over all pairs takes"""
    path = tmp_path_factory.mktemp("generated") / "clients.h5"
    segmpi("generate", 21000, "-o", path, ranks=2)
    return path


def put(path, x, weights=None):
    columns = [f"c{t}" for t in range(x.shape[1])]
    with h5py.File(path, "w") as file:
        file["x"] = x if weights is None else np.column_stack([x, weights])
        file["x"].attrs["names"] = columns + ([] if weights is None else ["weight"])
    return path


def heaps(k, n, d=3, seed=0):
    """k heaps that stand apart, in random order"""
    draws = np.random.default_rng(seed)
    centers = np.array([[10 * (j >> t & 1) + 3 * j for t in range(d)] for j in range(k)], float)
    return draws.permutation(centers[np.arange(n) % k] + draws.normal(size=(n, d)))


def matrix_and_labels(path, cells, k):
    """the matrix of the method, and the float64 labels of the written centers for one k"""
    sweep = read_model(path)
    z = rounded(sweep, prepare(sweep, cells))
    centers = sweep.cluster_centers[list(sweep.n_clusters).index(k)]
    return z, squared_distances(z, centers[~np.isnan(centers[:, 0])]).argmin(axis=1)


# ---- the indices ----


def simplified_silhouette(z, labels):
    means = np.stack([z[labels == j].mean(axis=0) for j in range(labels.max() + 1)])
    distance = np.sqrt(squared_distances(z, means))
    own = distance[np.arange(len(z)), labels]
    distance[np.arange(len(z)), labels] = np.inf
    other = distance.min(axis=1)
    alone = np.bincount(labels)[labels] == 1
    return np.where(alone, 0, (other - own) / np.maximum(other, own)).mean()


def check_panel(path, cells, k):
    """all but the silhouette over all pairs"""
    sweep = xarray.open_dataset(path).sel(n_clusters=k)
    z, labels = matrix_and_labels(path, cells, k)
    within = exact_sum((z - np.stack([z[labels == j].mean(axis=0) for j in range(k)])[labels]) ** 2)
    total = exact_sum((z - z.mean(axis=0)) ** 2)
    size = np.bincount(labels, minlength=k)

    assert sweep.cluster_size.values[:k] == approx(size)
    assert (sweep.cluster_size.values[k:] == 0).all()
    assert float(sweep.inertia) == approx(within, rel=1e-9)
    assert float(sweep.variance_explained) == approx(1 - within / total, rel=1e-9)
    assert float(sweep.davies_bouldin) == approx(davies_bouldin_score(z, labels), rel=1e-9)
    assert float(sweep.calinski_harabasz) == approx(calinski_harabasz_score(z, labels), rel=1e-9)
    assert float(sweep.silhouette_simplified) == approx(simplified_silhouette(z, labels), rel=1e-9)
    assert float(sweep.smallest_share) == size.min() / len(z)
    return z, labels, sweep


@pytest.mark.parametrize("k", [2, 3, 5, 8, 20])
def test_indices_are_those_of_scikit_learn(plain, real, k):
    z, labels, sweep = check_panel(plain, read_table(real)[1], k)
    assert float(sweep.silhouette) == approx(silhouette_score(z, labels), rel=1e-9)
    assert int(sweep.silhouette_clients) == 8950
    assert sweep.silhouette.attrs["method"] == "all pairs of clients"


def test_one_cluster_has_no_index(plain):
    one = xarray.open_dataset(plain).sel(n_clusters=1)
    assert np.isnan([one.silhouette, one.silhouette_simplified, one.davies_bouldin, one.calinski_harabasz]).all()
    assert float(one.variance_explained) == 0 and float(one.smallest_share) == 1


@pytest.mark.parametrize("k", [2, 6])
def test_many_clients_are_sampled_and_said_to_be(elbow, generated, k):
    path = elbow(generated, "--k-min", k, "--k-max", k, "--n-init", 3)
    z, labels, sweep = check_panel(path, read_table(generated)[1], k)
    assert sweep.silhouette.attrs["method"] == "all pairs of a stratified sample of clients"
    assert 10000 <= int(sweep.silhouette_clients) < 10000 + 2 * k
    assert float(sweep.silhouette) == approx(silhouette_score(z, labels), abs=0.01)  # four standard errors


def test_weights_count_clients_as_often(elbow, tmp_path):
    x = heaps(3, 600)
    weights = np.random.default_rng(2).integers(0, 4, len(x))
    path = elbow(put(tmp_path / "c.h5", x, weights), "--weights", "weight", "--k-min", 2, "--k-max", 4, "--n-init", 3)
    for k in (2, 3, 4):
        sweep = xarray.open_dataset(path).sel(n_clusters=k)
        z, labels = matrix_and_labels(path, x, k)
        z, labels = np.repeat(z, weights, axis=0), np.repeat(labels, weights)
        assert float(sweep.silhouette) == approx(silhouette_score(z, labels), rel=1e-9)
        assert float(sweep.davies_bouldin) == approx(davies_bouldin_score(z, labels), rel=1e-9)
        assert float(sweep.calinski_harabasz) == approx(calinski_harabasz_score(z, labels), rel=1e-9)


# ---- the costs ----


def test_costs_are_the_best_known(plain):
    inertia = xarray.open_dataset(plain).inertia
    for k, cost in COSTS.items():
        assert (1 - 1e-6) * cost < float(inertia.sel(n_clusters=k)) < 1.001 * cost
    assert (np.diff(inertia) < 0).all()


def test_twenty_clusters_are_no_worse_than_fifty_restarts_of_scikit_learn(plain, real):
    z, _ = matrix_and_labels(plain, read_table(real)[1], 20)
    other = KMeans(20, n_init=50, random_state=0).fit(z)
    assert float(xarray.open_dataset(plain).inertia.sel(n_clusters=20)) <= other.inertia_ * (1 + 1e-6)


def test_restarts_are_those_of_a_fit(segmpi, plain, real, tmp_path):
    segmpi("fit", real, "-o", tmp_path / "m.h5", "--outliers", "none", "-k", 8, ranks=3)
    fit, sweep = read_model(tmp_path / "m.h5").kmeans, xarray.open_dataset(plain).sel(n_clusters=8)
    assert np.array_equal(fit.restart_inertia, sweep.restart_inertia)
    assert np.array_equal(fit.cluster_centers, sweep.cluster_centers[:8])
    assert fit.inertia == float(sweep.inertia)


# ---- the same bits ----


@pytest.mark.parametrize("name", ["real", "generated"])
def test_any_number_of_ranks_and_any_level_give_the_same_bits(segmpi, request, tmp_path, name):
    clients = request.getfixturevalue(name)
    words = ["--k-max", 5, "--n-init", 2, "--gap", 2, "--stability", 3]
    one = tmp_path / "one.h5"
    segmpi("elbow", clients, "-o", one, *words)
    for ranks in (3, 7, 64):
        other = tmp_path / f"{ranks}.h5"
        segmpi("elbow", clients, "-o", other, *words, ranks=ranks, timeout=300)
        assert differences(contents(one), contents(other)) == []
    for level in ("v3", "v4"):
        other = tmp_path / f"{level}.h5"
        result = segmpi("elbow", clients, "-o", other, *words, env={"SEGMPI_SIMD": level}, ok=False)
        if result.returncode != 78:  # what this CPU lacks
            assert differences(contents(one), contents(other)) == []


def test_the_reference_level_gives_the_same_bits(segmpi, tmp_path):
    clients = tmp_path / "c.h5"
    segmpi("generate", 2000, "-o", clients)
    for name, env in ("one", {}), ("ref", {"SEGMPI_SIMD": "ref"}):
        segmpi("elbow", clients, "-o", tmp_path / f"{name}.h5", "--k-max", 4, "--n-init", 2, "--gap", 1, env=env)
    assert differences(contents(tmp_path / "one.h5"), contents(tmp_path / "ref.h5")) == []


# ---- the choice ----


@pytest.mark.parametrize("k_max, knee", [(10, 4), (15, 5), (20, 6)])
def test_the_knee_moves_with_the_range(elbow, real, k_max, knee):
    with h5py.File(elbow(real, "--outliers", "none", "--k-max", k_max)) as file:
        assert (file.attrs["knee_from"], file.attrs["knee"], file.attrs["knee_to"]) == (1, knee, k_max)
        assert file.attrs["best_silhouette"] == 3  # no structure: the highest is 0.25
        assert (file.attrs["recommended"], file.attrs["recommended_by"]) == (knee, b"knee")


@pytest.mark.parametrize("k", [2, 4, 6])
def test_heaps_that_stand_apart_are_found(elbow, tmp_path, k):
    path = elbow(put(tmp_path / "c.h5", heaps(k, 1500)), "--outliers", "none", "--k-max", 9, "--gap", 10,
                 "--gap-reference", "columns", "--stability", 10, ranks=3)
    with h5py.File(path) as file:
        assert (file.attrs["recommended"], file.attrs["recommended_by"]) == (k, b"silhouette")
        for rule in ("best_silhouette", "best_davies_bouldin", "best_gap"):
            assert file.attrs[rule] == k, rule
        stability = file["stability"][k - 1]
        assert (stability[:k] > 0.99).all() and np.isnan(stability[k:]).all()
        assert file["least_stability"][k - 1] == stability[:k].min()
        assert file.attrs["most_stable"] >= k
        assert file["restart_agreement"][k - 1] == approx(1)


def test_the_gap_is_that_of_an_independent_computation(elbow, tmp_path):
    x = heaps(3, 400)
    path = elbow(put(tmp_path / "c.h5", x), "--outliers", "none", "--k-max", 5, "--gap", 40, "--gap-reference", "columns")
    sweep = xarray.open_dataset(path)
    z, _ = matrix_and_labels(path, x, 3)
    draws = np.random.default_rng(1)
    logs = []
    for _ in range(40):
        reference = draws.uniform(z.min(axis=0), z.max(axis=0), z.shape)
        logs.append([np.log(KMeans(k, n_init=5, random_state=0).fit(reference).inertia_) for k in range(1, 6)])
    gap = np.mean(logs, axis=0) - np.log(sweep.inertia.values)
    error = np.std(logs, axis=0) * np.sqrt(1 + 1 / 40)
    assert sweep.gap.values == approx(gap, abs=5 * error.max() / np.sqrt(20))
    assert sweep.gap_error.values == approx(error, rel=0.5)


def test_agreement_of_restarts_is_the_adjusted_rand_index(segmpi, elbow, tmp_path):
    """with two restarts it is that of one with the other, which single fits with these seeds do not tell; so of equals"""
    x = heaps(5, 500, seed=3)
    path = elbow(put(tmp_path / "c.h5", x), "--k-min", 2, "--k-max", 6, "--n-init", 6)
    agreement = xarray.open_dataset(path).restart_agreement
    _, labels = matrix_and_labels(path, x, 5)
    assert adjusted_rand_score(labels, matrix_and_labels(path, x, 5)[1]) == 1
    assert float(agreement.sel(n_clusters=5)) == approx(1)
    assert ((agreement > 0) & (agreement <= 1 + 1e-12)).all()
    alone = xarray.open_dataset(elbow(tmp_path / "c.h5", "--k-max", 2, "--n-init", 1)).restart_agreement
    assert np.isnan(alone).all()


# ---- bad input, and tables that are none ----


def failure(segmpi, code, says, *words, **how):
    result = segmpi(*words, ok=False, **how)
    assert result.returncode == code and says in result.stderr, result.stderr
    assert result.stderr.count("segmpi elbow:") == 1


def test_more_clusters_than_clients_are_refused(segmpi, tmp_path):
    clients = put(tmp_path / "c.h5", heaps(2, 10))
    failure(segmpi, 65, "up to 20 clusters are more than there are clients, 10; --k-max sets a lower end", "elbow", clients,
            "-o", tmp_path / "e.h5", ranks=3)
    assert not (tmp_path / "e.h5").exists()


def test_one_client_is_one_cluster(elbow, tmp_path):
    with h5py.File(elbow(put(tmp_path / "c.h5", np.ones((1, 2))), "--k-max", 1, "--n-init", 2, ranks=3)) as file:
        assert (file.attrs["recommended"], file.attrs["recommended_by"]) == (1, b"alike")
        assert file["inertia"][0] == 0 and file["smallest_share"][0] == 1


def test_constant_columns_hold_no_clusters(elbow, tmp_path):
    path = elbow(put(tmp_path / "c.h5", np.full((50, 3), 7.0)), "--k-max", 4, "--gap", 2, "--stability", 2, ranks=3)
    with h5py.File(path) as file:
        assert (file.attrs["recommended"], file.attrs["recommended_by"]) == (1, b"alike")
        assert (file["n_clusters_found"][:] == 1).all() and (file["inertia"][:] == 0).all()
        assert file.attrs["best_silhouette"] == 0 and file.attrs["knee"] == 0


def test_clients_that_are_alike_are_one_cluster_whatever_the_range(segmpi, tmp_path):
    """the k that is recommended then lies outside of it, and no figure is known of it"""
    clients = put(tmp_path / "c.h5", np.full((50, 3), 7.0))
    shown = segmpi("elbow", clients, "-o", tmp_path / "e.h5", "--k-min", 7, "--k-max", 7, "--n-init", 1).stdout
    assert "1: all clients are alike" in shown and "smallest cluster holds less" not in shown


def test_more_clusters_than_distinct_clients_repeat_the_last_fit(segmpi, elbow, tmp_path):
    clients = put(tmp_path / "c.h5", np.repeat(heaps(5, 5), 40, axis=0))
    path = elbow(clients, "--outliers", "none", "--k-max", 8, "--n-init", 3, ranks=3)
    with h5py.File(path) as file:
        assert file["n_clusters_found"][:].tolist() == [1, 2, 3, 4, 5, 5, 5, 5]
        assert (file["inertia"][4:] < 1e-12).all() and (file["silhouette"][4:] == 1).all()
        assert np.isnan(file["cluster_centers"][7, 5:]).all() and not np.isnan(file["cluster_centers"][7, :5]).any()
        assert (file.attrs["recommended"], file.attrs["knee_to"]) == (5, 5)
    assert "recommended\n    5: its clusters stand apart" in segmpi("inspect", path).stdout


# ---- what people see ----


def test_inspect_prints_what_the_run_has_printed(segmpi, real, tmp_path):
    words = ["elbow", real, "-o", tmp_path / "e.h5", "--k-max", 6, "--n-init", 2, "--gap", 2, "--stability", 2]
    printed = segmpi(*words, "--json", tmp_path / "e.json", ranks=2).stdout
    assert segmpi("inspect", tmp_path / "e.h5").stdout.startswith(printed)
    assert "knee from 1 to 6" in printed and "silhouette: exact, over all pairs of clients" in printed
    assert "ok:" in segmpi("inspect", "--check", tmp_path / "e.h5").stdout

    figures = json.loads((tmp_path / "e.json").read_text())
    sweep = xarray.open_dataset(tmp_path / "e.h5")
    for i, fit in enumerate(figures["fits"]):
        for name in ("inertia", "silhouette", "davies_bouldin", "gap", "least_stability", "restart_agreement"):
            value = float(sweep[name][i])
            assert fit[name] is None if np.isnan(value) else fit[name] == value
        assert fit["cluster_size"] == sweep.cluster_size[i, : fit["n_clusters"]].values.tolist()
        assert fit["restart_inertia"] == sweep.restart_inertia[i].values.tolist()
    assert figures["choice"]["recommended"] == sweep.attrs["recommended"]
    assert str(figures["choice"]["knee"]) in printed


@pytest.mark.parametrize("columns", [60, 100, 180])
def test_the_table_fits_the_terminal(program, environment, plain, columns):
    pid, terminal = pty.fork()
    if pid == 0:
        ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execve(program, [program, "inspect", str(plain)], {**environment, "NO_COLOR": "1"})
    text = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        text += piece
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    lines = text.decode().split("Origin")[0].splitlines()
    assert max(map(len, lines)) <= columns
    assert sum(line.startswith("  k = 20 ") for line in lines) == {60: 2, 100: 1, 180: 1}[columns]
    assert not any(line.endswith(" ") for line in lines)


def test_dry_run_tells_memory_and_writes_nothing(segmpi, generated, tmp_path):
    words = ["elbow", generated, "-o", tmp_path / "e.h5", "--k-max", 12]
    plan = dict(line.rsplit("  ", 1) for line in segmpi(*words, "--dry-run", ranks=2).stdout.splitlines())
    plan = {key.strip(): value.split() for key, value in plan.items()}
    assert plan["clients"] == ["21,000"] and plan["groups of k"] == ["1"]
    assert list(tmp_path.iterdir()) == []
    used = re.search(r"memory at most ([0-9.]+) MB per rank", segmpi(*words, "--timing", ranks=2).stderr)
    planned = float(plan["memory per rank"][0]) - 40  # the program itself
    assert plan["memory per rank"][1] == "MB" and 0.5 * planned <= float(used.group(1)) - 40 <= 1.05 * planned
    assert plan["output"][1] == "kB"  # of its arrays
    assert 0 < (tmp_path / "e.h5").stat().st_size - 1e3 * float(plan["output"][0]) < 40e3


# ---- in a model ----


def test_a_model_keeps_the_sweep_it_is_given(segmpi, elbow, real, tmp_path):
    path = elbow(real, "--k-max", 6, "--n-init", 2, "--stability", 2)
    segmpi("fit", real, "-o", tmp_path / "m.h5", "-k", 5, "--elbow", path, ranks=3)
    with h5py.File(path) as file, h5py.File(tmp_path / "m.h5") as model:
        for name, item in file.items():
            if isinstance(item, h5py.Dataset) and name != "feature":
                assert np.array_equal(item[()], model["elbow"][name][()], equal_nan=item.dtype.kind == "f"), name
        assert model["kmeans/cluster_centers"].shape[0] == 5
        for name in ("recommended", "knee", "n_clients"):
            assert model["elbow"].attrs[name] == file.attrs[name]
    assert xarray.open_dataset(tmp_path / "m.h5", group="elbow").n_clusters.values.tolist() == [1, 2, 3, 4, 5, 6]
    assert "Choice of k" in segmpi("inspect", tmp_path / "m.h5").stdout


def test_auto_takes_the_recommended_k(segmpi, tmp_path):
    clients = put(tmp_path / "c.h5", heaps(4, 800))
    segmpi("elbow", clients, "-o", tmp_path / "e.h5", "--k-max", 7)
    result = segmpi("fit", clients, "-o", tmp_path / "a.h5", "-k", "auto", "--k-max", 7, ranks=2)
    segmpi("fit", clients, "-o", tmp_path / "b.h5", "-k", "auto", "--elbow", tmp_path / "e.h5")
    assert "number of clusters: 4" in result.stderr
    apart = differences(contents(tmp_path / "a.h5"), contents(tmp_path / "b.h5"))
    assert apart == ["@content_checksum", "provenance@options"]  # the sweep is the same, run or read
    assert read_model(tmp_path / "a.h5").kmeans.cluster_centers.shape == (4, 3)
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(file["provenance"].attrs["options"])["n-clusters"] == "auto"


def test_a_sweep_of_something_else_is_refused(segmpi, elbow, real, generated, tmp_path):
    path = elbow(real, "--k-max", 3, "--n-init", 1)
    for clients, words in (generated, []), (real, ["--outliers", "none"]), (real, ["--columns", "BALANCE,TENURE"]):
        result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", "auto", "--elbow", path, *words, ranks=2, ok=False)
        assert result.returncode == 65 and "made from another table" in result.stderr
    result = segmpi("fit", real, "-o", tmp_path / "m.h5", "-k", "auto", "--elbow", real, ok=False)
    assert result.returncode == 65
    assert not (tmp_path / "m.h5").exists()


def test_pictures_are_drawn_by_gnuplot(segmpi, plain):
    text = segmpi("inspect", "--plot", plain).stdout
    assert "knee at k = 6, seen from 1 to 20" in text and "highest at k = 3" in text
    cost, silhouette = ("".join(re.findall(r"[|+](.*)", part)) for part in text.split("silhouette:"))
    assert cost.count("o") == 20 and silhouette.count("o") == 19  # a point for each k
    assert "....." in cost  # the chord
    assert max(map(len, text.splitlines())) <= 101
