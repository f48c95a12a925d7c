"""segmpi report of few clients: groups that are too small to be shown, columns that say nothing."""

import csv
import json
import re

import h5py
import numpy as np

from conftest import TOP
from judge import sheet, tellable

SAMPLE = TOP / "data/sample/clients.csv"


def test_groups_under_ten_are_not_shown(segmpi, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3)).round(4)
    x[:4] += 40
    (tmp_path / "few.csv").write_text("a,b,c\n" + "\n".join(",".join(map(str, row)) for row in x) + "\n")
    segmpi("import", tmp_path / "few.csv", "-o", tmp_path / "few.h5")
    segmpi("fit", tmp_path / "few.h5", "-o", tmp_path / "model.h5", "-k", 3, "--n-segments", 3, "--outliers", "none",
           "--stability", 0)
    segmpi("report", tmp_path / "model.h5", "-o", tmp_path / "r")
    rows = list(csv.DictReader((tmp_path / "r/profiles.csv").open()))
    hidden = [row for row in rows if row["clients"] == "<10"]
    assert len(hidden) == 6 and all(row["mean"] == row["z"] == row["median"] == "<10" for row in hidden)
    centers, _ = sheet(tmp_path / "r/figures/centers.tsv")
    assert max(centers["highest"]) < 2  # the outliers lie 9 standard deviations away
    assert "nan" not in (tmp_path / "r/model_card.md").read_text()
    points, _ = sheet(tmp_path / "r/figures/plane_sample.tsv")
    with h5py.File(tmp_path / "model.h5") as file:
        sizes, few = file["segments/size"][:], np.argmin(file["segments/size"])
    assert sorted(sizes)[0] == 4 and len(points["pc1"]) == 396 and few not in points["segment"]
    # nor does the total less the others tell the size of the only small one
    told = [n for n in sizes if n != 4]
    shown = [row["clients"] for row in rows if row["kind"] == "segment" and row["feature"] == "a"]
    assert sorted(shown) == sorted(["<10", "not shown", str(max(told))])
    assert {row["clients"] for row in rows if row["kind"] == "cluster"} == {"<10", "not shown"}
    card = json.loads((tmp_path / "r/model_card.json").read_text())
    assert sorted(s.get("clients", 0) for s in card["segments"]) == [0, 0, max(told)]
    assert sorted(s["share"] or 0 for s in card["segments"]) == [0, 0, max(told) / 400]
    page, markdown = (tmp_path / "r/report.html").read_text(), (tmp_path / "r/model_card.md").read_text()
    assert f"| {min(told)} |" not in markdown and f"| {max(told)} |" in markdown
    assert f"{min(told)} clients" not in page and f"{max(told)} clients" in page
    _, tree = sheet(tmp_path / "r/figures/merge_tree.tsv")
    assert {row[4] for row in tree[1:]} == {"not shown"}
    cells, raw = sheet(tmp_path / "r/figures/distributions.tsv")
    with h5py.File(tmp_path / "model.h5") as file:  # bins are put together, as most would be small
        parts = [cells["feature"].count(feature) for feature in "abc"]
        assert set(parts) <= {4, 8, 16}
        for g, name in enumerate(file["segments/name"].asstr()):
            expected = [tellable(counts.reshape(n, -1).sum(1)) for n, counts in zip(parts, file["report/histogram"][g])]
            assert np.array_equal(cells[name], np.concatenate(expected), equal_nan=True)
    assert "<10" in {cell for row in raw for cell in row}
    assert not {str(n) for n in range(1, 10)} & {cell for row in raw[1:] for cell in row[4:]}


def test_rules_are_the_leaves_of_the_tree(segmpi, tmp_path):
    """a bound that another one narrows is not told, and what is not all is not 100 %"""
    segmpi("fit", SAMPLE, "-o", tmp_path / "m.h5", "--stability", 0)
    segmpi("report", tmp_path / "m.h5", "-o", tmp_path / "r", env={"PATH": str(tmp_path)})
    page = (tmp_path / "r/report.html").read_text().replace("<wbr>", "").replace("&nbsp;%", " %")
    rules = re.findall(r"<li style=.*?</b> if (.*?) <span class=\"small\">\((.*?) of (.*?) clients\)", page)
    bounds = [re.findall(r"(\w+) (above|at most)", rule[0]) for rule in rules]
    assert all(len(found) == len(set(found)) for found in bounds) and min(map(len, bounds)) < 3
    with h5py.File(tmp_path / "m.h5") as file:
        tree = {name: item[()] for name, item in file["segments/tree"].items()}
    leaf = (tree["feature"] < 0) & (tree["clients"] > 0)
    clients, hits = tree["clients"][leaf], tree["hits"][leaf]
    shares = ["few" if n < 10 else f"{100 * h / n:.{int(0.995 <= h / n < 1)}f} %" for h, n in zip(hits, clients)]
    assert sorted(rule[1] for rule in rules) == sorted(shares)
    card = (tmp_path / "r/model_card.md").read_text()  # of a column fewer than 10 cells are capped: no sum tells how many
    assert "| 38 missing cells filled with the median; cells capped at" in card


def test_columns_without_a_correlation_have_no_picture_of_it(segmpi, tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n" + "".join(f"{i * i % 17},1\n" for i in range(300)))
    segmpi("fit", tmp_path / "c.csv", "-o", tmp_path / "m.h5", "-k", 3, "--stability", 0)
    segmpi("report", tmp_path / "m.h5", "-o", tmp_path / "r", env={"PATH": str(tmp_path)})
    page = (tmp_path / "r/report.html").read_text()
    assert '<section id="centers"' in page and 'id="correlation"' not in page and "go together most" not in page
