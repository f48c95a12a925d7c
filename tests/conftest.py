"""Fixtures of the tests that run the program: `segmpi` runs it, `real_table` is the real table where it is."""

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def environment():
    """the environment after jobs/mpi-env.sh, as a user's job has it; no job of any launcher takes longer than a minute"""
    script = f". '{TOP}/jobs/mpi-env.sh' && env -0"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    return {**dict(line.split("=", 1) for line in text.split("\0") if line), "MPIEXEC_TIMEOUT": "60"}


@pytest.fixture(scope="session")
def program():
    """path of the program under test: SEGMPI_BINARY, which ctest sets"""
    path = os.environ.get("SEGMPI_BINARY")
    if not path:
        pytest.fail("SEGMPI_BINARY is not set; run the tests with ctest, or name the program")
    return path


@pytest.fixture(scope="session")
def segmpi(environment, program):
    """segmpi("fit", path, ..., ranks=None, ok=True, env={}, timeout=120): the finished process, with its stdout, stderr
    and returncode.  Without `ranks` there is no launcher.  Unless ok=False, anything but exit code 0 is a failure."""

    def run(*words, ranks=None, ok=True, env=None, timeout=120, **options):
        launcher = [] if ranks is None else ["mpirun", "-n", str(ranks)]
        command = [str(word) for word in (*launcher, program, *words)]
        result = subprocess.run(command, env={**environment, "MPIEXEC_TIMEOUT": str(timeout), **(env or {})}, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout + 10, **options)
        if ok and result.returncode != 0:
            pytest.fail(f"exit code {result.returncode} of: {' '.join(command)}\n{result.stdout}{result.stderr}")
        return result

    return run


@pytest.fixture(scope="session")
def real_table():
    """path of the real table (see data/README.md); the project does not contain it"""
    path = Path(os.environ.get("SEGMPI_REAL_DATA", TOP.parent / "shared" / "data" / "CC_GENERAL.csv"))
    if not path.exists():
        pytest.skip("the real table is not here; SEGMPI_REAL_DATA names it")
    return path
