"""HDF5 files that are damaged or made to do harm: whatever HDF5 makes of them, a run ends with 0 or 65 and one message.

A seeded slice here; more by SEGMPI_HOSTILE=COUNT, which also prints how the runs ended.  A mutation is found again by
its number.
"""

import collections
import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

COUNT = int(os.environ.get("SEGMPI_HOSTILE", 240))
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


def test_no_mutation_crashes_a_run(program, environment, seeds, tmp_path):
    """what it is told by `inspect`, with and without --check; a table and a model are read as a whole by both"""

    def run(number):
        path = tmp_path / f"{number}.h5"
        path.write_bytes(mutated(seeds, number))
        begin = time.monotonic()
        words = ["inspect", "--check", path] if number // 3 % 2 else ["inspect", path]
        result = subprocess.run([program, *words], capture_output=True, text=True, errors="replace", env=environment,
                                timeout=4 * SECONDS)
        path.unlink()
        messages = [line for line in result.stderr.splitlines() if line.startswith("segmpi")]
        good = result.returncode in (0, 65) and len(messages) == (result.returncode != 0)
        how = "ok" if result.returncode == 0 else "refused"
        for word in ("crashes", "no end"):
            how = word if f"HDF5 {word}" in result.stderr or f"{word} with it" in result.stderr else how
        good = good and time.monotonic() - begin < SECONDS
        return how if good else f"number {number}: {result.returncode} {result.stderr}"

    with ThreadPoolExecutor(2) as pool:
        ends = collections.Counter(pool.map(run, range(COUNT)))
    print(dict(ends))
    assert set(ends) <= {"ok", "refused", "crashes", "no end"}
    assert ends["refused"] > COUNT / 10 and ends["ok"] > COUNT / 100  # they do something, and not everything


def test_a_crash_of_hdf5_is_65_on_all_ranks(segmpi, program, seeds, tmp_path):
    """the child is what crashes: here by a signal that the test's own preload raises"""
    if b"__asan_init" in Path(program).read_bytes():
        pytest.skip("a sanitizer wants to be loaded first, and takes the signal")
    library = tmp_path / "crash.so"
    source = "#include <signal.h>\n#include <stdlib.h>\nlong H5Dget_storage_size(long set) { (void)set; raise(SIGSEGV); return 0; }\n"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=source, text=True)
    if built.returncode != 0:
        pytest.skip("no compiler")
    (tmp_path / "x.h5").write_bytes(seeds[0])
    for words, ranks in ((["inspect", tmp_path / "x.h5"], None), (["describe", tmp_path / "x.h5"], 3)):
        result = segmpi(*words, ranks=ranks, env={"LD_PRELOAD": str(library)}, ok=False)
        assert result.returncode == 65, result.stderr
        assert "HDF5 crashes on it (signal 11)" in result.stderr
        assert sum(line.startswith("segmpi") for line in result.stderr.splitlines()) == 1
