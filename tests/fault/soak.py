"""Random trials of what ends runs in the middle; soak.sh starts it.

A trial is made from its number alone, so it can be repeated (as far as time can be): commands, ranks, when what happens.
Trials of each kind take turns; a trial that does not end as it must is logged as BAD and ends in exit code 1.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
from hosts import Hosts, why_not  # noqa: E402
from judge import contents  # noqa: E402

SEGMPI = os.environ["SEGMPI_BINARY"]
FEW = ["--n-init", "3", "--stability", "2"]
CODE = ["--embed", "autoencoder", "--ae-layers", "16", "--ae-code", "4", "--ae-epochs", "8", "-k", "4", *FEW]
DEADLINE = 3
RANKS = [1, 2, 3, 4, 5, 7, 8, 16, 64]

# name: command line before "-o OUT", options behind it, whether it can be gone on with
COMMANDS = {
    "import": (["import", "{clients.csv}"], [], False),
    "generate": (["generate", "9000"], [], False),
    "describe": (["describe", "{clients.h5}"], [], False),
    "fit": (["fit", "{clients.h5}"], FEW, True),
    "fit on a code": (["fit", "{clients.h5}"], CODE, True),
    "fit on components": (["fit", "{clients.h5}"], ["--embed", "pca:0.9", "-k", "5", *FEW], True),
    "fit of a chosen k": (["fit", "{clients.h5}"], ["-k", "auto", "--k-max", "6", *FEW], True),
    "elbow": (["elbow", "{clients.h5}"], ["--k-max", "8", "--n-init", "3", "--gap", "3", "--stability", "3",
                                          "--memory-limit", "1G"], True),
    "score": (["score", "{model.h5}", "{clients.h5}"], [], False),
}
SITES = sorted(set(re.findall(r'\bseg_fault\(\s*"(\w+)"', "".join(p.read_text() for p in (TOP / "src").rglob("*.c")))))


class Bad(Exception):
    """a trial that did not end as it must"""


def check(condition, what):
    if not condition:
        raise Bad(what)


class Bench:
    """inputs, what each command makes of them if nothing happens, and how long that takes"""

    def __init__(self, folder):
        self.folder = folder
        self.point = "-"  # what the trial at hand does, and where
        self.whole, self.seconds = {}, {}
        self.call(["generate", "9000", "-o", "clients.h5", "--csv", "clients.csv"])
        self.call(["fit", "clients.h5", "-o", "model.h5", "-k", "6", *FEW])
        for name in COMMANDS:
            begin = time.monotonic()
            self.call(self.words(name, "whole.h5"))
            self.seconds[name] = time.monotonic() - begin
            self.whole[name] = self.digest(folder / "whole.h5")
            (folder / "whole.h5").unlink()

    def call(self, words):
        subprocess.run([SEGMPI, *words, "-q"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def words(self, name, output):
        before, options, _ = COMMANDS[name]
        before = [re.sub(r"\{(.*)\}", rf"{self.folder}/\1", word) for word in before]
        return [*before, "-o", str(output), *options]

    @staticmethod
    def digest(path):
        return hashlib.sha256(repr(sorted(contents(path).items())).encode()).hexdigest()


class Run:
    """one run of a command in a session of its own"""

    def __init__(self, bench, folder, name, ranks, *options, env=None):
        launcher = [] if ranks == 1 else ["mpirun", "-n", str(ranks), "--timeout", "200"]
        self.process = subprocess.Popen(
            [*launcher, SEGMPI, *bench.words(name, "out.h5"), *options], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "SEGMPI_DEADLINE": str(DEADLINE), **(env or {})})
        self.ranks = ranks

    def session(self):
        """{pid: name} of all that lives in the run's session"""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                text = (entry / "stat").read_text()
            except OSError:  # no longer there
                continue
            state = text.rpartition(")")[2].split()
            if int(state[3]) == self.process.pid and state[0] != "Z":
                found[int(entry.name)] = text.partition("(")[2].rpartition(")")[0]
        return found

    def send(self, number, whom):
        """to the launcher, to one rank, to all ranks, or to everyone; how many there were"""
        pids = sorted(self.session()) if whom == "everyone" else [self.process.pid]
        if whom not in ("launcher", "everyone"):
            mine = Path(SEGMPI).name[:15]  # as /proc has it
            pids = sorted(pid for pid, name in self.session().items() if name == mine)
            pids = pids if whom == "all" or not pids else [pids[whom % len(pids)]]
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return len(pids)

    def end(self, seconds=60):
        begin = time.monotonic()
        try:
            self.errors = self.process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            left = self.session()
            self.sweep()
            raise Bad(f"still running after {seconds} s: {left}") from None
        self.waited = time.monotonic() - begin
        while self.session() and time.monotonic() < begin + self.waited + 5:
            time.sleep(0.02)
        left = self.session()
        self.sweep()
        check(not left, f"{len(left)} processes stay behind: {left}")
        return self.process.returncode

    def sweep(self):
        for pid in self.session():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def messages(self):
        return [line for line in self.errors.splitlines() if line.startswith("segmpi")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def check_output(bench, folder, name, old):
    """the old file, the whole new one, or none"""
    path = folder / "out.h5"
    if not path.exists():
        check(not old, "the old output is gone")
        return "absent"
    if old and path.read_bytes() == b"old":
        return "old"
    check(bench.digest(path) == bench.whole[name], "the output is neither the old nor the new one")
    return "new"


def finish(bench, folder, name, *options):
    """one more run to the end: the right output and nothing else"""
    run = Run(bench, folder, name, 2, "--force", *options)
    check(run.end() == 0, f"the next run fails: {run.errors[-300:]}")
    check(bench.digest(folder / "out.h5") == bench.whole[name], "the next run ends in other bits")
    check(names(folder) == ["out.h5"], f"left behind: {names(folder)}")


# ---- kinds of trials: (bench, dice, folder) -> outcome; they say in bench.point what they do ----


def kill(bench, dice, folder):
    name, ranks, old = dice.choice(sorted(COMMANDS)), dice.choice([1, 2, 3, 4]), dice.random() < 0.5
    whom, after = dice.choice(["launcher", "all", 0, 1]), dice.random() * (bench.seconds[name] + 0.3)
    if old:
        (folder / "out.h5").write_bytes(b"old")
    bench.point = f"{name}, {ranks} ranks, SIGKILL of {whom} after {after:.3f} s"
    run = Run(bench, folder, name, ranks, "--force", *(["--checkpoint-interval", "0"] if COMMANDS[name][2] else []))
    time.sleep(after)
    code = run.end(20 if run.send(signal.SIGKILL, whom) else 100)
    outcome = f"{code} {check_output(bench, folder, name, old)}"
    check(code in (0, 137, -9) or ranks > 1, f"exit code {code}: {run.errors[-300:]}")
    finish(bench, folder, name, *(["--resume"] if COMMANDS[name][2] else []))
    return outcome


def chain(bench, dice, folder):
    name = dice.choice(sorted(name for name in COMMANDS if COMMANDS[name][2]))
    bench.point, interruptions = name, 0
    for link in range(11):
        ranks, how = dice.choice([1, 2, 3, 4]), dice.choice(["USR1", "USR1", "TERM", "KILL", "max-seconds"])
        after = dice.random() * (bench.seconds[name] + 0.4)
        options = ["--resume", "--checkpoint-interval", dice.choice(["0", "0.05", "300"])]
        if how == "max-seconds" and link < 10:
            options += ["--max-seconds", f"{after:.3f}"]
        run = Run(bench, folder, name, ranks, *options)
        if how != "max-seconds" and link < 10:
            time.sleep(after)
            run.send(getattr(signal, f"SIG{how}"), "launcher")
        code = run.end(60)
        bench.point += f" {how}:{ranks}:{code}"
        if code == 0:
            break
        interruptions += 1
        if check_output(bench, folder, name, False) == "new":  # killed between its last step and its exit
            check(code != 75, f"'stopped' beside a complete output: {run.errors[-300:]}")
            run = Run(bench, folder, name, ranks, "--resume")
            code = run.end()
            check("nothing to do" in run.errors, f"is not known again: {run.errors[-300:]}")
            bench.point += " done"
            break
        # a signal may come before the program catches it; mpirun answers TERM with 1, a shell's habit is 128 + number
        check(code in (75, 137, 143, 138, 1, -9, -10, -15), f"exit code {code}: {run.errors[-300:]}")
    check(code == 0, f"not at its end: {run.errors[-300:]}")
    check(bench.digest(folder / "out.h5") == bench.whole[name], "other bits")
    check(names(folder) == ["out.h5"], f"left behind: {names(folder)}")
    return f"{interruptions} interruptions, equal"


def warn(dice, run):
    """one way in which a scheduler ends a job; which, and the seconds that it took to end"""
    begin = time.monotonic()
    how = dice.choice(["USR1", "TERM", "KILL"])
    if how == "USR1":  # long before the end of its time; jobs/job.sh hands it on
        run.send(signal.SIGUSR1, "launcher")
        run.process.wait(60)
    if how == "TERM":  # cancelled, preempted, or the end of its time
        for _ in range(dice.choice([1, 2])):
            run.send(signal.SIGCONT, "everyone")
            run.send(signal.SIGTERM, "everyone")
            end = time.monotonic() + dice.random() * 3
            while time.monotonic() < end and run.process.poll() is None:
                time.sleep(0.02)
    run.send(signal.SIGKILL, "everyone")
    return how, time.monotonic() - begin


def scheduler(bench, dice, folder):
    """what SLURM does to a job, and the job back from the queue, on other nodes perhaps"""
    name = dice.choice(sorted(name for name in COMMANDS if COMMANDS[name][2]))
    bench.point, sequences = name, 0
    for turn in range(8):
        ranks, interval = dice.choice([1, 2, 3, 4]), dice.choice(["0.05", "0.3", "300"])
        run = Run(bench, folder, name, ranks, "--resume", "--checkpoint-interval", interval)
        if turn < 7:
            time.sleep(dice.random() * (bench.seconds[name] + 0.4))
        if turn < 7 and run.process.poll() is None:
            how, seconds = warn(dice, run)
            sequences += 1
            bench.point += f" {how}:{ranks}:{seconds:.1f}"
            check(how != "USR1" or seconds < 10, "more than 10 s from USR1 to the end")
        code = run.end(100)
        check(code in (0, 75, 137, 138, 143, 1, -9, -10, -15), f"exit code {code}: {run.errors[-300:]}")
        if code == 0:
            break
    check(code == 0, f"not at its end: {run.errors[-300:]}")
    check(bench.digest(folder / "out.h5") == bench.whole[name], "other bits")
    check(names(folder) == ["out.h5"], f"left behind: {names(folder)}")
    return f"{sequences} sequences, equal"


def race(bench, dice, folder):
    """two jobs that write one output; sometimes one of them is killed"""
    name, force = dice.choice(sorted(COMMANDS)), dice.random() < 0.5
    after, killed = dice.random() * 0.5, dice.random() < 0.3
    bench.point = f"{name}, twice, {after:.3f} s apart{', forced' if force else ''}{', one killed' if killed else ''}"
    runs = []
    for ranks in (dice.choice([1, 2]), dice.choice([1, 2])):
        runs.append(Run(bench, folder, name, ranks, *(["--force"] if force else [])))
        time.sleep(after)
    if killed:
        time.sleep(dice.random() * bench.seconds[name])
        runs[0].send(signal.SIGKILL, "everyone")
    codes = [run.end(100) for run in runs]
    state = check_output(bench, folder, name, False)
    check(set(codes) <= {0, 73, 137, -9}, f"{codes}: {[run.errors[-200:] for run in runs]}")
    check(killed or (state == "new" and codes.count(0) >= 1), f"{codes}, {state}")
    check(force or codes.count(0) <= 1, "both say that they have written it")
    finish(bench, folder, name)
    return f"{codes} {state}"


def lost(bench, dice, folder):
    """a host without its cable or its power"""
    name, i, how = dice.choice(sorted(COMMANDS)), dice.choice([1, 2, 3]), dice.choice(["pull", "cut_power"])
    after = dice.random() * (2 * bench.seconds[name] + 0.5)
    bench.point = f"{name}, {how} of host {i} of 3 after {after:.3f} s"
    hosts = Hosts(dict(os.environ))
    try:
        process = hosts.mpirun([1, 2, 3], SEGMPI, *bench.words(name, "out.h5"), cwd=folder, ranks=1,
                               env={"SEGMPI_DEADLINE": "15"})
        # A host that is lost while mpirun starts its daemons there may leave mpirun waiting; no rank lives then.
        while process.poll() is None and list(hosts.living().values()).count("segmpi") < 3:
            time.sleep(0.02)
        time.sleep(after)
        getattr(hosts, how)(i)
        begin = time.monotonic()
        try:
            errors = process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            raise Bad("still running after 60 s") from None
        seconds, code = time.monotonic() - begin, process.returncode
        check(code in (0, 76, 137, 205), f"exit code {code}: {errors[-300:]}")
        check(code == 0 or seconds < 25, f"{seconds:.1f} s")
        check(hosts.is_quiet(20), f"stay behind: {hosts.living()}")
        state = check_output(bench, folder, name, False)
    finally:
        hosts.close()
    finish(bench, folder, name)
    return f"{code} {state} in {seconds:.1f} s"


def fault(bench, dice, folder):
    name, site = dice.choice(sorted(COMMANDS)), dice.choice(SITES)
    ranks, kind, old = dice.choice([1, 2, 4]), dice.choice(["fail", "kill", "hang"]), dice.random() < 0.5
    rank = dice.randrange(ranks)
    if kind == "hang" and ranks == 1:
        kind = "fail"  # nobody waits for a rank that is alone
    if old:
        (folder / "out.h5").write_bytes(b"old")
    bench.point = f"{name}, {site}, rank {rank} of {ranks}, {kind}"
    run = Run(bench, folder, name, ranks, "--force", env={"SEGMPI_FAULT": f"{site}:rank={rank}:kind={kind}"})
    code = run.end(100)
    state = check_output(bench, folder, name, old)
    if code != 0:
        check(kind != "fail" or (64 <= code <= 78 and len(run.messages()) == 1), f"{code}: {run.errors[-300:]}")
        check(kind != "hang" or code == 76, f"{code}: {run.errors[-300:]}")
        check(kind != "kill" or code in (137, -9), f"{code}: {run.errors[-300:]}")
    return f"{code} {state}"


def stopped(bench, dice, folder):
    name, ranks = dice.choice(sorted(COMMANDS)), dice.choice([2, 3, 4])
    rank, after = dice.randrange(ranks), dice.random() * (bench.seconds[name] + 0.2)
    bench.point = f"{name}, rank {rank} of {ranks} after {after:.3f} s"
    run = Run(bench, folder, name, ranks)
    time.sleep(after)
    hit = run.send(signal.SIGSTOP, rank)
    code = run.end(100)
    state = check_output(bench, folder, name, False)
    check(code in (0, 76), f"exit code {code}: {run.errors[-300:]}")
    check(not hit or code == 0 or run.waited < DEADLINE + 10, f"{run.waited:.1f} s")
    return f"{code} {state} in {run.waited:.1f} s"


def damage(bench, dice, folder):
    """a model or a checkpoint with flipped bits, or cut: refused, or the same contents"""
    target = folder / "out.h5.checkpoint-000001"
    bench.point = "a model or a checkpoint"
    if dice.random() < 0.5:
        target = folder / "model.h5"
        shutil.copy(bench.folder / "model.h5", target)
    else:
        run = Run(bench, folder, "fit", 1, env={"SEGMPI_STOP": str(dice.randint(3, 25))})
        check(run.end() == 75, run.errors[-300:])
    bench.point = f"{target.name}, 100 times"
    whole, digest, refused, harmless = target.read_bytes(), bench.digest(target), 0, 0
    for _ in range(100):
        broken = bytearray(whole)
        if dice.random() < 0.2:
            del broken[dice.randrange(len(broken)):]
        else:
            for _ in range(dice.choice([1, 1, 1, 8])):
                broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        target.write_bytes(broken)
        code = subprocess.run([SEGMPI, "inspect", "--check", target], stdout=subprocess.DEVNULL, timeout=20,
                              stderr=subprocess.DEVNULL).returncode
        check(code in (0, 65), f"inspect --check ends with {code}")
        refused += code == 65
        if code == 0:
            check(bench.digest(target) == digest, "damage that is not found")
            harmless += 1
    return f"{refused} refused, {harmless} without effect"


def same(bench, dice, folder, name=None, ranks=None):
    """the same bits on any number of ranks, under load, whatever is said about threads"""
    name, ranks = name or dice.choice(sorted(COMMANDS)), ranks or dice.choice(RANKS)
    threads = {word: dice.choice(["1", "2", "4"]) for word in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    bench.point = f"{name}, {ranks} ranks, threads {' '.join(threads.values())}"
    run = Run(bench, folder, name, ranks, env={**threads, "SEGMPI_DEADLINE": "200"})
    code = run.end(200)
    check(code == 0, f"exit code {code}: {run.errors[-300:]}")
    check(bench.digest(folder / "out.h5") == bench.whole[name], "other bits")
    return "equal"


KINDS = [kill, chain, stopped, scheduler, fault, kill, race, lost, stopped, kill, scheduler, damage, same]


def trial(bench, number, kind=None, *what):
    """one trial; True if it ended as it must"""
    kind = kind or KINDS[number % len(KINDS)]
    folder = bench.folder / f"trial-{number}"
    folder.mkdir()
    begin = time.monotonic()
    try:
        outcome, good = kind(bench, random.Random(number), folder, *what), True
    except Bad as bad:
        outcome, good = f"BAD: {bad}", False
    line = f"{number} {kind.__name__}: {bench.point}: {outcome} ({time.monotonic() - begin:.1f} s)"
    shutil.rmtree(folder)
    return kind.__name__, good, " ".join(line.split())


def grid(log):
    """each command on each number of ranks; how many trials were bad"""
    with tempfile.TemporaryDirectory(prefix="segmpi-soak-") as folder:
        bench, bad = Bench(Path(folder)), 0
        for number, (name, ranks) in enumerate((name, ranks) for ranks in RANKS for name in COMMANDS):
            _, good, line = trial(bench, number, same, name, ranks)
            bad += not good
            print(line, file=log)
    return bad


def main():
    words = sys.argv[1:]
    if words[:1] == ["--grid"]:
        return 1 if grid(open(words[1], "a", buffering=1) if len(words) > 1 else sys.stdout) else 0
    again = int(words[1]) if words[:1] == ["--trial"] else None
    end = time.monotonic() + (3600 * float(words[0]) if again is None else 0)
    log = open(words[1], "a", buffering=1) if again is None and len(words) > 1 else sys.stdout
    first = again if again is not None else int.from_bytes(os.urandom(3), "big") * len(KINDS)
    only = set(words[2:]) or {kind.__name__ for kind in KINDS}
    done, bad = Counter(), Counter()
    if why_not():
        KINDS[KINDS.index(lost)] = kill
    with tempfile.TemporaryDirectory(prefix="segmpi-soak-") as folder:
        bench = Bench(Path(folder))
        number = first
        while number == first or time.monotonic() < end:
            if again is not None or KINDS[number % len(KINDS)].__name__ in only:
                kind, good, line = trial(bench, number)
                print(line, file=log)
                done[kind] += 1
                bad[kind] += not good
            number += 1
    for kind in sorted(done):
        print(f"{kind}: {done[kind]} trials, {bad[kind]} bad", file=log)
    return 1 if sum(bad.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
