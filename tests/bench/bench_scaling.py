"""bench_scaling.py BUILD [counts|times]: writes SCALING.md beside itself: what ranks say to each other and ask of the file
system, how iterations scale on this machine, and what follows for larger ones.

BUILD is a build folder.  `counts` needs no quiet machine but for its seconds, `times` does; what was found is kept in
BUILD/scaling.json, and the page is written once both are there.  SEG_BENCH_RUNS: runs of each (5); with 3 all of it takes less
than four minutes."""

import json
import math
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_common as bench
import h5py

RANKS = [1, 4, 16, 64]
D, K, CLIENTS = 17, 8, 2_000_000
FIT = ["-k", K, "--no-swaps", "--tol", 0, "--stability", 0, "--outliers", "none", "--force", "--quiet"]
PHASE = re.compile(r"^[a-z-]+ +([0-9]+\.[0-9]+) ", re.M)  # of the table of --timing
COLLECTIVES = ["reduces", "bcasts", "barriers", "gathers", "scans", "exchanges"]
FEW, MANY = 2, 62  # iterations; the difference is what one takes

# of a cluster that nobody has measured here
LATENCY, BANDWIDTH = 2e-6, 10e9  # seconds of a message between nodes; bytes a second
CORES, PRICE = 64, 2.5  # of a node; dollars of a node for an hour
RESTARTS, ITERATIONS = 10, 30  # of a fit; iterations of a restart
FILE_SYSTEM, OF_A_RANK = 100e9, 1e9  # bytes a second that all ranks, and one, move to or from files at most
OPENS = 20e3  # files that it opens in a second
START = 1e-4  # seconds that the launcher takes for each rank


# ---- counts ----


def counted(build, folder, ranks, *options):
    """What count_calls.c says, the seconds of writing the model, and those of no phase: start and end."""
    library, found = f"{build}/libcount.so", Path(folder) / "counts.json"
    found.unlink(missing_ok=True)
    launch = ["mpirun", "-n", str(ranks), "env", f"LD_PRELOAD={library}", f"COUNT_FILE={found}"]
    words = [f"{build}/src/segmpi", "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", *FIT, "--timing",
             *options]
    begun = time.perf_counter()
    done = subprocess.run(launch + [str(word) for word in words], env=bench.environment(), check=True, capture_output=True,
                          text=True)
    whole, phases = time.perf_counter() - begun, [float(x) for x in PHASE.findall(done.stderr)]
    return {**json.loads(found.read_text()), "write_seconds": bench.phase(done.stderr, "write"),
            "start_seconds": whole - sum(phases), "label_bytes": label_bytes(f"{folder}/model.h5")}


def label_bytes(model):
    """Of a client."""
    found = []
    with h5py.File(model) as file:
        n = len(file["labels/cluster"])
        file.visititems(lambda name, item: found.append(item.dtype.itemsize * math.prod(item.shape[1:])) if isinstance(
            item, h5py.Dataset) and item.shape[:1] == (n,) and name != "client" else None)
    return sum(found)


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
            print(f"{ranks} ranks are counted", file=sys.stderr)
    return rows


# ---- times ----


def k_means(build, folder, clients, ranks, iterations):
    """Seconds, and iterations, of which fewer may be made than asked for."""
    words = [f"{build}/src/segmpi", "fit", f"{folder}/{clients}.h5", "-o", f"{folder}/model.h5", *FIT, "--n-init", 1,
             "--max-iter", iterations, "--timing"]
    text = bench.run(*words, ranks=ranks)
    with h5py.File(f"{folder}/model.h5") as model:
        return bench.phase(text, "k-means"), int(model["kmeans/n_iter"][()])


def times(build):
    """Short and long runs in turn."""
    works = {"strong 1": ("all", 1), "strong 2": ("all", 2), "weak 1": ("half", 1)}
    found = {name: [] for name in works}
    with tempfile.TemporaryDirectory() as folder:
        for name, n in ("all", CLIENTS), ("half", CLIENTS // 2):
            bench.run(f"{build}/src/segmpi", "generate", n, "-o", f"{folder}/{name}.h5", "--quiet", ranks=2)
        for _ in range(bench.RUNS):
            for name, work in works.items():
                (short, least), (many, made) = (k_means(build, folder, *work, count) for count in (FEW, MANY))
                found[name].append((many - short) / (made - least))
    return found


# ---- the page ----


def reduce_seconds(ranks, size):
    """Of an all-reduce that halves and doubles: every step a message, every byte sent twice."""
    return 2 * math.ceil(math.log2(ranks)) * LATENCY + 2 * size / BANDWIDTH if ranks > 1 else 0


def predicted(n, ranks, rate, row):
    """Seconds: of an iteration of one restart, of it the all-reduce, and of a fit: computing, reading, writing, opening."""
    size, mine = 8 * (K * (D + 1) + 2), n / ranks / rate
    files = min(FILE_SYSTEM, ranks * OF_A_RANK)
    reduce = reduce_seconds(ranks, size)
    computing = ITERATIONS * (RESTARTS * mine + reduce_seconds(ranks, RESTARTS * size)) + 2 * K * (
        RESTARTS * mine + reduce_seconds(ranks, RESTARTS * 4 * 8 * D))
    reading = table_passes(row) * n * D * 8 / files
    writing = 2 * row["whole"]["label_bytes"] * n / files  # and reading back
    opening = ranks * (START + row["whole"]["each_opens"] / OPENS)
    return mine + reduce, reduce, computing, reading, writing, opening


def table_passes(row):
    return round(row["whole"]["read_bytes"] / (1024 * RANKS[-1] * D * 8))  # over the float64 table


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def counted_lines(rows):
    last = rows[-1]["whole"]
    lines = [
        "# Scaling", "",
        "Written by `bench_scaling.py BUILD`; what stands here was counted or measured by it, but for what is called an",
        f"assumption. {cpu()}, {bench.RANKS} cores, Open MPI, {D} columns, k = {K}.", "",
        "## Counted", "",
        f"A fit of {1024 * RANKS[-1]:,} clients (a block of 1,024 for each of {RANKS[-1]} ranks), ranks beyond two sharing "
        "two cores.", "Iterations: a fit of 12 less one of 2, one restart. Collectives are those of one rank.", "",
        "| ranks | collectives in an iteration | collectives in a fit of 10 restarts | .h5 files opened, all "
        "ranks | bytes read, all ranks | writes, all ranks | start and end, seconds "
        "| writing the model, seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        n, each, whole = row["ranks"], row["each"], row["whole"]
        lines.append(f"| {n} | {sum(each[name] for name in COLLECTIVES):g} | "
                     f"{sum(whole[name] for name in COLLECTIVES) / n:.0f} | {whole['opens']} | "
                     f"{whole['read_bytes'] / 1e6:,.0f} MB | {whole['writes']} | {whole['start_seconds']:.2f} | "
                     f"{whole['write_seconds']:.2f} |")
    return lines + [
        "", f"An iteration is one all-reduce of k (d + 1) + 2 = {K * (D + 1) + 2} integers for a restart: sums, counts, who "
        "moved, and what", "ranks ask for; restarts and all k of a sweep share it (`tests/unit/test_messages.c` holds it to "
        "that on 1, 3 and 64 ranks).", "",
        "Rank 0 looks into the table and makes the model, rank 1 looks into the model before it gets its name. A rank from 2 on is",
        f"told where its rows stand: {last['each_opens']} opens (the table; the model, to write and to read back), no look "
        "into either,", "and only its own rows, which `tests/e2e/test_scale.py` holds it to.",
    ]


def measured_lines(found):
    row, seconds = found["counts"][0], {name: statistics.median(values) for name, values in found["times"].items()}
    last, rate = found["counts"][-1], CLIENTS / 2 / seconds["strong 2"]
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
        "ranks there are.", f"Assumptions: a rank a core, {CORES} to a node, with as much memory bandwidth each as these two; a "
        f"message takes {LATENCY * 1e6:g} us and {BANDWIDTH / 1e9:g} GB/s", "between any two ranks; an all-reduce is 2 log2(ranks) "
        f"messages and sends its bytes twice; a fit has {RESTARTS} restarts of {ITERATIONS}", "iterations that share passes and "
        f"all-reduces; the table is read {table_passes(row)} times (counted), the model takes {row['whole']['label_bytes']} bytes a client "
        "(counted),", f"written and read back, all at {FILE_SYSTEM / 1e9:g} GB/s, or {OF_A_RANK / 1e9:g} GB/s a rank where that is "
        f"less; the launcher takes {START * 1e3:g} ms a rank, one after the", f"other, and the file system opens {OPENS:,.0f} files a "
        f"second, {last['whole']['each_opens']} a rank (counted); a node costs {PRICE} dollars an hour. Noise, stragglers",
        "and the file system's other users are not in it.", "",
        "| clients | ranks | memory of a rank | iteration of a restart | of it, all-reduce | fit: computing | reading | writing "
        "| start and opening | node hours | dollars |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for n, ranks in (10**7, 2), (10**8, 64), (10**9, 1024), (10**10, 1024), (10**10, 10_000), (10**10, 100_000):
        each, reduce, *fit = predicted(n, ranks, rate, {"whole": {**row["whole"], "each_opens": last["whole"]["each_opens"]}})
        hours = sum(fit) / 3600 * math.ceil(ranks / CORES)
        lines.append(f"| 10^{round(math.log10(n))} | {ranks:,} | {n / ranks * (4 * D + 4 * (RESTARTS + 1) + 12) / 1e9:.2g} GB | "
                     f"{each * 1e3:.3g} ms | {100 * reduce / each:.2g} % | " + " | ".join(f"{x:.3g} s" for x in fit) +
                     f" | {hours:.2g} | {hours * PRICE:.2g} |")
    return lines + [
        "", "A large fit waits for the file system to hand out the table. Before ranks were told where rows stand, each opened files 8",
        "times (a helper of MPI-IO beside the output among them), asked for 87 small pieces, and compared the seals of both files: at",
        f"10^10 clients that is {10**10 / 1024 * 8 * 6 / 1e6:,.0f} MB of block checksums, which 10,000 ranks would all have read.",
    ]


def page(found):
    lines = counted_lines(found["counts"]) + measured_lines(found)
    Path(__file__).with_name("SCALING.md").write_text("\n".join(lines) + "\n")


def main(build, *parts):
    kept = Path(build) / "scaling.json"
    for part in parts or ("counts", "times"):
        new = {"counts": counts, "times": times}[part](build)
        found = {**(json.loads(kept.read_text()) if kept.exists() else {}), part: new}
        kept.write_text(json.dumps(found))
    if "counts" in found and "times" in found:
        page(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
