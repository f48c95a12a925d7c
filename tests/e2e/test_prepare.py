"""Scaling and transforms of fit, judged by scikit-learn's scalers on the same prepared columns."""

import h5py
import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

SCALERS = {"standard": StandardScaler, "robust": RobustScaler, "minmax": MinMaxScaler}


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("prepare") / "clients.h5"
    segmpi("generate", "2500", "-o", path)
    return path


def features(path):
    with h5py.File(path) as file:
        return file["features"][()], [name.decode() for name in file["feature"][()]]


def transformed(x, method):
    functions = {"none": lambda v: v, "log1p": np.log1p, "sqrt": np.sqrt}
    return np.copysign(functions[method](np.abs(x)), x)


@pytest.mark.parametrize("scale", SCALERS)
@pytest.mark.parametrize("transform", ["none", "log1p", "sqrt", "BALANCE=log1p,PURCHASES=sqrt"])
def test_scales_as_scikit_learn_does(segmpi, clients, tmp_path, scale, transform):
    model = tmp_path / "model.h5"
    segmpi("fit", clients, "-o", model, "-k", "3", "--n-init", "1", "--scale", scale, "--transform", transform, ranks=2)
    x, names = features(clients)
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    x = np.clip(x, np.quantile(x, 0.01, axis=0), np.quantile(x, 0.99, axis=0))
    of = dict(item.split("=") for item in transform.split(",")) if "=" in transform else {}
    x = np.column_stack([transformed(x[:, t], of.get(name, "none" if of else transform)) for t, name in enumerate(names)])
    expected = SCALERS[scale]().fit_transform(x)

    with h5py.File(model) as file:
        mean, divisor = file["preprocessing/mean"][()], file["preprocessing/scale"][()]
        codes = file["preprocessing/transform"][()]
        centers, labels = file["kmeans/cluster_centers"][()], file["labels/cluster"][()]
        original = file["kmeans/cluster_centers_original"][()]
    np.testing.assert_allclose((x - mean) / divisor, expected, rtol=1e-9, atol=1e-9)
    means = np.array([expected[labels == j].mean(axis=0) for j in range(len(centers))])
    np.testing.assert_allclose(centers, means, atol=2e-6)
    for t in range(len(names)):
        back = centers[:, t] * divisor[t] + mean[t]
        undo = [np.abs, lambda v: np.expm1(abs(v)), np.square][codes[t]]
        back = np.copysign(undo(back), back)
        np.testing.assert_allclose(original[:, t], back, rtol=1e-12, atol=1e-12)


def test_a_transform_of_no_column_is_refused_with_the_nearest(segmpi, clients, tmp_path):
    words = ["fit", clients, "-o", tmp_path / "m.h5", "--transform", "BALANCES=log1p"]
    result = segmpi(*words, ok=False)
    assert result.returncode == 64
    assert "did you mean 'BALANCE'" in result.stderr
    assert not (tmp_path / "m.h5").exists()
