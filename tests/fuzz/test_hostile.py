"""HDF5 files that are damaged or made to do harm: whatever HDF5 makes of them, a run ends with 0 or 65 and one message.

A seeded slice here; more by SEGMPI_HOSTILE=COUNT, which also prints how the runs ended.  A mutation is found again by
its number.
"""

import collections
import os
import random
import resource
import shutil
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

COUNT = int(os.environ.get("SEGMPI_HOSTILE", 120))
SECONDS = 60  # three times the limit of processor time of the child


def foreign(path):
    """a bit of everything that segmpi reads"""
    with h5py.File(path, "w") as file:
        table = file.create_dataset("table", data=np.arange(600.0).reshape(200, 3), chunks=(16, 3), compression="gzip",
                                    shuffle=True)
        table.attrs["names"] = ["a", "b", "c"]
        names = file.create_dataset("name", data=np.array(["a", "b", "c"], dtype=object), dtype=h5py.string_dtype())
        names.make_scale("name")
        table.dims[1].attach_scale(names)
        for i in range(5):
            file.create_group(f"group{i}").attrs["text"] = "x" * 300
            file[f"group{i}/column"] = np.arange(50, dtype="i4")
        file.create_dataset("packed", data=np.arange(100, dtype="f4"), fletcher32=True)
    return path


def unsealed(path):
    """a file of ours that another tool has written to, so that HDF5 gets to see what is wrong with it"""
    with h5py.File(path, "r+") as file:
        file.attrs["touched"] = 1
    return path


@pytest.fixture(scope="module")
def seeds(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    segmpi("generate", 300, "-o", folder / "clients.h5")
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "-k", 3, "--n-init", 1, "--stability", 0)
    paths = [foreign(folder / "foreign.h5"), unsealed(folder / "clients.h5"), unsealed(folder / "model.h5")]
    return [path.read_bytes() for path in paths]


def mutated(seeds, number):
    """structure lies mostly at the begin and around names"""
    draw = random.Random(number)
    data = bytearray(seeds[number % len(seeds)])
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        at = draw.randrange(min(len(data), draw.choice([96, 2048, len(data), len(data)])))
        kind = draw.randrange(6)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
        elif kind == 2:
            data[at : at + 8] = draw.choice([b"\xff" * 8, bytes(8), len(data).to_bytes(8, "little"),
                                             (1 << 62).to_bytes(8, "little"), draw.randbytes(8)])
        elif kind == 3:
            other = draw.randrange(len(data))
            data[at : at + 64] = data[other : other + 64]
        elif kind == 4:
            marks = [mark for mark in (b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"BTHD", b"FSHD")
                     if mark in data]
            place = data.index(draw.choice(marks)) if marks else at
            data[min(place + draw.randrange(4, 60), len(data) - 1)] = draw.randrange(256)
        elif draw.random() < 0.3:
            del data[max(at, 96) :]
    return bytes(data)


def words_of(number, path, folder):
    """the command that number `number` is given to: all take any HDF5 file"""
    out = folder / f"{number}.out"
    return [["inspect", path], ["inspect", "--check", path], ["describe", path], ["fit", path, "-o", out, "-k", 2,
            "--n-init", 1, "--stability", 0], ["score", folder / "model", path, "-o", out]][number // 3 % 5]


def measured(command, **options):
    """(exit code, stderr, seconds, MiB at most of it and the child that looks first)"""
    begin = time.monotonic()
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors="replace", **options) as process:
        stderr = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, stderr, time.monotonic() - begin, used.ru_maxrss / 1024


def test_no_mutation_crashes_a_run(program, environment, seeds, tmp_path):
    """a table and a model are read as a whole by `inspect`, as far as they are needed by the others"""
    (tmp_path / "model").write_bytes(seeds[2])
    most = {"seconds": 0.0, "MiB": 0.0}

    def run(number):
        path = tmp_path / f"{number}.h5"
        path.write_bytes(mutated(seeds, number))
        code, stderr, seconds, memory = measured([program, *words_of(number, path, tmp_path)], env=environment)
        path.unlink()
        messages = [line for line in stderr.splitlines() if line.startswith("segmpi")]
        good = code in (0, 65) and len(messages) == (code != 0) and seconds < SECONDS
        how = "ok" if code == 0 else "refused"
        for word in ("crashes", "no end"):
            how = word if f"HDF5 {word}" in stderr or f"{word} with it" in stderr else how
        if how in ("ok", "refused"):
            most.update(seconds=max(most["seconds"], seconds), MiB=max(most["MiB"], memory))
        return how if good else f"number {number}: {code} {stderr}"

    with ThreadPoolExecutor(2) as pool:
        ends = collections.Counter(pool.map(run, range(COUNT)))
    print(dict(ends), most)
    assert set(ends) <= {"ok", "refused", "crashes", "no end"}
    assert ends["refused"] > COUNT / 10 and ends["ok"] > COUNT / 100  # they do something, and not everything
    if b"__asan_init" not in Path(program).read_bytes():
        assert most["MiB"] < 512


@pytest.fixture
def traps(tmp_path):
    """files that lead into other ones, or to no end"""
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones((20, 2))
    (tmp_path / "secret.raw").write_bytes(bytes(320))
    layout = h5py.VirtualLayout((20, 2), dtype="f8")
    layout[:] = h5py.VirtualSource(secret, "x", shape=(20, 2))
    made = []

    def trap(name, fill):
        made.append(tmp_path / f"{name}.h5")
        with h5py.File(made[-1], "w") as file:
            fill(file)

    def deep(file):
        for _ in range(60):
            file = file.create_group("g")
        file["x"] = np.ones((20, 2))

    def circle(file):
        file.create_group("a")["b"] = file["/"]

    def bomb(file):
        file.create_dataset("x", (1 << 40, 2), "f8", chunks=(1 << 16, 2), compression="gzip")

    def reference(file):
        file.create_dataset("x", (20,), h5py.ref_dtype)[0] = file["/"].ref

    trap("link", lambda file: file.__setitem__("x", h5py.ExternalLink(str(secret), "x")))
    trap("soft", lambda file: file.__setitem__("x", h5py.SoftLink("/nowhere")))
    trap("storage", lambda file: file.create_dataset("x", (20, 2), "f8", external=[(str(tmp_path / "secret.raw"), 0, 320)]))
    trap("virtual", lambda file: file.create_virtual_dataset("x", layout))
    for name, fill in (("deep", deep), ("circle", circle), ("bomb", bomb), ("reference", reference)):
        trap(name, fill)
    return made


def test_no_file_leads_into_another(program, environment, traps, tmp_path):
    """each trap is refused within seconds, and the system's calls show that no other file is opened"""
    trace = shutil.which("strace")
    if b"__asan_init" in Path(program).read_bytes():
        trace = None  # it looks for leaks by tracing as well
    for path in traps:
        for words in (["fit", path, "-o", tmp_path / "out.h5", "-k", 2, "--dataset", "x"], ["inspect", "--check", path]):
            log = tmp_path / "log"
            tracer = [trace, "-f", "-qq", "-e", "trace=open,openat", "-o", log] if trace else []
            code, stderr, seconds, _ = measured([*tracer, program, *words], env=environment)
            told = words[0] == "inspect" and path.stem in ("deep", "reference", "bomb")
            assert code in (64, 65) or (code == 0 and told), (path.name, words, code, stderr)
            assert seconds < 20 and sum(line.startswith("segmpi") for line in stderr.splitlines()) == (code != 0)
            if trace:
                assert path.name in log.read_text() and "secret" not in log.read_text(), path.name


def test_a_shape_that_overflows_is_refused_at_once(program, environment, tmp_path):
    """3 rows of 2^61 + 1 values of 8 bytes: modulo 2^64 they are as long as the values in the file, in one like ours"""
    path, shape, size = tmp_path / "x.h5", (3, 12345), 3 * 12345 * 8
    with h5py.File(path, "w") as file:
        for name, text in (("format", b"model"), ("format_version", b"1.0"), ("content_checksum", b"0" * 16)):
            file.attrs[name] = np.bytes_(text)
        file["x"] = np.ones(shape)
    data = path.read_bytes().replace(struct.pack("<qq", *shape), struct.pack("<qq", 3, (1 << 61) + 1))
    path.write_bytes(data.replace(struct.pack("<q", size), struct.pack("<q", 24)))
    code, stderr, seconds, _ = measured([program, "inspect", path], env=environment)
    assert code == 65 and "'x' in" in stderr and seconds < 5, (stderr, seconds)


def test_a_loop_or_a_claim_to_all_memory_ends_soon(program, environment, tmp_path):
    """a heap with an object of 0 bytes, in which HDF5 1.10 goes no further; a text that says it has 3 GiB"""
    loop, claim = tmp_path / "loop.h5", tmp_path / "claim.h5"
    for path in (loop, claim):
        with h5py.File(path, "w") as file:
            place = file.create_dataset("name", data=["a", "b"], dtype=h5py.string_dtype()).id.get_offset()
    data = bytearray(loop.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 16 : heap + 18], data[heap + 24 : heap + 32] = bytes(2), bytes(8)
    loop.write_bytes(data)
    data = bytearray(claim.read_bytes())
    data[place : place + 4] = (3 << 30).to_bytes(4, "little")
    claim.write_bytes(data)
    for path in (loop, claim):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, stderr, _, memory = measured([program, "inspect", path], env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert code in (0, 65), stderr
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10, path
        if b"__asan_init" not in Path(program).read_bytes():
            assert memory < 512, path


def test_a_small_file_of_many_names_or_columns_takes_little_memory(program, environment, tmp_path):
    """what nobody has written takes no room in a file in chunks"""
    sanitized = b"__asan_init" in Path(program).read_bytes()
    few = None if sanitized else lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    names, columns = tmp_path / "names.h5", tmp_path / "columns.h5"
    with h5py.File(names, "w") as file:
        table = file.create_dataset("table", data=np.arange(60.0).reshape(20, 3))
        for dtype in ("S1", h5py.string_dtype()):
            scale = file.create_dataset(f"name{dtype}", (10**9,), dtype, chunks=(1 << 16,))
            scale.make_scale("names")
            table.dims[1].attach_scale(scale)
    with h5py.File(columns, "w") as file:
        file.create_dataset("table", (1, 1 << 28), "i1", chunks=(1, 1 << 20))
    for path, expected in ((names, 0), (columns, 65)):
        code, stderr, _, memory = measured([program, "describe", path, "--quiet"], env=environment, preexec_fn=few)
        assert code == expected and (sanitized or memory < 512), (stderr, memory)


CRASH = """
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
long H5Dget_storage_size(long set) { (void)set; raise(SIGSEGV); return 0; }
ssize_t pread(int file, void *data, size_t size, off_t at)
{
    if (!getenv("BAD_DISK") || size < 65536) return syscall(SYS_pread64, file, data, size, at);
    errno = EIO;
    return -1;
}
ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));
"""


@pytest.fixture
def crash(program, seeds, tmp_path):
    """{"LD_PRELOAD": a library by which HDF5 crashes on x.h5}: in the child, which is the first to look"""
    if b"__asan_init" in Path(program).read_bytes():
        pytest.skip("a sanitizer wants to be loaded first, and takes the signal")
    library = tmp_path / "crash.so"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=CRASH, text=True)
    if built.returncode != 0:
        pytest.skip("no compiler")
    (tmp_path / "x.h5").write_bytes(seeds[0] + bytes(1 << 17))
    return {"LD_PRELOAD": str(library)}


def test_a_crash_of_hdf5_on_a_disk_that_fails_is_74(segmpi, crash, tmp_path):
    result = segmpi("inspect", tmp_path / "x.h5", env={**crash, "BAD_DISK": "1"}, ok=False)
    assert result.returncode == 74 and "Input/output error" in result.stderr, result.stderr


def test_a_crash_of_hdf5_is_65_on_all_ranks(segmpi, crash, tmp_path):
    for words, ranks in ((["inspect", tmp_path / "x.h5"], None), (["describe", tmp_path / "x.h5"], 3)):
        result = segmpi(*words, ranks=ranks, env=crash, ok=False)
        assert result.returncode == 65, result.stderr
        assert "HDF5 crashes on it (signal 11)" in result.stderr
        assert sum(line.startswith("segmpi") for line in result.stderr.splitlines()) == 1
