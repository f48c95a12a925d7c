"""What changed since last month: the yardstick in the model, drift and migration, against pandas."""

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray

from judge import read_model


def read_frame(path):
    """clients.h5 as a frame, by id"""
    with h5py.File(path) as file:
        return pd.DataFrame(file["features"][:].astype(float), columns=file["feature"].asstr()[:],
                            index=file["ids/client_id"][:])


@pytest.fixture(scope="module")
def months(segmpi, tmp_path_factory):
    """a folder with old.h5 and new.h5, clients of two months, and model.h5, fitted to the old one"""
    folder = tmp_path_factory.mktemp("months")
    segmpi("generate", 6000, "-o", folder / "old.h5", ranks=2)
    segmpi("generate", 5000, "-o", folder / "new.h5", "--seed", 1, ranks=2)
    segmpi("fit", folder / "old.h5", "-o", folder / "model.h5", "--n-init", 2, ranks=3)
    return folder


def test_the_model_holds_the_yardstick_of_its_table(months):
    x, model = read_frame(months / "old.h5"), read_model(months / "model.h5")
    reference = model.reference
    assert reference.feature.tolist() == list(x) and reference.n_clients == len(x)
    for t, name in enumerate(x):
        deciles = x[name].quantile(np.arange(1, 10) / 10)
        edges = reference.bin_edges[t]
        assert np.allclose(edges[1:-1], deciles, rtol=1e-14, atol=0) and np.all(np.isinf(edges[[0, -1]]))
        bins = pd.cut(x[name], np.unique(edges)).value_counts(sort=False)  # equal edges: an empty bin
        counts = reference.bin_counts[t]
        assert counts[np.diff(edges) > 0].tolist() == bins.tolist() and counts.sum() == x[name].count()
        assert reference.missing_count[t] == x[name].isna().sum()
        assert (reference.min[t], reference.max[t]) == (x[name].min(), x[name].max())
    assert reference.segment_count.tolist() == np.bincount(model.labels.segment).tolist()
    assert np.array_equal(reference.segment_share, reference.segment_count / len(x))
    data = xarray.open_dataset(months / "model.h5", group="reference")
    assert data.bin_counts.dims == ("feature", "bin") and data.segment_share.dims == ("segment",)
