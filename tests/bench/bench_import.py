"""bench_import.py PROGRAM [MEGABYTES [FOLDER]]: how fast `segmpi import` parses CSV, beside pandas in the same run.

Two files of 17 columns: card holders as `segmpi generate` makes them, and random doubles with all their digits.  The
time of segmpi is the summary's parse_seconds: counting and reading rows and writing them, without the sync and the
check of the output.  pandas.read_csv (C engine, one core) returns a frame and writes nothing.  The best of three.
"""

import json
import os
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


def import_seconds(env, program, ranks, csv, folder):
    words = ["mpirun", "-n", ranks, program, "import", csv, "-o", folder / "c.h5", "--force", "--quiet", "--json"]
    run(env, *words, folder / "c.json")
    return json.loads((folder / "c.json").read_text())["parse_seconds"]


def pandas_seconds(csv):
    begin = time.perf_counter()
    pd.read_csv(csv, engine="c")
    return time.perf_counter() - begin


def best(measure, *arguments):
    return min(measure(*arguments) for _ in range(TRIES))


def main(program, megabytes=1000, folder="."):
    env = environment()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        folder = Path(name)
        clients, doubles = folder / "clients.csv", folder / "doubles.csv"
        n = int(float(megabytes) * 1e6 / BYTES_OF_A_CLIENT)
        run(env, "mpirun", "-n", os.cpu_count(), program, "generate", n, "-o", folder / "g.h5", "--csv", clients)
        (folder / "g.h5").unlink()
        make_doubles(doubles, float(megabytes))
        print(f"{'file':12} {'MB':>6}  {'reader':10} {'cores':>5} {'seconds':>8} {'MB/s':>6} {'MB/s per core':>14}")
        for csv in clients, doubles:
            size = csv.stat().st_size / 1e6
            rows = [("segmpi", ranks, best(import_seconds, env, program, ranks, csv, folder)) for ranks in (1, 2)]
            rows.append(("pandas", 1, best(pandas_seconds, csv)))
            for reader, cores, seconds in rows:
                print(f"{csv.name:12} {size:6.0f}  {reader:10} {cores:5} {seconds:8.2f} {size / seconds:6.0f} "
                      f"{size / seconds / cores:14.0f}", flush=True)
            csv.unlink()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
