"""What happens when one file operation of one rank fails, is short, or is the last one of its process.

    SEGMPI_BINARY=build/ci/src/segmpi sweep.py [--ranks N] [--commands A,B] [--deeds fail,short,kill,torn] [--share I/N]

A run with the preload library writes down all operations of a command; each of them is a point.  At every point the
trial runs the command afresh, beside old outputs or in an empty folder, and sees that all ends as it must.
"""

import argparse
import errno
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

from kit import ALONE, COMMANDS, DOCUMENTED, Bad, Bench, check, records

DEEDS = ("fail", "short", "kill", "torn")
WRITES = {"write", "ftruncate", "fsync", "rename", "link", "exchange"}
ERRORS = {"write": (errno.EIO, errno.ENOSPC, errno.EFBIG), "open": (errno.EIO, errno.EMFILE, errno.EACCES),
          "fsync": (errno.EIO, errno.ENOSPC), "fallocate": (errno.ENOSPC, errno.EOPNOTSUPP),
          "lock": (errno.ENOLCK, errno.EOPNOTSUPP), "link": (errno.EIO, errno.EPERM)}
SECONDS = 10


def points(bench, name, ranks):
    """all operations of a command: (command, ranks, rank, index, operation, on an output)"""
    folder, log = bench.new_folder(), bench.folder / f"{name} {ranks}.log"
    bench.put_old(name, folder)
    run = bench.run(name, folder, ranks, {"LOG": log}, force=True)
    check(run.code == 0, run.errors)
    shutil.rmtree(folder)
    found = {}
    for rank, index, operation, path, *_ in records(log):
        if index > 0:
            output = not path.startswith(f"{bench.inputs}/")
            found[rank, index] = SimpleNamespace(name=name, ranks=ranks, rank=rank, at=index, operation=operation,
                                                 output=output)
    log.unlink()
    return [found[key] for key in sorted(found)]


def makes_sense(point, deed):
    if deed in ("short", "torn"):
        return point.operation == "write" or (deed == "short" and point.operation == "read")
    return deed == "fail" or point.output  # a kill between reads of inputs is a kill at any time


def trial(bench, point, deed):
    """one run; what it ended with"""
    dice = random.Random(f"{point} {deed}")
    old, folder = dice.random() < 0.5, bench.new_folder()
    if old:
        bench.put_old(point.name, folder)
    do = dice.choice(ERRORS.get(point.operation, (errno.EIO,))) if deed == "fail" else deed
    log = folder.with_suffix(".log")
    shim = {"AT": point.at, "RANK": point.rank, "DO": do, "LOG": log}
    run = bench.run(point.name, folder, point.ranks, shim, force=old)
    if run.seconds > SECONDS:  # others may have had the cores: once more
        run = bench.run(point.name, folder, point.ranks, shim, force=True)
        check(run.seconds < SECONDS, f"took {run.seconds:.0f} s")
    if deed == "fail":  # without an old output there are other operations
        point = hit(log, point, bench)
    states, said = bench.states(point.name, folder, old), run.errors[-400:]
    if deed in ("kill", "torn"):
        check(run.code in (-9, 137, 0), f"exit code {run.code}: {said}")
    elif crashed_in_hdf5(point, run):
        deed = "kill"  # what it leaves is for the next run
    else:
        judge(bench, point, deed, run, states, folder)
    if run.code != 0 and (deed in ("kill", "torn") or dice.random() < 0.1):
        bench.finish(point.name, folder)
    shutil.rmtree(folder)
    log.unlink(missing_ok=True)
    return f"{'-'.join(str(do).split())} {point.operation}: {run.code} {' '.join(states)}"


def crashed_in_hdf5(point, run):
    """HDF5 1.10.8 frees twice when a read fails while it lists a group"""
    return point.operation == "read" and "(H5G__link_release_table" in run.errors


def hit(log, point, bench):
    """the point as this run met it"""
    for rank, index, operation, path, *_ in records(log) if log.exists() else ():
        if (rank, index) == (point.rank, point.at):
            output = not path.startswith(f"{bench.inputs}/")
            return SimpleNamespace(**{**vars(point), "operation": operation, "output": output})
    return point


def judge(bench, point, deed, run, states, folder):
    """a run that has ended by itself"""
    said = run.errors[-400:]
    left = bench.strays(point.name, folder)
    check(run.code in DOCUMENTED, f"exit code {run.code}: {said}")
    if run.code == 0:
        check(set(states) <= {"new"}, f"success with {states}")
        check(deed == "short" or not (point.operation in WRITES and point.output), f"success in spite of it: {said}")
    else:
        check(len(run.messages()) == 1, f"{len(run.messages())} messages: {said}")
    kept = [name for name in left if ".checkpoint-" in name and not name.endswith(".part")]
    check(left == kept or point.operation == "unlink", f"left behind: {left}: {said}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--deeds", default=",".join(DEEDS))
    parser.add_argument("--share", default="0/1", help="every N-th point, from the I-th on")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    first, step = (int(part) for part in asked.share.split("/"))
    outcomes, bad = Counter(), 0
    with tempfile.TemporaryDirectory(prefix="segmpi-sweep-") as folder, ThreadPoolExecutor(asked.jobs) as pool:
        bench = Bench(Path(folder), os.path.abspath(os.environ["SEGMPI_BINARY"]), dict(os.environ))

        def one(point, deed):
            try:
                return trial(bench, point, deed), None
            except Bad as error:
                return None, f"BAD {vars(point)} {deed}: {error}"

        for name in asked.commands.split(","):
            if asked.ranks > 1 and name in ALONE:
                continue
            found = points(bench, name, asked.ranks)
            trials = [(point, deed) for point in found for deed in asked.deeds.split(",") if makes_sense(point, deed)]
            trials = trials[first::step]
            for outcome, error in pool.map(lambda pair: one(*pair), trials):
                if error:
                    bad += 1
                    print(" ".join(error.split()), flush=True)
                else:
                    outcomes[f"{name}: {outcome}"] += 1
            print(f"{name}: {len(found)} operations, {len(trials)} trials, {bad} bad so far", flush=True)
    for outcome in sorted(outcomes):
        print(f"{outcomes[outcome]:5} {outcome}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
