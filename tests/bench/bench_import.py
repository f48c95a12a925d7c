"""bench_import.py BUILD [MEGABYTES [FOLDER]]: how fast `segmpi import` reads CSV, beside pandas, DuckDB and Polars.

Two files of 17 columns and an id: card holders as `segmpi generate` makes them (2,000 MB), and a quarter of that of random
doubles with all their digits.
The seconds of segmpi are those of the whole command: start, two passes, and an output that is synced, read back and
named; `parse` counts and reads rows and writes them, without the sync and the check.  pandas.read_csv (C engine, one
thread), Polars and DuckDB (2 threads each) return a table in memory and write nothing.  The file is in the page cache; no
output is there before."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bench_common as bench
import numpy as np
import pandas as pd

os.environ["POLARS_MAX_THREADS"] = str(bench.RANKS)
BYTES_OF_A_CLIENT = 101


def make_doubles(path, megabytes):
    random = np.random.default_rng(0)
    part = pd.DataFrame(random.standard_normal((20000, 17)) * 10.0 ** random.integers(-3, 6, 17))
    text = part.add_prefix("x").to_csv(index=False).encode()
    head = text.index(b"\n") + 1
    with open(path, "wb") as file:
        file.write(text[:head])
        while file.tell() < megabytes * 1e6:
            file.write(text[head:])


def segmpi(binary, ranks, csv, folder):
    """Seconds of the command, and of its parsing."""
    Path(f"{folder}/c.h5").unlink(missing_ok=True)
    os.sync()  # what others have written, and the room of what was removed
    begun = time.perf_counter()
    bench.run(binary, "import", csv, "-o", f"{folder}/c.h5", "--json", f"{folder}/c.json", "--force", "--quiet", ranks=ranks)
    whole = time.perf_counter() - begun
    return whole, json.loads(Path(f"{folder}/c.json").read_text(encoding="utf-8"))["parse_seconds"]


def by_pandas(csv):
    pd.read_csv(csv, engine="c")


def by_duckdb(csv):
    import duckdb

    with duckdb.connect(config={"threads": bench.RANKS}) as base:
        base.execute(f"create table t as select * from read_csv('{csv}')")


def by_polars(csv):
    import polars

    polars.read_csv(csv)


def timed(work, *arguments):
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def peers():
    import importlib.metadata

    found = {}
    for name, work in ("pandas", by_pandas), ("duckdb", by_duckdb), ("polars", by_polars):
        try:
            found[f"{name} {importlib.metadata.version(name)}"] = work
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} is missing")
    return found


def measure(binary, csv, folder):
    found, size = peers(), csv.stat().st_size / 1e6
    seconds = {"segmpi": [], "segmpi, parse": [], "segmpi on 1 rank, parse": [], **{name: [] for name in found}}
    for _ in range(bench.RUNS):
        whole, parse = segmpi(binary, bench.RANKS, csv, folder)
        seconds["segmpi"].append(whole)
        seconds["segmpi, parse"].append(parse)
        seconds["segmpi on 1 rank, parse"].append(segmpi(binary, 1, csv, folder)[1])
        for name, work in found.items():
            seconds[name].append(timed(work, csv))
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    pandas = next(name for name in found if name.startswith("pandas"))
    bars = {name: 1 for name in found if name.startswith("duckdb")}
    bench.record(f"import, {csv.stem}, {size:,.0f} MB", seconds, bars,
                 f"{size / middle['segmpi on 1 rank, parse']:.0f} MB/s on 1 rank, {size / middle['segmpi, parse'] / 2:.0f} per "
                 f"rank on 2; per core {middle[pandas] / middle['segmpi on 1 rank, parse']:.1f} times pandas (asked for 3)")


def main():
    build, megabytes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else ".") as folder:
        binary, clients, doubles = f"{build}/src/segmpi", Path(folder, "clients.csv"), Path(folder, "doubles.csv")
        bench.run(binary, "generate", int(megabytes * 1e6 / BYTES_OF_A_CLIENT), "-o", f"{folder}/g.h5", "--csv", clients,
                  ranks=bench.RANKS)
        Path(folder, "g.h5").unlink()
        measure(binary, clients, folder)
        clients.unlink()
        make_doubles(doubles, megabytes / 4)
        measure(binary, doubles, folder)


if __name__ == "__main__":
    main()
