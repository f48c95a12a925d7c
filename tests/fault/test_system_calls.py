"""One file operation of one rank fails, is short, or is the last one of its process: outputs are the old ones, the new
ones or none, the exit code is a documented one with one message, nobody hangs, and the next run clears up.

A slice of all such points, another one with each commit; sweep.py runs all of them.
"""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import ALONE, COMMANDS, HEAD, Bad, Bench
from sweep import DEEDS, makes_sense, points, trial

TRIALS = {1: 5, 4: 3}  # of each command
SLOW = {"fit with checkpoints"}  # thousands of operations: as many trials as the others, on one rank


@pytest.fixture(scope="module")
def bench(program, environment, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("calls"), program, environment)


def chosen(found, n, dice):
    """n trials, half of them where something is written or named"""
    pairs = [(point, deed) for point in found for deed in DEEDS if makes_sense(point, deed)]
    changes = [pair for pair in pairs if pair[0].output and pair[0].operation not in ("read", "open", "lock")]
    return dice.sample(pairs, min(n - n // 2, len(pairs))) + dice.sample(changes, min(n // 2, len(changes)))


CASES = [(name, ranks) for name in COMMANDS for ranks in (1, 4) if ranks == 1 or name not in ALONE | SLOW]


@pytest.mark.parametrize("name, ranks", CASES)
def test_one_operation_that_goes_wrong(bench, name, ranks):
    dice = random.Random(f"{HEAD} {name} {ranks}")
    bench.reference(name)

    def run(pair):
        try:
            return trial(bench, *pair)
        except Bad as bad:
            return f"BAD {vars(pair[0])} {pair[1]}: {bad}"

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(run, chosen(points(bench, name, ranks), TRIALS[ranks], dice)))
    print(*outcomes, sep="\n")
    assert [outcome for outcome in outcomes if outcome.startswith("BAD")] == []


def test_a_failed_close_after_reading_does_not_change_how_a_run_ends(bench):
    """HDF5 cannot close its file then, and must not keep the rank from MPI_Finalize"""
    closes = [point for point in points(bench, "import", 2)
              if point.rank == 1 and point.operation == "close" and point.output]
    assert trial(bench, closes[-1], "fail") == "5 close: 0 new new"


def test_no_read_that_the_system_fails_is_called_bad_data(bench):
    reads = [point for point in points(bench, "describe", 1) if point.operation == "read" and not point.output]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda point: trial(bench, point, "fail"), reads))
    assert len(outcomes) > 20 and sum(": 74 " in outcome for outcome in outcomes) > 10


def test_a_seal_that_cannot_be_read_is_neither_damaged_nor_absent(bench):
    found = [point for point in points(bench, "compare", 2) if point.rank == 1 and point.operation == "read"]
    outcomes = [trial(bench, point, "fail") for point in found[:2]]
    assert [outcome[:11] for outcome in outcomes] == 2 * ["5 read: 74 "]
