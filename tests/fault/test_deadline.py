"""A rank that is stopped, and a launcher that is killed, end the whole job in time; nobody stays behind.  A process
without a launcher stays."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

DEADLINE = 4  # longer than the two seconds that mpirun leaves a rank that goes on again
RANKS = 3


def processes():
    """{pid: (parent, session, state, name)}"""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "stat").read_text()
        except OSError:  # not a process, or no longer
            continue
        name, state = text.partition("(")[2].rpartition(")")[0], text.rpartition(")")[2].split()
        found[int(entry.name)] = int(state[1]), int(state[3]), state[0], name
    return found


class Job:
    """a fit that trains for minutes on 3 ranks"""

    def __init__(self, environment, program, clients, folder):
        folder.mkdir()
        self.folder = folder
        self.process = subprocess.Popen(
            ["mpirun", "-n", str(RANKS), program, "fit", clients, "-o", "out.h5", "--embed", "autoencoder",
             "--ae-epochs", "100000", "--checkpoint-interval", "0.3"],
            cwd=folder, env={**environment, "SEGMPI_DEADLINE": str(DEADLINE)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.session = self.process.pid
        end = time.monotonic() + 30
        while not list(folder.glob("out.h5.checkpoint-*")):
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.05)

    def ranks(self):
        """pids in the order of ranks, which mpirun starts one after the other"""
        return sorted(pid for pid, (_, session, _, name) in processes().items()
                      if session == self.session and name == "segmpi")

    def living(self):
        return [pid for pid, (_, session, state, _) in processes().items() if session == self.session and state != "Z"]

    def end(self, seconds):
        begin = time.monotonic()
        try:
            self.stderr = self.process.communicate(timeout=seconds)[1]
        finally:
            for pid in self.living() if self.process.poll() is None else []:
                os.kill(pid, signal.SIGKILL)
        self.seconds = time.monotonic() - begin
        while self.living() and time.monotonic() < begin + seconds:
            time.sleep(0.05)
        left = self.living()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == []


@pytest.fixture(scope="module")
def jobs(environment, program, segmpi, tmp_path_factory):
    """jobs that have met with something, side by side: they spend their time waiting"""
    folder = tmp_path_factory.mktemp("deadline")
    segmpi("generate", "4000", "-o", folder / "clients.h5")

    def meet(what):
        name, rank, number = what
        job = Job(environment, program, folder / "clients.h5", folder / name)
        pid = job.process.pid if rank is None else job.ranks()[rank]
        os.kill(pid, number)
        job.end(DEADLINE + 15)
        return job

    all_of_them = [("first", 0, signal.SIGSTOP), ("second", 1, signal.SIGSTOP), ("launcher", None, signal.SIGKILL),
                   ("killed", 2, signal.SIGKILL)]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip((name for name, _, _ in all_of_them), pool.map(meet, all_of_them)))


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_rank_that_is_stopped_ends_the_job(jobs, name):
    job = jobs[name]
    assert job.process.returncode == 76, job.stderr
    assert job.seconds < DEADLINE + 10
    lines = [line for line in job.stderr.splitlines() if line.startswith("segmpi")]
    assert len(lines) == 1 and "stopped answering" in lines[0], job.stderr


def test_a_launcher_that_is_killed_takes_its_ranks_along(jobs):
    assert jobs["launcher"].process.returncode == -9
    assert jobs["launcher"].seconds < 10


def test_a_rank_that_is_killed_takes_the_others_along(jobs):
    assert jobs["killed"].process.returncode == 137
    assert jobs["killed"].seconds < 10


@pytest.mark.parametrize("name", ["first", "second", "launcher", "killed"])
def test_checkpoints_stay_and_no_output_is_there(jobs, name):
    names = [path.name for path in jobs[name].folder.iterdir()]
    assert 1 <= sum(name.startswith("out.h5.checkpoint-") for name in names) <= 3
    assert "out.h5" not in names


def test_a_process_that_nobody_launched_needs_no_mpi_and_outlives_its_shell(environment, program, tmp_path):
    env = {**environment, "OMPI_MCA_pml": "none_such"}  # MPI_Init fails
    subprocess.run([program, "generate", "4000", "-o", "clients.h5"], cwd=tmp_path, env=env, check=True)
    shell = f"'{program}' fit clients.h5 -o out.h5 --embed autoencoder --ae-epochs 100000 --quiet >fit.txt 2>&1 & echo $!; sleep 0.7"
    pid = int(subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True).stdout)
    time.sleep(0.5)
    alive = processes().get(pid, (0, 0, "Z", ""))[2] != "Z"
    if alive:
        os.kill(pid, signal.SIGKILL)
    assert alive
