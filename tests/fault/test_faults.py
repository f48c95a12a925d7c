"""Any single fault on any of 4 ranks: all ranks leave within 5 s with the code of that fault and one message, and no
file is touched.

The sites and their codes are read from the source, so a new seg_fault() is tested as soon as it stands there.
"""

import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RANKS = 4
SECONDS = 5

# site: the command that reaches it, where the program may not have that command
NEEDS = {"sweep_alloc": "elbow"}
# site: the outputs that have their names by then, and keep them
NAMED = {"generate_csv_rename": ["out.h5"], "standard_output": ["out.json"]}

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

# The command lines that are tried for a site, in this order, if the program has the command, and their outputs.
OUT, JSON = ["-o", "out.h5"], ["--json", "out.json"]
FEW = ["-k", "3", "--n-init", "2"]
ONE = ["-k", "3", "--n-init", "1"]
SWEEP = ["--k-max", "4", "--n-init", "1"]
COMMANDS = {
    "import": (["import", "{clients.csv}", *OUT, *JSON, "--missing", "none", "--pseudonymize", "{key}",
                "--exclude-ids", "{key}"], ["out.h5", "out.json"]),
    "import of bad rows": (["import", "{bad.csv}", *OUT, "--skip-bad-rows", "1"], ["out.h5"]),
    "generate": (["generate", "5000", *OUT, "--csv", "out.csv"], ["out.h5", "out.csv"]),
    "fit": (["fit", "{clients.h5}", *OUT, *JSON, *FEW, "--schema", "{card_holders.ini}"], ["out.h5", "out.json"]),
    "fit from centers": (["fit", "{clients.h5}", *OUT, "-k", "3", "--init", "{model.h5}"], ["out.h5"]),
    "fit otherwise": (["fit", "{clients.h5}", *OUT, *FEW, "--init", "random", "--impute", "mean", "--scale", "robust"],
                      ["out.h5"]),
    "fit on a code": (["fit", "{clients.h5}", *OUT, *FEW, "--embed", "autoencoder", "--ae-epochs", "1"], ["out.h5"]),
    "fit with a match": (["fit", "{clients.h5}", *OUT, "-k", "5", "--n-init", "2", "--match", "{model.h5}"], ["out.h5"]),
    "fit with checkpoints": (["fit", "{clients.h5}", *OUT, "-k", "2", "--n-init", "1", "--no-swaps", "--max-iter", "3",
                              "--checkpoint-interval", "0"], ["out.h5"]),
    "fit that is done": (["fit", "{clients.h5}", *OUT, *ONE, "--resume"], ["out.h5"]),
    "compare": (["compare", "{scores.h5}", "{scores.h5}", *JSON], ["out.json"]),
    "score": (["score", "{model.h5}", "{clients.h5}", *OUT, *JSON, "--csv", "out.csv", "--pseudonymize", "{key}"],
              ["out.h5", "out.json", "out.csv"]),
    "score that stops": (["score", "{model.h5}", "{clients.h5}", *OUT, "--resume", "--max-seconds", "0.001"],
                         ["out.h5"]),
    "score that goes on": (["score", "{model.h5}", "{clients.h5}", *OUT, "--resume"], ["out.h5"]),
    "describe": (["describe", "{clients.h5}", *OUT, *JSON], ["out.h5", "out.json"]),
    "describe what is CSV": (["describe", "{clients.csv}", *OUT], ["out.h5"]),
    "elbow": (["elbow", "{clients.h5}", *OUT, *JSON, "--k-max", "4", "--n-init", "2", "--gap", "1",
               "--stability", "1"], ["out.h5", "out.json"]),
    "elbow on a code": (["elbow", "{clients.h5}", *OUT, "--k-max", "2", "--n-init", "1", "--embed", "pca:2"],
                        ["out.h5"]),
    "elbow that is done": (["elbow", "{clients.h5}", *OUT, *SWEEP, "--resume"], ["out.h5"]),
    "elbow of many": (["elbow", "{many.h5}", *OUT, "--k-max", "2", "--n-init", "1"], ["out.h5"]),
    "fit with an elbow": (["fit", "{clients.h5}", *OUT, "-k", "auto", "--n-init", "2", "--elbow", "{elbow.h5}"],
                          ["out.h5"]),
}
# What stands in the folder of a command that goes on: a file of the inputs, and its name there.
LEFT = {"fit that is done": ("model.h5", "out.h5"), "elbow that is done": ("elbow.h5", "out.h5"),
        "score that goes on": ("out.h5.partial", "out.h5.partial")}
FIRST = {"elbow_read": "fit with an elbow", "clients_place": "describe what is CSV", "standard_output": "compare",
         "fit_done": "fit that is done", "elbow_done": "elbow that is done",
         "csv_bad_rows": "import of bad rows", "direct_fit": "fit with a match", "store_names": "score",
         "store_read_back": "import",
         **dict.fromkeys(["partial_load", "partial_place"], "score that goes on"),
         **dict.fromkeys(["checkpoint_path", "checkpoint_prune"], "fit with checkpoints"),
         **dict.fromkeys(["csv", "pseudonym", "ids_alloc", "ids_compare", "ids_room"], "import"),
         "generate": "generate", "centers": "fit from centers", "strata": "elbow of many",
         **dict.fromkeys(["score", "resume", "ids"], "score"), "partial": "score that stops",
         **dict.fromkeys(["compare", "distances", "migration"], "compare"),
         **dict.fromkeys([f"describe_{part}" for part in ("ranks_alloc", "ranks_workspace", "relations_alloc",
                                                          "distinct_alloc", "write")], "describe"),
         **dict.fromkeys(["previous", "match"], "fit with a match"),
         **dict.fromkeys(["autoencoder", "training", "encode", "embedding"], "fit on a code"),
         **dict.fromkeys(["sweep", "elbow", "panel", "silhouette", "assess", "gap", "stability"], "elbow")}


def order(site):
    """the command that is probably meant first"""
    first = FIRST.get(site, FIRST.get(site.split("_")[0], "fit"))
    return sorted(COMMANDS, key=lambda name: name != first)


@pytest.fixture(scope="module")
def commands(segmpi):
    """the commands of the program"""
    return re.findall(r"^  (\w+) ", segmpi("help").stdout, re.M)


@pytest.fixture(scope="module")
def inputs(segmpi, tmp_path_factory):
    """tables in which each of 4 ranks has rows, and a range of the CSV (of 1 MiB)"""
    folder = tmp_path_factory.mktemp("inputs")
    segmpi("generate", "45000", "-o", folder / "many.h5", "--csv", folder / "clients.csv", ranks=2)
    segmpi("generate", "5000", "-o", folder / "clients.h5", ranks=2)
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", *ONE, ranks=2)
    words = ["score", folder / "model.h5", folder / "clients.h5", "-o"]
    segmpi(*words, folder / "scores.h5", ranks=2)
    segmpi(*words, folder / "out.h5", "--resume", "--max-seconds", "0.001", ranks=2, ok=False)
    (folder / "key").write_text("of pseudonyms and one id that nobody has")
    (folder / "key").chmod(0o600)
    shutil.copy(TOP / "data/schema/card_holders.ini", folder)
    segmpi("elbow", folder / "clients.h5", "-o", folder / "elbow.h5", *SWEEP, ranks=2)
    with (folder / "clients.csv").open() as file:
        (folder / "bad.csv").write_text("".join(next(file) for _ in range(2000)) + "bad\n")
    assert (folder / "clients.csv").stat().st_size > 4 << 20
    return folder


class Run:
    """one run under a fault, in an empty folder or beside old outputs"""

    def __init__(self, start, inputs, folder, command, fault, env=None):
        words, self.outputs = COMMANDS[command]
        self.folder = folder
        left, name = LEFT.get(command, ("", ""))
        if left:
            shutil.copy(inputs / left, folder / name)
        old = int(folder.name) % 2 == 1 and name not in self.outputs
        for name in self.outputs if old else []:
            (folder / name).write_text(f"old {name}")
        self.before = self.files()
        self.fault = fault
        self.start = lambda: start(words + (["--force"] if old else []), folder, self.fault, env or {})
        self.run()

    def run(self):
        begin = time.monotonic()
        process = self.start()
        _, self.stderr = process.communicate(timeout=60)
        self.seconds = time.monotonic() - begin
        self.code = process.returncode
        self.session = process.pid

    def in_time(self, seconds):
        if self.seconds > seconds:  # runs side by side take each other's time: once more alone
            for name in self.files().keys() - self.before.keys():
                (self.folder / name).unlink()
            self.run()
        return self.seconds < seconds

    def files(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def messages(self):
        return [line for line in self.stderr.splitlines() if line.startswith("segmpi")]

    def living(self):
        """processes of the run's session that have not ended"""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # not a process, or no longer
                continue
            if state[0] != "Z" and int(state[3]) == self.session:
                found.append(entry.name)
        return found

    def survivors(self):
        """who is still there when mpirun has ended and its last signals have arrived"""
        end = time.monotonic() + 2
        while self.living() and time.monotonic() < end:
            time.sleep(0.02)
        return self.living()

    def check_failed(self, code, says, named=()):
        assert self.in_time(SECONDS)
        assert self.code == code, self.stderr
        assert len(self.messages()) == 1, self.stderr
        assert says in self.messages()[0]
        files, before = ({n: text for n, text in of.items() if n not in named and ".checkpoint-" not in n}
                         for of in (self.files(), self.before))
        assert files == before
        assert self.survivors() == []

    def check_outputs(self, named):
        """as they were, but for those named, which were done; a temporary file may be left by a rank that was killed"""
        outputs, before = ({n: text for n, text in of.items() if n in self.outputs and n not in named}
                           for of in (self.files(), self.before))
        assert outputs == before
        assert all(self.files()[name] not in (b"", self.before.get(name)) for name in named)

    def check_done(self):
        """the fault was not on the way of this rank"""
        assert self.code == 0, self.stderr
        assert self.messages() == []
        assert sorted(self.files()) == sorted(self.outputs)


@pytest.fixture
def run(environment, program, inputs, tmp_path):
    """run(command, fault..., env={}): a Run for each fault, side by side, as mpirun spends most of its time waiting;
    each in a folder of its own, in which every other run finds old outputs"""

    def start(words, folder, fault, env):
        words = [re.sub(r"\{(.*)\}", rf"{inputs}/\1", word) for word in words]
        everything = {**environment, "SEGMPI_FAULT": fault, **env}
        return subprocess.Popen(["mpirun", "-n", str(RANKS), program, *words], cwd=folder,
                                env=everything, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run_all(command, *faults, **options):
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        folders = [tmp_path / "runs" / str(i) for i in range(len(faults))]
        for folder in folders:
            folder.mkdir(parents=True)
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(lambda folder, fault: Run(start, inputs, folder, command, fault, **options), folders,
                                 faults))

    return run_all


@pytest.fixture(scope="module")
def reached():
    """{site: (command, ranks that come by)}, as far as it has been found"""
    return {}


def find(run, reached, commands, site):
    """a command that comes by the site, and on which ranks; every run is checked"""
    if site in reached:
        return reached[site]
    if NEEDS.get(site, "help") not in commands:
        pytest.skip(f"'{site}' is reached by '{NEEDS[site]}', which the program does not have")
    for command in (name for name in order(site) if name.split()[0] in commands):
        everywhere, *single = run(command, site, *(f"{site}:rank={rank}" for rank in range(RANKS)))
        if everywhere.code not in (0, 75):  # 75: scoring stops by itself
            break
    ranks = [rank for rank in range(RANKS) if single[rank].code != 0]
    for found in (everywhere, *(single[rank] for rank in ranks)):
        found.check_failed(SITES[site], f"injected fault at '{site}'", NAMED.get(site, ()))
    for rank in set(range(RANKS)) - set(ranks):
        single[rank].check_done()
    reached[site] = command, ranks
    return reached[site]


def some(n):
    """a few sites for what takes longer: others with each commit"""
    names = sorted(set(SITES) - set(NEEDS))
    head = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], cwd=TOP, capture_output=True, text=True).stdout
    first = int(head.strip() or "0", 16)
    return [names[(first + i * len(names) // n) % len(names)] for i in range(n)]


def test_the_source_names_its_sites():
    text = "".join(path.read_text() for path in (TOP / "src").rglob("*.c") if path.name != "fault.c")
    assert len(SITE.findall(text)) == len(re.findall(r"\bseg_fault\(", text)) > 20
    names = [site for site, _ in SITE.findall(text)]
    assert [name for name in sorted(SITES) if names.count(name) > 1] == [], "two places have one name"
    assert set(NEEDS) <= set(SITES)


@pytest.mark.parametrize("site", sorted(SITES))
def test_a_fault_on_one_rank_ends_all(run, reached, commands, site):
    _, ranks = find(run, reached, commands, site)
    assert ranks


@pytest.mark.parametrize("site", some(6))
def test_a_killed_rank_ends_all(run, reached, commands, site):
    command, ranks = find(run, reached, commands, site)
    for found in run(command, *(f"{site}:rank={rank}:kind=kill" for rank in (ranks[0], ranks[-1]))):
        assert found.code == 137, found.stderr
        assert found.in_time(SECONDS)
        assert found.survivors() == []
        named = NAMED.get(site, ())
        found.check_outputs(named)
        for name in named:
            (found.folder / name).unlink()
        found.fault = ""  # the next run clears up
        found.run()
        if command == "score that stops":
            assert found.code == 75, found.stderr
        else:
            found.check_done()


@pytest.mark.parametrize("site", some(2))
def test_a_rank_that_hangs_ends_all(run, reached, commands, site):
    command, ranks = find(run, reached, commands, site)
    faults = [f"{site}:rank={rank}:kind=hang" for rank in (ranks[0], ranks[-1])]
    for found in run(command, *faults, env={"SEGMPI_DEADLINE": "3"}):
        assert found.code == 76, found.stderr
        assert found.in_time(3 + 2 * SECONDS)  # rank 1 leaves rank 0 three seconds to speak, mpirun the ranks two to end
        assert len(found.messages()) == 1 and "stopped answering" in found.messages()[0], found.stderr
        assert found.survivors() == []
        found.check_outputs(NAMED.get(site, ()))
