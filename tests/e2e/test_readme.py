"""Every command and snippet of every README runs, in order, in a copy of the repository with small data, and makes the
files that it names.  Blocks say what they hold: ```sh, ```python and ```r are run, ```text and ```ini are shown.

BY_HAND lists the lines that are not run as they stand, by how they begin, with the reason.
"""

import os
import re
import shutil
import subprocess

import h5py
import pytest
from conftest import TOP

RUN = {"sh": "{}", "python": "/usr/bin/python3 - <<'END OF SNIPPET'\n{}\nEND OF SNIPPET",
       "r": "Rscript - <<'END OF SNIPPET'\n{}\nEND OF SNIPPET"}
SHOWN = {"text", "ini"}

BUILD = "builds the program under test once more; ctest, tests/run.sh and the check on a bare Debian do it"
CLUSTER = "test_slurm.py runs the same script on a SLURM of its own"
BY_HAND = {
    "./jobs/demo.sh": BUILD,
    "./tests/run.sh": "runs this test",
    "./jobs/packages.sh": "installs packages, as tests/run.sh does",
    "cmake ": BUILD + "; test_install.py installs and packs",
    "ctest ": "runs this test",
    "sbatch ": CLUSTER,
    "srun ": CLUSTER,
    "mpirun segmpi": CLUSTER,
    "SEGMPI_SBATCH=": CLUSTER,
    "SEGMPI_BINARY=build/ci/src/segmpi /usr/bin/python3 -m pytest": "tests of tests: the line stands for this one",
    "SEGMPI_BINARY=build/ci/src/segmpi tests/fault/soak.sh": "runs for hours",
    "SEGMPI_BINARY=build/ci/src/segmpi tests/fault/sweep.py": "takes many minutes; test_faults.py runs a share of it",
    "CC=clang cmake": "needs clang's fuzzer and another build",
    "ninja -C build/fuzz": "as above",
    "TMPDIR=/dev/shm build/fuzz": "as above",
}
READMES = sorted(path.relative_to(TOP) for path in [TOP / "README.md", *TOP.glob("[!.b]*/**/README.md")])


def blocks(path):
    """(language, text) of the fenced blocks"""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", (TOP / path).read_text(), re.M | re.S)
    return [(language, re.sub(rf"(?m)^{indent}", "", text).rstrip("\n")) for indent, language, text in found]


def is_by_hand(line):
    return any(line.startswith(begin) for begin in BY_HAND)


def script_of(path, languages=("sh", "python")):
    parts = []
    for language, text in blocks(path):
        if language == "sh":
            text = "\n".join(line for line in text.splitlines() if not is_by_hand(line))
        if language in languages:
            parts.append(RUN[language].format(text))
    return "\n".join(part for part in parts if part.strip())


def outputs_of(script):
    """files that the commands of segmpi are told to write, and what other lines redirect to"""
    named = re.findall(r"(?m)^[^#\n]*\bsegmpi\b[^#\n]*?(?: -o| --csv| --json| --sql) (\S+)", script)
    return set(named) | set(re.findall(r"(?m)^[^#\n]* > (\S+)", script)) - {"-"}


@pytest.fixture(scope="module")
def given(segmpi, tmp_path_factory):
    """what commands of a README take for granted: clients, a model of theirs, scorings"""
    folder = tmp_path_factory.mktemp("given")
    shutil.copy(TOP / "data/sample/clients.csv", folder / "clients.csv")
    segmpi("fit", folder / "clients.csv", "-o", folder / "model.h5", "-k", 4, "--n-init", 1, "--stability", 0)
    for name in "scores.h5", "october.h5", "november.h5":
        segmpi("score", folder / "model.h5", folder / "clients.csv", "-o", folder / name)
    segmpi("import", folder / "clients.csv", "-o", folder / "clients.h5")
    return folder


def make_copy(program, folder):
    """the repository as the commands of a README expect it; what they write does not touch the real one"""
    for name in "data", "jobs", "src", "tests":
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "build/release/src").mkdir(parents=True)
    os.symlink(program, folder / "build/release/src/segmpi")


@pytest.mark.parametrize("path", [path for path in READMES if script_of(path)], ids=str)
def test_commands_run_and_write_what_they_say(program, given, environment, tmp_path, path):
    script = script_of(path)
    made = outputs_of(script)
    make_copy(program, tmp_path)
    for file in given.iterdir():
        if file.name not in made:
            shutil.copy(file, tmp_path)
    environment = {**environment, "PATH": f"{tmp_path}/build/release/src:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-eux", "-o", "pipefail", "-c", script], cwd=tmp_path, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert [name for name in sorted(made) if not (tmp_path / name).exists()] == []


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed; `tests/run.sh r` has it")
@pytest.mark.parametrize("path", [path for path in READMES if script_of(path, ["r"])], ids=str)
def test_snippets_of_r_run(given, path):
    done = subprocess.run(["bash", "-eu", "-c", script_of(path, ["r"])], cwd=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Frugal Users" in done.stdout


@pytest.mark.parametrize("path", READMES, ids=str)
def test_blocks_say_what_they_hold(path):
    text = (TOP / path).read_text()
    assert len(re.findall(r"(?m)^ *```", text)) == 2 * len(blocks(path))
    assert {language for language, _ in blocks(path)} <= set(RUN) | SHOWN, "```sh, ```text, ...: see above"


def test_what_is_not_run_stands_somewhere():
    lines = [line for path in READMES for language, text in blocks(path) if language == "sh"
             for line in text.splitlines()]
    assert [begin for begin in BY_HAND if not any(line.startswith(begin) for line in lines)] == []


def test_the_table_of_sizes_is_what_a_dry_run_says(segmpi, tmp_path):
    """rows that were never written take no room"""
    rows = re.findall(r"(?m)^\| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) MB \|$", (TOP / "jobs/README.md").read_text())
    assert len(rows) >= 4
    for row in rows:
        n, d, restarts, ranks, stated = (int(cell.replace(",", "")) for cell in row)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("x", shape=(n, d), dtype="f4", chunks=(1024, d))
        said = segmpi("fit", tmp_path / "x.h5", "-o", tmp_path / "m.h5", "--n-init", restarts, "--dry-run",
                      ranks=ranks).stdout
        number, unit = re.search(r"memory per rank +([\d.]+) (\w+)", said).groups()
        assert stated == pytest.approx(float(number) * {"MB": 1, "GB": 1000}[unit], rel=0.1), said
        assert stated == pytest.approx(n * (4 * d + 4 * restarts + 16) / ranks / 1e6 + 45, rel=0.1)
