"""segmpi import: the table is what pandas reads from the same file, whatever the number of ranks."""

import csv
import json
import os
import re

import h5py
import numpy as np
import pandas as pd
import pytest

RANKS = [1, 2, 3, 7]


def read(path):
    """features as a frame with the ids as index, and the source rows"""
    with h5py.File(path, "r") as file:
        assert file.attrs["format"] in ("clients", b"clients")
        names = [name.decode() for name in file["feature"][()]]
        ids = file["ids/client_id"][()] if "ids/client_id" in file else None
        if ids is not None and ids.dtype.kind == "S":
            ids = [text.decode() for text in ids]
        frame = pd.DataFrame(file["features"][()], columns=names, index=ids)
        return frame, file["ids/source_row"][()]


def same(found, expected):
    """equal to the last bit, missing cells too"""
    assert list(found.columns) == list(expected.columns)
    assert found.shape == expected.shape
    a, b = found.to_numpy(np.float64), expected.to_numpy(np.float64)
    assert np.array_equal(a, b, equal_nan=True)
    if found.index.dtype == object or expected.index.dtype == object:
        assert list(map(str, found.index)) == list(map(str, expected.index))


def clients(rows, seed=1):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "balance": np.round(random.lognormal(6, 2, rows), 6),
            "exact": random.standard_normal(rows) * 10.0 ** random.integers(-300, 300, rows),
            "whole": random.integers(-5, 10**15, rows),
            "often gone": np.where(random.random(rows) < 0.3, np.nan, random.random(rows)),
        }
    )
    notes = ["", "plain", "a,b;c\td", 'say "hi"', "two\nlines", "\n\n1,2,3\n\n", "tail\r\n", "ünï"]
    frame.insert(1, "note", random.choice(notes, rows))
    frame.insert(0, "id", [f"K-{i}" for i in random.permutation(rows)])
    return frame


DIALECTS = {
    "plain": {},
    "windows": {"sep": ";", "decimal": ",", "lineterminator": "\r\n", "encoding": "utf-8-sig"},
    "quoted": {"quoting": csv.QUOTE_ALL},
    "tabs": {"sep": "\t", "na_rep": "NULL"},
    "gaps": {"na_rep": "?"},
}


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """several ranges of 1 MiB in every dialect, the last line without its end"""
    folder = tmp_path_factory.mktemp("big")
    frame = clients(40000)
    for name, dialect in DIALECTS.items():
        path = folder / f"{name}.csv"
        frame.to_csv(path, index=False, **dialect)
        path.write_bytes(path.read_bytes().rstrip(b"\r\n"))
        assert path.stat().st_size > 3 << 20
    return folder


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", DIALECTS)
def test_large_files_in_any_dialect(segmpi, tmp_path, big, name, ranks):
    dialect = {k: v for k, v in DIALECTS[name].items() if k in ("sep", "decimal", "encoding")}
    expected = pd.read_csv(
        big / f"{name}.csv", index_col="id", float_precision="round_trip", na_values=["?"], **dialect
    ).drop(columns="note")
    result = segmpi("import", big / f"{name}.csv", "-o", tmp_path / "c.h5", ranks=ranks)
    found, source_row = read(tmp_path / "c.h5")
    same(found, expected)
    assert np.array_equal(source_row, np.arange(len(expected)))
    assert "'note'" in result.stderr


def contents(path):
    """every dataset and attribute outside provenance/run"""
    found = {}

    def visit(name, thing):
        if name.startswith("provenance/run"):
            return
        for key, value in thing.attrs.items():
            if key not in ("DIMENSION_LIST", "REFERENCE_LIST"):
                found[f"{name}@{key}"] = np.asarray(value).tobytes()
        if isinstance(thing, h5py.Dataset):
            value = thing[()]
            found[name] = value.tolist() if value.dtype == object else value.tobytes()

    with h5py.File(path, "r") as file:
        visit("", file)
        file.visititems(visit)
    return found


def test_files_do_not_depend_on_ranks(segmpi, tmp_path, big):
    files = []
    for ranks in RANKS:
        path = tmp_path / f"{ranks}.h5"
        segmpi("import", big / "quoted.csv", big / "plain.csv", "-o", path, ranks=ranks)
        files.append(contents(path))
    for other in files[1:]:
        assert other == files[0]


def test_several_files_make_one_table(segmpi, tmp_path):
    frame = clients(3000)
    parts = [frame[:1], frame[1:1700], frame[1700:1700], frame[1700:]]
    paths = [tmp_path / f"{i}.csv" for i in range(4)]
    for path, part in zip(paths, parts):
        part.to_csv(path, index=False)
    segmpi("import", *paths, "-o", tmp_path / "c.h5", ranks=3)
    found, source_row = read(tmp_path / "c.h5")
    same(found, frame.set_index("id").drop(columns="note"))
    assert np.array_equal(source_row, np.arange(3000))


@pytest.mark.parametrize("ranks", RANKS)
def test_the_real_table(segmpi, tmp_path, real_table, ranks):
    segmpi("import", real_table, "-o", tmp_path / "c.h5", ranks=ranks)
    found, _ = read(tmp_path / "c.h5")
    same(found, pd.read_csv(real_table, index_col="CUST_ID", float_precision="round_trip"))
    assert found.shape == (8950, 17)
    assert found.isna().sum()["MINIMUM_PAYMENTS"] == 313


def put(tmp_path, text, name="c.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text, options, columns, rows, ids",
    [
        ("id,x\n1,2\n3,4\n", [], ["x"], [[2], [4]], [1, 3]),
        ("id,x\n007,2\n8,4\n", [], ["x"], [[2], [4]], ["007", "8"]),
        ("\ufeffid;x\r\na ; 1,5 \r\nb;\r\n", [], ["x"], [[1.5], [np.nan]], ["a", "b"]),
        ("  id  x y\n  a  1 -2.\n  b  .5 +3e2 \n\n \n", [], ["x", "y"], [[1, -2], [0.5, 300]], ["a", "b"]),
        ("x,y\n1.5,2\n1.5,3\n", [], ["x", "y"], [[1.5, 2], [1.5, 3]], None),
        ("x\n1\n2", [], ["x"], [[1], [2]], None),
        ("id,x\na,1\nb,-9\n", ["--missing", "-9,none"], ["x"], [[1], [np.nan]], ["a", "b"]),
        ("id,x,y\na,1,2\n", ["--columns", "y"], ["y"], [[2]], ["a"]),
        ("id,x,y\na,1,2\n", ["--exclude-columns", "y"], ["x"], [[1]], ["a"]),
        ("k,id,x\n1,é\"\"f,2\n".replace('é""f', '"é""f"'), ["--id-column", "id"], ["k", "x"], [[1, 2]], ['é"f']),
        ("id,x\n1,2\n", ["--id-column", ""], ["id", "x"], [[1, 2]], None),
        ("id|x\na|1.5\nb|\n", [], ["x"], [[1.5], [np.nan]], ["a", "b"]),
        ("id,x\na,inf\nb,-Infinity\nc,NaN\nd,null\n", [], ["x"], [[np.inf], [-np.inf], [np.nan], [np.nan]], list("abcd")),
        ("id,x\n-9223372036854775807,1\n9223372036854775807,2\n", [], ["x"], [[1], [2]], [-(2**63) + 1, 2**63 - 1]),
        ("id,x\n9223372036854775808,1\n", ["--id-column", "id"], ["x"], [[1]], ["9223372036854775808"]),
    ],
)
def test_small_files(segmpi, tmp_path, text, options, columns, rows, ids):
    segmpi("import", put(tmp_path, text), "-o", tmp_path / "c.h5", *options, ranks=2)
    found, _ = read(tmp_path / "c.h5")
    assert list(found.columns) == columns
    assert np.array_equal(found.to_numpy(), np.array(rows, float), equal_nan=True)
    if ids is not None:
        assert list(found.index) == ids
    else:
        with h5py.File(tmp_path / "c.h5", "r") as file:
            assert "ids/client_id" not in file


@pytest.mark.parametrize(
    "text, code, says",
    [
        ("id,CREDIT_LIMIT\na,1\nb,12;5x\nc,3\n", 65, "line 3: 'CREDIT_LIMIT' is no number, it has ';' at place 3 of 5"),
        ("id,x\na,1\nb\n", 65, "line 3 has 1 cell, the header has 2"),
        ("id,x\na,1\nb,1,2\n", 65, "line 3 has more cells than the header"),
        ('id,x\na,1\nb,1"2\nc,"2"3\n', 65, "line 3: 'x' has a quote inside"),
        ('id,x\na,1\nb,"1\nc,2\n', 65, "line 3: 'x' opens a quote that is never closed"),
        ("id,x,x\na,1,2\n", 65, "columns 2 and 3 are both named 'x'"),
        ("id,,x\na,1,2\n", 65, "column 2 has no name"),
        ("id,x\n", 65, "has no data rows"),
        ("", 65, "has no data rows"),
        (b"\xff\xfei\0d\0", 65, "is UTF-16"),
        ("id,x\ra,1\rb,2\r", 65, "ends its lines with carriage returns only"),
        (b"id,x\na,1\nb,\0\n", 65, "line 3: 'x' holds a NUL byte"),
        (b"id,x\xe9\na,1\n", 65, "is not UTF-8"),
        ("id,x\na,1\nb,\x1b]0;owned\x07\n", 65, "line 3: 'x' is no number, it has a control character at place 1 of 10"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 3])
def test_mistakes_end_with_one_message_and_no_file(segmpi, tmp_path, text, code, says, ranks):
    path = put(tmp_path, text)
    result = segmpi("import", path, "-o", tmp_path / "c.h5", ranks=ranks, ok=False)
    lines = [line for line in result.stderr.splitlines() if line.startswith("segmpi")]
    assert result.returncode == code
    assert len(lines) == 1 and says in lines[0]
    assert "c.csv" in result.stderr
    assert os.listdir(tmp_path) == ["c.csv"]


@pytest.mark.parametrize(
    "mark, sep, decimal", [(",", ";", "."), (",", ",", "."), (".", ";", ","), (" ", "\t", ","), ("'", ",", "."), ("_", "|", ".")]
)
def test_thousands_marks_on_request(segmpi, tmp_path, mark, sep, decimal):
    """cells with the delimiter inside are quoted; ids keep their digits, and their marks"""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"x": np.round(random.lognormal(9, 4, 3000), 2), "y": random.integers(-(10**12), 10**12, 3000)})
    swap = str.maketrans({",": mark, ".": decimal})
    texts = frame.apply(lambda column: column.map(lambda value: f"{value:,}".translate(swap)))
    texts.insert(0, "id", np.arange(3000) + 10**6)
    path = tmp_path / "c.csv"
    texts.to_csv(path, index=False, sep=sep)
    expected = pd.read_csv(path, sep=sep, decimal=decimal, thousands=mark, index_col="id", float_precision="round_trip")
    segmpi("import", path, "-o", tmp_path / "c.h5", "--thousands", mark, ranks=3)
    found, _ = read(tmp_path / "c.h5")
    same(found, expected)
    same(found, frame.astype(float).set_index(texts["id"]))
    assert found.index.dtype == np.int64 and list(found.index) == list(texts["id"])

    texts.loc[2000, "y"] = f"1{mark}23"
    texts.to_csv(path, index=False, sep=sep)
    result = segmpi("import", path, "-o", tmp_path / "d.h5", "--thousands", mark, ranks=3, ok=False)
    assert result.returncode == 65
    shown = "a blank" if mark == " " else f"'{mark}'"
    assert f"line 2002: 'y' is no number, it has {shown} at place 2 of" in result.stderr


def test_thousands_marks_are_never_guessed(segmpi, tmp_path):
    path = put(tmp_path, "id;x\na;1\nb;2\nc;1'234\n")
    result = segmpi("import", path, "-o", tmp_path / "c.h5", ok=False)
    assert result.returncode == 65
    assert "line 4: 'x' is no number, it has ''' at place 2 of 5; --thousands \"'\" reads it" in result.stderr
    path = put(tmp_path, "id;x;y\na;1.234,50;1,5\nb;2.345,00;2,5\nc;-12,5;3,5\n")
    warning = segmpi("import", path, "-o", tmp_path / "t.h5").stderr
    assert "'x' is left out as text" in warning and 'first line 2, column 2; --thousands "." reads it' in warning
    path = put(tmp_path, 'id,x\n"1,234",1\n"5,678",2\n')
    segmpi("import", path, "-o", tmp_path / "c.h5", "--thousands", ",")
    assert list(read(tmp_path / "c.h5")[0].index) == ["1,234", "5,678"]


def test_missing_and_unreadable_files(segmpi, tmp_path):
    result = segmpi("import", tmp_path / "no.csv", "-o", tmp_path / "c.h5", ranks=2, ok=False)
    assert result.returncode == 66
    result = segmpi("import", tmp_path, "-o", tmp_path / "c.h5", ranks=2, ok=False)
    assert result.returncode == 65
    if os.geteuid() != 0:
        path = put(tmp_path, "id,x\na,1\n")
        path.chmod(0)
        result = segmpi("import", path, "-o", tmp_path / "c.h5", ranks=2, ok=False)
        assert result.returncode == 77


def test_a_pipe_holds_nobody_up(segmpi, tmp_path):
    pipe, table = tmp_path / "pipe.csv", tmp_path / "a.csv"
    os.mkfifo(pipe)
    table.write_text("ID,A\nx,1\ny,2\n")
    for words in (["describe", pipe], ["import", pipe, "-o", tmp_path / "a.h5"],
                  ["import", table, "-o", tmp_path / "a.h5", "--exclude-ids", pipe]):
        result = segmpi(*words, ok=False, timeout=10)
        assert result.returncode == 65 and "pipe.csv' is n" in result.stderr, result.stderr


def test_unknown_columns_suggest_the_nearest(segmpi, tmp_path):
    path = put(tmp_path, "CUST_ID,BALANCE\na,1\n")
    for option, word, nearest in [("--columns", "BALANC", "BALANCE"), ("--id-column", "CUSTID", "CUST_ID")]:
        result = segmpi("import", path, "-o", tmp_path / "c.h5", option, word, ok=False)
        assert result.returncode == 64
        assert f"did you mean '{nearest}'?" in result.stderr


def test_a_far_mistake_is_found_by_its_rank(segmpi, tmp_path, big):
    text = (big / "plain.csv").read_bytes()
    line = text.count(b"\n", 0, len(text) - 50) + 1  # somewhere in the last records
    start = text.rfind(b"\nK-", 0, len(text) - 50) + 1
    line = text.count(b"\n", 0, start) + 1
    name, rest = text[start:].split(b",", 1)
    broken = put(tmp_path, text[:start] + name + b",oops" + rest)
    for ranks in RANKS:
        result = segmpi("import", broken, "-o", tmp_path / "c.h5", ranks=ranks, ok=False)
        assert result.returncode == 65
        assert f"line {line}: 'balance' is no number, it has a letter at place 1 of" in result.stderr
        assert name.decode() not in result.stderr


@pytest.mark.parametrize("ranks", RANKS)
def test_bad_rows_are_left_out_and_listed(segmpi, tmp_path, big, ranks):
    lines = (big / "gaps.csv").read_bytes().split(b"\nK-")
    bad = range(1, len(lines), 999)
    for i in bad:
        lines[i] = lines[i].replace(b",", b",x", 1)
    path = put(tmp_path, b"\nK-".join(lines))
    expected = clients(40000).drop(index=[i - 1 for i in bad])
    result = segmpi("import", path, "-o", tmp_path / "c.h5", "--skip-bad-rows", len(bad), ranks=ranks)
    found, source_row = read(tmp_path / "c.h5")
    said = [line for line in result.stderr.splitlines() if "'balance' is no number" in line]
    assert f"left out {len(bad)} bad rows" in result.stderr
    assert len(said) == 5 and "line 2: " in said[0] and all("it has a letter" in line for line in said)
    same(found, expected.set_index("id").drop(columns="note"))
    assert np.array_equal(source_row, expected.index)
    result = segmpi(
        "import", path, "-o", tmp_path / "d.h5", "--skip-bad-rows", len(bad) - 1, ranks=ranks, ok=False
    )
    assert result.returncode == 65
    assert f"{len(bad)} bad rows, --skip-bad-rows allows {len(bad) - 1}; the first: line 2: " in result.stderr


def test_memory_does_not_grow_with_the_files(segmpi, tmp_path, big):
    peaks = []
    for copies in 4, 16:  # a rank has more rows than it holds at once
        paths = [big / "plain.csv"] * copies
        result = segmpi("import", *paths, "-o", tmp_path / f"{copies}.h5", "--id-column", "id", "--timing", ranks=2)
        peaks.append(float(re.search(r"memory at most ([0-9.]+) MB", result.stderr).group(1)))
    assert peaks[1] <= peaks[0] + 3 and peaks[1] < 80  # 40 MB the program; ids are compared in 32


@pytest.mark.parametrize("name, expected", [("plain", 79999), ("whole", 30001)])
def test_repeated_ids_are_counted_over_all_clients(segmpi, tmp_path, big, name, expected):
    if name == "plain":  # texts: every id three times, but one row is another client's
        paths = [big / "plain.csv"] * 2 + [tmp_path / "c.csv"]
        text = (big / "plain.csv").read_bytes()
        paths[2].write_bytes(text.replace(b"\nK-39,", b"\nK-x,"))
    else:
        ids = np.random.default_rng(0).permutation(np.r_[np.arange(60000), np.arange(30000), 7])
        paths = [put(tmp_path, pd.DataFrame({"id": ids, "x": 1.5}).to_csv(index=False))]
    for ranks in (None, 3):
        result = segmpi("import", *paths, "-o", tmp_path / "c.h5", "--id-column", "id", "--json", tmp_path / "c.json",
                        "--force", ranks=ranks)
        assert f"warning: {expected:,} clients have the id of an earlier one" in result.stderr
        assert json.loads((tmp_path / "c.json").read_text())["repeated_ids"] == expected
    with h5py.File(tmp_path / "c.h5") as file:
        assert len(file["features"]) - len(np.unique(file["ids/client_id"][()])) == expected


def test_what_was_found_in_the_head_is_told(segmpi, tmp_path):
    lines = [f"c{i};{i};{i},5 EUR;{i}.000,5;2026-01-{i % 28 + 1:02};{i},25" for i in range(1, 50)]
    path = put(tmp_path, "id;a;price;turnover;day;b\n" + "\n".join(lines) + "\n")
    result = segmpi("import", path, "-o", tmp_path / "c.h5")
    assert "cells are separated by semicolons, the decimal mark is a comma" in result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1 and "'turnover' is left out as text" in warnings[0]  # short prices and days do not look so
    assert "first line 2, column 4" in warnings[0]
    assert "'price', 'turnover', 'day'" in result.stderr
    path = put(tmp_path, "C1,4.5,3,7\nC2,5,4,8\n")
    result = segmpi("import", path, "-o", tmp_path / "d.h5")
    assert "warning: 3 of 4 names in line 1 are numbers: is the line of names missing?" in result.stderr


def test_many_columns(segmpi, tmp_path):
    random = np.random.default_rng(2)
    frame = pd.DataFrame(random.standard_normal((60, 4000))).add_prefix("c")
    frame.to_csv(tmp_path / "c.csv", index_label="id")
    segmpi("import", tmp_path / "c.csv", "-o", tmp_path / "c.h5", "--exclude-columns", "c7,c3999", ranks=3)
    same(read(tmp_path / "c.h5")[0], frame.drop(columns=["c7", "c3999"]))


def test_locale_does_not_matter(segmpi, tmp_path, big):
    segmpi("import", big / "plain.csv", "-o", tmp_path / "a.h5")
    for locale in ("de_DE.UTF-8", "tr_TR.UTF-8", "/no/such"):
        env = {"LC_ALL": locale, "LC_NUMERIC": locale, "LANG": locale}
        segmpi("import", big / "plain.csv", "-o", tmp_path / "b.h5", "--force", env=env)
        assert contents(tmp_path / "a.h5") == contents(tmp_path / "b.h5")


def test_float32_rounds_once_and_refuses_what_does_not_fit(segmpi, tmp_path):
    path = put(tmp_path, "id,x\na,0.1\nb,3.4028235677973362e38\n")
    segmpi("import", path, "-o", tmp_path / "c.h5", "--float32")
    with h5py.File(tmp_path / "c.h5", "r") as file:
        assert file["features"].dtype == np.float32
        assert file["features"][:, 0].tolist() == [np.float32(0.1), np.finfo(np.float32).max]
    path = put(tmp_path, "id,x\na,0.1\nb,1e39\n")
    result = segmpi("import", path, "-o", tmp_path / "d.h5", "--float32", ok=False)
    assert result.returncode == 65
    assert "line 3: 'x' is too large for --float32" in result.stderr
