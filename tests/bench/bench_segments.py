"""How stable the four segments of the study are: fits of the real table in many preparations, with ten seeds each, and
of resamples of the table; judged on the written labels by the conditions of tests/e2e/test_segments.py.

    SEGMPI_BINARY=build/ci/src/segmpi python3 tests/bench/bench_segments.py [MERGE...]

Prints a line per preparation: the fewest of the twelve conditions over the seeds, how many seeds meet all, shares."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from test_segments import STUDY, conditions, read_segments  # noqa: E402

BINARY = os.environ["SEGMPI_BINARY"]
TABLE = os.environ.get("SEGMPI_REAL_DATA", TOP.parent / "shared" / "data" / "CC_GENERAL.csv")
CAPS = ["none", "quantile:0.01", "z:3", "z:5", "z:10", "iqr:1.5", "iqr:3"]
PREPARATIONS = [(fill, cap) for fill in ("median", "mean") for cap in CAPS]


def run(*words):
    subprocess.run([BINARY, *map(str, words), "--quiet", "--force"], check=True)


def judge(raw, path):
    """conditions met (0: other names), shares of the study's segments in per cent"""
    names, labels = read_segments(path)
    if sorted(names) != sorted(STUDY):
        return 0, None
    return (sum(conditions(raw, names, labels).values()),
            [100 * np.mean(labels == names.index(name)) for name in STUDY])


def line(name, results):
    met = [count for count, _ in results]
    shares = np.array([share for _, share in results if share])
    ranges = "  ".join(f"{low:4.1f}-{high:4.1f}" for low, high in zip(shares.min(0), shares.max(0))) if len(shares) else ""
    print(f"{name:34s} {min(met):3d} {sum(m == 12 for m in met):3d} of {len(met)}  {ranges}", flush=True)


def main():
    folder = Path(tempfile.mkdtemp(prefix="segments-"))
    raw = pd.read_csv(TABLE, index_col="CUST_ID")
    clients, model = folder / "clients.h5", folder / "model.h5"
    run("import", TABLE, "-o", clients)
    extra = os.environ.get("FIT_OPTIONS", "").split()
    print(f"{'preparation':34s} least, all twelve   " + "  ".join(name.split()[0] for name in STUDY))
    for merge in sys.argv[1:] or ["catalog", "ward"]:
        for fill, cap in PREPARATIONS:
            results = []
            for seed in range(10):
                run("fit", clients, "-o", model, "--merge", merge, "--impute", fill, "--outliers", cap, "--seed", seed, *extra)
                results.append(judge(raw, model))
            line(f"{merge} {fill} {cap}", results)
        for fill, cap in PREPARATIONS[:2]:
            results = []
            for seed in range(20):
                sample = raw.sample(len(raw), replace=True, random_state=seed)
                sample.reset_index(drop=True).to_csv(folder / "sample.csv", index=False)
                run("import", folder / "sample.csv", "-o", folder / "sample.h5", "--id-column", "")
                run("fit", folder / "sample.h5", "-o", model, "--merge", merge, "--impute", fill, "--outliers", cap, *extra)
                results.append(judge(sample, model))
            line(f"{merge} resamples {fill} {cap}", results)


if __name__ == "__main__":
    main()
