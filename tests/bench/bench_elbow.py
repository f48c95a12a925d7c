"""bench_elbow.py BUILD [CLIENTS]: a sweep over k of segmpi on 2 ranks beside scikit-learn's k-means on 2 threads.

BUILD is a build folder (build/ci, say).  k = 1..20 with 10 restarts each on the same prepared clients, with the default
stop rules of both.  Timed is the phase `sweep`: seeding and Lloyd (`--no-swaps`), as scikit-learn does; then once more
with the center swaps that segmpi adds by default.  The panel of indices is told apart.  segmpi runs before and after
scikit-learn.  Costs are compared before any figure is shown.  On a machine with other work, the ratio of CPU seconds is
the fair one; segmpi's are those of its whole run, with reading, preparing, indices and waiting.
"""

import json
import os
import re
import resource
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

RANKS, K_MAX, N_INIT, RUNS = 2, 20, 10, 2


def run(*words):
    words = ["mpirun", "-n", str(RANKS), *map(str, words)]
    before = cpu_seconds(resource.RUSAGE_CHILDREN)
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{result.stderr}")
    return result.stdout + result.stderr, cpu_seconds(resource.RUSAGE_CHILDREN) - before


def cpu_seconds(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def phase(text, name):
    """seconds, GB and collectives of a phase"""
    seconds, read, _, collectives, *_ = re.search(rf"^{name} +(.*)", text, re.M).group(1).split()
    return float(seconds), float(read), int(collectives)


def elbow(binary, folder, *more):
    text, cpu = run(binary, "elbow", f"{folder}/clients.h5", "-o", f"{folder}/elbow.h5", "--json", f"{folder}/elbow.json",
                    "--k-max", K_MAX, "--n-init", N_INIT, "--force", "--quiet", "--timing", *more)
    return phase(text, "sweep"), phase(text, "quality")[0], cpu


def prepared(folder):
    with h5py.File(f"{folder}/elbow.h5") as sweep, h5py.File(f"{folder}/clients.h5") as clients:
        stages = {name: item[()] for name, item in sweep["preprocessing"].items()}
        x = clients["features"][()]
        x = np.clip(np.where(np.isnan(x), stages["fill_value"], x), stages["lower_bound"], stages["upper_bound"])
        return ((x - stages["mean"]) / stages["scale"]).astype(np.float32)


def sklearn_sweep(z):
    begun, cpu = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF)
    costs = []
    for k in range(1, K_MAX + 1):
        costs.append(KMeans(k, n_init=N_INIT, random_state=0).fit(z).inertia_)
        print(f"scikit-learn k = {k}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return time.perf_counter() - begun, cpu_seconds(resource.RUSAGE_SELF) - cpu, costs


def compare(folder, costs, which):
    with open(f"{folder}/elbow.json", encoding="utf-8") as file:
        ours = [fit["inertia"] for fit in json.load(file)["fits"]]
    off = [100 * (a / b - 1) for a, b in zip(ours, costs)]
    print(f"cost {which} against scikit-learn's: {min(off):+.2f} % (k = {1 + off.index(min(off))}) to {max(off):+.2f} % "
          f"(k = {1 + off.index(max(off))})")
    if max(off) > 1:
        sys.exit("the fits are worse: no figures")


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    binary = f"{build}/src/segmpi"
    with tempfile.TemporaryDirectory() as folder:
        run(binary, "generate", n, "-o", f"{folder}/clients.h5", "--quiet")
        ours, swapped = [elbow(binary, folder, "--no-swaps")], [elbow(binary, folder)]
        seconds, cpu, costs = sklearn_sweep(prepared(folder))
        swapped += [elbow(binary, folder) for _ in range(RUNS - 1)]
        compare(folder, costs, "with swaps")
        ours += [elbow(binary, folder, "--no-swaps") for _ in range(RUNS - 1)]
        compare(folder, costs, "without")
        text, _ = run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", K_MAX, "--n-init", N_INIT,
                      "--no-swaps", "--stability", 0, "--quiet", "--timing")

    (_, read, collectives), fit = ours[-1][0], phase(text, "k-means")[0]
    plain, full = (statistics.median(one[0][0] for one in runs) for runs in (ours, swapped))
    ours_cpu = statistics.median(one[2] for one in ours)
    quality = statistics.median(one[1] for one in ours)
    print(f"{n:,} clients, k = 1..{K_MAX}, {N_INIT} restarts each, {RANKS} ranks against 2 threads")
    print(f"segmpi            {plain:8.2f} s, {ours_cpu:8.2f} s of CPU in all; {read:.1f} GB read, {collectives} collectives")
    print(f"  with swaps      {full:8.2f} s")
    print(f"scikit-learn {sklearn.__version__:6}{seconds:7.2f} s, {cpu:8.2f} s of CPU")
    print(f"ratio {seconds / plain:.1f}, with swaps {seconds / full:.1f}; of CPU {cpu / ours_cpu:.1f}")
    print(f"the whole sweep costs {plain / fit:.1f} fits of k = {K_MAX}; panel of indices {quality:.2f} s")


if __name__ == "__main__":
    main()
