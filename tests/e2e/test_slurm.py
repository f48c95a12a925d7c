"""The scripts of jobs/ on a real SLURM: munged, slurmctld and two slurmd of the test's own, on 127.0.0.1, in a temporary
folder; they are stopped by the process ids that they have recorded."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import h5py
import pytest

TOP = Path(__file__).resolve().parents[2]
SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"

CONFIG = """
ClusterName=segmpi
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
TmpFS={root}/tmp.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MinJobAge=600
PropagateResourceLimits=NONE
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 RealMemory=64000 State=UNKNOWN
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    return None


def stop(pid_files):
    """ends the daemons in the order of their pid files"""
    for path in pid_files:
        if path.exists() and path.read_text().strip():
            pid = int(path.read_text())
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not Path(f"/proc/{pid}").exists(), 10)


class Slurm:
    def __init__(self, root, environment):
        self.root = root
        self.env = {**environment, "PATH": SBIN, "SLURM_CONF": f"{root}/slurm.conf"}

    def call(self, *words, **options):
        return subprocess.run([str(word) for word in words], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True, timeout=60, **options).stdout

    def start(self):
        folders = {f"{kind}.node{i}": mode for kind, mode in (("spool", 0o755), ("tmp", 0o1777)) for i in (1, 2)}
        for name, mode in {"munge": 0o711, "state": 0o700, **folders}.items():
            (self.root / name).mkdir()
            (self.root / name).chmod(mode)
        key = self.root / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        (self.root / "slurm.conf").write_text(CONFIG.format(host=host, root=self.root, ports=free_ports(3)))
        places = {"key-file": key, **{f"{word}-file": self.root / "munge" / word for word in ("pid", "log", "seed")}}
        self.call("munged", "--force", f"--socket={self.root}/munge/socket",
                  *(f"--{option}={place}" for option, place in places.items()))
        self.call("slurmctld")
        self.call("slurmd", "-N", "node1")
        self.call("slurmd", "-N", "node2")
        if not wait_for(lambda: self.call("sinfo", "-h", "-o", "%D %T").strip() == "2 idle", 30):
            pytest.fail("slurm did not come up: " + (self.root / "slurmctld.log").read_text()[-2000:])

    def stop(self):
        stop([self.root / "node1.pid", self.root / "node2.pid", self.root / "slurmctld.pid", self.root / "munge" / "pid"])

    def submit(self, folder, *words, launcher, script="fit", fault="", restarts=0, options=()):
        """a batch script in `folder`: (number, log)"""
        exports = f"ALL,SEGMPI_HOME={TOP},SEGMPI_LAUNCHER={launcher},SEGMPI_FAULT={fault},SEGMPI_RESTARTS={restarts}"
        job = self.call("sbatch", "--parsable", *(options or ["--ntasks=4"]), "--mem-per-cpu=500M",
                        f"--export={exports}", TOP / "jobs" / f"{script}.sbatch", *words, cwd=folder).strip()
        return job, folder / f"segmpi-{script}.{job}.log"

    def job(self, number):
        shown = self.call("scontrol", "-o", "show", "job", number).split()
        return dict(word.split("=", 1) for word in shown if "=" in word)

    def ended(self, number, seconds=60):
        def state():
            job = self.job(number)
            return job if job["JobState"] in ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED") else None

        return wait_for(state, seconds) or pytest.fail(f"the job did not end: {self.job(number)}")

    def requeued(self, number, times):
        """waits until the job is back in the queue for the n-th time, and lets it start at once"""
        assert wait_for(lambda: self.job(number)["Restarts"] == str(times), 40), self.job(number)
        assert wait_for(lambda: self.job(number)["JobState"] == "PENDING", 20), self.job(number)
        time.sleep(2)  # a credential of the second in which the last one was revoked is refused
        self.call("scontrol", "update", f"JobId={number}", "StartTime=now")

    def run(self, folder, *words, **how):
        """submits fit.sbatch in `folder` and waits for it: (exit code, log)"""
        number, log = self.submit(folder, *words, **how)
        return int(self.ended(number)["ExitCode"].split(":")[0]), log.read_text() if log.exists() else ""


@pytest.fixture(scope="module")
def slurm(environment, program, tmp_path_factory):
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=SBIN)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (Debian: slurm-wlm, munge)")
    if os.geteuid() != 0:
        pytest.skip("a SLURM of one's own needs root")
    root = tmp_path_factory.mktemp("slurm")
    for folder in (root, *root.parents):  # munge wants to reach its socket
        if folder.owner() == "root" and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    cluster = Slurm(root, {**environment, "SEGMPI_BINARY": str(Path(program).resolve())})
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("batch") / "clients.h5"
    segmpi("generate", "5000", "-o", path)
    return path


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_a_batch_job_finds_what_one_process_finds(segmpi, slurm, clients, tmp_path, launcher):
    segmpi("fit", clients, "-o", tmp_path / "one.h5", "-k", 4)
    code, log = slurm.run(tmp_path, clients, "-o", "four.h5", "-k", "4", launcher=launcher)
    assert code == 0, log
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "four.h5") as four:
        assert four["provenance/run"].attrs["ranks"] == 4
        for name in ("labels/cluster", "kmeans/cluster_centers", "pca/components"):
            assert (one[name][()] == four[name][()]).all()


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_the_exit_code_of_the_job_is_that_of_segmpi(slurm, clients, tmp_path, launcher):
    (tmp_path / "mine.h5").write_text("mine")
    for words, expected in ((["none.h5", "-o", "m.h5"], 66), ([clients, "-o", "mine.h5"], 73), ([clients], 64)):
        code, log = slurm.run(tmp_path, *words, launcher=launcher)
        assert code == expected, log
        assert sum(line.startswith("segmpi") for line in log.splitlines()) == 1, log


def test_a_killed_rank_ends_the_job(slurm, clients, tmp_path):
    begin = time.monotonic()
    code, log = slurm.run(tmp_path, clients, "-o", "m.h5", launcher="srun", fault="table_read:rank=2:kind=kill")
    if code == 0:
        pytest.skip("this build has no faults (SEG_FAULTS)")
    assert code in (137, 143), log
    assert time.monotonic() - begin < 30
    assert not (tmp_path / "m.h5").exists()


def test_a_warned_job_is_requeued_and_goes_on(segmpi, slurm, clients, tmp_path):
    """SLURM's warning, here by scancel; the job comes back with its number and finds what it would have found"""
    words = ["-k", "12", "--n-init", "200", "--tol", "0", "--stability", "0"]
    number, log = slurm.submit(tmp_path, clients, "-o", "m.h5", *words, launcher="srun", restarts=1)
    text = lambda: log.read_text() if log.exists() else ""
    assert wait_for(lambda: "restarts ..." in text(), 30), text()
    slurm.call("scancel", "--batch", "--signal=USR1", number)
    slurm.requeued(number, 1)
    assert f"job {number}: exit code 75, goes back into the queue (restart 1 of 1)" in text()
    assert list(tmp_path.glob("*checkpoint*")) and not (tmp_path / "m.h5").exists()
    assert slurm.ended(number)["ExitCode"] == "0:0", text()
    segmpi("fit", clients, "-o", tmp_path / "one.h5", *words, ranks=2)
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "m.h5") as other:
        assert one.attrs["model_id"] == other.attrs["model_id"]
    assert not list(tmp_path.glob("*checkpoint*"))


def test_a_killed_rank_brings_the_job_back_as_often_as_it_may(slurm, clients, tmp_path):
    number, log = slurm.submit(tmp_path, clients, "-o", "m.h5", launcher="mpirun", restarts=1,
                               fault="table_read:rank=2:kind=kill")
    if not wait_for(lambda: log.exists() and "goes back into the queue" in log.read_text(), 30):
        pytest.skip("this build has no faults (SEG_FAULTS)")
    slurm.requeued(number, 1)
    assert slurm.ended(number)["ExitCode"] == "137:0"
    lines = [line for line in log.read_text().splitlines() if line.startswith("job ")]
    assert lines == [f"job {number}: exit code 137, goes back into the queue (restart 1 of 1)",
                     f"job {number}: exit code 137 after 1 restarts, which is enough (SEGMPI_RESTARTS)"]


def daemon_on(node):
    """the process of mpirun on a node"""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words, variables = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if words.split(b"\0")[0].endswith(b"orted") and f"SLURMD_NODENAME={node}".encode() in variables:
            return int(entry.name)
    return None


def test_a_lost_host_and_a_node_that_goes_down_bring_the_job_back(segmpi, slurm, clients, tmp_path):
    """mpirun loses its daemon on the second node (205); then SLURM is told that the first one is down"""
    words = ["-k", "12", "--n-init", "1500", "--tol", "0", "--stability", "0"]
    slurm.env["OMPI_MCA_btl"] = "self,tcp"  # the nodes share one host's memory
    slurm.env["OMPI_MCA_btl_tcp_if_include"] = "lo"
    number, log = slurm.submit(tmp_path, clients, "-o", "m.h5", *words, "--checkpoint-interval", "0.2", restarts=3,
                               launcher="mpirun", options=["--nodes=2", "--ntasks-per-node=2"])
    del slurm.env["OMPI_MCA_btl"], slurm.env["OMPI_MCA_btl_tcp_if_include"]
    text = lambda: log.read_text() if log.exists() else ""
    assert wait_for(lambda: list(tmp_path.glob("m.h5.checkpoint-*")), 40), text()
    os.kill(daemon_on("node2"), signal.SIGKILL)
    slurm.requeued(number, 1)
    assert f"job {number}: exit code 205, goes back into the queue (restart 1 of 3)" in text()
    assert wait_for(lambda: text().count("going on from checkpoint") == 1, 40), text()
    slurm.call("scontrol", "update", "NodeName=node1", "State=DOWN", "Reason=test")
    assert wait_for(lambda: slurm.job(number)["Restarts"] == "2", 40), slurm.job(number)
    with contextlib.suppress(subprocess.CalledProcessError):  # its daemon may have called in again already
        slurm.call("scontrol", "update", "NodeName=node1", "State=RESUME")
    slurm.requeued(number, 2)
    assert slurm.ended(number, 90)["ExitCode"] == "0:0", text()
    assert text().count("going on from checkpoint") == 2
    segmpi("fit", clients, "-o", tmp_path / "one.h5", *words, ranks=2)
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "m.h5") as other:
        assert one.attrs["model_id"] == other.attrs["model_id"]
    assert not list(tmp_path.glob("*checkpoint*"))


def test_the_end_of_its_time_is_a_checkpoint(slurm, clients, tmp_path):
    forever = ["--embed", "autoencoder", "--ae-epochs", "100000", "--ae-patience", "0"]
    number, log = slurm.submit(tmp_path, clients, "-o", "m.h5", *forever, restarts=1, launcher="mpirun",
                               options=["--ntasks=2", "--time=1", "--signal=B:USR1@55"])
    slurm.requeued(number, 1)
    slurm.call("scancel", number)
    assert f"job {number}: exit code 75, goes back into the queue (restart 1 of 1)" in log.read_text()
    assert list(tmp_path.glob("m.h5.checkpoint-*")) and not (tmp_path / "m.h5").exists()


def test_elbow_and_scaling_are_jobs_too(slurm, clients, tmp_path):
    words = [clients, "-o", "elbow.h5", "--k-max", "3", "--n-init", "2"]
    elbow, _ = slurm.submit(tmp_path, *words, script="elbow", launcher="mpirun", options=["--ntasks=2"])
    scaling, log = slurm.submit(tmp_path, 20000, script="scaling", launcher="mpirun", options=["--ntasks=2"])
    assert slurm.ended(elbow)["ExitCode"] == "0:0" and (tmp_path / "elbow.h5").exists()
    assert slurm.ended(scaling)["ExitCode"] == "0:0", log.read_text()
    table = [line.split() for line in log.read_text().splitlines()[-3:]]
    assert table[0][0] == "ranks" and [row[0] for row in table[1:]] == ["1", "2"] and table[1][2:] == ["1.00", "100", "%"]


def test_a_job_that_is_cancelled_stays_so(slurm, clients, tmp_path):
    words = ["-k", "12", "--n-init", "500", "--tol", "0"]
    number, log = slurm.submit(tmp_path, clients, "-o", "m.h5", *words, launcher="srun", restarts=3)
    assert wait_for(lambda: log.exists() and "restarts ..." in log.read_text(), 30)
    slurm.call("scancel", number)
    assert slurm.ended(number)["JobState"] == "CANCELLED"
    assert slurm.job(number)["Restarts"] == "0" and "queue" not in log.read_text()


def test_a_night_is_a_chain_that_fails_loudly(segmpi, slurm, tmp_path):
    segmpi("generate", 3000, "-o", tmp_path / "old.h5", "--csv", tmp_path / "new.csv")
    segmpi("fit", tmp_path / "old.h5", "-o", tmp_path / "model.h5", "-k", 4, "--stability", 0)
    env = {**slurm.env, "SEGMPI_LAUNCHER": "mpirun", "SEGMPI_POLL": "0.5", "SEGMPI_SBATCH": "--ntasks=2 --mem-per-cpu=300M"}

    def night(csv, **more):
        words = [TOP / "jobs" / "nightly.sh", tmp_path / "model.h5", tmp_path / "nights", csv]
        return subprocess.run(words, env={**env, **more}, capture_output=True, text=True, timeout=100)

    first = night(tmp_path / "new.csv", SEGMPI_GATE="psi=0.25")
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert (tmp_path / "nights" / "latest").resolve() == folder
    assert {"clients.h5", "scores.h5", "compare.json", "report"} <= set(os.listdir(folder))
    (tmp_path / "bad.csv").write_text("id,BALANCE\n1,2\n")
    second = night(tmp_path / "bad.csv")
    assert second.returncode == 1 and "JobName=segmpi-score" in second.stderr, second.stderr
    assert (tmp_path / "nights" / "latest").resolve() == folder
