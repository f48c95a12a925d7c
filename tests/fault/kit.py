"""What the tests with injected faults share: commands on small inputs, what they make if nothing happens, runs under the
preload library (shim.c), and what an output may be afterwards: the old one, the new one, or none."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
from judge import contents  # noqa: E402

HEAD = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TOP, capture_output=True, text=True).stdout.strip()
DOCUMENTED = {0, 1, 64, 65, 66, 71, 73, 74, 75, 76, 77, 78}
FEW = ["-k", "3", "--n-init", "1", "--stability", "2"]
OUT, JSON = ["-o", "out.h5"], ["--json", "out.json"]

# name: command line and outputs; inputs stand in braces
COMMANDS = {
    "import": (["import", "{clients.csv}", *OUT, *JSON], ["out.h5", "out.json"]),
    "generate": (["generate", "2100", *OUT, "--csv", "out.csv"], ["out.h5", "out.csv"]),
    "describe": (["describe", "{clients.h5}", *OUT, *JSON], ["out.h5", "out.json"]),
    "elbow": (["elbow", "{clients.h5}", *OUT, *JSON, "--k-max", "3", "--n-init", "1", "--stability", "1"],
              ["out.h5", "out.json"]),
    "fit": (["fit", "{clients.h5}", *OUT, *JSON, *FEW], ["out.h5", "out.json"]),
    "fit with checkpoints": (["fit", "{clients.h5}", *OUT, "-k", "2", "--n-init", "1", "--no-swaps", "--stability",
                              "0", "--max-iter", "3", "--checkpoint-interval", "0"], ["out.h5"]),
    "score": (["score", "{model.h5}", "{clients.h5}", *OUT, *JSON, "--csv", "out.csv"],
              ["out.h5", "out.json", "out.csv"]),
    "compare": (["compare", "{scores.h5}", "{scores.h5}", *JSON], ["out.json"]),
    "report": (["report", "{model.h5}", "-o", "out", "--scores", "{scores.h5}"], ["out"]),
    "export": (["export", "{model.h5}", "--sql", "out.sql"], ["out.sql"]),
    "inspect": (["inspect", "--check", "{model.h5}"], []),
    "doctor": (["doctor", "."], []),
}
ALONE = {"report", "export", "inspect"}  # never more than one rank


class Bad(Exception):
    """a run that did not end as it must"""


def check(condition, what):
    if not condition:
        raise Bad(what)


def living(session):
    """processes of a session that have not ended"""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # no longer there
            continue
        if state[0] != "Z" and int(state[3]) == session:
            found.append(int(entry.name))
    return found


def bytes_of(path):
    """a file's bytes; a folder's files with theirs"""
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    return path.read_bytes()


def digest(path):
    """of what does not differ between equal runs, as the date in a PDF does, and memory with the length of a path"""
    value = sorted(contents(path).items()) if path.suffix == ".h5" else bytes_of(path)
    if path.is_dir():
        value = {name: text.rstrip().endswith(b"%%EOF") if name.endswith(".pdf") else text for name, text in value.items()}
    if path.suffix == ".json":
        value = re.sub(rb'"(\w*seconds|memory)": [\d.e-]+', rb"\1", value)
    return hashlib.sha256(repr(value).encode()).hexdigest()


def records(path):
    """the log of the preload library: (rank, index, operation, path, other path, argument, result, errno, bytes)"""
    text, at = path.read_bytes(), 0
    while at < len(text):
        end = text.index(b"\n", at)
        rank, index, name, one, two, argument, result, error, size = text[at:end].decode().split("\t")
        at = end + 1 + int(size)
        yield int(rank), int(index), name, one, two, int(argument), int(result), int(error), text[end + 1:at]


class Bench:
    """inputs, and what each command makes of them if nothing happens"""

    def __init__(self, folder, program, environment):
        self.folder, self.program, self.environment = folder.resolve(), program, environment
        self.shim = Path(program).resolve().parents[1] / "tests/libsegmpi_shim.so"
        self.numbers, self.whole = count(), {}
        self.inputs = self.folder / "inputs"
        self.inputs.mkdir(parents=True)
        for words in ("generate 2100 -o clients.h5 --csv clients.csv", "fit clients.h5 -o model.h5 -k 3 --n-init 1",
                      "score model.h5 clients.h5 -o scores.h5"):
            subprocess.run([program, *words.split()], cwd=self.inputs, env=environment, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def new_folder(self):
        folder = self.folder / "runs" / str(next(self.numbers))
        folder.mkdir(parents=True)
        return folder

    def reference(self, name):
        """{output: digest} of a run in which nothing happens"""
        if name not in self.whole:
            folder = self.new_folder()
            run = self.run(name, folder)
            check(run.code == 0, run.errors)
            self.whole[name] = {output: digest(folder / output) for output in COMMANDS[name][1]}
            self.keep_old(name, folder)
        return self.whole[name]

    def keep_old(self, name, folder):
        """an old output differs from the new one; that of a report is a report"""
        for output in COMMANDS[name][1]:
            if (folder / output).is_dir() and not (self.folder / "old").exists():
                shutil.copytree(folder / output, self.folder / "old")
                (self.folder / "old" / "report.html").write_text("old")

    def put_old(self, name, folder):
        self.reference(name)
        for output in COMMANDS[name][1]:
            if "." in output:
                (folder / output).write_text("old")
            else:
                shutil.copytree(self.folder / "old", folder / output)

    def run(self, name, folder, ranks=1, shim=None, env=None, force=False, seconds=30):
        words = [re.sub(r"\{(.*)\}", rf"{self.inputs}/\1", word) for word in COMMANDS[name][0]]
        force = ["--force"] if force and COMMANDS[name][1] else []
        return Run(self, [*words, *force], folder, ranks, shim, env or {}, seconds)

    def state(self, name, output, folder):
        path = folder / output
        if not os.path.lexists(path):
            return "absent"
        self.reference(name)
        if bytes_of(path) == (bytes_of(self.folder / "old") if path.is_dir() else b"old"):
            return "old"
        try:
            same = digest(path) == self.reference(name)[output]
        except Exception as error:
            raise Bad(f"{output} cannot be read: {error}") from None
        check(same, f"{output} is neither the old nor the new one")
        return "new"

    def states(self, name, folder, old):
        found = [self.state(name, output, folder) for output in COMMANDS[name][1]]
        check(not old or "absent" not in found, f"an old output is gone: {found}")
        return found

    def strays(self, name, folder):
        outputs = COMMANDS[name][1]
        left = sorted(path.name for path in folder.iterdir() if path.name not in outputs)
        return [] if name == "doctor" else left  # a doctor that is killed leaves its canary, under a name of its own

    def finish(self, name, folder, ranks=1):
        """the next run: the right outputs and nothing else"""
        run = self.run(name, folder, ranks, force=True)
        check(run.code == 0, f"the next run fails with {run.code}: {run.errors[-300:]}")
        check(set(self.states(name, folder, False)) <= {"new"}, "the next run does not replace all outputs")
        left = self.strays(name, folder)
        check(not left, f"left behind after the next run: {left}")


class Run:
    """a run to its end, in a session of its own; `shim` is {"AT": ..., "DO": ...} for the preload library"""

    def __init__(self, bench, words, folder, ranks, shim, env, seconds):
        self.env = dict(env)
        if shim is not None:
            self.env.update({f"SHIM_{name}": str(value) for name, value in shim.items()},
                            SHIM_FOLDER=str(bench.folder), LD_PRELOAD=str(bench.shim))
        launcher = []
        if ranks > 1:  # the launcher itself stays without it
            given = [word for name, value in self.env.items() for word in ("-x", f"{name}={value}")]
            launcher, self.env = ["mpirun", "-n", str(ranks), "--timeout", str(seconds), *given], {}
        begin = time.monotonic()
        process = subprocess.Popen([*launcher, bench.program, *words], cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True, env={**bench.environment, **self.env})
        try:
            self.errors = process.communicate(timeout=seconds + 5)[1]
        except subprocess.TimeoutExpired:
            self.sweep(process.pid)
            process.wait()
            raise Bad(f"still running after {seconds} s") from None
        self.seconds, self.code = time.monotonic() - begin, process.returncode
        end = time.monotonic() + 3
        while living(process.pid) and time.monotonic() < end:
            time.sleep(0.02)
        left = self.sweep(process.pid)
        check(not left, f"{left} processes stay behind")

    @staticmethod
    def sweep(session):
        pids = living(session)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return len(pids)

    def messages(self):
        return [line for line in self.errors.splitlines() if line.startswith("segmpi")]
