"""Ids as pseudonyms, judged by Python's hmac; clients who objected; and no id where none is asked for."""

import hashlib
import hmac
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from judge import messages

KEY = b"a key of the bank, with a line end\n"
CANARY = "ID-canary-"


def pseudonym(client, key=KEY):
    return hmac.new(key, str(client).encode(), hashlib.sha256).hexdigest()[:32]


def read_ids(path):
    with h5py.File(path) as file:
        ids = file["ids/client_id"]
        return (ids[:].astype(str) if ids.dtype.kind == "S" else ids[:]).tolist()


@pytest.fixture(scope="module")
def bank(segmpi, tmp_path_factory):
    """a folder with clients.csv, some of whose ids need quotes, a key, a list of ids, and model.h5"""
    folder = tmp_path_factory.mktemp("bank")
    segmpi("generate", 4000, "-o", folder / "g.h5", "--csv", folder / "numbers.csv")
    x = pd.read_csv(folder / "numbers.csv", index_col=0)
    x.index = [f'{CANARY}{i}' + (', "K"' if i % 100 == 7 else "") for i in range(4000)]
    x.to_csv(folder / "clients.csv", index_label="ID")
    (folder / "key").write_bytes(KEY)
    (folder / "key").chmod(0o600)
    objected = ["ID", *x.index[[0, 5, 7, 1023, 1024, 2500, 3999, 3999]], "nobody", " someone"]
    quoted = ['"' + name.replace('"', '""') + '"' if '"' in name else name for name in objected]
    (folder / "objected").write_text("\ufeff" + "\r\n".join(quoted) + "\r\n\n")
    segmpi("fit", folder / "g.h5", "-o", folder / "model.h5", "-k", 4, "--n-init", 1)
    return folder


def run(segmpi, bank, *words, **options):
    """the run, whose words must not hold an id"""
    result = segmpi(*words, **options)
    assert CANARY not in result.stdout + result.stderr
    return result


def test_pseudonyms_are_those_of_hmac(segmpi, bank, tmp_path):
    words = ("import", bank / "clients.csv", "--pseudonymize", bank / "key")
    for ranks in (1, 3):
        run(segmpi, bank, *words, "-o", tmp_path / f"{ranks}.h5", "--json", tmp_path / f"{ranks}.json", ranks=ranks)
    csv = pd.read_csv(bank / "clients.csv")
    assert read_ids(tmp_path / "1.h5") == read_ids(tmp_path / "3.h5") == [pseudonym(client) for client in csv["ID"]]
    content = (tmp_path / "3.h5").read_bytes() + (tmp_path / "3.json").read_bytes()
    assert CANARY.encode() not in content and KEY.strip() not in content
    mark = h5py.File(tmp_path / "3.h5")["ids/client_id"].attrs["pseudonym_key"]
    assert mark.decode() == hmac.new(KEY, b"segmpi key fingerprint", hashlib.sha256).hexdigest()[:16]


def test_scores_hold_pseudonyms_from_csv_and_from_a_table(segmpi, bank, tmp_path):
    key = ("--pseudonymize", bank / "key")
    segmpi("import", bank / "numbers.csv", "-o", tmp_path / "plain.h5")
    segmpi("import", bank / "numbers.csv", "-o", tmp_path / "pseudo.h5", *key)
    for name, table, words in (("csv", bank / "numbers.csv", key), ("plain", tmp_path / "plain.h5", key),
                               ("pseudo", tmp_path / "pseudo.h5", ())):
        run(segmpi, bank, "score", bank / "model.h5", table, "-o", tmp_path / f"s-{name}.h5", *words, ranks=2)
        assert read_ids(tmp_path / f"s-{name}.h5") == [pseudonym(i) for i in read_ids(tmp_path / "plain.h5")]
        mark = h5py.File(tmp_path / f"s-{name}.h5")["ids/client_id"].attrs["pseudonym_key"]
        assert mark == h5py.File(tmp_path / "pseudo.h5")["ids/client_id"].attrs["pseudonym_key"]
    segmpi("import", bank / "clients.csv", "-o", tmp_path / "text.h5")
    run(segmpi, bank, "score", bank / "model.h5", tmp_path / "text.h5", "-o", tmp_path / "s-text.h5", *key)
    assert read_ids(tmp_path / "s-text.h5") == [pseudonym(client) for client in read_ids(tmp_path / "text.h5")]
    again = segmpi("score", bank / "model.h5", tmp_path / "pseudo.h5", "-o", tmp_path / "x.h5", *key, ok=False)
    assert again.returncode == 64 and "pseudonyms already" in messages(again)[0]
    segmpi("score", bank / "model.h5", tmp_path / "plain.h5", "-o", tmp_path / "s-ids.h5")
    assert "different keys" in segmpi("compare", tmp_path / "s-ids.h5", tmp_path / "s-csv.h5").stderr
    same = segmpi("compare", tmp_path / "s-plain.h5", tmp_path / "s-csv.h5", "--json", "-")
    assert json.loads(same.stdout)["migration"]["stayed"] == 4000 and "different keys" not in same.stderr


@pytest.mark.parametrize("ranks", [1, 3])
def test_clients_who_objected_are_left_out(segmpi, bank, tmp_path, ranks):
    words = ("--exclude-ids", bank / "objected", "--json", tmp_path / "i.json")
    result = run(segmpi, bank, "import", bank / "clients.csv", "-o", tmp_path / "c.h5", *words, ranks=ranks)
    csv = pd.read_csv(bank / "clients.csv")
    objected = pd.read_csv(bank / "objected", skipinitialspace=True)["ID"]
    kept = csv[~csv["ID"].isin(objected)]
    assert len(kept) == 3993 and "7 excluded rows left out" in result.stdout
    assert "no client has 2 of the 9 ids to exclude" in result.stderr
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["ids/client_id"][:].astype(str).tolist() == kept["ID"].tolist()
        assert file["ids/source_row"][:].tolist() == kept.index.tolist()
        assert np.array_equal(file["features"][:], kept.drop(columns="ID").to_numpy(float), equal_nan=True)
        assert file["provenance"].attrs["rows_dropped"] == 7 and file["provenance"].attrs["rows_read"] == 4000
    figures = json.loads((tmp_path / "i.json").read_text())
    assert figures["excluded_rows"] == 7
    assert figures["excluded_ids_not_found"] == len(set(objected)) - objected.drop_duplicates().isin(csv["ID"]).sum() == 2
    segmpi("inspect", "--check", tmp_path / "c.h5")


def test_a_list_of_ids_is_csv(segmpi, bank, tmp_path):
    """what is wrong with one is said without its ids; one that fits nobody is warned of"""
    for name, text, code, says in (
        ("cells", f"{CANARY}1\n{CANARY}2,x\n", 65, "line 2 of the ids to exclude has 2 cells"),
        ("quote", f'"{CANARY}1\n', 65, "line 1 of the ids to exclude is no id: quotes are wrong"),
        ("stray", f'ID\n"{CANARY}\n1"\n{CANARY}1"\n', 65, "line 4 of the ids to exclude is no id: quotes are wrong"),
        ("nul", f"{CANARY}1\0\n", 65, "line 1 of the ids to exclude is no id: quotes are wrong, or it is no text"),
        ("long", CANARY * 26 + "\n", 65, "line 1 of the ids to exclude is no id: it is too long"),
        ("other", f"1\n{CANARY}01", 0, "no client has one of the 2 ids to exclude"),
        ("empty", "", 0, ""),
    ):
        (tmp_path / name).write_text(text)
        words = ("import", bank / "clients.csv", "-o", tmp_path / "c.h5", "--force", "--exclude-ids", tmp_path / name)
        result = run(segmpi, bank, *words, ranks=2, ok=False)
        assert result.returncode == code and says in result.stderr, result.stderr
    assert len(read_ids(tmp_path / "c.h5")) == 4000


def test_an_id_inside_a_cell_is_not_found(segmpi, tmp_path):
    """what looks like a record of its own is a part of a note in which the second rank's bytes begin"""
    note = "y" * (1 << 20) + "\nnobody,1,z\n"
    (tmp_path / "c.csv").write_text(f'ID,x,note\na,1,"{note}"\nb,2,w\nc,3,\n' + "d,4,\n" * 10)
    (tmp_path / "list").write_text("nobody\nb\nd")
    words = ("import", tmp_path / "c.csv", "-o", tmp_path / "c.h5", "--force", "--id-column", "ID", "--exclude-ids")
    for ranks in (1, 2):
        result = segmpi(*words, tmp_path / "list", ranks=ranks)
        assert read_ids(tmp_path / "c.h5") == ["a", "c"] and "no client has 1 of the 3 ids" in result.stderr


def test_bad_rows_and_objections_are_counted_apart(segmpi, bank, tmp_path):
    lines = (bank / "clients.csv").read_text().splitlines(keepends=True)
    lines[3] = "spoiled\n"
    (tmp_path / "c.csv").write_text("".join(lines))
    words = ("import", tmp_path / "c.csv", "--exclude-ids", bank / "objected", "--pseudonymize", bank / "key")
    result = run(segmpi, bank, *words, "-o", tmp_path / "c.h5", "--skip-bad-rows", 1, ranks=2)
    assert "1 bad row left out" in result.stdout and "7 excluded rows left out" in result.stdout
    assert len(read_ids(tmp_path / "c.h5")) == 3992
    result = run(segmpi, bank, *words, "-o", tmp_path / "d.h5", ranks=2, ok=False)
    assert result.returncode == 65 and len(messages(result)) == 1


def test_no_cell_is_shown_as_any_may_be_an_id(segmpi, bank, tmp_path):
    """rows whose cells are shifted, files whose line of names is missing, in one piece and as the second one"""
    rows = "".join(f"{CANARY}{i},{i},{i + 1}\n" for i in range(9))
    (tmp_path / "good.csv").write_text("ID,BALANCE,PAYMENTS\n" + rows)
    (tmp_path / "shifted.csv").write_text(f"ID,BALANCE,PAYMENTS\n{rows}3,{CANARY}3,4\n{CANARY}1,{CANARY}2,1,2\n")
    (tmp_path / "headless.csv").write_text(rows)
    (tmp_path / "twins.csv").write_text(f"{CANARY},{CANARY},1,2,3\n1,2,3,4,5\n")
    for words, code, says in (
        (["shifted.csv", "--id-column", "ID"], 65, "line 11: 'BALANCE' is no number, it has a letter at place 1 of 11"),
        (["shifted.csv", "--id-column", "ID", "--skip-bad-rows", 2], 0, "line 12: 'BALANCE' is no number"),
        (["shifted.csv", "--id-column", "BALANCE", "--columns", "PAYMENTS,ID"], 65, "'ID' is no number"),
        (["headless.csv"], 0, "identified by column 1"),
        (["headless.csv", "--exclude-columns", "ID"], 65, "is the line of names missing?"),
        (["headless.csv", "--id-column", CANARY + "9"], 65, "is the line of names missing?"),
        (["headless.csv", "--id-column", ""], 0, "left out 1 text column: column 1"),
        (["good.csv", "headless.csv"], 65, "column 1 of 'headless.csv' is not named 'ID' as in 'good.csv'"),
        (["headless.csv", "good.csv"], 65, "column 1 of 'good.csv' is not named column 1 as in 'headless.csv'"),
        (["twins.csv"], 65, "columns 1 and 2 are both named column 1"),
    ):
        result = run(segmpi, bank, "import", *words, "-o", "c.h5", "--force", cwd=tmp_path, ok=False)
        assert result.returncode == code and says in result.stderr, result.stderr
    words = (bank / "model.h5", "headless.csv", "-o", "s.h5")
    result = run(segmpi, bank, "score", *words, cwd=tmp_path, ok=False, ranks=2)
    assert result.returncode == 65 and "is the line of names missing?" in messages(result)[0], result.stderr


def test_keys_that_are_not_safe_are_refused(segmpi, bank, tmp_path):
    def refused(code, text, key=tmp_path / "k", *words, ranks=None):
        words = (bank / "clients.csv", "-o", tmp_path / "c.h5", "--pseudonymize", key, *words)
        result = segmpi("import", *words, ok=False, ranks=ranks)
        assert result.returncode == code and text in messages(result)[0], result.stderr
        assert not (tmp_path / "c.h5").exists()

    (tmp_path / "k").write_bytes(KEY)
    (tmp_path / "k").chmod(0o640)
    refused(77, "chmod 600", ranks=2)
    (tmp_path / "k").chmod(0o600)
    refused(64, "no column of ids", tmp_path / "k", "--id-column", "")
    (tmp_path / "k").write_bytes(KEY[:15])
    refused(65, "has 15 bytes")
    refused(66, "cannot read", tmp_path / "none")
    refused(65, "not a file", tmp_path)
    result = segmpi("import", bank / "clients.csv", "-o", tmp_path / "c.h5", "--exclude-ids", tmp_path / "none", ok=False)
    assert result.returncode == 66
    words = ("score", bank / "model.h5", bank / "g.h5", "-o", tmp_path / "s.h5", "--exclude-ids", bank / "objected")
    assert segmpi(*words, ok=False).returncode == 64


def test_no_id_leaves_the_columns_of_ids(segmpi, bank, tmp_path):
    """every command over clients with canaries as ids: words, JSON and figures are free of them"""
    segmpi("import", bank / "clients.csv", "-o", tmp_path / "t.h5", ranks=2)
    for words in (("describe", "t.h5", "-o", "describe.h5", "--json", "d.json"),
                  ("fit", "t.h5", "-o", "model.h5", "-k", 4, "--n-init", 1, "--json", "f.json", "--verbose"),
                  ("score", "model.h5", bank / "clients.csv", "-o", "s.h5", "--json", "s.json", "--verbose"),
                  ("compare", "s.h5", "s.h5", "--json", "c.json", "--verbose"),
                  ("report", "model.h5", "-o", "report", "--scores", "s.h5", "--compare", "c.json"), ("inspect", "t.h5"), ("inspect", "--provenance", "s.h5"), ("inspect", "s.h5")):
        run(segmpi, bank, *words, cwd=tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files if CANARY.encode() in path.read_bytes()} == {"t.h5", "s.h5"}
    assert {"report.html", "model.h5", "c.json"} < {path.name for path in files}


def test_a_stopped_scoring_does_not_mix_keys(segmpi, bank, tmp_path):
    (tmp_path / "other").write_bytes(KEY[::-1])
    (tmp_path / "other").chmod(0o600)
    words = ("score", bank / "model.h5", bank / "g.h5", "-o", tmp_path / "s.h5", "--pseudonymize")
    assert segmpi(*words, bank / "key", "--max-seconds", 0.0001, ok=False).returncode == 75
    found = segmpi(*words, tmp_path / "other", "--resume", ok=False)
    assert found.returncode == 65 and "other options or clients" in messages(found)[0]
    segmpi(*words, bank / "key", "--resume")
    assert read_ids(tmp_path / "s.h5") == [pseudonym(client) for client in read_ids(bank / "g.h5")]
