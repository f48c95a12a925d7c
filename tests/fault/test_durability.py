"""A power cut at any moment leaves each output as it was, or complete; after exit code 0, complete (replay.py).

The judge is the run itself: the bytes that it has left in the end.  Each sync is left out once, to see that the judge
would notice.  As a program: test_durability.py EACH, with so many random states at each point.
"""

import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from kit import COMMANDS, HEAD, Bench, bytes_of
from replay import changing, states, syncs

CASES = [("import", 4), ("generate", 3), ("describe", 1), ("fit", 1), ("score", 3), ("report", 1), ("export", 1)]
EACH = 2


def record(bench, name, ranks, old):
    """a run's log, its folder, and {file: bytes} of all outputs before and after"""
    folder = bench.new_folder()
    log = folder.with_suffix(".log")
    if old:
        bench.put_old(name, folder)
    before = files(name, folder)
    run = bench.run(name, folder, ranks, {"LOG": log}, force=old)
    assert run.code == 0, run.errors
    return log, folder, before, files(name, folder)


def files(name, folder):
    found = {}
    for output in COMMANDS[name][1]:
        if (folder / output).is_dir():
            found.update({f"{output}/{path}": text for path, text in bytes_of(folder / output).items()})
        elif (folder / output).exists():
            found[output] = bytes_of(folder / output)
    return found


def outputs_of(name, state):
    """{output: its files}"""
    return {output: {path: text for path, text in state.items() if path.split("/")[0] == output}
            for output in COMMANDS[name][1]}


def violations(name, run, dice, each=EACH, without=None):
    """how many states there are, and what is wrong with some"""
    log, folder, before, after = run
    old, new = outputs_of(name, before), outputs_of(name, after)
    n, wrong = 0, Counter()
    for last, state in states(log, folder, {str(folder / path): text for path, text in before.items()},
                              after, COMMANDS[name][1], dice, each, without):
        n += 1
        for output, found in outputs_of(name, state).items():
            if found != new[output] and (last or found != old[output]):
                wrong[f"{output} {'at the end' if last else 'on the way'}"] += 1
    return n, wrong


@pytest.fixture(scope="module")
def bench(program, environment, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("durability"), program, environment)


def excused(log, number):
    """a sync that nothing hangs on: of what this rank has not changed, or what it syncs again later"""
    of_all = changing(log)
    rank, path = of_all[number][0], of_all[number][3]
    again = any(record[0] == rank and record[2:4] == ("fsync", path) for record in of_all[number + 1:])
    wrote = any(record[0] == rank and record[3] == path for record in of_all[:number])
    return again or not wrote or "/.model_card.json." in path  # which is synced again under its name


def noticed(name, run, number):
    """does some state that a missing sync allows break the promise?  Few are drawn first, then many"""
    return any(violations(name, run, random.Random(number), each, number)[1] for each in (2, 40))


@pytest.mark.parametrize("name, ranks", CASES)
def test_a_power_cut_leaves_the_old_or_the_new(bench, name, ranks):
    for old in (False, True):
        run = record(bench, name, ranks, old)
        n, wrong = violations(name, run, random.Random(name))
        assert not wrong, wrong
        some = random.Random(f"{HEAD}{old}").sample(syncs(run[0]), min(8, len(syncs(run[0]))))
        missed = [number for number in some if not excused(run[0], number) and not noticed(name, run, number)]
        print(f"{name} on {ranks} ranks, old {old}: {n} states, {len(syncs(run[0]))} syncs")
        assert not missed, [changing(run[0])[number][:4] for number in missed]
        shutil.rmtree(run[1])


def main():
    each, bad, total = int(sys.argv[1]), 0, 0
    with tempfile.TemporaryDirectory(prefix="segmpi-durability-") as folder:
        bench = Bench(Path(folder), os.path.abspath(os.environ["SEGMPI_BINARY"]), dict(os.environ))
        for name, ranks in [(name, ranks) for name in COMMANDS if COMMANDS[name][1] for ranks in (1, 4)]:
            if ranks > 1 and name in ("report", "export"):
                continue
            for old in (False, True):
                n, wrong = violations(name, record(bench, name, ranks, old), random.Random(), each)
                print(f"{name}, {ranks} ranks, old {old}: {n} states, {sum(wrong.values())} invalid {dict(wrong)}",
                      flush=True)
                total, bad = total + n, bad + sum(wrong.values())
    print(f"{total} states, {bad} invalid")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
