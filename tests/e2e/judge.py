"""What the tests judge by: segmpi's files read with h5py, and the method's arithmetic in float64 by numpy."""

import csv
import math
from types import SimpleNamespace

import h5py
import numpy as np
from pytest import approx
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

# scikit-learn calls BLAS from several threads, and Debian's serial OpenBLAS then returns wrong products now and then.
threadpool_limits(1)

# ---- files ----


def bare(file, value):
    """the value of a dataset or attribute as bytes or a list; references as the names they lead to"""
    value = np.asarray(value)
    if value.dtype.names:  # REFERENCE_LIST: who hangs on a scale, and with which dimension
        return sorted((file[reference].name, int(dim)) for reference, dim in value)
    if value.dtype == object and value.size and isinstance(value.flat[0], np.ndarray):  # DIMENSION_LIST
        return [[file[reference].name for reference in row] for row in value]
    return value.tolist() if value.dtype == object else value.tobytes()


def contents(path):
    """{path, or path@attribute: type, shape and value} of all that a file holds outside provenance/run"""
    found = {}

    def visit(name, item):
        if name.startswith("provenance/run"):
            return
        is_set = isinstance(item, h5py.Dataset)
        found[name] = (item.dtype.str, item.shape, bare(file, item[()])) if is_set else "group"
        for key, value in item.attrs.items():
            kind = item.attrs.get_id(key)
            found[f"{name}@{key}"] = (kind.dtype.str, kind.shape, bare(file, value))

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    return found


def differences(a, b):
    """the places where two contents() differ"""
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def read_table(path):
    """clients.h5: column names, and cells as float64"""
    with h5py.File(path, "r") as file:
        return file["feature"].asstr()[:].tolist(), file["features"][:].astype(float)


def read_model(path):
    """model.h5: for each group a namespace of its datasets and attributes"""

    def read_group(group):
        found = {name: value.decode() if isinstance(value, bytes) else value for name, value in group.attrs.items()}
        for name, item in group.items():
            if isinstance(item, h5py.Group):
                found[name] = read_group(item)
            else:
                found[name] = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
        return SimpleNamespace(**found)

    with h5py.File(path, "r") as file:
        return read_group(file)


def messages(result):
    """the lines of stderr that end a run; the promise is at most one"""
    return [line for line in result.stderr.splitlines() if line.startswith("segmpi")]


def warnings(result):
    return [line for line in result.stderr.splitlines() if line.startswith("warning: ")]


# ---- figures of a report ----


def sheet(path):
    """{title: column} of a file of tabs; figures as floats, what is hidden as NaN"""
    rows = list(csv.reader(path.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len({len(row) for row in rows}) == 1

    def value(cell):
        if cell in ("<10", "not shown", "NaN"):
            return np.nan
        try:
            return float(cell)
        except ValueError:
            return cell

    return {title: [value(row[i]) for row in rows[1:]] for i, title in enumerate(rows[0])}, rows


def tellable(counts):
    """counts of groups that add up to a number that is known: small ones are NaN, and where there is one, the next too"""
    shown = np.asarray(counts, float).copy()
    small = (shown > 0) & (shown < 10)
    if small.sum() == 1 and (shown >= 10).any():
        shown[np.argmin(np.where(shown >= 10, shown, np.inf))] = np.nan
    shown[small] = np.nan
    return shown


# ---- arithmetic ----


# by the number that a model gives them; and back
TRANSFORMS = [lambda x: x, lambda x: np.sign(x) * np.log1p(np.abs(x)), lambda x: np.sign(x) * np.sqrt(np.abs(x))]
INVERSES = [lambda x: x, lambda x: np.sign(x) * np.expm1(np.abs(x)), lambda x: np.sign(x) * x**2]


def by_column(functions, number, x):
    return np.stack([functions[i](column) for i, column in zip(number, x.T)], axis=1)


def prepare(model, x):
    """cells [n, d] in the units of the columns -> z, as the stages of the model say; not rounded"""
    stages = model.preprocessing
    x = np.clip(np.where(np.isfinite(x), x, stages.fill_value), stages.lower_bound, stages.upper_bound)
    return (by_column(TRANSFORMS, stages.transform, x) - stages.mean) / stages.scale


def rounded(model, z):
    """z on the recorded grid, as float32 keeps it"""
    grid = model.preprocessing.grid
    return np.ldexp(np.rint(np.ldexp(z, grid)), -grid).astype(np.float32).astype(float)


def exact_sum(values):
    return math.fsum(np.ravel(values).tolist())


def squared_distances(z, centers):
    """[n, k], by direct differences"""
    return np.stack([((z - center) ** 2).sum(axis=1) for center in centers], axis=1)


def check_clusters(model, x):
    """labels, sizes, costs, distances and margins are those of the written centers on the matrix of the method"""
    kmeans, labels, stages = model.kmeans, model.labels, model.preprocessing
    z = rounded(model, prepare(model, x))
    k = len(kmeans.cluster_centers)
    d2 = squared_distances(z, kmeans.cluster_centers)
    nearest, best = d2.argmin(axis=1), d2.min(axis=1)  # the lowest of equals
    second = np.partition(d2, 1, axis=1)[:, 1] if k > 1 else np.full(len(z), np.inf)

    assert np.array_equal(labels.cluster, nearest)
    assert np.array_equal(kmeans.cluster_size, np.bincount(nearest, minlength=k))
    assert (np.diff(kmeans.cluster_size) <= 0).all() and kmeans.cluster_size[-1] > 0
    assert kmeans.total_squares == approx(exact_sum(z**2), rel=1e-12)
    assert kmeans.total_inertia == approx(exact_sum((z - z.mean(axis=0)) ** 2), rel=1e-12, abs=1e-12)
    assert kmeans.inertia == approx(exact_sum(best), rel=1e-12, abs=1e-12 * kmeans.total_squares * (k > 100))
    assert labels.distance == approx(np.sqrt(best), rel=5e-5, abs=1e-9)
    with np.errstate(invalid="ignore"):
        margin = np.where(second > 0, 1 - np.sqrt(best / second), 0)
    assert labels.margin == approx(margin, abs=1e-4)
    original = by_column(INVERSES, stages.transform, kmeans.cluster_centers * stages.scale + stages.mean)
    assert kmeans.cluster_centers_original == approx(original, rel=1e-12)


def check_by_sklearn(model, x):
    """scikit-learn agrees on the matrix that is not rounded"""
    z, centers = prepare(model, x), model.kmeans.cluster_centers
    other = KMeans(len(centers), init=centers, n_init=1, max_iter=1).fit(z)
    assert np.array_equal(other.labels_, model.labels.cluster)  # one more iteration changes nothing
    assert other.inertia_ == approx(model.kmeans.inertia, rel=2e-7, abs=0)
    other.cluster_centers_ = centers.copy()
    assert np.array_equal(other.predict(z), model.labels.cluster)
    assert -other.score(z) == approx(model.kmeans.inertia, rel=2e-7, abs=0)


def check_components(model, x):
    """the principal components are those that numpy finds; on the matrix before rounding the ratios too"""
    pca = model.pca
    z = rounded(model, prepare(model, x))
    n, c = len(z), min(z.shape)
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    values = np.linalg.eigvalsh(covariance)[::-1][:c]
    unrounded = np.linalg.eigvalsh(np.atleast_2d(np.cov(prepare(model, x), rowvar=False)))[::-1][:c]

    assert pca.explained_variance == approx(values, rel=1e-11, abs=1e-13 * values[0])
    assert pca.explained_variance_ratio == approx(values / np.trace(covariance), abs=1e-12)
    assert pca.explained_variance_ratio == approx(unrounded / unrounded.sum(), abs=1e-6)
    assert pca.singular_values == approx(np.sqrt(pca.explained_variance * (n - 1)), rel=1e-12)
    assert pca.mean == approx(z.mean(axis=0), abs=1e-12)
    assert pca.components @ pca.components.T == approx(np.eye(c), abs=1e-12)
    assert covariance @ pca.components.T == approx(pca.components.T * pca.explained_variance, abs=1e-11 * values[0])
    assert (pca.components.max(axis=1) >= np.abs(pca.components).max(axis=1)).all()
