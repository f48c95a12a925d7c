"""bench_score.py BUILD [MILLIONS [FOLDER [RANKS]]]: how fast `segmpi score` is, beside a plain program in the same run.

The plain program (h5py, one process, 65,536 rows at a time) reads the same input and writes and syncs the same arrays
as scores.h5 holds, copied from values in memory: it computes nothing, checks nothing and names nothing.  Before every
run the input is dropped from the page cache.  The seconds of segmpi are those of the whole command with mpirun.  Peak
memory is the largest resident set of any rank.  Also for a tenth of the clients."""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bench_common as bench
import h5py
import numpy as np

ROWS = 65536


def arrays_of(scores):
    """{name: type and shape} of the arrays over clients"""
    found = {}
    with h5py.File(scores, "r") as file:
        n = len(file["cluster"])
        file.visititems(lambda name, item: found.__setitem__(name, (item.dtype, item.shape)) if isinstance(
            item, h5py.Dataset) and item.shape[:1] == (n,) and name != "client" else None)
    return n, found


def plain(clients, scores, out):
    """Seconds."""
    n, arrays = arrays_of(scores)
    begun = time.perf_counter()
    with h5py.File(clients, "r") as source, h5py.File(out, "w") as file:
        features, ids = source["features"], source["ids/client_id"]
        made = {name: file.create_dataset(name, shape, dtype) for name, (dtype, shape) in arrays.items()}
        chunk = {name: np.ones((ROWS, *shape[1:]), dtype) for name, (dtype, shape) in arrays.items()}
        x = np.empty((ROWS, features.shape[1]), features.dtype)
        for first in range(0, n, ROWS):
            rows = min(ROWS, n - first)
            features.read_direct(x, np.s_[first:first + rows], np.s_[:rows])
            chunk["ids/client_id"][:rows] = ids[first:first + rows]
            for name, dataset in made.items():
                dataset.write_direct(chunk[name], np.s_[:rows], np.s_[first:first + rows])
    with open(out, "rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - begun


def score(binary, ranks, model, clients, out, *before):
    begun = time.perf_counter()
    bench.run(*before, binary, "score", model, clients, "-o", out, "--force", "--quiet", ranks=ranks)
    return time.perf_counter() - begun


def peak(binary, ranks, model, clients, out):
    """Bytes of the largest resident set of all ranks: each is the child of a process that asks for it."""
    code = ("import os, resource, subprocess, sys; subprocess.run(sys.argv[2:], check=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open(sys.argv[1] + '/' + "
            "os.environ['OMPI_COMM_WORLD_RANK'], 'w'))")
    with tempfile.TemporaryDirectory() as name:
        score(binary, ranks, model, clients, out, sys.executable, "-c", code, name)
        return max(int(path.read_text(encoding="utf-8")) for path in Path(name).iterdir()) * 1024


def measure(binary, ranks, n, folder):
    clients, model, out = folder / "clients.h5", folder / "model.h5", folder / "scores.h5"
    bench.run(binary, "generate", n, "-o", clients, "--force", ranks=ranks)
    memory = peak(binary, ranks, model, clients, out)
    seconds = {"segmpi": [], "plain HDF5": []}
    for _ in range(bench.RUNS):
        bench.drop(clients)
        seconds["plain HDF5"].append(plain(clients, out, folder / "plain.h5"))
        (folder / "plain.h5").unlink()
        bench.drop(clients)
        seconds["segmpi"].append(score(binary, ranks, model, clients, out))
    share = statistics.median(seconds["plain HDF5"]) / statistics.median(seconds["segmpi"])
    bench.record(f"score, {n:,} clients, cold input", seconds, {"plain HDF5": 0.8} if n > 10_000_000 else {},
                 f"{n / statistics.median(seconds['segmpi']) / 1e6:.1f} million clients/s, {100 * share:.0f} % of the plain program, "
                 f"{memory / 1e6:.0f} MB per rank at most")


def main():
    build, millions = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20
    ranks, binary = int(sys.argv[4]) if len(sys.argv) > 4 else bench.RANKS, f"{build}/src/segmpi"
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else ".") as name:
        folder = Path(name)
        bench.run(binary, "generate", 100000, "-o", folder / "few.h5")
        bench.run(binary, "fit", folder / "few.h5", "-o", folder / "model.h5", "--n-init", 2, "--stability", 0)
        for n in (int(millions * 1e5), int(millions * 1e6)):
            measure(binary, ranks, n, folder)


if __name__ == "__main__":
    main()
