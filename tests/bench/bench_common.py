"""What the benchmarks share: programs run as a user would, clients as segmpi sees them, and records of what was measured.

A record is one work of one size: the seconds of every run of segmpi and of each peer, and the ratio that is asked for.
It is printed, and added to the file that SEG_BENCH_RECORDS names, from which results.py makes RESULTS.md."""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RANKS = 2
RUNS = int(os.environ.get("SEG_BENCH_RUNS", "5"))


def environment(threads=RANKS):
    """What Open MPI wants, and as many threads as ranks: for each peer that is one process."""
    script = f". '{TOP}/jobs/mpi-env.sh' && env -0"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in text.split("\0") if line)
    return {**found, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def run(*words, ranks=None):
    """Its two streams as one text."""
    launch = ["mpirun", "-n", str(ranks)] if ranks else []
    words = launch + [str(word) for word in words]
    result = subprocess.run(words, env=environment(1 if ranks else RANKS), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{result.stderr[-2000:]}")
    return result.stdout + result.stderr


def phase(text, name):
    """Seconds of a phase, from what --timing prints."""
    return float(re.search(rf"^{name} +([0-9.]+)", text, re.M).group(1))


def drop(path):
    """Its pages leave the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def prepared(clients, model):
    """The matrix as segmpi prepares it, in float32."""
    import h5py
    import numpy as np

    with h5py.File(clients) as table, h5py.File(model) as file:
        stages = {name: item[()] for name, item in file["preprocessing"].items() if isinstance(item, h5py.Dataset)}
        x = table["features"][()].astype(np.float64)
    x = np.where(np.isnan(x), stages["fill_value"], x)
    if "lower_bound" in stages:
        x = np.clip(x, stages["lower_bound"], stages["upper_bound"])
    return ((x - stages["mean"]) / stages["scale"]).astype(np.float32)


def spread(values):
    return f"{statistics.median(values):.4g} s ({min(values):.4g} to {max(values):.4g})"


def record(work, seconds, bars=None, notes=""):
    """seconds: {"segmpi": [...], peer: [...]}; bars: {peer: how many times faster segmpi has to be}."""
    ours = statistics.median(seconds["segmpi"])
    print(f"{work}\n  {'segmpi':26} {spread(seconds['segmpi'])}")
    for peer, values in seconds.items():
        if peer != "segmpi":
            bar = f", asked for {bars[peer]}" if bars and peer in bars else ""
            print(f"  {peer:26} {spread(values)}  ratio {statistics.median(values) / ours:.2f}{bar}")
    if notes:
        print(f"  {notes}")
    sys.stdout.flush()
    if "SEG_BENCH_RECORDS" in os.environ:
        with open(os.environ["SEG_BENCH_RECORDS"], "a", encoding="utf-8") as file:
            json.dump({"work": work, "seconds": seconds, "bars": bars or {}, "notes": notes,
                       "commit": os.environ.get("SEG_BENCH_COMMIT", "unknown")}, file)
            file.write("\n")
