"""bench_lloyd.py BUILD [CLIENTS]: one Lloyd iteration of segmpi on 2 ranks beside scikit-learn's on 2 threads.

BUILD is a build folder (build/ci, say).  Both start from the same centers on the same prepared clients (d = 17, k = 8).
A run of up to 101 iterations less a run of 1: reading, preparing, seeding and labelling cancel out.  Runs
alternate in one session; printed are the medians, the spread, and the share of the read bandwidth that two processes
reach in the same run.  Inertia and labels are compared with scikit-learn's in float64 before any figure is shown.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")

import h5py
import numpy as np
import sklearn
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

RANKS, K, ITERATIONS, RUNS = 2, 8, 100, 5
LEVEL = os.environ.get("SEGMPI_SIMD")


def launch(*words):
    return ["mpirun", "-n", str(RANKS), *map(str, words)]


def run(words):
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{result.stderr}")
    return result.stdout + result.stderr


def fit_words(binary, folder, model, *options):
    return launch(
        binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/{model}", "-k", K, "--outliers", "none",
        "--tol", 0, "--no-swaps", "--force", "--quiet", "--timing", *options,
    )


def kmeans_seconds(text):
    return float(re.search(r"^k-means +([0-9.]+)", text, re.M).group(1))


def segmpi_run(binary, folder, iterations):
    """Seconds, and the iterations that were made: fewer where nobody moves any more."""
    words = fit_words(binary, folder, "model.h5", "--init", f"{folder}/start.h5", "--max-iter", iterations)
    seconds = kmeans_seconds(run(words))
    with h5py.File(f"{folder}/model.h5") as model:
        return seconds, int(model["kmeans/n_iter"][()])


def sklearn_run(z, start, iterations):
    kmeans = KMeans(K, init=start, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    begun = time.perf_counter()
    kmeans.fit(z)
    return time.perf_counter() - begun, kmeans


def prepared(folder):
    """The matrix of the model in float32, and the starting centers in its units."""
    with h5py.File(f"{folder}/start.h5") as model, h5py.File(f"{folder}/clients.h5") as clients:
        stages = model["preprocessing"]
        fill, mean, scale = (stages[name][()] for name in ("fill_value", "mean", "scale"))
        x = clients["features"][()]
        x = np.where(np.isnan(x), fill, x)
        return ((x - mean) / scale).astype(np.float32), model["kmeans/cluster_centers"][()].astype(np.float32)


def compare(folder, z, start):
    """In float64: scikit-learn adds up float32 clients in float32, which takes another path over millions of them.  And on
    one thread: a serial OpenBLAS, called by the threads of scikit-learn, is not safe."""
    with threadpool_limits(1):
        kmeans = sklearn_run(z.astype(np.float64), start.astype(np.float64), 1 + ITERATIONS)[1]
    with h5py.File(f"{folder}/model.h5") as model:
        centers, inertia = model["kmeans/cluster_centers"][()], model["kmeans/inertia"][()]
        labels = model["labels/cluster"][()]
    nearest = ((centers[:, None] - kmeans.cluster_centers_[None]) ** 2).sum(2).argmin(1)
    same = np.mean(nearest[labels] == kmeans.labels_)
    off = abs(inertia / kmeans.inertia_ - 1)
    print(f"against scikit-learn in float64: equal labels {100 * same:.4f} %, inertia differs by {off:.1e}")
    if same < 0.9999 or off > 1e-5:
        sys.exit("the answers differ: no figures")


def bandwidth(build, clients):
    """GB/s that RANKS processes read together."""
    text = run(launch(f"{build}/tests/bench_kernels", clients // RANKS, "ref"))
    found = [float(x) for x in re.findall(r"d = 17: plain read ([0-9.]+) GB/s", text)]
    return RANKS * statistics.mean(found)


def spread(values):
    return f"{statistics.median(values):.4f} s ({min(values):.4f} to {max(values):.4f})"


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4_000_000
    binary = f"{build}/src/segmpi"
    with tempfile.TemporaryDirectory() as folder:
        run(launch(binary, "generate", n, "-o", f"{folder}/clients.h5", "--quiet"))
        run(fit_words(binary, folder, "start.h5", "--n-init", 1, "--max-iter", 1))
        z, start = prepared(folder)
        ours, theirs = [], []
        for _ in range(RUNS):
            one, (many, made) = segmpi_run(binary, folder, 1)[0], segmpi_run(binary, folder, 1 + ITERATIONS)
            ours.append((many - one) / (made - 1))
            one, (many, kmeans) = sklearn_run(z, start, 1)[0], sklearn_run(z, start, 1 + ITERATIONS)
            theirs.append((many - one) / (kmeans.n_iter_ - 1))
        compare(folder, z, start)
        read = bandwidth(build, n)

    seconds = statistics.median(ours)
    gbs = n * z.shape[1] * 4 / seconds / 1e9
    print(f"{n:,} clients, d = {z.shape[1]}, k = {K}, {RANKS} ranks, SIMD {LEVEL or 'chosen'}; seconds per iteration")
    print(f"segmpi        {spread(ours)} in {made} iterations  {n / seconds / 1e6:.0f} million clients/s  {gbs:.1f} GB/s")
    print(f"scikit-learn {sklearn.__version__}  {spread(theirs)} in {kmeans.n_iter_} iterations  {n / statistics.median(theirs) / 1e6:.0f} million clients/s")
    print(f"ratio {statistics.median(theirs) / seconds:.1f}; {RANKS} processes read {read:.1f} GB/s: {100 * gbs / read:.0f} %")


if __name__ == "__main__":
    main()
