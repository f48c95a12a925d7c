"""bench_stream.py BUILD [MILLIONS]: iterations over clients in a scratch file beside reading that many bytes.

BUILD is a build folder, MILLIONS of clients (4), on one rank.  A fit with the smallest --memory-limit that works, which is less
than the table: a run of 22 iterations less one of 2, in turn; iterations that were made count.  segmpi drops what a pass leaves behind from the page
cache, so every pass reads from the disk; the raw reading is of a file of the same size in the same folder, dropped from the
page cache before, by read() in pieces of 4 MiB.  Both alternate.  The memory is the largest that the system has seen of the
process."""

import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_common as bench
import h5py

FIT = ["-k", 8, "--n-init", 1, "--no-swaps", "--tol", 0, "--stability", 0, "--outliers", "none", "--force", "--quiet"]


def read_all(path):
    """seconds of reading a file that is not in memory"""
    bench.drop(path)
    begin, file = time.monotonic(), os.open(path, os.O_RDONLY)
    while os.read(file, 4 << 20):
        pass
    os.close(file)
    return time.monotonic() - begin


def fit(binary, folder, limit, iterations):
    """seconds of k-means, iterations that were made, and bytes that the process has held at most"""
    words = [binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", *FIT, "--max-iter", iterations,
             "--memory-limit", limit, "--timing"]
    process = subprocess.Popen([str(word) for word in words], env=bench.environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found.group(1)) * 1000 if found else 0)
        except OSError:
            pass
        time.sleep(0.02)
    with h5py.File(f"{folder}/model.h5") as model:
        return bench.phase(process.stderr.read(), "k-means"), int(model["kmeans/n_iter"][()]), peak * 1.024


def main():
    build, n = sys.argv[1], int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 4_000_000
    binary = f"{build}/src/segmpi"
    with tempfile.TemporaryDirectory(dir=".") as folder:
        bench.run(binary, "generate", n, "-o", f"{folder}/clients.h5", "--quiet", ranks=bench.RANKS)
        words = [binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", *FIT, "--memory-limit", 1]
        refused = subprocess.run([str(word) for word in words], env=bench.environment(), capture_output=True, text=True,
                                 check=False)
        limit = int(re.search(r"in a file: (\d+);", refused.stderr).group(1))
        with open(f"{folder}/raw", "wb") as file:
            piece = random.Random(0).randbytes(1 << 20)
            for _ in range(n * 68 >> 20):
                file.write(piece)
        seconds, peak = {"segmpi": [], "reading as many bytes": []}, 0
        for _ in range(bench.RUNS):
            seconds["reading as many bytes"].append(read_all(f"{folder}/raw"))
            (few, least, _), (many, made, held) = fit(binary, folder, limit, 2), fit(binary, folder, limit, 22)
            seconds["segmpi"].append((many - few) / (made - least))
            peak = max(peak, held)
    rate = n * 68 / statistics.median(seconds["segmpi"]) / 1e9
    bench.record(f"iteration over a scratch file, {n:,} clients, 1 rank", seconds, {"reading as many bytes": 0.8},
                 f"{rate:.2f} GB/s; limit {limit / 1e6:.0f} MB, at most {peak / 1e6:.0f} MB held, the table has {n * 136 / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
