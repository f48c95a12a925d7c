"""What happens when one file operation of one rank fails, is short, or is the last one of its process.

    SEGMPI_BINARY=build/ci/src/segmpi sweep.py [--ranks N] [--commands A,B] [--deeds fail,short,kill,torn] [--share I/N]
                                               [--log FILE] [--seconds N]

A run with the preload library writes down all operations of a command; each of them is a point.  At every point the
trial runs the command afresh, beside old outputs or in an empty folder, and sees that all ends as it must.  What
stands in the log is not tried again; after so many seconds no trial begins any more, and the exit code is 75.
"""

import argparse
import errno
import os
import random
import shutil
import sys
import tempfile
import time
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
    else:
        judge(bench, point, do, run, states, folder)
    if run.code != 0 and (deed in ("kill", "torn") or dice.random() < 0.1):
        bench.finish(point.name, folder)
    shutil.rmtree(folder)
    log.unlink(missing_ok=True)
    return f"{'-'.join(str(do).split())} {point.operation}: {run.code} {' '.join(states)}"


def hit(log, point, bench):
    """the point as this run met it, if it has so many operations"""
    for rank, index, operation, path, *_ in records(log) if log.exists() else ():
        if (rank, index) == (point.rank, point.at):
            output = not path.startswith(f"{bench.inputs}/")
            return SimpleNamespace(**{**vars(point), "operation": operation, "output": output})
    return SimpleNamespace(**{**vars(point), "operation": "none", "output": False})


def judge(bench, point, do, run, states, folder):
    """a run that has ended by itself"""
    said = run.errors[-400:]
    # file systems without links: renamed instead; a doctor makes a note of it
    other_way = point.operation == "link" and (do == errno.EPERM or point.name == "doctor")
    matters = point.operation in WRITES and point.output and not other_way
    left = bench.strays(point.name, folder)
    check(run.code in DOCUMENTED, f"exit code {run.code}: {said}")
    check(run.code != 65 or do != errno.EIO, f"an I/O error is called bad data: {said}")
    if run.code == 0:
        check(set(states) <= {"new"}, f"success with {states}")
        check(do == "short" or not matters, f"success in spite of it: {said}")
    else:
        check(len(run.messages()) == 1, f"{len(run.messages())} messages: {said}")
    kept = [name for name in left if ".checkpoint-" in name and not name.endswith(".part")]
    check(left == kept or point.operation == "unlink", f"left behind: {left}: {said}")


def label(point, deed):
    return f"{point.name}, rank {point.rank} of {point.ranks}, {point.at} {point.operation}, {deed}"


def read_log(path):
    """{trial: outcome} of earlier runs"""
    lines = path.read_text().splitlines() if path and path.exists() else []
    return dict(line.split(": ", 1) for line in lines)


class Sweep:
    """trials in threads, and what came of all of them"""

    def __init__(self, bench, asked):
        self.bench, self.asked, self.outcomes = bench, asked, read_log(asked.log)
        self.log = open(asked.log, "a", buffering=1) if asked.log else None
        self.end = time.monotonic() + asked.seconds

    def one(self, pair):
        if time.monotonic() > self.end:
            return
        try:
            outcome = trial(self.bench, *pair)
        except Bad as bad:
            outcome = "BAD " + " ".join(f"{bad} {vars(pair[0])}".split())
            print(f"{label(*pair)}: {outcome}", flush=True)
        self.outcomes[label(*pair)] = outcome
        if self.log:
            print(f"{label(*pair)}: {outcome}", file=self.log)

    def command(self, name):
        """all its trials; whether none is left, and none was bad"""
        first, step = (int(part) for part in self.asked.share.split("/"))
        found = points(self.bench, name, self.asked.ranks)
        trials = [(point, deed) for point in found for deed in self.asked.deeds.split(",") if makes_sense(point, deed)]
        trials = trials[first::step]
        with ThreadPoolExecutor(self.asked.jobs) as pool:
            list(pool.map(self.one, [pair for pair in trials if label(*pair) not in self.outcomes]))
        done = [self.outcomes[label(*pair)] for pair in trials if label(*pair) in self.outcomes]
        bad = [outcome for outcome in done if outcome.startswith("BAD")]
        print(f"{name}: {len(found)} operations, {len(done)} of {len(trials)} trials, {len(bad)} bad", flush=True)
        for outcome, n in sorted(Counter(done).items()):
            print(f"{n:7} {outcome}")
        return len(done) == len(trials), not bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--deeds", default=",".join(DEEDS))
    parser.add_argument("--share", default="0/1", help="every N-th trial, from the I-th on")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segmpi-sweep-") as folder:
        sweep = Sweep(Bench(Path(folder), os.path.abspath(os.environ["SEGMPI_BINARY"]), dict(os.environ)), asked)
        ends = [sweep.command(name) for name in asked.commands.split(",") if asked.ranks == 1 or name not in ALONE]
    if not all(good for _, good in ends):
        return 1
    return 0 if all(complete for complete, _ in ends) else 75


if __name__ == "__main__":
    sys.exit(main())
