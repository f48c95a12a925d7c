"""bench_fit.py BUILD [CLIENTS]: a whole k-means, k = 8 with 10 restarts, of segmpi on 2 ranks beside peers on 2 threads.

The same prepared clients in float32; each seeds and stops by its own defaults (faiss: 25 iterations from random clients,
the others k-means++ and their tolerance; it runs once).  segmpi's phase `k-means` seeds, runs, and labels; with its center swaps,
which the peers lack, and without.  Its cost has to be no worse than scikit-learn's."""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import bench_common as bench
import h5py
import numpy as np

K, RESTARTS = 8, 10
BARS = {"scikit-learn": 10}


def segmpi(binary, folder, *options):
    text = bench.run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", K, "--n-init", RESTARTS,
                     "--stability", 0, "--force", "--quiet", "--timing", *options, ranks=bench.RANKS)
    with h5py.File(f"{folder}/model.h5") as model:
        return bench.phase(text, "k-means"), float(model["kmeans/inertia"][()])


def peer_fit(peer, folder):
    script = Path(__file__).with_name("bench_peer.py")
    found = json.loads(bench.run(sys.executable, script, peer, folder, 0, RESTARTS).splitlines()[0])
    return f"{peer} {found['version']}", found["many"], found["cost"]


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    binary = f"{build}/src/segmpi"
    seconds, costs, bars = {"segmpi": [], "segmpi with swaps": []}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        bench.run(binary, "generate", n, "-o", f"{folder}/clients.h5", "--quiet", ranks=bench.RANKS)
        for turn in range(bench.RUNS):
            for name, options in ("segmpi", ["--no-swaps"]), ("segmpi with swaps", []):
                each, costs[name] = segmpi(binary, folder, *options)
                seconds[name].append(each)
            if turn == 0:
                np.save(f"{folder}/z.npy", bench.prepared(f"{folder}/clients.h5", f"{folder}/model.h5"))
                with h5py.File(f"{folder}/model.h5") as model:
                    np.save(f"{folder}/start.npy", model["kmeans/cluster_centers"][()].astype(np.float32))
            for peer in ["scikit-learn", "scikit-learn-intelex"] + ["faiss"] * (turn == 0):
                try:
                    name, each, costs[name] = peer_fit(peer, folder)
                except SystemExit as error:
                    print(f"{peer} does not run: {str(error)[-300:]}")
                    continue
                seconds.setdefault(name, []).append(each)
                if peer in BARS:
                    bars[name] = BARS[peer]
    scikit = next(name for name in seconds if name.startswith("scikit-learn 1"))
    if costs["segmpi"] > costs[scikit] * 1.0005:
        sys.exit(f"the cost is worse, {costs['segmpi']:.6g} against {costs[scikit]:.6g}: no figures")
    best = min(costs.values())
    notes = "cost above the lowest: " + ", ".join(f"{name} {100 * (cost / best - 1):.3f} %" for name, cost in costs.items())
    swaps = statistics.median(seconds[scikit]) / statistics.median(seconds["segmpi with swaps"])
    bench.record(f"k-means, k = {K}, {RESTARTS} restarts, {n:,} clients", seconds, bars,
                 f"{notes}; with swaps {swaps:.1f} times scikit-learn")


if __name__ == "__main__":
    main()
