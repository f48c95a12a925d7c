"""Any single fault on any of 4 ranks: all ranks leave within 5 s with the code of that fault and one message, and no
file is touched.

The sites and their codes are read from the source, so a new seg_fault() is tested as soon as it stands there.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RANKS = 4
SECONDS = 5

# site: why no command reaches it
UNREACHED = {}

SITE = re.compile(r'\bseg_fault\(\s*"(\w+)"\s*,\s*(SEG_ERR_\w+)\s*\)')
CODES = dict(re.findall(r"\b(SEG_ERR_\w+) = (\d+)", (TOP / "include/segmpi/error.h").read_text()))


def sites():
    """{site: exit code}, from src/"""
    found = {}
    for path in sorted((TOP / "src").rglob("*.c")):
        for site, code in SITE.findall(path.read_text()):
            found[site] = int(CODES[code])
    return found


SITES = sites()

# The command lines that are tried for a site, in this order; of INPUTS and outputs.
COMMANDS = {
    "import": (["import", "{clients.csv}", "-o", "out.h5", "--json", "out.json", "--missing", "none"],
               ["out.h5", "out.json"]),
    "generate": (["generate", "5000", "-o", "out.h5", "--csv", "out.csv"], ["out.h5", "out.csv"]),
    "fit": (["fit", "{clients.h5}", "-o", "out.h5", "--json", "out.json", "-k", "3", "--n-init", "2"],
            ["out.h5", "out.json"]),
    "fit from centers": (["fit", "{clients.h5}", "-o", "out.h5", "-k", "3", "--init", "{model.h5}"], ["out.h5"]),
    "fit with the mean": (["fit", "{clients.h5}", "-o", "out.h5", "-k", "3", "--init", "random", "--n-init", "2",
                           "--impute", "mean", "--outliers", "z:3"], ["out.h5"]),
}


def order(site):
    """the command that is probably meant first"""
    first = {"csv": "import", "generate": "generate", "centers": "fit from centers"}.get(site.split("_")[0], "fit")
    return sorted(COMMANDS, key=lambda name: name != first)


@pytest.fixture(scope="module")
def inputs(segmpi, tmp_path_factory):
    """tables in which each of 4 ranks has rows, and bytes of the CSV"""
    folder = tmp_path_factory.mktemp("inputs")
    segmpi("generate", "30000", "-o", folder / "clients.h5", "--csv", folder / "clients.csv", ranks=2)
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "-k", 3, "--n-init", 1, ranks=2)
    assert (folder / "clients.csv").stat().st_size > 4 << 20
    return folder


class Run:
    """one run under a fault, in an empty folder or beside old outputs"""

    def __init__(self, start, folder, command, fault, old=False, env=None):
        words, self.outputs = COMMANDS[command]
        self.folder = folder
        for name in self.outputs if old else []:
            (folder / name).write_text(f"old {name}")
        self.before = self.files()
        begin = time.monotonic()
        process = start(words + (["--force"] if old else []), folder, fault, env or {})
        _, self.stderr = process.communicate(timeout=60)
        self.seconds = time.monotonic() - begin
        self.code = process.returncode
        self.session = process.pid

    def files(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def messages(self):
        return [line for line in self.stderr.splitlines() if line.startswith("segmpi")]

    def survivors(self):
        """processes of the run's session that are still there"""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.session:
                    found.append(entry.name)
            except ProcessLookupError:
                continue
        return found

    def check_failed(self, code, says):
        assert self.code == code, self.stderr
        assert self.seconds < SECONDS
        assert len(self.messages()) == 1, self.stderr
        assert says in self.messages()[0]
        assert self.files() == self.before
        assert self.survivors() == []

    def check_done(self):
        """the fault was not on the way of this rank"""
        assert self.code == 0, self.stderr
        assert self.messages() == []
        assert sorted(self.files()) == sorted(self.outputs)


@pytest.fixture
def run(environment, program, inputs, tmp_path):
    """run(command, fault, old=False, env={}): a Run in a folder of its own"""

    def start(words, folder, fault, env):
        words = [re.sub(r"\{(.*)\}", rf"{inputs}/\1", word) for word in words]
        everything = {**environment, "SEGMPI_FAULT": fault, **env}
        return subprocess.Popen(["mpirun", "-n", str(RANKS), "--timeout", "50", program, *words, "--quiet"],
                                cwd=folder, env=everything, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run_in_folder(command, fault, **options):
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Run(start, folder, command, fault, **options)

    return run_in_folder


@pytest.fixture(scope="module")
def reached():
    """{site: (command, ranks that come by)}, as far as it has been found"""
    return {}


def find(run, reached, site):
    """a command that comes by the site, and on which ranks; every run is checked"""
    if site in reached:
        return reached[site]
    says = f"injected fault at '{site}'"
    for command in order(site):
        found = run(command, site)  # on all ranks
        if found.code != 0:
            break
        found.check_done()
    found.check_failed(SITES[site], says)
    ranks = []
    for rank in range(RANKS):
        found = run(command, f"{site}:rank={rank}", old=rank % 2 == 0)
        if found.code == 0:
            found.check_done()
        else:
            found.check_failed(SITES[site], says)
            ranks.append(rank)
    reached[site] = command, ranks
    return reached[site]


def some(n):
    """a few sites for what takes longer: others with each commit"""
    names = sorted(set(SITES) - set(UNREACHED))
    head = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], cwd=TOP, capture_output=True, text=True).stdout
    first = int(head.strip() or "0", 16)
    return [names[(first + i * len(names) // n) % len(names)] for i in range(n)]


def test_the_source_names_its_sites():
    text = "".join(path.read_text() for path in (TOP / "src").rglob("*.c") if path.name != "fault.c")
    assert len(SITE.findall(text)) == len(re.findall(r"\bseg_fault\(", text)) > 20
    assert len(SITES) == len(SITE.findall(text)), "two places have one name"
    assert set(UNREACHED) <= set(SITES)


@pytest.mark.parametrize("site", sorted(set(SITES) - set(UNREACHED)))
def test_a_fault_on_one_rank_ends_all(run, reached, site):
    _, ranks = find(run, reached, site)
    assert ranks


@pytest.mark.parametrize("site", some(6))
def test_a_killed_rank_ends_all(run, reached, site):
    command, ranks = find(run, reached, site)
    for rank in (ranks[0], ranks[-1]):
        found = run(command, f"{site}:rank={rank}:kind=kill", old=rank % 2 == 0)
        assert found.code == 137, found.stderr
        assert found.seconds < SECONDS
        assert found.survivors() == []
        assert {name: found.files().get(name) for name in found.before} == found.before
        assert set(found.files()) & set(found.outputs) == set(found.before)


@pytest.mark.parametrize("site", some(4))
def test_a_rank_that_hangs_ends_all(run, reached, site):
    command, ranks = find(run, reached, site)
    for rank in (ranks[0], ranks[-1]):
        found = run(command, f"{site}:rank={rank}:kind=hang", env={"SEGMPI_DEADLINE": "3"})
        assert found.code == 76, found.stderr
        assert found.seconds < 3 + SECONDS
        assert len(found.messages()) == 1 and "stopped answering" in found.messages()[0], found.stderr
        assert found.survivors() == []
        assert set(found.files()) & set(found.outputs) == set()
