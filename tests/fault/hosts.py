"""Several hosts on one machine, made by hosts.sh: mpirun on them, cables pulled, power cut."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("hosts.sh")
SPACES = ["--net", "--uts", "--mount", "--pid"]
SETTINGS = {
    "OMPI_MCA_plm": "rsh", "OMPI_MCA_plm_rsh_no_tree_spawn": "1", "OMPI_MCA_btl": "self,vader,tcp",
    "OMPI_MCA_btl_tcp_if_include": "10.77.0.0/24", "OMPI_MCA_oob_tcp_if_include": "10.77.0.0/24",
    # as jobs/mpi-env.sh has it for batch jobs: a lost host is noticed in 11 s
    "OMPI_MCA_oob_tcp_keepalive_time": "5", "OMPI_MCA_oob_tcp_keepalive_intvl": "2",
    "OMPI_MCA_oob_tcp_keepalive_probes": "3",
}


def why_not():
    """why there can be no hosts here; "" if there can"""
    for tool in ("unshare", "nsenter", "ip"):
        if not shutil.which(tool):
            return f"{tool} is not installed (Debian: util-linux, iproute2)"
    tried = subprocess.run(["unshare", *SPACES, "--fork", "ip", "link", "add", "br0", "type", "bridge"],
                           capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"namespaces or bridges are not permitted: {tried.stderr.strip()}"


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Hosts:
    """h0, where mpirun is started, and h1 ... hN"""

    def __init__(self, environment, n=3):
        self.folder = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))  # sockets below it need a short name
        (self.folder / "tmp").mkdir()
        agent = f"{SCRIPT} agent {self.folder}"
        self.env = {**environment, **SETTINGS, "OMPI_MCA_plm_rsh_agent": agent, "TMPDIR": f"{self.folder}/tmp"}
        self.process = subprocess.Popen(["unshare", *SPACES, "--fork", "--kill-child", "bash", SCRIPT, "lab", self.folder,
                                         str(n)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if said != "up\n":
            self.close()
            raise RuntimeError("the hosts did not come up")
        self.enter = ["nsenter", "-t", str(children(self.process.pid)[0]), *SPACES]

    def close(self):
        """the first process of h0 takes everything along"""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def mpirun(self, hosts, *words, cwd, env=None, ranks=2):
        """starts COMMAND on 2 ranks of each host"""
        names = ",".join(f"h{i}:{ranks}" for i in hosts)
        command = [*self.enter, f"--wd={cwd}", "mpirun", "-H", names, *(str(word) for word in words)]
        return subprocess.Popen(command, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def control(self, *words):
        subprocess.run([*self.enter, *words], check=True, timeout=10)

    def pull(self, i):
        self.control("ip", "link", "set", f"v{i}", "down")

    def plug(self, i):
        self.control("ip", "link", "set", f"v{i}", "up")

    def cut_power(self, i):
        self.control("kill", "-KILL", (self.folder / f"h{i}.pid").read_text().strip())

    def living(self):
        """{pid: name} of ranks and mpirun; a daemon that is cut off may wait for TCP to give up"""
        found, waiting = {}, children(self.process.pid)
        while waiting:
            pid = waiting.pop()
            waiting += children(pid)
            try:
                name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")[::2]
            except OSError:
                continue
            if name in ("segmpi", "mpirun") and state.split()[0] != "Z":
                found[pid] = name
        return found

    def is_quiet(self, seconds):
        end = time.monotonic() + seconds
        while self.living() and time.monotonic() < end:
            time.sleep(0.1)
        return not self.living()
