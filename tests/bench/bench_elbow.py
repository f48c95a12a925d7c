"""bench_elbow.py BUILD [CLIENTS]: a sweep over k of segmpi on 2 ranks beside scikit-learn's k-means on 2 threads.

k = 1..20 with 10 restarts each on the same prepared clients, with the default stop rules of both.  Timed is the phase
`sweep`: seeding and Lloyd (`--no-swaps`), as scikit-learn does; then once more with the center swaps that segmpi adds by
default.  The panel of indices is told apart.  scikit-learn runs in the first three turns.  Costs have to be within 1 % of
scikit-learn's for every k."""

import json
import os
import statistics
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")

import bench_common as bench
import sklearn
from sklearn.cluster import KMeans

K_MAX, N_INIT = 20, 10


def elbow(binary, folder, *more):
    """Seconds of the sweep and of the panel, and the costs."""
    text = bench.run(binary, "elbow", f"{folder}/clients.h5", "-o", f"{folder}/elbow.h5", "--json", f"{folder}/elbow.json",
                     "--k-max", K_MAX, "--n-init", N_INIT, "--force", "--quiet", "--timing", *more, ranks=bench.RANKS)
    with open(f"{folder}/elbow.json", encoding="utf-8") as file:
        costs = [fit["inertia"] for fit in json.load(file)["fits"]]
    return bench.phase(text, "sweep"), bench.phase(text, "quality"), costs


def sklearn_sweep(z):
    begun, costs = time.perf_counter(), []
    for k in range(1, K_MAX + 1):
        costs.append(KMeans(k, n_init=N_INIT, random_state=0).fit(z).inertia_)
        print(f"scikit-learn k = {k}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return time.perf_counter() - begun, costs


def compare(ours, costs):
    off = [100 * (a / b - 1) for a, b in zip(ours, costs)]
    if max(off) > 1:
        sys.exit(f"the fits are worse, by {max(off):.2f} %: no figures")
    return f"{min(off):+.2f} % to {max(off):+.2f} %"


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    binary, ours, swapped, theirs = f"{build}/src/segmpi", [], [], []
    with tempfile.TemporaryDirectory() as folder:
        bench.run(binary, "generate", n, "-o", f"{folder}/clients.h5", "--quiet", ranks=bench.RANKS)
        for turn in range(bench.RUNS):
            ours.append(elbow(binary, folder, "--no-swaps"))
            swapped.append(elbow(binary, folder))
            if turn < 3:
                seconds, costs = sklearn_sweep(bench.prepared(f"{folder}/clients.h5", f"{folder}/elbow.h5"))
                theirs.append(seconds)
        text = bench.run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", K_MAX, "--n-init", N_INIT,
                         "--no-swaps", "--stability", 0, "--quiet", "--timing", ranks=bench.RANKS)

    plain, full = (statistics.median(one[0] for one in runs) for runs in (ours, swapped))
    bench.record(f"sweep k = 1..{K_MAX}, {N_INIT} restarts each, {n:,} clients",
                 {"segmpi": [one[0] for one in ours], "segmpi with swaps": [one[0] for one in swapped],
                  f"scikit-learn {sklearn.__version__}": theirs}, {f"scikit-learn {sklearn.__version__}": 15},
                 f"costs beside scikit-learn's: {compare(ours[-1][2], costs)}, with swaps {compare(swapped[-1][2], costs)}, "
                 f"then {statistics.median(theirs) / full:.1f} times; the sweep costs {plain / bench.phase(text, 'k-means'):.1f} fits of "
                 f"k = {K_MAX}; panel of indices {statistics.median(one[1] for one in ours):.2f} s")


if __name__ == "__main__":
    main()
