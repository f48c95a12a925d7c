"""segmpi doctor: what it finds here, what it makes of a folder and of signals that do not work."""

import json
import os
import signal
import subprocess

import h5py
import pytest


@pytest.fixture(scope="module")
def found(segmpi, tmp_path_factory):
    """findings of 3 ranks by name, the text of one, and the folder"""
    folder = tmp_path_factory.mktemp("doctor")
    segmpi("doctor", folder, "--json", folder / "d.json", "--quiet", ranks=3)
    figures = json.loads((folder / "d.json").read_text())
    assert figures["safe"] is True
    return {item["name"]: item for item in figures["findings"]}, segmpi("doctor", folder).stdout, folder


def test_libraries_are_named_with_what_is_known_of_them(found):
    findings, text, _ = found
    assert findings["HDF5"]["value"].startswith("HDF5 ") and findings["HDF5"]["value"][5:] in h5py.version.hdf5_version
    if "Open MPI v4.1.4" in findings["MPI"]["value"]:
        assert findings["MPI"]["verdict"] == "note" and "ompi#12718" in findings["MPI"]["advice"]
    for name, item in findings.items():
        if name != "messages":  # a figure of the run
            assert f"{item['verdict']:5} {name:15}  {item['value'].split(',')[0]}" in text


def test_the_canary_lives_and_leaves_nothing(found):
    findings, _, folder = found
    assert all(findings[name]["verdict"] == "ok" for name in ("messages", "signals", "output", "reading", "names"))
    assert findings["messages"]["value"].startswith("3 ranks, ")
    assert os.listdir(folder) == ["d.json"]


def test_what_a_killed_run_has_left_is_removed_once_it_is_old(segmpi, tmp_path):
    names = [".segmpi-doctor-1", "..segmpi-doctor-1.h5.abcdef.part", "..mine", ".segmpi-doctor-2"]
    for name in names:
        (tmp_path / name).write_text("left")
        os.utime(tmp_path / name, (0, 0) if name != names[3] else None)
    (tmp_path / ".segmpi-doctor-link").symlink_to(names[2])
    os.utime(tmp_path / ".segmpi-doctor-link", (0, 0), follow_symlinks=False)
    segmpi("doctor", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["..mine", ".segmpi-doctor-2", ".segmpi-doctor-link"]


def verdict(result, name):
    return next(line.split() for line in result.stdout.splitlines() if line.startswith("  ") and f" {name} " in line)[0]


@pytest.mark.parametrize("name, env, ranks, expected", [
    ("cores", {"OMPI_MCA_mpi_yield_when_idle": "0"}, os.cpu_count() + 1, ("note", 0)),
    ("keepalive", {"SLURM_JOB_ID": "1"}, None, ("note", 0)),
    ("launcher", {"SLURM_STEP_NUM_TASKS": "4"}, None, ("bad", 78)),
    ("launcher", {"PMI_SIZE": "2"}, None, ("bad", 78)),
])
def test_what_is_known_to_be_bad_is_found(segmpi, tmp_path, name, env, ranks, expected):
    """each as a user would have it: forced, and the rest as it should be"""
    sound = segmpi("doctor", tmp_path).stdout
    if name == "keepalive" and "Open MPI" not in sound:
        pytest.skip("a setting of Open MPI")
    assert " " + name + " " not in sound.replace("ok    " + name, "")
    result = segmpi("doctor", tmp_path, ranks=ranks, env=env, ok=False)
    assert (verdict(result, name), result.returncode) == expected, result.stdout + result.stderr


def test_a_folder_that_takes_no_file_is_78(segmpi):
    result = segmpi("doctor", "/proc", ok=False)
    assert result.returncode == 78 and "bad   output           failed" in result.stdout
    assert "1 of " in result.stderr and "results are not safe here" in result.stderr
    assert segmpi("doctor", "/no/such", ok=False).returncode == 66


def test_signals_that_are_blocked_are_78(program, environment, tmp_path):
    result = subprocess.run([program, "doctor", tmp_path], capture_output=True, text=True, env=environment,
                            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]))
    assert result.returncode == 78 and "USR1 does not arrive" in result.stdout
