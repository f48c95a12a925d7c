"""bench_scaling.py BUILD [counts|times]: writes SCALING.md beside itself: what ranks say to each other, how iterations scale
on this machine, and what follows for larger ones.

BUILD is a build folder.  `counts` needs no quiet machine, `times` does; what was found is kept in BUILD/scaling.json, and the
page is written once there are counts."""

import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import bench_common as bench

RANKS = [1, 4, 16, 64]
D, K, CLIENTS = 17, 8, 4_000_000
FIT = ["-k", K, "--no-swaps", "--tol", 0, "--stability", 0, "--outliers", "none", "--force", "--quiet"]
COLLECTIVES = ["reduces", "bcasts", "barriers", "gathers", "scans", "exchanges"]

# of a cluster that nobody has measured here
LATENCY, BANDWIDTH = 2e-6, 10e9  # seconds of a message between nodes; bytes a second
PRICE = 0.04  # of a core for an hour, in dollars
RESTARTS, ITERATIONS = 10, 30  # of a fit; iterations of a restart
FILE_SYSTEM = 100e9  # bytes a second that all ranks read together at most


# ---- counts ----


def counted(build, folder, ranks, *options):
    library, found = f"{build}/libcount.so", Path(folder) / "counts.json"
    found.unlink(missing_ok=True)
    launch = ["mpirun", "-n", str(ranks), "-x", f"LD_PRELOAD={library}", "-x", f"COUNT_FILE={found}"]
    words = [f"{build}/src/segmpi", "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", *FIT, "--timing",
             *options]
    done = subprocess.run(launch + [str(word) for word in words], env=bench.environment(), check=True, capture_output=True,
                          text=True)
    return {**json.loads(found.read_text()), "write_seconds": bench.phase(done.stderr, "write")}


def counts(build):
    source = Path(__file__).with_name("count_calls.c")
    subprocess.run(["mpicc", "-O2", "-fPIC", "-shared", "-o", f"{build}/libcount.so", source, "-ldl"], check=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench.run(f"{build}/src/segmpi", "generate", 1024 * RANKS[-1], "-o", f"{folder}/clients.h5", "--quiet")
        for ranks in RANKS:
            few, many = (counted(build, folder, ranks, "--n-init", 1, "--max-iter", i) for i in (2, 12))
            each = {name: (many[name] - few[name]) / ranks / 10 for name in COLLECTIVES}
            whole = counted(build, folder, ranks, "--n-init", RESTARTS, "--max-iter", 300)
            rows.append({"ranks": ranks, "each": each, "whole": whole})
            print(rows[-1])
    return rows


# ---- times ----


def iteration(build, folder, clients, ranks, many=42):
    seconds = []
    for iterations in (2, many):
        words = [f"{build}/src/segmpi", "fit", f"{folder}/{clients}.h5", "-o", f"{folder}/model.h5", *FIT, "--n-init", 1,
                 "--max-iter", iterations, "--timing"]
        seconds.append(bench.phase(bench.run(*words, ranks=ranks), "k-means"))
    return (seconds[1] - seconds[0]) / (many - 2)


def times(build):
    found = {"strong 1": [], "strong 2": [], "weak 1": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, n in ("all", CLIENTS), ("half", CLIENTS // 2):
            bench.run(f"{build}/src/segmpi", "generate", n, "-o", f"{folder}/{name}.h5", "--quiet", ranks=2)
        for _ in range(bench.RUNS):
            found["strong 1"].append(iteration(build, folder, "all", 1))
            found["strong 2"].append(iteration(build, folder, "all", 2))
            found["weak 1"].append(iteration(build, folder, "half", 1))
    return found


# ---- the page ----


def reduce_seconds(ranks, size):
    """Of an all-reduce that halves and doubles: every step a message, every byte sent twice."""
    return 2 * math.ceil(math.log2(ranks)) * LATENCY + 2 * size / BANDWIDTH if ranks > 1 else 0


def predicted(n, ranks, rate, table_passes):
    """Seconds of an iteration of one restart, hours of a fit, dollars."""
    size = 8 * (K * (D + 1) + 2)
    each = n / ranks / rate + reduce_seconds(ranks, size)
    passes = RESTARTS * ITERATIONS * n / ranks / rate + ITERATIONS * reduce_seconds(ranks, RESTARTS * size)
    seeding = 2 * K * RESTARTS * (n / ranks / rate) + 2 * K * reduce_seconds(ranks, RESTARTS * 4 * 8 * D)
    reading = table_passes * n * D * 8 / min(FILE_SYSTEM, ranks * 1e9)
    return each, (passes + seeding) / 3600, reading / 3600


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def counted_lines(rows):
    lines = [
        "# Scaling", "",
        "Written by `bench_scaling.py BUILD`; what stands here was counted or measured by it, but for what is called an",
        f"assumption. {cpu()}, {bench.RANKS} cores, Open MPI, {D} columns, k = {K}.", "",
        "## Counted", "",
        f"A fit of {1024 * RANKS[-1]:,} clients (a block of 1,024 for each of {RANKS[-1]} ranks), ranks beyond two sharing "
        "two cores.", "Iterations: a fit of 12 less one of 2, one restart. Calls and bytes are those of one rank.", "",
        "| ranks | collectives in an iteration | collectives in a fit of 10 restarts | .h5 files opened, all "
        "ranks | reads of at most 8 KiB, all ranks | bytes read, all ranks | writes, all ranks | writing the model, seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        n, each, whole = row["ranks"], row["each"], row["whole"]
        lines.append(f"| {n} | {sum(each[name] for name in COLLECTIVES):g} | "
                     f"{sum(whole[name] for name in COLLECTIVES) / n:.0f} | {whole['opens']} | {whole['small_reads']:,} | "
                     f"{whole['read_bytes'] / 1e6:,.0f} MB | {whole['writes']} | {whole['write_seconds']:.2f} |")
    lines += [
        "", f"An iteration is one all-reduce of k (d + 1) + 2 = {K * (D + 1) + 2} integers for a restart: sums, counts, who "
        "moved, and what", "ranks ask for; restarts and all k of a sweep share it (`tests/unit/test_messages.c` holds it to "
        "that on 1, 3 and 64 ranks).", "Each rank opens files and reads their metadata for itself.",
    ]
    return lines


def measured_lines(found):
    rows, seconds = found["counts"], {name: statistics.median(values) for name, values in found["times"].items()}
    rate = CLIENTS / 2 / seconds["strong 2"]
    passes = round(rows[0]["whole"]["read_bytes"] / (1024 * RANKS[-1] * D * 8))  # over the float64 table
    lines = [
        "", "## Measured", "",
        f"Seconds of an iteration, median of {len(found['times']['strong 1'])} (least to most):", "",
        "| | clients | ranks | seconds | beside one rank |", "| --- | --- | --- | --- | --- |",
    ]
    for name, n, ranks in ("strong 1", CLIENTS, 1), ("strong 2", CLIENTS, 2), ("weak 1", CLIENTS // 2, 1):
        values = found["times"][name]
        beside = {"strong 1": "1", "strong 2": f"{seconds['strong 1'] / seconds['strong 2']:.2f} times as fast (bar: 1.9)",
                  "weak 1": f"two ranks with twice the clients take {seconds['strong 2'] / seconds['weak 1']:.2f} times that"}
        lines.append(f"| {name.split()[0]} | {n:,} | {ranks} | {seconds[name]:.4f} ({min(values):.4f} to {max(values):.4f}) "
                     f"| {beside[name]} |")
    lines += [
        "", "## What follows", "",
        f"Each of two cores takes {rate / 1e6:.0f} million clients a second through an iteration, and does not see how many "
        "ranks there are.", "Assumptions: a node's cores have as much memory bandwidth each as these two; a message takes "
        f"{LATENCY * 1e6:g} us and {BANDWIDTH / 1e9:g} GB/s between", "any two ranks; an all-reduce is 2 log2(ranks) messages and "
        f"sends its bytes twice; a fit has {RESTARTS} restarts of {ITERATIONS} iterations that share", "passes; the table is read "
        f"{passes} times at {FILE_SYSTEM / 1e9:g} GB/s, or 1 GB/s a rank where that is less; a core costs {PRICE} dollars an "
        "hour. Noise,", "stragglers and the file system's other users are not in it.", "",
        "| clients | ranks | memory of a rank | iteration of a restart | of it, all-reduce | fit: computing | fit: reading "
        "| dollars |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for n, ranks in (10**7, 2), (10**8, 64), (10**9, 1024), (10**10, 1024), (10**10, 10_000), (10**10, 100_000):
        each, computing, reading = predicted(n, ranks, rate, passes)
        share = reduce_seconds(ranks, 8 * (K * (D + 1) + 2)) / each
        lines.append(f"| 10^{round(math.log10(n))} | {ranks:,} | {n / ranks * (4 * D + 4 * (RESTARTS + 1) + 12) / 1e9:.2g} GB | "
                     f"{each * 1e3:.3g} ms | {100 * share:.2g} % | {computing * 3600:.3g} s | {reading * 3600:.3g} s | "
                     f"{(computing + reading) * ranks * PRICE:.2g} |")
    lines += ["", "Reading the table is bound by the file system, which is what a large fit waits for."]
    return lines


def page(found):
    lines = counted_lines(found["counts"]) + (measured_lines(found) if "times" in found else [])
    Path(__file__).with_name("SCALING.md").write_text("\n".join(lines) + "\n")


def main(build, *parts):
    kept = Path(build) / "scaling.json"
    for part in parts or ("counts", "times"):
        new = {"counts": counts, "times": times}[part](build)
        found = {**(json.loads(kept.read_text()) if kept.exists() else {}), part: new}
        kept.write_text(json.dumps(found))
    if "counts" in found:
        page(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
