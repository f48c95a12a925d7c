"""bench_prepare.py BUILD [CLIENTS]: from a table to prepared clients and principal components, beside scikit-learn.

segmpi on 2 ranks: the phases `prepare` and `pca` of a fit, which read the table (float64), fill gaps with exact medians,
cap at exact 1st and 99th percentiles, scale, and find the components.  The peer reads the same file with h5py and uses
SimpleImputer, numpy's quantiles, StandardScaler and PCA (covariance_eigh) on 2 threads.  Nothing is dropped from the page
cache.  Explained variances have to agree."""

import sys
import tempfile
import time

import bench_common as bench
import h5py
import numpy as np
import sklearn
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler


def segmpi(binary, folder):
    text = bench.run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", 2, "--n-segments", 2, "--n-init", 1,
                     "--no-swaps", "--stability", 0, "--force", "--quiet", "--timing", ranks=bench.RANKS)
    with h5py.File(f"{folder}/model.h5") as model:
        return bench.phase(text, "prepare") + bench.phase(text, "pca"), model["pca/explained_variance_ratio"][()]


def scikit(folder):
    begun = time.perf_counter()
    with h5py.File(f"{folder}/clients.h5") as table:
        x = table["features"][()]
    x = SimpleImputer(strategy="median").fit_transform(x)
    x = np.clip(x, *np.quantile(x, [0.01, 0.99], axis=0))
    pca = PCA(svd_solver="covariance_eigh").fit(StandardScaler().fit_transform(x))
    return time.perf_counter() - begun, pca.explained_variance_ratio_


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000
    peer = f"scikit-learn {sklearn.__version__}"
    seconds = {"segmpi": [], peer: []}
    with tempfile.TemporaryDirectory() as folder:
        bench.run(f"{build}/src/segmpi", "generate", n, "-o", f"{folder}/clients.h5", "--quiet", ranks=bench.RANKS)
        for _ in range(bench.RUNS):
            (ours, ratios), (theirs, judge) = segmpi(f"{build}/src/segmpi", folder), scikit(folder)
            if not np.allclose(ratios, judge[: len(ratios)], atol=1e-4):
                sys.exit(f"the components differ: {ratios} and {judge}")
            seconds["segmpi"].append(ours)
            seconds[peer].append(theirs)
    bench.record(f"read, prepare and PCA, d = 17, {n:,} clients", seconds)


if __name__ == "__main__":
    main()
