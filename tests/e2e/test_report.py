"""segmpi report: the page in a real browser, numbers beside figures against the model, hostile texts, the folder."""

import csv
import html.parser
import json
import os
import re
import shutil
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest

from judge import sheet, tellable

SECTIONS = ["segments", "centers", "plane", "clusters", "distributions", "correlation", "elbow", "rules", "quality",
            "model-card", "provenance"]
FIGURES = ["centers", "plane", "loadings", "clusters", "distributions", "correlation", "elbow", "indices"]


@pytest.fixture(scope="module")
def model(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    segmpi("generate", "6000", "-o", folder / "clients.h5", ranks=2)
    segmpi("elbow", folder / "clients.h5", "-o", folder / "elbow.h5", "--k-max", 6, "--n-init", 2, ranks=2)
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "--elbow", folder / "elbow.h5", "--n-init", 3,
           "--stability", 3, ranks=2)
    return folder / "model.h5"


@pytest.fixture(scope="module")
def report(segmpi, model):
    folder = model.parent / "report"
    assert segmpi("report", model, "-o", folder).stdout.strip() == f"{folder}/report.html"
    return folder


@pytest.fixture(scope="module")
def browser():
    if not shutil.which("chromedriver"):
        pytest.skip("chromium and chromium-driver are not installed")
    pytest.importorskip("selenium", reason="python3-selenium is not installed")
    from browser import Browser

    chromium = Browser()
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """where pictures of pages are kept: in the build, if there is one"""
    build = Path(os.environ["SEGMPI_BINARY"]).parents[1]
    folder = build / "pages" if (build / "CMakeCache.txt").exists() else tmp_path_factory.mktemp("pages")
    folder.mkdir(exist_ok=True)
    return folder


# ---- numbers ----


def test_the_grid_and_the_histograms_count_every_client(model):
    with h5py.File(model) as file, h5py.File(model.parent / "clients.h5") as table:
        segment, part = file["labels/segment"][:], file["preprocessing"]
        x = table["features"][:]
        x = np.clip(np.where(np.isnan(x), part["fill_value"], x), part["lower_bound"], part["upper_bound"])
        plane = ((x - part["mean"]) / part["scale"] - file["pca/mean"][:]) @ file["pca/components"][:2].T
        at, report = file["report/pca_density"].attrs, file["report"]
        for g in range(4):
            mine = segment == g
            cells = np.histogram2d(*plane[mine].T[::-1], bins=[48, 64],
                                   range=[[at["y_low"], at["y_high"]], [at["x_low"], at["x_high"]]])[0]
            assert np.abs(cells - report["pca_density"][g]).sum() <= 2  # rounding of prepared values, at an edge
            assert report["pca_density"][g].sum() + report["pca_outside"][g] == mine.sum()
            for t in range(x.shape[1]):
                edges = report["bin_edges"][t]
                shifted = edges - 1e-6 * part["scale"][t]  # what stands on an edge belongs to the bin above
                counts = np.histogram(np.clip(x[mine, t], shifted[0], shifted[-1]), shifted)[0]
                assert counts.tolist() == report["histogram"][g, t].tolist()


def test_the_sample_is_drawn_by_row_and_says_its_segment(model):
    with h5py.File(model) as file:
        sample, segment = file["report/pca_sample"][:], file["report/pca_sample_segment"][:]
        assert sample.shape == (4000, 2)
        share = np.bincount(segment, minlength=4) / 4000
        assert share == pytest.approx(file["segments/size"][:] / 6000, abs=0.02)
        assert "ids" not in file


def test_numbers_beside_figures_are_those_of_the_model(model, report):
    figures = report / "figures"
    with h5py.File(model) as file:
        names, features = list(file["segments/name"].asstr()), list(file["feature"].asstr())
        density, _ = sheet(figures / "plane_density.tsv")
        cells = np.array([tellable(cell) for cell in file["report/pca_density"][:].reshape(4, -1).T]).T
        bins, _ = sheet(figures / "distributions.tsv")
        for g, name in enumerate(names):
            assert np.array_equal(density[name], cells[g], equal_nan=True)
            expected = np.concatenate([tellable(counts) for counts in file["report/histogram"][g]])
            assert np.array_equal(bins[name], expected, equal_nan=True)
        points, _ = sheet(figures / "plane_sample.tsv")
        assert np.array_equal(np.c_[points["pc1"], points["pc2"]], file["report/pca_sample"][:])
        assert points["segment"] == file["report/pca_sample_segment"][:].tolist()
        loadings, _ = sheet(figures / "loadings.tsv")
        assert np.array_equal([loadings["component 1"], loadings["component 2"]], file["pca/components"][:2])
        correlation, _ = sheet(figures / "correlation.tsv")
        assert np.array_equal([correlation[name] for name in features], file["statistics/correlation"][:].T)
        tree, _ = sheet(figures / "merge_tree.tsv")
        assert np.array_equal(np.c_[tree["joins"], tree["and"], tree["increase"], tree["clients"]],
                              file["segments/merge_tree"][:])
        elbow, _ = sheet(figures / "elbow.tsv")
        assert np.array_equal(elbow["inertia"], file["elbow/inertia"][:])


def test_the_heat_map_shows_the_profiles_of_the_clusters(model, report):
    cells, _ = sheet(report / "figures" / "clusters.tsv")
    with h5py.File(model) as file, h5py.File(model.parent / "clients.h5") as table:
        x, cluster, fill = table["features"][:], file["labels/cluster"][:], file["preprocessing/fill_value"][:]
        x = np.where(np.isnan(x), fill, x)
        z = (x - x.mean(0)) / x.std(0)
        order = [list(file["feature"].asstr()).index(name) for name in cells["feature"]]
        for j in range(8):
            assert cells[f"cluster {j}"] == pytest.approx(z[cluster == j].mean(0)[order], rel=1e-6, abs=1e-9)


def test_profiles_for_a_spreadsheet(model, report):
    rows = list(csv.DictReader((report / "profiles.csv").open(encoding="utf-8")))
    with h5py.File(model) as file:
        assert len(rows) == 12 * 17
        for row in rows[:17]:
            t = list(file["feature"].asstr()).index(row["feature"])
            assert row["name"] == file["segments/name"].asstr()[0]
            assert float(row["mean"]) == file["segments/mean"][0, t] or np.isclose(float(row["mean"]),
                                                                                 file["segments/mean"][0, t])


def test_the_model_card_names_the_model_and_leaves_blanks(model, report):
    card = json.loads((report / "model_card.json").read_text())
    with h5py.File(model) as file:
        assert card["model_id"] == file.attrs["model_id"].decode()
        assert [s["name"] for s in card["segments"]] == list(file["segments/name"].asstr())
        assert [s["clients"] for s in card["segments"]] == file["segments/size"][:].tolist()
    assert card["owner"] == card["purpose"] == card["approved_by"] == card["next_review"] == ""
    text = (report / "model_card.md").read_text()
    assert "supports your model-risk documentation" in text.lower() and "compliant" not in text.lower()
    assert "; merged into 4 segments, named by a catalog" in card["method"]


@pytest.mark.parametrize("k, method", [(300, "not merged into segments"), (4, "taken for 4 segments, named by")])
def test_the_model_card_says_what_was_not_merged(segmpi, model, tmp_path, k, method):
    segmpi("fit", model.parent / "clients.h5", "-o", tmp_path / "m.h5", "-k", k, "--n-init", 1, "--no-swaps",
           "--stability", 0)
    segmpi("report", tmp_path / "m.h5", "-o", tmp_path / "r")
    card = json.loads((tmp_path / "r/model_card.json").read_text())
    assert f"{k} clusters, the best of 1 restart; {method}" in card["method"]
    assert ("segments" in card["quality"]) == (k == 4)


# ---- what came after the model ----

COMPARED = {
    "format": "comparison", "old": {"file": "<b>old</b>.h5", "model_id": "?"}, "new": {"file": "new.h5"},
    "features": [{"name": "A", "psi": 0.02, "critical": 0.01, "verdict": ""},
                 {"name": "<i>B</i>", "psi": 0.31, "critical": 0.01, "verdict": ""},
                 {"name": "C", "psi": None, "critical": None, "verdict": ""}],
    "segment_share": {"psi": 0.05, "critical": 0.004},
    "migration": {"names": ["<u>x</u>", "y"], "counts": [[300, 80], [9, 600]], "stayed": 900, "moved": 89,
                  "entered": 12, "left": 3},
}


def compare(model, path, **more):
    """a document whose new side the model has labelled"""
    with h5py.File(model) as file:
        new = {"file": "new.h5", "model_id": file.attrs["model_id"].decode()}
    path.write_text(json.dumps({**COMPARED, "new": new, **more}))


@pytest.fixture(scope="module")
def later(segmpi, model):
    """a scoring of other clients, and a report with it"""
    folder = model.parent
    segmpi("generate", "4000", "--seed", "5", "-o", folder / "later.h5")
    segmpi("score", model, folder / "later.h5", "-o", folder / "scores.h5")
    segmpi("report", model, "-o", folder / "later", "--scores", folder / "scores.h5")
    return folder / "later"


def test_drift_of_a_scoring_is_that_of_its_deciles(model, later):
    drift, _ = sheet(later / "figures/drift.tsv")
    assert drift["feature"][0] == "shares of segments" and len(drift["feature"]) == 18
    assert drift["psi"][1:] == sorted(drift["psi"][1:], reverse=True)
    with h5py.File(model) as file, h5py.File(model.parent / "later.h5") as table:
        with h5py.File(model.parent / "clients.h5") as base:
            old, new = base["features"][:], table["features"][:]
        features = list(file["feature"].asstr())
    for name in ("BALANCE", "MINIMUM_PAYMENTS", "CREDIT_LIMIT"):
        a, b = old[:, features.index(name)], new[:, features.index(name)]
        edges = np.nanquantile(a, np.arange(1, 10) / 10)
        counts = [np.r_[np.bincount(np.searchsorted(edges, x[~np.isnan(x)], "left"), minlength=10), np.isnan(x).sum()]
                  for x in (a, b)]
        p, q = (np.maximum(n, 0.5) / n.sum() for n in counts)
        kept = counts[0] + counts[1] > 0
        psi = ((p - q) * np.log(p / q))[kept].sum()
        assert drift["psi"][drift["feature"].index(name)] == pytest.approx(psi, rel=0.02, abs=1e-5)
    page = (later / "report.html").read_text()
    assert "4,000 clients were scored with this model" in page and 'id="figure-drift"' in page


def test_scores_of_another_model_are_refused(segmpi, model, later, tmp_path):
    segmpi("fit", model.parent / "later.h5", "-o", tmp_path / "other.h5", "-k", 3, "--n-init", 1, "--stability", 0)
    refused = segmpi("report", tmp_path / "other.h5", "-o", tmp_path / "r", "--scores", model.parent / "scores.h5",
                     ok=False)
    assert refused.returncode == 65 and "another model" in refused.stderr and not (tmp_path / "r").exists()


def test_a_comparison_is_shown_and_its_small_groups_are_not(segmpi, model, tmp_path, browser):
    compare(model, tmp_path / "c.json")
    segmpi("report", model, "-o", tmp_path / "r", "--compare", tmp_path / "c.json")
    moves, raw = sheet(tmp_path / "r/figures/migration.tsv")
    assert raw == [["from", "<u>x</u>", "y"], ["<u>x</u>", "300", "80"], ["y", "<10", "600"]]
    drift, _ = sheet(tmp_path / "r/figures/drift.tsv")
    assert drift["feature"] == ["shares of segments", "<i>B</i>", "A"] and drift["psi"] == [0.05, 0.31, 0.02]
    page = (tmp_path / "r/report.html").read_text()
    assert "1 feature has moved far" in page and "9.0&nbsp;% of the clients in both scorings changed segment" in page
    assert not {"u", "i"} & (Tags(page).tags - {"i"}) and "<i>B" not in page
    found = browser.open(tmp_path / "r/report.html", 390)
    assert found["cut"] == found["wide"] == found["covered"] == found["empty"] == [] and found["pictures"] == 10
    for document, part in (({}, "segmpi compare"), (COMPARED, "other models than this one")):
        (tmp_path / "c.json").write_text(json.dumps(document))
        refused = segmpi("report", model, "-o", tmp_path / "s", "--compare", tmp_path / "c.json", ok=False)
        assert refused.returncode == 65 and part in refused.stderr and not (tmp_path / "s").exists()


@pytest.mark.parametrize("number", [None, -1, 1e30, "9"])
def test_a_comparison_whose_counts_are_none_is_refused(segmpi, model, tmp_path, number):
    for where in ({"entered": number}, {"counts": [[300, 80], [number, 600]]}):
        compare(model, tmp_path / "c.json", migration={**COMPARED["migration"], **where})
        refused = segmpi("report", model, "-o", tmp_path / "r", "--compare", tmp_path / "c.json", ok=False)
        assert refused.returncode == 65 and "number of clients" in refused.stderr and not (tmp_path / "r").exists()


def test_a_comparison_without_features_says_so_also_under_a_launcher(segmpi, model, tmp_path):
    compare(model, tmp_path / "c.json", features=COMPARED["features"][2:])
    segmpi("report", model, "-o", tmp_path / "r", "--compare", tmp_path / "c.json", ranks=2)
    page = (tmp_path / "r/report.html").read_text()
    assert "No feature could be compared" in page and "0 features" not in page


# ---- the folder ----


def test_the_folder_is_for_its_owner_alone_and_complete(report):
    assert sorted(p.name for p in report.iterdir()) == ["figures", "model_card.json", "model_card.md", "profiles.csv",
                                                        "report.html"]
    for path in [report, *report.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    drawn = {p.name for p in (report / "figures").iterdir()}
    for name in FIGURES:
        assert {f"{name}.svg", f"{name}.png", f"{name}.pdf", f"{name}.gp"} <= drawn
    assert not [name for name in drawn if "phone" in name]


def test_a_figure_can_be_drawn_again(report, tmp_path):
    shutil.copytree(report / "figures", tmp_path / "figures")
    before = (tmp_path / "figures/centers.svg").read_bytes()
    (tmp_path / "figures/centers.svg").unlink()
    assert os.waitstatus_to_exitcode(os.system(f"cd '{tmp_path}/figures' && gnuplot centers.gp")) == 0
    assert (tmp_path / "figures/centers.svg").read_bytes() == before


def test_an_old_report_is_replaced_by_force_only(segmpi, model, tmp_path):
    target = tmp_path / "r"
    segmpi("report", model, "-o", target)
    first = (target / "report.html").read_bytes()
    refused = segmpi("report", model, "-o", target, ok=False)
    assert refused.returncode == 73 and "--force" in refused.stderr
    (target / "report.html").write_text("old")
    segmpi("report", model, "-o", f"{target}/", "--force")
    assert (target / "report.html").read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_folder_with_other_files_is_left_alone(segmpi, model, tmp_path):
    (tmp_path / "r/figures").mkdir(parents=True)
    (tmp_path / "r/figures/notes.txt").write_text("mine")
    refused = segmpi("report", model, "-o", tmp_path / "r", "--force", ok=False)
    assert refused.returncode == 73 and "notes.txt" in refused.stderr
    assert (tmp_path / "r/figures/notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_without_gnuplot_there_are_tables_and_a_word_what_to_install(segmpi, model, tmp_path):
    result = segmpi("report", model, "-o", tmp_path / "r", env={"PATH": str(tmp_path)})
    page = (tmp_path / "r/report.html").read_text()
    assert "gnuplot-nox" in page and "gnuplot-nox" in result.stderr
    assert "<figure" not in page and "PDF" not in page and page.count("<table>") >= 6
    for section in SECTIONS:
        assert f'<section id="{section}"' in page


def test_a_picture_without_its_end_is_no_report(segmpi, model, tmp_path):
    """as a full disk leaves it; gnuplot says nothing then"""
    gnuplot = tmp_path / "bin/gnuplot"
    gnuplot.parent.mkdir()
    gnuplot.write_text(f"#!/bin/sh\n{shutil.which('gnuplot')} \"$@\"\n"
                       f"find '{tmp_path}' -name clusters.pdf -exec truncate -s -40 {{}} +\n")
    gnuplot.chmod(0o700)
    path = {"PATH": f"{gnuplot.parent}:{os.environ['PATH']}"}
    failed = segmpi("report", model, "-o", tmp_path / "r", env=path, ok=False)
    assert failed.returncode == 74 and "clusters.pdf" in failed.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["bin"]


def test_it_is_the_same_twice(segmpi, model, report, tmp_path):
    segmpi("report", model, "-o", tmp_path / "again")
    assert (tmp_path / "again/report.html").read_bytes() == (report / "report.html").read_bytes()


# ---- the page ----


@pytest.mark.parametrize("width,dark", [(1280, False), (390, False), (1280, True), (390, True)])
def test_the_page_in_a_browser(browser, report, shots, width, dark):
    for scripts in (True, False):
        found = browser.open(report / "report.html", width, dark, scripts)
        assert found["asked"] == [] and found["said"] == []
        assert found["wide"] == [] and found["scroll"] <= found["width"]
        assert found["pictures"] == len(FIGURES) and found["empty"] == []
        assert found["cut"] == [] and found["covered"] == []
    for section in SECTIONS:
        box = browser.run(f"const b = document.getElementById('{section}').getBoundingClientRect();"
                          "return [b.width, b.height]")
        assert box[0] > 300 and box[1] > 80, section
    browser.picture(shots / f"report-{width}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize("table,words", [
    ("few", ["-k", 3]),
    ("later", ["-k", 12, "--n-segments", 12, "--columns", "BALANCE,PURCHASES,CREDIT_LIMIT,PAYMENTS"]),
    ("later", ["-k", 1, "--columns", "BALANCE"]),
    ("later", ["-k", 5, "--embed", "pca:0.7", "--profile-only", "TENURE"]),
])
def test_the_page_of_other_models(segmpi, browser, later, tmp_path, table, words):
    source = later.parent / f"{table}.h5"
    if table == "few":  # thirty clients, a constant column
        rows = "".join(f"{i * i % 17},{i},1\n" for i in range(30))
        (tmp_path / "few.csv").write_text("a,b,c\n" + rows)
        source = tmp_path / "few.h5"
        segmpi("import", tmp_path / "few.csv", "-o", source)
        words = [*words, "--transform", "a=log1p"]
    segmpi("fit", source, "-o", tmp_path / "m.h5", "--n-init", 2, "--stability", 0, *words)
    assert segmpi("report", tmp_path / "m.h5", "-o", tmp_path / "r").stderr == ""
    for width in (1280, 390):
        found = browser.open(tmp_path / "r/report.html", width)
        assert found["cut"] == found["wide"] == found["covered"] == found["empty"] == found["said"] == []
        assert found["pictures"] >= 2
    if table == "few":
        assert "columns transformed by log(1 + x): 1, by" in (tmp_path / "r/model_card.md").read_text()


def test_the_page_prints(browser, report, shots):
    browser.open(report / "report.html", 1280)
    browser.print(shots / "report.pdf")
    printed = (shots / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20


class Tags(html.parser.HTMLParser):
    """every element and attribute of a page"""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes.update((tag, name) for name, _ in attributes)


HOSTILE = ["<script>alert({0})</script>", "\"><img src=x onerror=alert({0})>", "' onmouseover='alert({0})",
           "</svg><svg onload=alert({0})>", "=HYPERLINK(\"http://x{0}\")", "]]><b>{0}", "&lt;{0}&#60;script&gt;",
           "`system('touch x{0}')`", "\\{{$ @ {0}\\}}", "</title><base href=//x{0}>", "%s%n{0}", "@import url(//x{0})",
           "<!-- {0}", "javascript:alert({0})", "# {0}", "\u202e{0}\u202c", "'+system('id')+'{0}", "{0}" + "x" * 150,
           "- {0}", "<details open ontoggle=alert({0})>"]


@pytest.fixture(scope="module")
def hostile(segmpi, tmp_path_factory):
    """a report of 180 columns with hostile names and of a catalog of 20 hostile texts"""
    folder = tmp_path_factory.mktemp("hostile")
    names = [text.format(i) for i in range(9) for text in HOSTILE]
    rng = np.random.default_rng(2)
    x = rng.normal(size=(800, 180)).round(3) + (np.arange(800) % 4)[:, None] * rng.normal(size=180).round(2)
    table = folder / "<img src=x onerror=alert(1)>.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(x.round(3).tolist())
    segmpi("import", table, "-o", folder / "clients.h5")
    texts = [text.format(900 + i).replace(";", "") for i, text in enumerate(HOSTILE)]
    catalog = "".join(f"[{texts[i].replace(']', ')')}]\nhigh = - 0\ndescription = {texts[i + 4]}\n"
                      f"recommendation = {texts[i + 8]}\n" for i in (0, 1, 2, 9))
    (folder / "catalog.ini").write_text(catalog, encoding="utf-8")
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "-k", 6, "--n-segments", 5, "--n-init", 2,
           "--stability", 0, "--catalog", folder / "catalog.ini")
    segmpi("report", folder / "model.h5", "-o", folder / "report")
    return folder / "report", names + texts


def test_hostile_names_bring_nothing_into_the_page(hostile, report):
    ours = Tags((report / "report.html").read_text(encoding="utf-8"))
    theirs = Tags((hostile[0] / "report.html").read_text(encoding="utf-8"))
    assert theirs.tags <= ours.tags
    assert theirs.attributes <= ours.attributes
    assert not [name for _, name in theirs.attributes if name.startswith("on")]
    assert "script" not in theirs.tags and "a" not in theirs.tags


def test_hostile_names_do_nothing_in_a_browser(browser, hostile, shots):
    for width in (1280, 390):
        found = browser.open(hostile[0] / "report.html", width)
        assert found["asked"] == [] and found["said"] == []
        assert found["wide"] == [] and found["cut"] == [] and found["covered"] == [] and found["empty"] == []
        assert browser.run("return document.querySelectorAll('script, img, iframe, object, base, b b').length") == 0
        browser.picture(shots / f"hostile-{width}.png")


def test_hostile_names_are_no_formulas_and_no_commands(hostile):
    for path in [hostile[0] / "profiles.csv", *(hostile[0] / "figures").glob("*.tsv")]:
        rows = csv.reader(path.open(encoding="utf-8"), delimiter="," if path.suffix == ".csv" else "\t",
                          quoting=csv.QUOTE_MINIMAL if path.suffix == ".csv" else csv.QUOTE_NONE)
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"[=+@\t\r]|-(?![\d.])", cell), cell
    assert not list(hostile[0].parent.glob("x*")) and not Path("x0").exists()


def test_a_column_cannot_command_gnuplot_in_the_terminal_either(segmpi, tmp_path):
    (tmp_path / "t.csv").write_text("a,'.system('touch harm').'\n" + "1,2\n2,3\n4,4\n" * 9)
    segmpi("import", tmp_path / "t.csv", "-o", tmp_path / "t.h5")
    segmpi("describe", tmp_path / "t.h5", "-o", tmp_path / "d.h5")
    shown = segmpi("inspect", "--plot", tmp_path / "d.h5", cwd=tmp_path).stdout
    assert "system" in shown and not (tmp_path / "harm").exists()
