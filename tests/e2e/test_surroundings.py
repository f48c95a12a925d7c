"""Where it runs and who else is there: locale, time zone, umask, controls in names, other users, links that appear.
And ids: a whole chain of commands writes them into tables of clients and scores, and nowhere else."""

import os
import subprocess
import threading

import h5py
import numpy as np
import pandas as pd
import pytest

from judge import contents, messages

CANARY = "ID-canary-"
ESCAPES = ["\x1b]0;owned\x07BALANCE", "a\x9b31m\u202eb", "=HYPERLINK(1)\x1b[2J", "c\nd\r\x7f"]
RACES = int(os.environ.get("SEGMPI_RACES", 12))
CHAIN = [
    "import clients.csv -o clients.h5 --json import.json --id-column ID",
    "describe clients.h5 -o describe.h5 --json describe.json",
    "elbow clients.h5 -o elbow.h5 --k-max 3 --n-init 1 --json elbow.json",
    "fit clients.h5 -o model.h5 -k 3 --n-init 1 --stability 0 --json model.json --verbose",
    "score model.h5 clients.h5 -o scores.h5 --csv scores.csv --json scores.json --timing",
    "compare scores.h5 scores.h5 --json compare.json",
    "report model.h5 -o page --scores scores.h5 --compare compare.json",
    "export model.h5 --sql model.sql --id ID",
    "inspect model.h5", "inspect clients.h5", "inspect scores.h5", "inspect describe.h5", "inspect elbow.h5",
]
HOLD_IDS = {"clients.csv", "clients.h5", "scores.h5", "scores.csv"}


def clients(folder):
    x = np.random.default_rng(3).gamma(2, 100, (120, 4)).round(2)
    x[::3] *= 4
    x[5, 2] = np.nan
    frame = pd.DataFrame(x, columns=["BALANCE", "PURCHASES", "CASH", "LIMIT"])
    frame.index = [f"{CANARY}{i}" for i in range(120)]
    frame.to_csv(folder / "clients.csv", index_label="ID")


def run_chain(segmpi, folder, **options):
    """all that was printed"""
    clients(folder)
    found = [segmpi(*line.split(), cwd=folder, **options) for line in CHAIN]
    return "".join(result.stdout + result.stderr for result in found)


@pytest.fixture(scope="module")
def plain(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, run_chain(segmpi, folder)


def german(folder):
    """an environment in which 1.5 is written 1,5, as far as the machine has one"""
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], capture_output=True)
    path = {"LOCPATH": str(folder)} if made.returncode in (0, 1) and (folder / "de_DE.UTF-8").exists() else {}
    return {**path, "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "COLUMNS": "80",
            "POSIXLY_CORRECT": "1", "LANGUAGE": "de"}


def test_locale_and_umask_change_no_byte(segmpi, plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    before = os.umask(0)
    try:
        said = run_chain(segmpi, folder, env=german(tmp_path_factory.mktemp("locale")))
    finally:
        os.umask(before)
    for path in sorted(plain[0].rglob("*")):
        name = path.relative_to(plain[0])
        if path.suffix == ".h5":
            assert contents(path) == contents(folder / name), name
        elif path.suffix in (".csv", ".tsv", ".sql", ".gp"):
            assert path.read_bytes() == (folder / name).read_bytes(), name
    for path in folder.rglob("*"):
        if path.name != "clients.csv":
            assert path.stat().st_mode & 0o077 == 0, path
    lines = [line for line in plain[1].splitlines() if "clusters stand" in line or line.startswith("  inertia")]
    assert lines and set(lines) <= set(said.splitlines())


def test_ids_are_in_tables_of_clients_only(plain):
    folder, said = plain
    assert CANARY not in said
    hold = {path.name for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()}
    assert hold == HOLD_IDS


def is_plain(text):
    return all(c in "\n" or (c >= " " and not "\x7f" <= c <= "\x9f" and c not in "\u202e\u2066") for c in text)


def test_controls_in_names_do_not_reach_the_terminal(segmpi, tmp_path):
    """a table of another tool: columns and a dataset, whose names a model and its scores keep"""
    x = np.random.default_rng(1).gamma(2, 100, (60, 4))
    name = "x\x1b[2J.h5"
    with h5py.File(tmp_path / name, "w") as file:
        file["t\x1b[1m"] = x
        file["t\x1b[1m"].attrs["names"] = ESCAPES
    said = ""
    for words in (["fit", name, "-o", "m\x1b.h5", "-k", 3, "--n-init", 1, "--stability", 0, "-v"],
                  ["describe", name], ["inspect", name], ["inspect", "m\x1b.h5"], ["inspect", "--check", "m\x1b.h5"],
                  ["score", "m\x1b.h5", name, "-o", "s\x1b.h5", "--csv", "s\x07.csv", "--timing"],
                  ["inspect", "s\x1b.h5"], ["compare", "s\x1b.h5", "s\x1b.h5"],
                  ["elbow", name, "-o", "e\x1b.h5", "--k-max", 3, "--n-init", 1], ["inspect", "e\x1b.h5"]):
        result = segmpi(*words, cwd=tmp_path)
        said += result.stdout + result.stderr
    for words in (["fit", "no\x1b[2J.h5", "-o", "y.h5"], ["fit", name, "-o", "y.h5", "--columns", "\x1b[2J"],
                  ["describe", name, "--dataset", "\x9b31m"], ["inspect", name, "--\x1b[2J"], ["\x1b[2J"],
                  ["score", "m\x1b.h5", "s\x1b.h5", "-o", "y.h5"], ["export", name, "--sql", "-"]):
        result = segmpi(*words, cwd=tmp_path, ok=False)
        assert result.returncode in (64, 65, 66) and len(messages(result)) == 1, (words, result.stderr)
        said += result.stdout + result.stderr
    assert "owned" in said and is_plain(said), [line for line in said.splitlines() if not is_plain(line)]


def test_bytes_that_are_no_text_are_no_failure(segmpi, tmp_path):
    """in the name of a file that is recorded, and in JSON"""
    folder = os.fsencode(tmp_path)
    clients(tmp_path)
    with open(folder + b"/caf\xe9.ini", "w", encoding="utf-8") as file:
        file.write("[Much]\nhigh = BALANCE\n")
    segmpi("import", "clients.csv", "-o", "c.h5", cwd=tmp_path)
    os.rename(tmp_path / "c.h5", folder + b"/c\xff.h5")
    segmpi("fit", os.fsdecode(b"c\xff.h5"), "-o", "m.h5", "-k", 2, "--n-init", 1, "--stability", 0, "--catalog",
           os.fsdecode(b"caf\xe9.ini"), "--json", "m.json", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as file:
        options = file["provenance"].attrs["options"]
    assert "caf?.ini" in (options if isinstance(options, str) else options.decode())


# ---- other users ----


@pytest.fixture
def stranger(environment, program, tmp_path):
    """a run of the program by a user without rights, in a folder of its own"""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    binary = tmp_path / "segmpi"
    binary.write_bytes(open(program, "rb").read())
    for path, mode in ((tmp_path, 0o777), (binary, 0o755)):
        path.chmod(mode)
    for path in tmp_path.parents:
        if path.stat().st_mode & 0o001 == 0 and path.is_relative_to("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)

    def run(*words):
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary, *map(str, words)]
        for _ in range(3):  # without a launcher Open MPI starts a daemon, which a loaded machine may be too slow for
            result = subprocess.run(command, env={**environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
                                    cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            if "Unable to start a daemon" not in result.stderr:
                break
        return result

    assert run("--version").returncode == 0
    return run


def test_what_a_user_may_not_do_is_said(stranger, segmpi, tmp_path):
    segmpi("generate", 30, "-o", tmp_path / "secret.h5")
    for folder, mode in (("shut", 0o700), ("read", 0o755), ("sticky", 0o1777)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(mode)
    (tmp_path / "sticky/mine.h5").write_text("mine")
    for words, part in ((["describe", "secret.h5"], "secret.h5"), (["generate", 30, "-o", "read/x.h5"], "read/x.h5"),
                        (["generate", 30, "-o", "shut/x.h5"], "shut/x.h5"),
                        (["generate", 30, "-o", "sticky/mine.h5", "--force"], "sticky/mine.h5")):
        result = stranger(*words)
        assert result.returncode in (73, 77) and len(messages(result)) == 1 and part in result.stderr, result.stderr
    assert sorted(os.listdir(tmp_path / "sticky")) == ["mine.h5"]
    assert (tmp_path / "sticky/mine.h5").read_text() == "mine"
    assert os.listdir(tmp_path / "read") == os.listdir(tmp_path / "shut") == []
    segmpi("fit", tmp_path / "secret.h5", "-o", tmp_path / "m.h5", "-k", 2, "--stability", 0)
    (tmp_path / "m.h5").chmod(0o644)
    result = stranger("report", "m.h5", "-o", "shut", "--force")
    assert result.returncode == 77 and "cannot look into 'shut': Permission denied" in result.stderr, result.stderr
    assert stranger("generate", 30, "-o", "sticky/x.h5").returncode == 0


def test_a_link_that_appears_is_not_followed(segmpi, tmp_path):
    """someone makes links of the output's name, again and again, while it is written"""
    victim, target = tmp_path / "victim", tmp_path / "shared" / "x.h5"
    victim.write_text("mine")
    target.parent.mkdir()
    done = threading.Event()

    def attack():
        while not done.is_set():
            try:
                (target.parent / "link").symlink_to(victim)
                os.replace(target.parent / "link", target)
            except FileNotFoundError:
                pass

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        for _ in range(RACES):
            result = segmpi("generate", 10, "-o", target, "--force", "-q", ok=False)
            assert result.returncode in (0, 73), result.stderr
    finally:
        done.set()
        attacker.join()
    assert victim.read_text() == "mine" and victim.stat().st_nlink == 1
    assert {path.name for path in target.parent.iterdir()} <= {"x.h5", "link"}
