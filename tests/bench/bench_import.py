"""bench_import.py PROGRAM [MEGABYTES [FOLDER]]: how fast `segmpi import` parses CSV, beside pandas in the same run.

Two files of 17 columns: card holders as `segmpi generate` makes them, and random doubles with all their digits.  The
seconds of segmpi are the summary's parse_seconds: counting and reading rows and writing them, without the sync and the
check of the output; its CPU seconds are those of the whole program.  pandas.read_csv (C engine, one core) returns a
frame and writes nothing.  CPU seconds count on a machine that others use too.  The best of three.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

TOP = Path(__file__).resolve().parents[2]
BYTES_OF_A_CLIENT = 101
TRIES = 3


def environment():
    script = f". '{TOP}/jobs/mpi-env.sh' && env -0"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in text.split("\0") if line)


def run(env, *words):
    return subprocess.run([str(word) for word in words], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=True).stdout


def make_doubles(path, megabytes):
    random = np.random.default_rng(0)
    part = pd.DataFrame(random.standard_normal((20000, 17)) * 10.0 ** random.integers(-3, 6, 17))
    text = part.add_prefix("x").to_csv(index=False).encode()
    head = text.index(b"\n") + 1
    with open(path, "wb") as file:
        file.write(text[:head])
        while file.tell() < megabytes * 1e6:
            file.write(text[head:])


def measure_segmpi(env, program, ranks, csv, folder):
    """seconds of parsing, and of the processor for the whole program"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(env, "mpirun", "-n", ranks, program, "import", csv, "-o", folder / "c.h5", "--json", folder / "c.json",
        "--force", "--quiet")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads((folder / "c.json").read_text())["parse_seconds"], cpu


def measure_pandas(csv):
    wall, cpu = time.perf_counter(), time.process_time()
    pd.read_csv(csv, engine="c")
    return time.perf_counter() - wall, time.process_time() - cpu


def report(csv, reader, cores, measure, *arguments):
    """the best of a few tries, for each clock"""
    tries = [measure(*arguments) for _ in range(TRIES)]
    wall, cpu = (min(values) for values in zip(*tries))
    size = csv.stat().st_size / 1e6
    print(f"{csv.name:12} {size:5.0f}  {reader:7} {cores:5} {wall:8.2f} {size / wall / cores:14.0f}"
          f" {cpu:12.2f} {size / cpu:18.0f}", flush=True)


def main(program, megabytes=1000, folder="."):
    env = environment()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        folder = Path(name)
        clients, doubles = folder / "clients.csv", folder / "doubles.csv"
        n = int(float(megabytes) * 1e6 / BYTES_OF_A_CLIENT)
        run(env, "mpirun", "-n", os.cpu_count(), program, "generate", n, "-o", folder / "g.h5", "--csv", clients)
        (folder / "g.h5").unlink()
        make_doubles(doubles, float(megabytes))
        print("file            MB  reader  cores  seconds  MB/s per core  CPU seconds  MB per CPU second")
        for csv in clients, doubles:
            for ranks in 1, 2:
                report(csv, "segmpi", ranks, measure_segmpi, env, program, ranks, csv, folder)
            report(csv, "pandas", 1, measure_pandas, csv)
            csv.unlink()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
