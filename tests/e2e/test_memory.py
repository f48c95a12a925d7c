"""--memory-limit: clients in a file where memory has no room for them; the same bits, in the memory that is allowed."""

import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from judge import contents, differences

CLIENTS = 200000
FIT = ["-k", "4", "--n-init", "2", "--stability", "0"]
RUNS = {
    "fit": ["fit", *FIT],
    "elbow": ["elbow", "--k-min", "2", "--k-max", "4", "--n-init", "1"],
    "autoencoder": ["fit", *FIT, "--n-init", "1", "--embed", "autoencoder", "--ae-layers", "10", "--ae-code", "10",
                    "--ae-epochs", "1", "--ae-batch", "4096", "--max-iter", "3", "--no-swaps"],
    "pca": ["fit", *FIT, "--n-init", "1", "--embed", "pca:10", "--max-iter", "3", "--no-swaps"],
}


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "clients.h5"
    segmpi("generate", CLIENTS, "-o", path, ranks=2)
    return path


def words_of(name, clients, output, *more):
    command, *options = RUNS[name]
    return [command, clients, "-o", output, *options, *more]


@pytest.fixture(scope="module")
def least(segmpi, clients, tmp_path_factory):
    """least(name, ranks): the smallest limit, as the refusal of one byte names it"""

    def find(name, ranks=None):
        output = tmp_path_factory.mktemp("least") / "out.h5"
        result = segmpi(*words_of(name, clients, output, "--memory-limit", "1"), ranks=ranks, ok=False)
        assert result.returncode == 71 and not output.exists()
        (message,) = [line for line in result.stderr.splitlines() if line.startswith("segmpi")]
        return int(re.search(r"with its clients in a file: (\d+);", message).group(1))

    return find


@pytest.mark.parametrize("name, ranks", [("fit", 3), ("elbow", None), ("autoencoder", 2), ("pca", 3)])
def test_the_bits_do_not_depend_on_the_limit(segmpi, clients, least, tmp_path, name, ranks):
    limit = least(name, ranks)
    segmpi(*words_of(name, clients, tmp_path / "whole.h5"), ranks=2)
    result = segmpi(*words_of(name, clients, tmp_path / "limited.h5", "--memory-limit", limit), ranks=ranks)
    assert "in a scratch file in" in result.stderr
    assert differences(contents(tmp_path / "whole.h5"), contents(tmp_path / "limited.h5")) == []
    if name == "elbow":  # one k after the other there; with more room several at once, and no file
        assert "fits of all k in 3 groups" in result.stderr
        result = segmpi(*words_of(name, clients, tmp_path / "limited.h5", "--memory-limit", "60M", "--force"))
        assert "fits of all k in 2 groups" in result.stderr and "scratch file" not in result.stderr
        assert differences(contents(tmp_path / "whole.h5"), contents(tmp_path / "limited.h5")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["limited.h5", "whole.h5"]


def test_the_limit_holds_in_the_eyes_of_the_system(segmpi, program, environment, clients, least, tmp_path):
    limit = least("fit")
    plan = segmpi(*words_of("fit", clients, tmp_path / "m.h5", "--memory-limit", limit), "--dry-run").stdout
    assert "scratch file" in plan and not (tmp_path / "m.h5").exists()
    peaks = []
    for more in ["--memory-limit", limit], []:
        words = words_of("fit", clients, tmp_path / "m.h5", "--force", "--quiet", *more)
        process = subprocess.Popen([program, *map(str, words)], env=environment, stdout=subprocess.DEVNULL)
        peaks.append(0)
        while process.poll() is None:
            peaks[-1] = max(peaks[-1], peak_of(process.pid))
            time.sleep(0.005)
        assert process.returncode == 0
    assert peaks[0] <= limit and peaks[0] + 5e6 < peaks[1]  # 13.6 MB of clients, 4 MB of them at a time


def peak_of(pid):
    """bytes that a process has had in memory at most"""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:  # it has ended meanwhile
        return 0
    return int(found.group(1)) * 1024 if found else 0


def test_a_run_that_is_stopped_or_killed_leaves_no_file_and_goes_on(segmpi, program, environment, clients, least,
                                                                    tmp_path):
    whole, output, scratch = tmp_path / "whole.h5", tmp_path / "out" / "m.h5", tmp_path / "scratch"
    output.parent.mkdir()
    scratch.mkdir()
    segmpi(*words_of("fit", clients, whole), ranks=2)
    words = words_of("fit", clients, output, "--memory-limit", least("fit"), "--scratch", scratch)
    code, text = interrupted(program, environment, words, signal.SIGUSR1)
    assert code == 75 and f"scratch file in '{scratch}'" in text
    code, text = interrupted(program, environment, [*words, "--resume"], signal.SIGKILL)
    assert code == -signal.SIGKILL and "going on from checkpoint" in text
    assert list(scratch.iterdir()) == []
    segmpi(*words, "--resume")
    assert differences(contents(whole), contents(output)) == []
    assert list(scratch.iterdir()) == [] and [path.name for path in output.parent.iterdir()] == ["m.h5"]


def interrupted(program, environment, words, number):
    """the exit code and the messages of a run that gets a signal in its k-means"""
    process = subprocess.Popen([program, *map(str, words)], env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    text = ""
    while "restarts ..." not in text and process.poll() is None:
        text += process.stderr.readline()
    process.send_signal(number)
    text += process.communicate()[1]
    return process.returncode, text


def test_a_full_disk_is_said_at_once(segmpi, clients, least, tmp_path):
    def small():  # no file may be larger: what the system says of a full disk comes from the same call
        resource.setrlimit(resource.RLIMIT_FSIZE, (12 << 20, 12 << 20))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    result = segmpi(*words_of("fit", clients, tmp_path / "m.h5", "--memory-limit", least("fit")), ok=False,
                    preexec_fn=small)
    assert result.returncode == 74
    assert re.search(r"no room for 13\.\d MB of clients in a scratch file in '.*': .*; --scratch names", result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_plans_hold_where_columns_are_many(segmpi, tmp_path):
    x = np.random.default_rng(1).gamma(2, 100, (200, 400))
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["x"] = x
    quick = ["--n-init", "1", "--no-swaps"]
    runs = [["elbow", tmp_path / "wide.h5", "-o", tmp_path / "e.h5", "--k-max", 3, *quick],
            ["fit", tmp_path / "wide.h5", "-o", tmp_path / "m.h5", "-k", 3, "--stability", 0, *quick],
            ["score", tmp_path / "m.h5", tmp_path / "wide.h5", "-o", tmp_path / "s.h5"]]
    for words in runs:
        plan = dict(re.findall(r"^(memory per rank|output) +([\d.]+) MB$", segmpi(*words, "--dry-run").stdout, re.M))
        used = re.search(r"memory at most ([\d.]+) MB", segmpi(*words, "--timing").stderr)[1]
        assert 0.9 * float(plan["memory per rank"]) <= float(used) <= 1.02 * float(plan["memory per rank"]), words
        if words[0] == "fit":
            assert (tmp_path / "m.h5").stat().st_size == pytest.approx(1e6 * float(plan["output"]), rel=0.15)
