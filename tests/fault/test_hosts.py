"""The main job on three hosts: the same bits as on one; a cable pulled and a host without power end it in time."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "e2e")]
from hosts import Hosts, why_not  # noqa: E402
from judge import contents  # noqa: E402

CLIENTS = 20000
# Longer than mpirun takes to find that a host is gone.  A deadline that passes first makes it send word to that host, and
# then TCP's patience with what is not acknowledged counts, a quarter of an hour, instead of keepalive.
DEADLINE = 15
# the whole main job: output, command
STEPS = {
    "clients.h5": ["import", "clients.csv"],
    "elbow.h5": ["elbow", "clients.h5", "--k-max", "4", "--n-init", "2"],
    "model.h5": ["fit", "clients.h5", "-k", "auto", "--elbow", "elbow.h5", "--n-init", "2", "--stability", "1"],
    "scores.h5": ["score", "model.h5", "clients.h5"],
}
# what is cut off, of which host, while which step writes its output or keeps its first checkpoint
CASES = {
    "a cable": ("pull", 2, "model.h5", "model.h5.checkpoint-*"),
    "power": ("cut_power", 3, "clients.h5", ".clients.h5.*"),
}


@pytest.fixture(scope="module", autouse=True)
def permitted():
    reason = why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def alone(segmpi, tmp_path_factory):
    """the folder with what one process makes of the clients"""
    folder = tmp_path_factory.mktemp("alone")
    segmpi("generate", CLIENTS, "-o", "generated.h5", "--csv", "clients.csv", cwd=folder)
    for output, words in STEPS.items():
        segmpi(*words, "-o", output, cwd=folder)
    return folder


def folder_before(alone, folder, output):
    """what a step finds: the clients and the outputs of the steps before it"""
    folder.mkdir()
    for name in ("clients.csv", *STEPS):
        if name == output:
            break
        (folder / name).symlink_to(alone / name)
    return folder


@pytest.fixture(scope="module")
def hosts(environment):
    made = Hosts(environment)
    yield made
    made.close()


def finish(process, seconds=60):
    out, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    return out


def test_there_are_three_hosts(hosts, tmp_path):
    names = finish(hosts.mpirun([1, 2, 3], "cat", "/proc/sys/kernel/hostname", cwd=tmp_path)).split()
    assert sorted(names) == ["h1", "h1", "h2", "h2", "h3", "h3"]


def test_the_main_job_on_three_hosts_ends_in_the_bits_of_one(hosts, program, alone, tmp_path):
    folder = folder_before(alone, tmp_path / "three", "clients.h5")
    for output, words in STEPS.items():
        finish(hosts.mpirun([1, 2, 3], program, *words, "-o", output, cwd=folder))
        assert contents(folder / output) == contents(alone / output)


class Job:
    """a step on three hosts of its own, one of which is cut off"""

    def __init__(self, environment, program, folder, how, i, output, moment):
        resumable = ["--resume", "--checkpoint-interval", "0"] if output == "model.h5" else []
        words = [program, *STEPS[output], "-o", output, *resumable]
        hosts = Hosts(environment)
        try:
            process = hosts.mpirun([1, 2, 3], *words, cwd=folder, env={"SEGMPI_DEADLINE": str(DEADLINE)})
            while not list(folder.glob(moment)):
                assert process.poll() is None, process.communicate()
                time.sleep(0.002)
            getattr(hosts, how)(i)
            self.begin = time.monotonic()
            _, self.errors = process.communicate(timeout=60)
            self.seconds, self.code = time.monotonic() - self.begin, process.returncode
            self.quiet = hosts.is_quiet(15) or hosts.living()
            self.names = sorted(path.name for path in folder.iterdir())
            if how == "pull":
                hosts.plug(i)
            left = [1, 2, 3] if how == "pull" else [j for j in (1, 2, 3) if j != i]
            self.next = hosts.mpirun(left, *words, cwd=folder)
            self.next_errors = self.next.communicate(timeout=60)[1]
        finally:
            hosts.close()


@pytest.fixture(scope="module")
def jobs(environment, program, alone, tmp_path_factory):
    """they spend their time waiting, so both run side by side"""
    top = tmp_path_factory.mktemp("cut")

    def meet(name):
        folder = folder_before(alone, top / name, CASES[name][2])
        return folder, Job(environment, program, folder, *CASES[name])

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(meet, CASES)))


@pytest.mark.parametrize("name", CASES)
def test_a_host_that_is_lost_ends_the_job_and_the_next_run_is_right(jobs, alone, name):
    folder, job = jobs[name]
    output = CASES[name][2]
    assert job.code in (76, 137, 205), job.errors
    assert job.seconds < DEADLINE + 10, job.seconds
    assert job.quiet is True
    assert output not in job.names
    assert job.next.returncode == 0, job.next_errors
    assert contents(folder / output) == contents(alone / output)
    assert [path.name for path in folder.iterdir() if not path.is_symlink()] == [output]
