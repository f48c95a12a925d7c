"""Where outputs go: a disk that is full, no locks, two jobs that write the same names.

As a program: test_outputs.py STEPS RACES runs so many sizes of the disk for each command (all there are, in pages of
4 KiB, if they are fewer), and so many races.
"""

import errno
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from kit import COMMANDS, HEAD, Bad, Bench, check, records

WRITING = [name for name in COMMANDS if COMMANDS[name][1]]
# a folder on a disk of its own of so many KiB, then with room
SCRIPT = """
folder=$1 disk=$2; shift 2
mount -t tmpfs -o size=${disk}k,mode=700 tmpfs "$folder" && cd "$folder" || exit 99
"$@"; echo "code $?"
echo left $(ls -A)
mount -o remount,size=64m "$folder" && "$@" --force 2>&2; echo "again $?"
echo then $(ls -A)
"""


def with_little_room(bench, name, disk):
    """exit code and what is left; then the same with room"""
    folder = bench.new_folder()
    words = [re.sub(r"\{(.*)\}", rf"{bench.inputs}/\1", word) for word in COMMANDS[name][0]]
    done = subprocess.run(["unshare", "-m", "bash", "-c", SCRIPT, "bash", folder, str(disk), bench.program, *words],
                          env=bench.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"no private mounts: {done.stderr[-200:]}")
    said = dict(re.findall(r"^(code|left|again|then) ?(.*)$", done.stdout, re.M))
    code, outputs = int(said["code"]), set(COMMANDS[name][1])
    messages = [line for line in done.stderr.splitlines() if line.startswith("segmpi")]
    check(code in (0, 74), f"exit code {code}: {done.stderr[-300:]}")
    check(code == 0 or (len(messages) == 1 and re.search("No space|no room|disk full", messages[0])), done.stderr[-300:])
    left = {path for path in said["left"].split() if ".checkpoint-" not in path}
    check(left <= outputs and (code != 0 or left == outputs), f"left behind: {said['left']}")
    check(said["again"] == "0" and set(said["then"].split()) == outputs, f"the next run: {said}: {done.stderr[-300:]}")
    return code


def need(bench, name):
    """KiB of all outputs, in the disk's pages"""
    folder = bench.new_folder()
    run = bench.run(name, folder)
    check(run.code == 0, run.errors)
    return sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*") if path.is_file())


def sizes(kib, steps):
    """so many sizes of a disk up to what is needed, in whole pages: fewer if there are fewer pages"""
    return sorted({max(4, kib * step // steps // 4 * 4) for step in range(1, steps + 1)})


def race(bench, dice):
    """two jobs at once, one of them held up somewhere"""
    name, force, folder = dice.choice(["generate", "score", "report", "export"]), dice.random() < 0.5, bench.new_folder()
    bench.reference(name)
    shims = [None, {"AT": dice.randint(1, 60), "DO": f"sleep:{dice.randint(20, 500)}"}]
    runs = [None, None]

    def start(i):
        try:
            runs[i] = bench.run(name, folder, shim=shims[i], force=force)
        except Bad as bad:
            runs[i] = bad

    threads = [threading.Thread(target=start, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        check(not isinstance(run, Bad), str(run))
    codes = sorted(run.code for run in runs)
    said = [run.errors[-200:] for run in runs]
    check(codes in ([0, 73], [0, 0]) and (force or codes == [0, 73]), f"{name}, force {force}: {codes}: {said}")
    check(set(bench.states(name, folder, False)) == {"new"}, f"{name}: outputs of two runs")
    check(not bench.strays(name, folder), f"{name}: left behind: {bench.strays(name, folder)}")
    return f"{name}{' --force' * force}: {codes}"


@pytest.fixture(scope="module")
def bench(program, environment, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("outputs"), program, environment)


private_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
                                        capture_output=True).returncode != 0, reason="needs private mounts")


@private_mounts
@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk_is_told_and_the_next_run_succeeds(bench, name):
    dice = random.Random(f"{HEAD} {name}")
    kib = need(bench, name)
    codes = [with_little_room(bench, name, max(4, int(kib * part) // 4 * 4)) for part in (dice.random(), 0.9)]
    assert 74 in codes or kib == 4  # the smallest disk has room for it


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_outputs_are_written(bench, error):
    for name, ranks in (("score", 2), ("report", 1)):
        folder = bench.new_folder()
        run = bench.run(name, folder, ranks, {"ONLY": " lock ", "AT": 1, "DO": f"{error}+"})
        assert run.code == 0, run.errors
        assert set(bench.states(name, folder, False)) == {"new"} and bench.strays(name, folder) == []


UNSEEN = {"ONLY": " list ", "AT": 1, "DO": f"{errno.EIO}+"}


def test_a_folder_that_cannot_be_listed_takes_outputs_with_a_warning(bench):
    """what a killed run has left there may stay"""
    for name in ("generate", "doctor"):
        folder = bench.new_folder()
        run = bench.run(name, folder, shim=UNSEEN)
        assert run.code == 0 and set(bench.states(name, folder, False)) <= {"new"}, run.errors
        assert re.search("warning: cannot look for what runs that were killed have left.*Input/output error", run.errors)


def test_what_cannot_be_removed_is_told(bench):
    folder = bench.new_folder()
    (folder / ".out.sql.abcdef.part").write_text("left")
    run = bench.run("export", folder, shim={"ONLY": " unlink ", "AT": 1, "DO": errno.EIO})
    assert run.code == 0 and "warning: cannot remove '.out.sql.abcdef.part'" in run.errors, run.errors


def test_a_report_that_cannot_be_listed_is_not_replaced(bench):
    """something of the user's may stand in its folder"""
    folder = bench.new_folder()
    bench.put_old("report", folder)
    (folder / "out/mine").write_text("mine")
    run = bench.run("report", folder, shim=UNSEEN, force=True)
    assert run.code == 74 and len(run.messages()) == 1 and "cannot look into 'out': Input/output error" in run.errors
    assert (folder / "out/mine").read_text() == "mine" and bench.strays("report", folder) == []


def test_a_report_keeps_nothing_that_could_not_be_removed_at_once(bench):
    """it would not be taken for a report by the next run"""
    at = 1  # what gnuplot said; then the temporary file of the card
    for _ in range(2):
        folder, log = bench.new_folder(), bench.new_folder() / "log"
        run = bench.run("report", folder, shim={"ONLY": " unlink ", "AT": at, "DO": errno.EIO, "LOG": log})
        assert run.code == 0 and bench.states("report", folder, False) == ["new"], run.errors
        at = next(index for _, index, what, path, *_ in records(log) if what == "unlink" and "model_card" in path)


def test_a_report_that_was_moved_out_of_the_way_comes_back(bench):
    """its run was killed between two renamings, where the file system has no exchange"""
    folder = bench.new_folder()
    bench.put_old("report", folder)
    (folder / "out").rename(folder / ".out.abcdef.part.old")
    (folder / ".out.abcdef.part").mkdir()
    run = bench.run("report", folder)
    assert run.code == 73 and "brought back 'out'" in run.errors and "'out' exists" in run.errors, run.errors
    assert bench.state("report", "out", folder) == "old" and bench.strays("report", folder) == []


def test_of_two_jobs_each_output_is_of_one(bench):
    dice = random.Random(HEAD)
    print(*[race(bench, dice) for _ in range(6)], sep="\n")


def main():
    steps, races, bad = int(sys.argv[1]), int(sys.argv[2]), 0
    with tempfile.TemporaryDirectory(prefix="segmpi-outputs-") as folder:
        bench = Bench(Path(folder), os.path.abspath(os.environ["SEGMPI_BINARY"]), dict(os.environ))
        kinds = [("disk", name, size) for name in WRITING for size in sizes(need(bench, name), steps)]
        kinds += [("race", None, number) for number in range(races)]
        for kind, name, number in kinds:
            try:
                if kind == "disk":
                    outcome = with_little_room(bench, name, number)
                else:
                    outcome = race(bench, random.Random(number))
            except Bad as error:
                outcome, bad = "BAD " + " ".join(str(error).split()), bad + 1
            print(kind, name or "", number, outcome, flush=True)
    print(f"{len(kinds)} trials, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
