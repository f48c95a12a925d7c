"""bench_score.py PROGRAM [MILLIONS [FOLDER [RANKS]]]: how fast `segmpi score` is, beside a plain program in the same run.

The plain program (h5py, one process, 65,536 rows at a time) reads the same input and writes and syncs the same arrays
as scores.h5 holds, copied from values in memory: it computes nothing, checks nothing and names nothing.  Before every
run the input is dropped from the page cache.  Peak memory is the largest resident set of any rank; CPU seconds
count on a machine that others use too.  The best of three.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

TOP = Path(__file__).resolve().parents[2]
ROWS = 65536
TRIES = 3


def environment():
    script = f". '{TOP}/jobs/mpi-env.sh' && env -0"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in text.split("\0") if line)


def run(env, *words):
    return subprocess.run([str(word) for word in words], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=True)


def drop(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def arrays_of(scores):
    """{name: type and shape} of the arrays over clients"""
    found = {}
    with h5py.File(scores, "r") as file:
        n = len(file["cluster"])
        file.visititems(lambda name, item: found.__setitem__(name, (item.dtype, item.shape)) if isinstance(
            item, h5py.Dataset) and item.shape[:1] == (n,) and name != "client" else None)
    return n, found


def plain(clients, scores, out):
    """seconds by the clock and of the processor"""
    n, arrays = arrays_of(scores)
    begin, cpu = time.perf_counter(), time.process_time()
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
    return time.perf_counter() - begin, time.process_time() - cpu


def score(env, program, ranks, model, clients, out):
    """the same of the whole run, with mpirun"""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run(env, "mpirun", "-n", ranks, program, "score", model, clients, "-o", out, "--force", "--quiet")
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak(env, program, ranks, model, clients, out):
    """bytes of the largest resident set of all ranks, by GNU time's way: a child of this process's child"""
    code = ("import os, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open(os.environ['PEAK'] + "
            "os.environ['OMPI_COMM_WORLD_RANK'], 'w'))")
    with tempfile.TemporaryDirectory() as name:
        run({**env, "PEAK": name + "/"}, "mpirun", "-n", ranks, sys.executable, "-c", code, program, "score", model,
            clients, "-o", out, "--force", "--quiet")
        return max(int(path.read_text()) for path in Path(name).iterdir()) * 1024


def main(program, millions=20, folder=".", ranks=None):
    env, ranks = environment(), int(ranks or os.cpu_count())
    with tempfile.TemporaryDirectory(dir=folder) as name:
        folder = Path(name)
        clients, model, out = folder / "clients.h5", folder / "model.h5", folder / "scores.h5"
        run(env, program, "generate", 100000, "-o", folder / "few.h5")
        run(env, program, "fit", folder / "few.h5", "-o", model, "--n-init", 2, "--stability", 0)
        print("   clients  program  ranks  seconds  clients/s   GB/s  of plain  CPU seconds  MB per rank", flush=True)
        for n in (int(float(millions) * 1e5), int(float(millions) * 1e6)):
            run(env, "mpirun", "-n", os.cpu_count(), program, "generate", n, "-o", clients, "--force")
            memory = peak(env, program, ranks, model, clients, out)
            bytes_ = sum(np.dtype(dtype).itemsize * np.prod(shape) for dtype, shape in arrays_of(out)[1].values())
            bytes_ += n * (17 + 1) * 8
            best = {"plain": [], "segmpi": []}
            for _ in range(TRIES):
                drop(clients)
                best["plain"].append(plain(clients, out, folder / "plain.h5"))
                (folder / "plain.h5").unlink()
                drop(clients)
                best["segmpi"].append(score(env, program, ranks, model, clients, out))
            least = {what: [min(values) for values in zip(*tries)] for what, tries in best.items()}
            for what, (s, cpu) in least.items():
                print(f"{n:10} {what:>8} {ranks if what == 'segmpi' else 1:6} {s:8.2f} {n / s:10.0f} "
                      f"{bytes_ / s / 1e9:6.2f} {least['plain'][0] / s:8.0%} {cpu:12.2f} "
                      f"{memory / 1e6 if what == 'segmpi' else 0:12.0f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
