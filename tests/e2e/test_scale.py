"""What a rank asks of the file system: a number that does not grow with the number of ranks, and is small but for rows.

Counted by tests/bench/count_calls.c, between the program and libc; "each": the most that a rank from 2 on asks for.  Rank 0
looks into the table and makes the output, rank 1 looks into the output before it gets its name."""

import json
import subprocess
from pathlib import Path

import h5py
import pytest

COUNT = Path(__file__).resolve().parents[1] / "bench" / "count_calls.c"
ROWS = 12 * 1024
FIT = ["fit", "-k", "3", "--n-init", "1", "--max-iter", "2", "--no-swaps", "--stability", "0", "--quiet", "--force"]


@pytest.fixture(scope="module")
def counted(program, environment, tmp_path_factory):
    """counted(ranks, words...): what is counted"""
    folder = tmp_path_factory.mktemp("count")
    library, found = folder / "libcount.so", folder / "counts.json"
    subprocess.run(["mpicc", "-O2", "-fPIC", "-shared", "-o", library, COUNT, "-ldl"], check=True)

    def run(ranks, *words):
        found.unlink(missing_ok=True)
        command = ["mpirun", "-n", ranks, "env", f"LD_PRELOAD={library}", f"COUNT_FILE={found}", program, *words]
        subprocess.run([str(word) for word in command], env=environment, check=True, stdin=subprocess.DEVNULL, timeout=100)
        return json.loads(found.read_text())

    return run


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("scale") / "clients.h5"
    segmpi("generate", ROWS, "-o", path)
    return path


def test_ranks_open_each_file_once_and_are_told_the_rest(counted, clients):
    few, many = (counted(ranks, *FIT, clients, "-o", clients.with_name("model.h5")) for ranks in (3, 6))
    for found in few, many:
        assert found["each_opens"] == 3  # the table; the model, to write and to read back
    assert many["opens"] - few["opens"] == 3 * 3
    # two to know the table again; few as they are, labels and checksums of each array; a sample is shared by all ranks
    assert many["small_reads"] - few["small_reads"] <= 3 * 16
    assert many["writes"] - few["writes"] <= 3 * 8  # labels and checksums of each array


@pytest.mark.parametrize("chunks", [None, 512])
def test_any_file_is_read_as_well_by_many_ranks(counted, segmpi, clients, tmp_path, chunks):
    """chunks are for HDF5 to find: each rank looks for itself then"""
    with h5py.File(clients) as table, h5py.File(tmp_path / "other.h5", "w", userblock_size=512) as other:
        x = table["features"][()]
        group = other.create_group("bank")
        for t in range(5):
            group.create_dataset(f"x{t}", data=x[:, t].astype([">f8", "<f4", "<f8", "<f8", "<f8"][t]),
                                 chunks=None if chunks is None or t else (chunks,))
    found = counted(4, *FIT, tmp_path / "other.h5", "-o", tmp_path / "many.h5", "--dataset", "bank")
    # once more for --dataset: each rank sees that it has an effect, before MPI is there
    assert (found["each_opens"] == 4) == (chunks is None)
    segmpi(*FIT, tmp_path / "other.h5", "-o", tmp_path / "one.h5", "--dataset", "bank")
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "many.h5") as many:
        assert one.attrs["model_id"] == many.attrs["model_id"]
        assert (one["labels/cluster"][()] == many["labels/cluster"][()]).all()


def test_an_output_without_rows_is_read_back_by_one_rank(counted, clients):
    found = counted(3, "describe", clients, "-o", clients.with_name("describe.h5"), "--quiet", "--force")
    assert found["each_opens"] == 1  # the table
