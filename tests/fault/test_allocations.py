"""An allocation of the program fails, once or from there on: exit code 71, one message, no output half written, nothing
left behind.

A slice of all allocations, another one with each commit; as a program: test_allocations.py [SHARE I/N] [RANKS] runs all.
"""

import os
import random
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kit import ALONE, COMMANDS, HEAD, Bad, Bench, check


def allocations(bench, name, ranks):
    """how many there are on every rank"""
    folder = bench.new_folder()
    run = bench.run(name, folder, ranks, env={"SEGMPI_ALLOC": "0"}, force=True)
    check(run.code == 0, run.errors)
    return min(int(number) for number in re.findall(r"^(\d+) allocations$", run.errors, re.M))


def trial(bench, name, ranks, wish):
    """SEGMPI_ALLOC=wish, beside old outputs or without"""
    old, folder = random.Random(f"{name}{wish}").random() < 0.5, bench.new_folder()
    if old:
        bench.put_old(name, folder)
    run = bench.run(name, folder, ranks, env={"SEGMPI_ALLOC": wish}, force=old)
    said = run.errors[-400:]
    bench.states(name, folder, old)
    check(run.code in ((71, 78) if name == "doctor" else (71,)), f"exit code {run.code}: {said}")
    if name == "doctor":  # which makes a finding of what fails
        return
    check(len(run.messages()) == 1 and "out of memory" in run.errors, f"{len(run.messages())} messages: {said}")
    left = bench.strays(name, folder)
    check(not [path for path in left if path.endswith(".part")], f"left behind: {left}")
    shutil.rmtree(folder)


def bad_ones(bench, cases):
    """[(command, ranks, wish)] -> what went wrong"""
    def one(case):
        try:
            trial(bench, *case)
        except Bad as bad:
            return " ".join(f"BAD {case}: {bad}".split())
        return None

    with ThreadPoolExecutor(3) as pool:
        return [text for text in pool.map(one, cases) if text]


@pytest.fixture(scope="module")
def bench(program, environment, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("allocations"), program, environment)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_allocation_that_fails(bench, name):
    dice = random.Random(f"{HEAD} {name}")
    n = allocations(bench, name, 1)
    cases = [(name, 1, f"{dice.randint(1, n)}{more}") for more in ("", "", "+")]
    if name not in ALONE:
        n = allocations(bench, name, 3)
        cases.append((name, 3, f"{dice.randint(1, n)}:rank={dice.randrange(3)}"))
    bench.reference(name)
    assert bad_ones(bench, cases) == []


def test_names_without_memory_are_not_made_up(bench):
    """once all allocations that are made while a table is opened: the names of its columns were 'column_0' and so on"""
    bench.reference("describe")
    assert bad_ones(bench, [("describe", 1, str(i)) for i in range(1, 31)]) == []


def main():
    first, step = (int(part) for part in (sys.argv[1:2] or ["0/1"])[0].split("/"))
    ranks, bad, total = int((sys.argv[2:3] or ["1"])[0]), 0, 0
    with tempfile.TemporaryDirectory(prefix="segmpi-allocations-") as folder:
        bench = Bench(Path(folder), os.path.abspath(os.environ["SEGMPI_BINARY"]), dict(os.environ))
        for name in COMMANDS:
            if ranks > 1 and name in ALONE:
                continue
            n = allocations(bench, name, ranks)
            bench.reference(name)
            wishes = [f"{i}{more}:rank={i % ranks}" for i in range(1, n + 1) for more in ("", "+")][first::step]
            found = bad_ones(bench, [(name, ranks, wish) for wish in wishes])
            print(*[text[:400] for text in found], f"{name}: {n} allocations, {len(wishes)} trials, {len(found)} bad",
                  sep="\n", flush=True)
            total, bad = total + len(wishes), bad + len(found)
    print(f"{total} trials, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
