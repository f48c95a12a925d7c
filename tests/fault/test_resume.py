"""A run that is stopped or killed goes on to the same bits, on any number of ranks; only valid checkpoints are used."""

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from judge import contents  # noqa: E402

CATALOG = Path(__file__).resolve().parents[2] / "data" / "catalog" / "card_holders.ini"
SEED = 11
FEW = ["--n-init", "3", "--stability", "0"]
SMALL = ["--embed", "autoencoder", "--ae-layers", "12", "--ae-code", "4"]

# what is interrupted, and the most questions ("shall we stop?") of a run that the tests let it come to
COMMANDS = {
    "fit": (["fit", "-k", "8", *FEW], 60),
    "fit from random centers": (["fit", "-k", "5", *FEW, "--init", "random", "--no-swaps"], 20),
    "fit on a code": (["fit", "-k", "4", *FEW, *SMALL, "--ae-epochs", "3", "--ae-batch", "512"], 40),
    "fit of a chosen k": (["fit", "-k", "auto", "--k-max", "5", *FEW], 50),
    "elbow": (["elbow", "--k-max", "6", "--n-init", "2", "--gap", "2", "--stability", "2"], 60),
}


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("resume") / "clients.h5"
    segmpi("generate", "3000", "-o", path)
    return path


@pytest.fixture(scope="module")
def whole(segmpi, clients):
    """whole(name): contents of the output of a run that nothing interrupts"""
    found = {}

    def run(name):
        if name not in found:
            path = clients.parent / f"{len(found)}.h5"
            words, _ = COMMANDS[name]
            segmpi(words[0], clients, "-o", path, *words[1:])
            found[name] = contents(path)
        return found[name]

    return run


@pytest.fixture
def run(segmpi, clients, tmp_path):
    """run("fit", OPTION..., ranks=1, stop="7:kill", table=clients): the finished process of a run to out.h5"""

    def start(command, *options, ranks=1, stop="", table=clients, env=None):
        return segmpi(command, table, "-o", "out.h5", *options, ranks=ranks if ranks > 1 else None, ok=False,
                      cwd=tmp_path, env={"SEGMPI_STOP": str(stop), **(env or {})})

    return start


def generations(folder):
    return sorted(path.name for path in folder.glob("out.h5.checkpoint-*"))


def message(result):
    lines = [line for line in result.stderr.splitlines() if line.startswith("segmpi")]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_chain_of_interruptions_ends_in_the_same_bits(run, whole, tmp_path, name):
    words, most = COMMANDS[name]
    dice = random.Random(f"{SEED} {name}")
    result = None
    for link in range(6):
        kill = dice.random() < 0.3
        stop = f"{dice.randint(1, most // 2)}{':kill' if kill else ''}" if link < 5 else ""
        ranks = dice.choice([1, 1, 2, 3])
        options = ["--resume", *(["--checkpoint-interval", "0"] if kill else [])]
        result = run(*words, *options, ranks=ranks, stop=stop)
        print(f"{ranks} ranks, stopped at question {stop}: {result.returncode}")
        if result.returncode == 0:
            break
        assert result.returncode == (75 if not kill else 137 if ranks > 1 else -9), result.stderr
        assert not (tmp_path / "out.h5").exists()
        assert kill or "--resume goes on" in message(result)
        assert len(generations(tmp_path)) <= 3  # a killed run may be between a new one and the removal of an old one
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path / "out.h5") == whole(name)
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


# ---- which checkpoints are used ----


@pytest.fixture(scope="module")
def two(segmpi, clients, tmp_path_factory):
    """a folder with two generations, and the names of both"""
    folder = tmp_path_factory.mktemp("two")
    words, _ = COMMANDS["fit"]
    result = segmpi("fit", clients, "-o", "out.h5", *words[1:], "--checkpoint-interval", "0", ok=False, cwd=folder,
                    env={"SEGMPI_STOP": "12"})
    assert result.returncode == 75, result.stderr
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in generations(folder))
    return folder, generations(folder)


@pytest.fixture
def copied(two, tmp_path):
    folder, names = two
    assert len(names) == 2
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return [tmp_path / name for name in names]


def test_a_damaged_newest_one_is_passed_over(run, whole, copied, tmp_path):
    old, new = copied
    bytes_of = bytearray(new.read_bytes())
    bytes_of[len(bytes_of) // 2] ^= 4
    new.write_bytes(bytes_of)
    words, _ = COMMANDS["fit"]
    result = run(*words, "--resume", ranks=2)
    assert result.returncode == 0, result.stderr
    assert re.search(f"{new.name}' is not used: .*(damaged|checksum)", result.stderr), result.stderr
    assert f"going on from checkpoint 'out.h5.checkpoint-{old.name[-6:]}'" in result.stderr
    assert contents(tmp_path / "out.h5") == whole("fit")
    assert generations(tmp_path) == []


def test_truncated_ones_are_refused(run, copied):
    words, _ = COMMANDS["fit"]
    whole_bytes = copied[1].read_bytes()
    copied[0].unlink()
    dice = random.Random(SEED)
    for size in [0, 1, 7, len(whole_bytes) - 1, *(dice.randrange(len(whole_bytes)) for _ in range(6))]:
        copied[1].write_bytes(whole_bytes[:size])
        result = run(*words, "--resume")
        assert result.returncode == 65 and "can be gone on from" in message(result), (size, result.stderr)
        assert copied[1].read_bytes() == whole_bytes[:size]


def mutated(data, others, dice):
    """the file with a few mistakes: bits, words, pieces from elsewhere, a cut, a piece put in"""
    data = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4])):
        at, kind = dice.randrange(len(data)), dice.randrange(6)
        if kind == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[at : at + 8] = dice.choice([bytes(8), b"\xff" * 8, dice.randbytes(8)])[: len(data) - at]
        elif kind == 2:
            other = dice.choice(others)
            begin = dice.randrange(len(other))
            data[at : at + 64] = other[begin : begin + min(64, len(data) - at)]
        elif kind == 3:
            del data[max(at, 1) :]
        elif kind == 4:
            del data[-dice.randint(1, 48) :]  # the seal, or a part of it
        else:
            data[at:at] = dice.randbytes(dice.randint(1, 300))
    return bytes(data)


def test_mutated_checkpoints_lead_to_no_other_result(segmpi, clients, two, whole, tmp_path):
    """the newer one or both; SEGMPI_HOSTILE=COUNT tries more of them and prints how the runs ended"""
    folder, names = two
    words, _ = COMMANDS["fit"]
    good = [(folder / name).read_bytes() for name in names]

    def one(number):
        dice, place = random.Random(f"{SEED} {number}"), tmp_path / str(number)
        place.mkdir()
        data = [mutated(text, good, dice) if i == 1 or number % 3 == 0 else text for i, text in enumerate(good)]
        for name, text in zip(names, data):
            (place / name).write_bytes(text)
        result = segmpi(words[0], clients, "-o", "out.h5", *words[1:], "--resume", ok=False, cwd=place)
        used = re.findall("going on from checkpoint '(.*)'", result.stderr)
        refused = re.findall("checkpoint '(.*)' is not used", result.stderr)
        if result.returncode == 0:
            assert len(used) == 1 and contents(place / "out.h5") == whole("fit"), (number, result.stderr)
            assert refused == ([] if used == [names[1]] else [names[1]]), (number, result.stderr)
        else:
            assert result.returncode == 65 and "can be gone on from" in message(result), (number, result.stderr)
            assert used == [] and [(place / name).read_bytes() for name in names] == data and number % 3 == 0
        shutil.rmtree(place)
        return f"{result.returncode}, {len(refused)} refused"

    whole("fit")
    with ThreadPoolExecutor(2) as pool:
        ends = Counter(pool.map(one, range(int(os.environ.get("SEGMPI_HOSTILE", 9)))))
    print(dict(ends))
    assert ends["65, 2 refused"] > 0 and ends["0, 1 refused"] > 0


@pytest.mark.parametrize("operation", ["open", "list", "read"])
def test_a_failing_disk_is_no_fresh_start(run, program, copied, tmp_path, operation):
    """whether there are checkpoints, and which one is the newest, cannot be known then"""
    library = Path(program).resolve().parents[1] / "tests/libsegmpi_shim.so"
    shim = {"LD_PRELOAD": str(library), "SHIM_FOLDER": str(tmp_path), "SHIM_ONLY": f" {operation} ", "SHIM_AT": "1",
            "SHIM_DO": f"{errno.EIO}+"}
    words, _ = COMMANDS["fit"]
    result = run(*words, "--resume", env=shim)
    assert result.returncode == 74 and "Input/output error" in message(result), result.stderr
    assert not (tmp_path / "out.h5").exists() and len(generations(tmp_path)) == 2


def test_swapped_generations_are_refused(run, copied):
    old, new = (path.read_bytes() for path in copied)
    copied[0].write_bytes(new)
    copied[1].write_bytes(old)
    words, _ = COMMANDS["fit"]
    result = run(*words, "--resume", ranks=2)
    assert result.returncode == 65 and "under the name of another" in message(result)


@pytest.mark.parametrize("options, reason", [(["--seed", "1"], "other options"), (["-k", "7"], "other options"),
                                             (["--columns", "BALANCE,PURCHASES"], "other options")])
def test_other_options_are_refused(run, copied, tmp_path, options, reason):
    words, _ = COMMANDS["fit"]
    result = run(*words, *options, "--resume")
    assert result.returncode == 65 and reason in message(result), result.stderr
    assert not (tmp_path / "out.h5").exists() and len(generations(tmp_path)) == 2


def test_other_data_and_other_commands_are_refused(run, segmpi, copied, tmp_path):
    words, _ = COMMANDS["fit"]
    segmpi("generate", "3000", "-o", tmp_path / "other.h5", "--seed", "1")
    result = run(*words, "--resume", table=tmp_path / "other.h5")
    assert result.returncode == 65 and "other data" in message(result)
    result = run("elbow", "--k-max", "3", "--resume")
    assert result.returncode == 65 and "another command" in message(result)


def test_without_resume_a_run_begins_afresh_and_says_so(run, whole, copied, tmp_path):
    words, _ = COMMANDS["fit"]
    result = run(*words)
    assert result.returncode == 0 and "--resume would go on" in result.stderr
    assert contents(tmp_path / "out.h5") == whole("fit")
    assert generations(tmp_path) == []


def test_without_a_checkpoint_resume_begins_afresh_and_says_so(run, whole, tmp_path):
    words, _ = COMMANDS["fit"]
    result = run(*words, "--resume")
    assert result.returncode == 0 and "there is no checkpoint" in result.stderr
    assert contents(tmp_path / "out.h5") == whole("fit")


def test_what_a_killed_run_leaves_is_cleared_away(run, tmp_path):
    (tmp_path / ".out.h5.checkpoint-000001.abc123.part").write_text("left")
    words, _ = COMMANDS["fit from random centers"]
    assert run(*words).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


# ---- an output that is there already: its run was killed, or requeued, between its last step and its exit ----


@pytest.fixture(scope="module", params=["fit", "elbow"])
def done(segmpi, clients, two, tmp_path_factory, request):
    """(command, its options, a folder with a whole output, its figures, and a checkpoint that is left)"""
    folder = tmp_path_factory.mktemp("done")
    (command, *options), _ = COMMANDS[request.param]
    segmpi(command, clients, "-o", "out.h5", *options, "--json", "out.json", cwd=folder)
    (folder / two[1][-1]).write_bytes((two[0] / two[1][-1]).read_bytes())
    return command, options, folder


@pytest.fixture
def left(done, tmp_path):
    command, options, folder = done
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return command, options, (folder / "out.h5").read_bytes(), (folder / "out.json").read_bytes()


@pytest.mark.parametrize("has_json", [True, False])
def test_a_run_that_is_done_ends_at_once(run, left, tmp_path, has_json):
    command, options, output, figures = left
    if not has_json:
        (tmp_path / "out.json").unlink()
    begin = (tmp_path / "out.h5").stat().st_mtime_ns
    result = run(command, *options, "--resume", "--json", "out.json", ranks=2)
    assert result.returncode == 0 and "nothing to do" in result.stderr, result.stderr
    assert (tmp_path / "out.h5").read_bytes() == output and (tmp_path / "out.h5").stat().st_mtime_ns == begin
    assert (tmp_path / "out.json").read_bytes() == figures and result.stdout.count("\n") > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5", "out.json"]


@pytest.mark.parametrize("options, reason", [(["--seed", "1"], "other options"), (["--max-iter", "7"], "other options")])
def test_the_output_of_another_run_is_refused(run, left, tmp_path, options, reason):
    command, usual, output, _ = left
    result = run(command, *usual, *options, "--resume")
    assert result.returncode == 73 and reason in message(result) and "--force" in message(result)
    assert (tmp_path / "out.h5").read_bytes() == output


def test_an_output_of_other_data_or_names_or_with_damage_is_refused(run, left, segmpi, clients, tmp_path):
    command, options, output, _ = left
    segmpi("generate", "3000", "-o", tmp_path / "other.h5", "--seed", "1")
    segmpi("generate", "3000", "-o", tmp_path / "same.h5", "--csv", tmp_path / "same.csv")
    text = (tmp_path / "same.csv").read_text()
    (tmp_path / "same.csv").write_text(text.replace("BALANCE,", "SALDO,", 1))
    renamed = tmp_path / "renamed.h5"
    segmpi("import", tmp_path / "same.csv", "-o", renamed)
    for table, reason in ((tmp_path / "other.h5", "other data"), (renamed, "names of columns")):
        result = run(command, *options, "--resume", table=table)
        assert result.returncode == 73 and reason in message(result), result.stderr
    broken = bytearray(output)
    with h5py.File(tmp_path / "out.h5") as file:  # in a label, which the seal does not cover, or anywhere
        array = file.get("labels/cluster")
        broken[array.id.get_offset() + 7 if array else len(broken) // 2] ^= 1
    (tmp_path / "out.h5").write_bytes(broken)
    result = run(command, *options, "--resume")
    assert result.returncode == 73 and re.search("damaged|checksum", message(result)), result.stderr
    (left_over,) = tmp_path.glob("out.h5.checkpoint-*")
    left_over.unlink()
    assert run(command, *options, "--resume", "--force").returncode == 0
    assert contents(tmp_path / "out.h5")


def test_another_catalog_is_another_run(run, segmpi, clients, tmp_path):
    (tmp_path / "my.ini").write_text(CATALOG.read_text())
    words = ["fit", "-k", "3", *FEW, "--catalog", "my.ini"]
    assert run(*words).returncode == 0
    assert "nothing to do" in run(*words, "--resume").stderr
    (tmp_path / "my.ini").write_text(CATALOG.read_text().replace("Exclusive", "Extraordinary"))
    result = run(*words, "--resume")
    assert result.returncode == 73 and "other input files" in message(result)


# ---- signals and time ----


@pytest.fixture
def training(environment, program, clients, tmp_path):
    """a fit that trains for minutes; ended after the test"""
    processes = []

    def start(launcher=(), interval=0.2):
        command = [*launcher, program, "fit", clients, "-o", "out.h5", "-k", "4", "--embed", "autoencoder",
                   "--ae-epochs", "100000", "--checkpoint-interval", str(interval)]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for_generation(folder, number):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if any(int(name[-6:]) >= number for name in generations(folder)):
            return
        time.sleep(0.02)
    raise AssertionError(f"no generation {number}")


@pytest.mark.parametrize("number, launcher", [(signal.SIGUSR1, ["mpirun", "-n", "2"]), (signal.SIGTERM, []),
                                              (signal.SIGINT, [])])
def test_a_signal_stops_after_a_checkpoint(training, tmp_path, number, launcher):
    process = training(launcher)
    wait_for_generation(tmp_path, 2)
    begin = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 75, errors
    assert time.monotonic() - begin < 10
    assert f"stopped by {number.name}; the same command with --resume" in errors
    assert len(generations(tmp_path)) == 2


def test_usr2_asks_for_a_checkpoint_and_the_run_goes_on(training, tmp_path):
    process = training(interval=1000)
    time.sleep(1)  # until it catches signals
    for number in (1, 2):
        process.send_signal(signal.SIGUSR2)
        wait_for_generation(tmp_path, number)
        assert process.poll() is None


def test_max_seconds_stops_before_there_is_anything_to_keep(run, tmp_path):
    result = run("fit", "--max-seconds", "0.000001", ranks=2)
    assert result.returncode == 75 and "stopped by --max-seconds" in message(result)
    assert list(tmp_path.iterdir()) == []


def test_max_seconds_in_a_chain_ends_in_the_same_bits(run, whole, tmp_path):
    words, _ = COMMANDS["fit on a code"]
    codes = []
    for seconds in (0.15, 0.25, 0.4, 0):
        codes.append(run(*words, "--resume", "--max-seconds", seconds).returncode)
        if codes[-1] == 0:
            break
    assert codes[-1] == 0 and set(codes[:-1]) <= {75}
    assert contents(tmp_path / "out.h5") == whole("fit on a code")


@pytest.mark.parametrize("words, site", [(["describe", "{clients}", "-o", "x.h5"], "table_read"),
                                         (["generate", "9000", "-o", "x.h5"], "store_write"),
                                         (["fit", "{clients}", "-o", "x.h5"], "redraw_alloc")])
def test_a_stop_elsewhere_leaves_no_output(segmpi, clients, tmp_path, words, site):
    words = [word.replace("{clients}", str(clients)) for word in words]
    result = segmpi(*words, ranks=3, ok=False, cwd=tmp_path, env={"SEGMPI_FAULT": f"{site}:rank=1:kind=stop"})
    assert result.returncode == 75, result.stderr
    assert re.search("stopped by (SIGUSR1|another rank)", message(result))
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["x.h5.checkpoint-000001"] if words[0] == "fit" else [])


def test_a_second_signal_leaves_at_once(environment, program, clients, tmp_path):
    """while the first one is not noticed, because the rank hangs"""
    process = subprocess.Popen([program, "describe", clients], cwd=tmp_path, stdin=subprocess.DEVNULL, text=True,
                               env={**environment, "SEGMPI_FAULT": "describe_alloc:kind=hang"},
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 75 and "stopped at once" in errors
