"""The real table against the facts that are published with it.  What holds for any table is in test_fit.py."""

import h5py
import numpy as np
import pytest

from judge import check_by_sklearn, check_clusters, check_components, messages, read_model, read_table, warnings

# k: lowest cost known; median fill, no outlier step, standard scaling
COSTS = {2: 127784.301, 3: 111973.362, 4: 99061.696, 5: 91489.822, 6: 84824.161, 7: 79500.780, 8: 74463.324,
         10: 66427.210}
RATIOS = [0.272977, 0.203138, 0.088132, 0.074795, 0.062247]
SEEDS = range(10)


@pytest.fixture(scope="module")
def clients(segmpi, real_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "clients.h5"
    segmpi("import", real_table, "-o", path, ranks=4)
    return path


@pytest.fixture(scope="module")
def table(clients):
    return read_table(clients)


@pytest.fixture(scope="module")
def fit(segmpi, clients, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    def run(*words):
        segmpi("fit", clients, "-o", folder / "m.h5", "--force", "--stability", 0, *words, ranks=4)
        return read_model(folder / "m.h5")

    return run


@pytest.fixture(scope="module")
def plain(fit):
    """median fill and standard scaling are the defaults"""
    return fit("-k", 8, "--outliers", "none")


@pytest.mark.parametrize("k", COSTS)
def test_the_best_cost_known_is_reached_by_ten_seeds(fit, table, k):
    models = [fit("-k", k, "--outliers", "none", "--seed", seed) for seed in SEEDS]
    costs = [model.kmeans.inertia for model in models]
    assert max(costs) < 1.001 * COSTS[k]
    assert min(costs) > (1 - 1e-6) * COSTS[k]
    for model in models:
        check_clusters(model, table[1])
        check_by_sklearn(model, table[1])
        assert len(model.kmeans.cluster_size) == k
        assert model.kmeans.n_redone < 1e-4 * 8950


def test_sums_and_components(plain, table):
    assert plain.kmeans.total_squares == pytest.approx(152150, rel=1e-7)
    assert plain.kmeans.total_inertia == pytest.approx(152150, rel=1e-7)
    assert plain.pca.explained_variance_ratio[:5] == pytest.approx(RATIOS, abs=1e-6)
    assert plain.pca.explained_variance_ratio[:10].sum() == pytest.approx(0.9193, abs=1e-4)
    assert plain.pca.explained_variance_ratio[16] < 1e-6  # purchases are the sum of their parts
    check_components(plain, table[1])


def test_gaps_medians_and_means(plain):
    stages, names = plain.preprocessing, plain.feature.tolist()
    missing = dict(zip(names, stages.missing))
    assert {name: n for name, n in missing.items() if n} == {"CREDIT_LIMIT": 1, "MINIMUM_PAYMENTS": 313}
    fill, mean = dict(zip(names, stages.fill_value)), dict(zip(names, stages.mean))
    assert fill["MINIMUM_PAYMENTS"] == pytest.approx(312.343947, abs=1e-6)
    published = {"BALANCE": 1564.474828, "PURCHASES": 1003.204834, "CASH_ADVANCE": 978.871112}
    assert {name: mean[name] for name in published} == pytest.approx(published, abs=1e-6)


def test_means_as_fill_values(fit):
    model = fit("-k", 2, "--impute", "mean", "--outliers", "none", "--n-init", 1)
    fill = dict(zip(model.feature, model.preprocessing.fill_value))
    assert fill["MINIMUM_PAYMENTS"] == pytest.approx(864.206542, abs=1e-6)
    assert fill["CREDIT_LIMIT"] == pytest.approx(4494.449450, abs=1e-6)


def test_a_fence_makes_tenure_constant_and_says_so(segmpi, clients, table, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", 4, "--outliers", "iqr:1.5", ranks=4)
    assert len(warnings(result)) == 1 and "'TENURE' is constant" in warnings(result)[0]
    assert messages(result) == []
    model, cells = read_model(tmp_path / "m.h5"), table[1]
    stages, tenure = model.preprocessing, model.feature.tolist().index("TENURE")
    assert (stages.lower_bound[tenure], stages.upper_bound[tenure], stages.scale[tenure]) == (12, 12, 1)
    assert stages.capped[tenure] == (cells[:, tenure] != 12).sum()
    outside = (cells < stages.lower_bound) | (cells > stages.upper_bound)
    assert outside.any(axis=1).mean() == pytest.approx(0.665, abs=0.002)
    check_clusters(model, cells)


def test_ids_stay_beside_the_features(clients, table, real_table):
    with h5py.File(clients) as file:
        ids = [text.decode() for text in file["ids/client_id"][:]]
    assert ids == [line.split(",")[0] for line in real_table.read_text().splitlines()[1:]]
    assert len(table[0]) == 17 and "CUST_ID" not in table[0]
