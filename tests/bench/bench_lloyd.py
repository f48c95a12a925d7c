"""bench_lloyd.py BUILD [SHAPE...]: one Lloyd iteration of segmpi on 2 ranks beside peers on 2 threads (Heat: 2 ranks).

BUILD is a build folder (build/ci, say); SHAPE a name of SHAPES.  All start from the same centers on the same prepared
clients in float32.  A run of many iterations less a run of one: reading, preparing, seeding and labelling cancel out; where
a run ends early, as nobody moves any more, the iterations that were made count.  Runs alternate in one session.  No
figure is shown unless the costs after the last iteration agree to 1e-4; for d = 17, k = 8 labels are also compared with
scikit-learn's in float64, on one thread: a serial OpenBLAS is not safe under its threads.  The read bandwidth is that of
as many processes as ranks, in the same run.

Heat takes some hundred times as long: it has fewer clients and iterations, for itself."""

import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

import bench_common as bench
import h5py
import numpy as np

# d, k, clients, iterations, peers and what segmpi has to reach beside them
NO_BAR = {"scikit-learn": None, "scikit-learn-intelex": None, "faiss": None}
SHAPES = {
    "17x8": (17, 8, 4_000_000, 60, {"scikit-learn": 7, "scikit-learn-intelex": 3, "faiss": 2}),
    "17x20": (17, 20, 4_000_000, 40, NO_BAR),
    "32x8": (32, 8, 4_000_000, 30, NO_BAR),
    "64x64": (64, 64, 4_000_000, 6, {**NO_BAR, "scikit-learn": 1.5}),
    "heat": (17, 8, 1_000_000, 30, {"heat": None}),
}


def make_clients(binary, n, d, path):
    """Card holders where d = 17; else groups of clients with correlated columns and long tails."""
    if d == 17:
        bench.run(binary, "generate", n, "-o", path, "--quiet", ranks=bench.RANKS)
        return
    random = np.random.default_rng(0)
    centers, mixing = random.standard_normal((24, d)) * 1.5, np.linalg.qr(random.standard_normal((d, d)))[0]
    with h5py.File(path, "w") as file:
        features = file.create_dataset("features", (n, d), np.float32)
        for first in range(0, n, 250_000):
            count = min(250_000, n - first)
            noise = random.standard_normal((count, d)) @ (mixing * random.gamma(2, 0.5, d)[:, None])
            features[first : first + count] = centers[random.integers(24, size=count)] + noise


def fit(binary, folder, k, model, *options):
    return bench.run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/{model}", "-k", k, "--n-segments", min(k, 4),
                     "--outliers", "none", "--tol", 0, "--no-swaps", "--stability", 0, "--force", "--quiet", "--timing",
                     *options, ranks=bench.RANKS)


def segmpi_run(binary, folder, k, iterations):
    """Seconds of k-means, iterations, and the cost of the written centers."""
    text = fit(binary, folder, k, "model.h5", "--init", f"{folder}/start.h5", "--max-iter", iterations)
    with h5py.File(f"{folder}/model.h5") as model:
        return bench.phase(text, "k-means"), int(model["kmeans/n_iter"][()]), float(model["kmeans/inertia"][()])


def peer_iteration(peer, folder, iterations):
    script = Path(__file__).with_name("bench_peer.py")
    ranks = bench.RANKS if peer == "heat" else None
    text = bench.run(sys.executable, script, peer, folder, iterations, ranks=ranks)
    found = json.loads(text[text.index('{"version"') :].splitlines()[0])
    return (found["many"] - found["one"]) / (found["made"] - 1), found


def same_labels(folder, z, start, iterations):
    """The share of equal labels in float64: scikit-learn adds up float32 clients in float32, another path over millions."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        kmeans = KMeans(len(start), init=start.astype(np.float64), n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
        kmeans.fit(z.astype(np.float64))
    with h5py.File(f"{folder}/model.h5") as model:
        centers, labels = model["kmeans/cluster_centers"][()], model["labels/cluster"][()]
    nearest = ((centers[:, None] - kmeans.cluster_centers_[None]) ** 2).sum(2).argmin(1)
    return np.mean(nearest[labels] == kmeans.labels_)


def bandwidth(build, clients):
    """GB/s that the ranks read together."""
    text = bench.run(f"{build}/tests/bench_kernels", clients // bench.RANKS, "ref", ranks=bench.RANKS)
    return bench.RANKS * statistics.mean(float(x) for x in re.findall(r"d = 17: plain read ([0-9.]+) GB/s", text))


def measure(build, name, folder):
    d, k, n, iterations, bars = SHAPES[name]
    binary = f"{build}/src/segmpi"
    make_clients(binary, n, d, f"{folder}/clients.h5")
    fit(binary, folder, k, "start.h5", "--n-init", 1, "--max-iter", 1)
    z = bench.prepared(f"{folder}/clients.h5", f"{folder}/start.h5")
    with h5py.File(f"{folder}/start.h5") as model:
        start = model["kmeans/cluster_centers"][()].astype(np.float32)
    np.save(f"{folder}/z.npy", z)
    np.save(f"{folder}/start.npy", start)
    seconds, versions, absent = {"segmpi": []}, {}, []
    for _ in range(bench.RUNS):
        one, (many, made, cost) = segmpi_run(binary, folder, k, 1)[0], segmpi_run(binary, folder, k, iterations)
        seconds["segmpi"].append((many - one) / (made - 1))
        for peer in [peer for peer in bars if peer not in absent]:
            try:
                each, found = peer_iteration(peer, folder, iterations)
            except SystemExit as error:
                print(f"{peer} does not run: {str(error)[-300:]}")
                absent.append(peer)
                continue
            if abs(found["cost"] / cost - 1) > 1e-4:  # peers add in float32: another path
                print(f"{peer} ends at another cost, {found['cost']:.6g} instead of {cost:.6g}: no figure")
                absent.append(peer)
                continue
            seconds.setdefault(peer, []).append(each)
            versions[peer] = f"{peer} {found['version']}"
    notes = f"{made} iterations; "
    if name == "17x8":
        same = same_labels(folder, z, start, iterations)
        if same < 0.9999:
            sys.exit(f"only {100 * same:.4f} % of the labels are scikit-learn's in float64: no figures")
        notes += f"{100 * same:.4f} % of the labels are those of scikit-learn in float64; "
    read = bandwidth(build, n)
    gbs = n * d * 4 / statistics.median(seconds["segmpi"]) / 1e9
    notes += f"float32 matrix at {gbs:.1f} GB/s, {100 * gbs / read:.0f} % of a plain read ({read:.1f} GB/s)"
    bench.record(f"Lloyd iteration, d = {d}, k = {k}, {n:,} clients",
                 {versions.get(name, name): values for name, values in seconds.items()},
                 {versions[peer]: bar for peer, bar in bars.items() if bar and peer in versions}, notes)


def main():
    build, names = sys.argv[1], sys.argv[2:] or list(SHAPES)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            measure(build, name, folder)


if __name__ == "__main__":
    main()
