"""fit --embed: principal components and the autoencoder, judged by numpy and scikit-learn on what the model holds."""

import json

import h5py
import numpy as np
import pytest
from sklearn.decomposition import PCA


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("embed") / "clients.h5"
    segmpi("generate", "3000", "-o", path)
    return path


def prepared(clients, model):
    """The prepared matrix in float64, rounded to the grid of the model."""
    with h5py.File(clients) as file:
        x = file["features"][()]
    with h5py.File(model) as file:
        stage = {name: data[()] for name, data in file["preprocessing"].items()}
    x = np.where(np.isnan(x), stage["fill_value"], x)
    z = (np.clip(x, stage["lower_bound"], stage["upper_bound"]) - stage["mean"]) / stage["scale"]
    unit = 2.0 ** stage["grid"]
    return (np.rint(z * unit) / unit).astype(np.float32).astype(np.float64)


def rounded(code, model):
    with h5py.File(model) as file:
        unit = 2.0 ** file["embedding/grid"][()]
    return (np.rint(code * unit) / unit).astype(np.float32).astype(np.float64)


def judge_clusters(model, code, z):
    """Labels are the argmin over the code, inertia their cost, original centers the means of the clients."""
    with h5py.File(model) as file:
        centers, inertia = file["kmeans/cluster_centers"][()], file["kmeans/inertia"][()]
        labels, sizes = file["labels/cluster"][()], file["kmeans/cluster_size"][()]
        feature_centers = file["kmeans/feature_centers"][()]
        original = file["kmeans/cluster_centers_original"][()]
        mean, scale = file["preprocessing/mean"][()], file["preprocessing/scale"][()]
    d2 = ((code[:, None] - centers[None]) ** 2).sum(2)
    gap = np.partition(d2, 1, axis=1)[:, :2]
    clear = gap[:, 1] - gap[:, 0] > 1e-4  # the code is computed here by other code than the model's
    assert clear.mean() > 0.99
    assert (d2.argmin(1) == labels)[clear].all()
    assert d2.min(1).sum() == pytest.approx(inertia, rel=1e-5)
    assert (np.bincount(labels, minlength=len(sizes)) == sizes).all()
    means = np.array([z[labels == j].mean(0) for j in range(len(sizes))])
    np.testing.assert_allclose(feature_centers, means, atol=1e-12)
    np.testing.assert_allclose(original, means * scale + mean, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options, n", [(["pca:4"], 4), (["pca:0.9"], None), (["pca:5", "--whiten"], 5)])
def test_clusters_of_components_are_those_of_scikit_learn_scores(segmpi, clients, tmp_path, options, n):
    model, figures = tmp_path / "model.h5", tmp_path / "figures.json"
    segmpi("fit", clients, "-o", model, "-k", "5", "--json", figures, "--embed", *options, ranks=2)
    z = prepared(clients, model)
    pca = PCA(n or 0.9, whiten="--whiten" in options, svd_solver="full").fit(z)
    score = pca.transform(z)
    with h5py.File(model) as file:
        components = file["embedding/components"][()]
    assert len(components) == score.shape[1] == json.loads(figures.read_text())["embedding"]["n_columns"]
    signs = np.sign((components * pca.components_).sum(1))
    np.testing.assert_allclose(components, signs[:, None] * pca.components_, atol=1e-6)
    judge_clusters(model, rounded(score * signs, model), z)


def network(model, z):
    """Code and output of the written network, in float64."""
    functions = {"linear": lambda a: a, "relu": lambda a: np.maximum(a, 0), "tanh": np.tanh,
                 "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0)))}
    with h5py.File(model) as file:
        group = file["autoencoder"]
        n, at = int(group.attrs["n_layers"]), int(group.attrs["code_layer"])
        text = {name: np.bytes_(group.attrs[name]).decode() for name in ("activation", "code_activation")}
        for i in range(1, n + 1):
            z = z @ group[f"layer_{i}/weight"][()].astype(np.float64) + group[f"layer_{i}/bias"][()]
            if i < n:
                z = functions[text["code_activation" if i == at else "activation"]](z)
            if i == at:
                code = z
    return code, z


SMALL = ["--embed", "autoencoder", "--ae-epochs", "4", "-k", "4"]


@pytest.mark.parametrize("options", [[], ["--ae-activation", "tanh", "--ae-code", "3", "--ae-layers", "12"],
                                     ["--ae-activation", "relu", "--ae-code-activation", "relu", "--ae-batch", "100"]])
def test_clusters_and_errors_are_those_of_the_written_network(segmpi, clients, tmp_path, options):
    model = tmp_path / "model.h5"
    segmpi("fit", clients, "-o", model, *SMALL, *options, ranks=2)
    z = prepared(clients, model)
    code, output = network(model, z)
    with h5py.File(model) as file:
        error = file["labels/reconstruction_error"][()]
        loss, best = file["autoencoder/loss_curve"][()], int(file["autoencoder"].attrs["best_epoch"])
    np.testing.assert_allclose(error, ((output - z) ** 2).mean(1), rtol=1e-3, atol=1e-5)
    assert loss[-1] < loss[0] and error.mean() < 1.3 * loss[best]
    judge_clusters(model, rounded(code, model), z)


def test_a_linear_network_lands_on_the_components(segmpi, clients, tmp_path):
    model = tmp_path / "model.h5"
    segmpi("fit", clients, "-o", model, "-k", "2", "--embed", "autoencoder", "--ae-layers", "17", "--ae-code", "10",
           "--ae-activation", "linear", "--ae-epochs", "120", "--ae-learning-rate", "3e-3", "--ae-validation", "0")
    z = prepared(clients, model)
    left = 1 - PCA(10).fit(z).explained_variance_ratio_.sum()
    with h5py.File(model) as file:
        error = file["labels/reconstruction_error"][()].mean()
    least = left * z.var(0).mean()
    assert least * 0.999 < error < least * 1.02


def everything(path):
    found = {}

    def visit(name, item):
        if not name.startswith("provenance/run"):
            found[name] = item[()].tobytes() if isinstance(item, h5py.Dataset) and item.dtype != object else None

    with h5py.File(path) as file:
        found["model_id"] = file.attrs["model_id"]
        file.visititems(visit)
    return found


@pytest.mark.parametrize("options", [["--embed", "pca:0.8"], SMALL])
def test_the_model_does_not_depend_on_ranks(segmpi, clients, tmp_path, options):
    models = []
    for ranks in (1, 2, 3, 7):
        segmpi("fit", clients, "-o", tmp_path / f"{ranks}.h5", *options, ranks=ranks)
        models.append(everything(tmp_path / f"{ranks}.h5"))
    assert all(model == models[0] for model in models)


# ---- an elbow on a code ----


CODES = {"pca": ["--embed", "pca:3"], "autoencoder": ["--embed", "autoencoder", "--ae-epochs", "2"]}


@pytest.fixture(scope="module", params=CODES)
def swept(request, segmpi, clients, tmp_path_factory):
    """options of --embed, the sweep made with them, and what the run has printed"""
    folder = tmp_path_factory.mktemp("swept")
    run = segmpi("elbow", clients, "-o", folder / "e.h5", *CODES[request.param], "--k-max", "5", "--n-init", "3",
                 "--json", folder / "e.json", ranks=2)
    return CODES[request.param], folder / "e.h5", run.stdout


def code_of(clients, path):
    z = prepared(clients, path)
    with h5py.File(path) as file:
        if "autoencoder" not in file:
            return rounded((z - file["embedding/mean"][()]) @ file["embedding/components"][()].T, path)
    return rounded(network(path, z)[0], path)


def test_an_elbow_is_of_the_code(segmpi, clients, swept):
    options, path, printed = swept
    code = code_of(clients, path)
    with h5py.File(path) as file:
        centers, inertia = file["cluster_centers"], file["inertia"][()]
        assert [dim[0].name for dim in centers.dims] == ["/n_clusters", "/cluster", "/code"]
        assert centers.shape == (5, 5, code.shape[1]) and "cluster_centers_original" not in file
        for k in (1, 3, 5):
            distance = ((code[:, None, :] - centers[k - 1, :k][None]) ** 2).sum(2)
            np.testing.assert_allclose(inertia[k - 1], distance.min(1).sum(), rtol=1e-4)
    figures = json.loads((path.parent / "e.json").read_text())
    assert figures["embedding"]["n_columns"] == code.shape[1]
    assert segmpi("inspect", path).stdout.startswith(printed)
    assert "Embedding" in printed and "3,000 clients, 17 features" in printed


def test_a_fit_takes_the_elbow_of_its_own_code(segmpi, clients, swept, tmp_path):
    options, path, _ = swept
    auto = ["-k", "auto", "--n-init", "3", "--stability", "0"]
    segmpi("fit", clients, "-o", tmp_path / "read.h5", *options, *auto, "--elbow", path, ranks=3)
    segmpi("fit", clients, "-o", tmp_path / "run.h5", *options, *auto, "--k-max", 5)
    assert everything(tmp_path / "read.h5").keys() == everything(tmp_path / "run.h5").keys()
    with h5py.File(tmp_path / "read.h5") as read, h5py.File(tmp_path / "run.h5") as run, h5py.File(path) as sweep:
        k = int(sweep.attrs["recommended"])
        for model in (read, run):  # on 3 ranks, on 1 rank, and on the 2 of the sweep
            assert np.array_equal(model["elbow/cluster_centers"][()], sweep["cluster_centers"][()], equal_nan=True)
            assert np.array_equal(model["kmeans/cluster_centers"][()], sweep["cluster_centers"][k - 1, :k])


@pytest.mark.parametrize("options", [[], ["--embed", "pca:4"], ["--embed", "pca:3", "--whiten"],
                                     ["--embed", "autoencoder", "--ae-epochs", "2", "--seed", "1"]])
def test_the_elbow_of_another_code_is_refused(segmpi, clients, swept, tmp_path, options):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", "-k", "auto", *options, "--elbow", swept[1], ok=False)
    assert result.returncode == 65 and "made on another embedding; run elbow again" in result.stderr
    assert not (tmp_path / "m.h5").exists()


def test_dry_run_tells_what_training_costs(segmpi, clients, tmp_path):
    for command in ("fit", "elbow"):
        words = [command, clients, "-o", tmp_path / "x.h5", "--embed", "autoencoder:study", "--dry-run"]
        lines = dict(line.split(maxsplit=1) for line in segmpi(*words).stdout.splitlines())
        widths = [17, 7, 500, 500, 2000, 10, 2000, 500, 17]
        weights = sum((a + 1) * b for a, b in zip(widths, widths[1:]))
        assert lines["autoencoder"] == f"{weights:,} weights"
        assert float(lines["training"].split()[0]) == pytest.approx(6e-9 * weights * 3000 * 25, rel=0.005)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options, part", [
    (["--embed", "pca"], "--embed is none"), (["--embed", "pca:2.5"], "--embed is none"),
    (["--embed", "autoencoder", "--ae-layers", "8,x"], "--ae-layers is a list"),
    (["--embed", "autoencoder", "--ae-activation", "sigmoid"], "linear, relu, elu or tanh"),
    (["--embed", "autoencoder", "--weights", "TENURE"], "--weights"),
])
def test_what_cannot_be_embedded_is_refused(segmpi, clients, tmp_path, options, part):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", *options, ok=False)
    assert result.returncode == 64 and part in result.stderr
    assert not (tmp_path / "m.h5").exists()


def test_training_that_diverges_ends_with_advice(segmpi, clients, tmp_path):
    result = segmpi("fit", clients, "-o", tmp_path / "m.h5", *SMALL, "--ae-learning-rate", "900", ok=False, ranks=2)
    assert result.returncode == 65 and "--ae-learning-rate" in result.stderr
    assert not (tmp_path / "m.h5").exists()
