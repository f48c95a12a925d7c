"""What changed since last month: the yardstick in the model, drift and migration, against pandas and scipy."""

import json
import shutil
import subprocess

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray
from scipy.stats import chi2

from judge import messages, read_model, warnings


def read_frame(path):
    """clients.h5 as a frame, by id"""
    with h5py.File(path) as file:
        return pd.DataFrame(file["features"][:].astype(float), columns=file["feature"].asstr()[:],
                            index=file["ids/client_id"][:])


def month_of(x, draw, new):
    """a CSV's frame: the clients in an order of their own, three of them twice; `new` ones are 400 others, 500 have
    gone, all have drifted"""
    x = x.copy()
    if new:
        x = x.iloc[:5900]
        x["CREDIT_LIMIT"] *= 1.5
        x["BALANCE"] = np.where(draw.random(len(x)) < 0.3, x["BALANCE"] * 4 + 1000, x["BALANCE"])
        x.loc[draw.random(len(x)) < 0.1, "MINIMUM_PAYMENTS"] = np.nan
    else:
        x = x.iloc[400:]
    x = x.iloc[draw.permutation(len(x))]
    return pd.concat([x, x.iloc[:3]] if new else [x.iloc[-3:], x])


@pytest.fixture(scope="module")
def months(segmpi, tmp_path_factory):
    """a folder with old.csv and new.csv, the clients of two months with texts as ids, model.h5, fitted to the old one,
    and old.h5 and new.h5, their scores"""
    folder = tmp_path_factory.mktemp("months")
    draw = np.random.default_rng(1)
    segmpi("generate", 6400, "-o", folder / "all.h5", ranks=2)
    x = read_frame(folder / "all.h5")
    x.index = pd.Index([f"K{i:06d}" for i in x.index], name="ID")
    for name in ("old", "new"):
        month_of(x, draw, name == "new").to_csv(folder / f"{name}.csv")
    segmpi("import", folder / "old.csv", "-o", folder / "table.h5", "--id-column", "ID", ranks=2)
    segmpi("fit", folder / "table.h5", "-o", folder / "model.h5", "--n-init", 2, ranks=3)
    for name in ("old", "new"):
        words = (folder / f"{name}.csv", "-o", folder / f"{name}.h5", "--id-column", "ID")
        segmpi("score", folder / "model.h5", *words, ranks=2)
    return folder


@pytest.fixture(scope="module")
def compared(segmpi, months):
    """the JSON of three ranks, and what is said to people"""
    json_path = months / "compare.json"
    result = segmpi("compare", months / "old.h5", months / "new.h5", "--json", json_path, ranks=3)
    return json.loads(json_path.read_text()), result.stdout, result.stderr


def psi_of(old, new):
    """(psi, critical) of counts by bin"""
    used = (old > 0) | (new > 0)
    old, new = old[used], new[used]
    p, q = np.maximum(old, 0.5) / old.sum(), np.maximum(new, 0.5) / new.sum()
    return ((p - q) * np.log(p / q)).sum(), chi2.ppf(0.95, used.sum() - 1) * (1 / old.sum() + 1 / new.sum())


def bins_of(column, edges):
    """clients by decile of the training base, and those without a value"""
    counts = pd.cut(column, np.unique(edges)).value_counts(sort=False)
    return np.append(counts.to_numpy(), column.isna().sum())


def read_scores(path):
    with h5py.File(path) as file:
        return pd.DataFrame({name: file[name][:] for name in ("segment", "distance")},
                            index=file["ids/client_id"][:].astype(str))


def test_the_model_holds_the_yardstick_of_its_table(months):
    x, model = read_frame(months / "table.h5"), read_model(months / "model.h5")
    reference = model.reference
    assert reference.feature.tolist() == list(x) and reference.n_clients == len(x)
    for t, name in enumerate(x):
        deciles = x[name].quantile(np.arange(1, 10) / 10)
        edges = reference.bin_edges[t]
        assert np.allclose(edges[1:-1], deciles, rtol=1e-14, atol=0) and np.all(np.isinf(edges[[0, -1]]))
        counts = np.append(reference.bin_counts[t][np.diff(edges) > 0], reference.missing_count[t])
        assert counts.tolist() == bins_of(x[name], edges).tolist() and counts.sum() == len(x)  # equal edges: no bin
        assert (reference.min[t], reference.max[t]) == (x[name].min(), x[name].max())
    assert reference.segment_count.tolist() == np.bincount(model.labels.segment).tolist()
    assert np.array_equal(reference.segment_share, reference.segment_count / len(x))
    data = xarray.open_dataset(months / "model.h5", group="reference")
    assert data.bin_counts.dims == ("feature", "bin") and data.segment_share.dims == ("segment",)


def test_drift_of_features_is_that_of_pandas(compared, months):
    edges = dict(zip(*(read_model(months / "model.h5").reference.__dict__[name] for name in ("feature", "bin_edges"))))
    old, new = (pd.read_csv(months / f"{name}.csv") for name in ("old", "new"))
    features = {feature["name"]: feature for feature in compared[0]["features"]}
    assert list(features) == list(edges)
    for name, feature in features.items():
        expected = psi_of(bins_of(old[name], edges[name]), bins_of(new[name], edges[name]))
        assert (feature["psi"], feature["critical"]) == pytest.approx(expected, rel=1e-12)
        assert feature["verdict"] == ("stable" if feature["psi"] < 0.1 else
                                      "moderate" if feature["psi"] < 0.25 else "large")
    assert features["MINIMUM_PAYMENTS"]["psi"] > features["TENURE"]["psi"]
    assert {"stable", "moderate"} < {feature["verdict"] for feature in features.values()}
    largest = max(features.values(), key=lambda feature: feature["psi"])
    first = compared[1].split("verdict\n")[1].split()
    assert first[0] == largest["name"] and float(first[1]) == round(largest["psi"], 4)


def test_migration_is_that_of_pandas(compared, months):
    old, new = read_scores(months / "old.h5"), read_scores(months / "new.h5")
    twice = old.index[old.index.duplicated()].union(new.index[new.index.duplicated()])
    left_out = old.index.isin(twice).sum() + new.index.isin(twice).sum()
    both = old.drop(twice, errors="ignore").join(new.drop(twice, errors="ignore"), how="outer", lsuffix="_old",
                                                 rsuffix="_new")
    known = both.dropna()
    counts = pd.crosstab(known.segment_old, known.segment_new).reindex(index=range(4), columns=range(4), fill_value=0)
    migration = compared[0]["migration"]
    assert migration["counts"] == counts.to_numpy().tolist()
    assert migration["duplicates"] == left_out > 6
    assert migration["stayed"] == np.trace(counts) and migration["moved"] == counts.to_numpy().sum() - np.trace(counts)
    for name, column, other in (("entered", "segment_new", "segment_old"), ("left", "segment_old", "segment_new")):
        alone = both[both[other].isna()][column]
        assert migration[f"{name}_by_segment"] == alone.value_counts().reindex(range(4), fill_value=0).tolist()
        assert migration[name] == len(alone) > 300
    assert migration["names"] == read_model(months / "model.h5").segments.name.tolist()


def test_shares_and_distances_are_those_of_pandas(compared, months):
    figures = compared[0]
    old, new = read_scores(months / "old.h5"), read_scores(months / "new.h5")
    counts = [side.segment.value_counts().reindex(range(4), fill_value=0).to_numpy() for side in (old, new)]
    share = figures["segment_share"]
    assert [share["old"], share["new"]] == [count.tolist() for count in counts]
    assert (share["psi"], share["critical"]) == pytest.approx(psi_of(*counts), rel=1e-12)
    for name, side in (("old", old), ("new", new)):
        distance = side.distance.astype(float)
        expected = [distance.mean(), distance.median(), distance.quantile(0.9)]
        assert list(figures["distance"][name].values()) == pytest.approx(expected, rel=1e-12)
        assert figures[name]["clients"] == len(side) and figures[name]["file"] == f"{name}.h5"
        assert figures[name]["model_id"] == read_model(months / "model.h5").model_id


def test_the_words_hold_the_figures_and_no_id(compared):
    figures, text, talk = compared
    both = figures["migration"]["stayed"] + figures["migration"]["moved"]
    assert f"Of {both:,} clients in both bases {figures['migration']['moved']:,} moved" in text
    assert "whose ids are not unique" in text and "Frugal Users" in text
    assert "K00" not in text + talk + json.dumps(figures)


def test_a_model_stands_for_its_training_base(segmpi, months, compared, tmp_path):
    result = segmpi("compare", months / "model.h5", months / "new.h5", "--json", tmp_path / "c.json")
    figures = json.loads((tmp_path / "c.json").read_text())
    assert "migration" not in figures and "No migration" in result.stdout and not warnings(result)
    assert figures["old"].pop("file") == "model.h5"
    for name in ("features", "segment_share", "distance", "new"):
        assert figures[name] == compared[0][name]


def test_gates_end_a_job(segmpi, months, compared, tmp_path):
    figures = compared[0]
    psi = max(feature["psi"] for feature in figures["features"])
    moved = figures["migration"]["moved"] / (figures["migration"]["stayed"] + figures["migration"]["moved"])

    def run(*words, old="old.h5", ranks=None):
        words = (months / old, months / "new.h5", *(f"--fail-on={word}" for word in words), "--force")
        return segmpi("compare", *words, "--json", tmp_path / "gate.json", ranks=ranks, ok=False)

    assert run(f"psi={psi + 1e-6},moved={moved + 1e-6}").returncode == 0
    for words in ([f"psi={psi - 1e-6}"], ["psi=9", f"moved={moved - 1e-6}"]):
        (tmp_path / "gate.json").unlink()
        result = run(*words, ranks=2)
        assert result.returncode == 1 and words[-1].split("=")[0] in messages(result)[0]
        assert json.loads((tmp_path / "gate.json").read_text()) == figures  # the figures are there all the same
    assert run("moved=0.5", old="model.h5").returncode == 65  # cannot be judged
    for wrong in ("psi", "psi=", "psi=-1", "psi=x", "left=3", "psi=nan"):
        assert run(wrong).returncode == 64


def test_two_models_are_told_and_their_deciles_not_mixed(segmpi, months, tmp_path):
    segmpi("import", months / "new.csv", "-o", tmp_path / "t.h5", "--id-column", "ID")
    segmpi("fit", tmp_path / "t.h5", "-o", tmp_path / "m.h5", "--n-init", 1, "--n-segments", 3, ranks=2)
    result = segmpi("compare", months / "model.h5", tmp_path / "m.h5", "--json", tmp_path / "c.json", "--fail-on=psi=99",
                    ranks=2, ok=False)
    assert result.returncode == 65 and "cannot be judged" in messages(result)[0]
    figures = json.loads((tmp_path / "c.json").read_text())
    said = "\n".join(warnings(result))
    assert "two models" in said and "different names" in said and "deciles" in said
    psi = {feature["name"]: (feature["psi"], feature["verdict"]) for feature in figures["features"]}
    assert psi["CREDIT_LIMIT"] == (None, "not comparable")
    assert figures["segment_share"]["new"][3] == 0 and len(figures["segment_share"]["names"]) == 4


def test_features_are_matched_by_name(segmpi, months, tmp_path):
    """a model without the first column of the other's, of the same clients"""
    names = read_model(months / "model.h5").reference.feature.tolist()
    words = ("--n-init", 1, "--exclude-columns", names[0], "--catalog", "none")
    segmpi("fit", months / "table.h5", "-o", tmp_path / "m.h5", *words, ranks=2)
    for pair in ((months / "model.h5", tmp_path / "m.h5"), (tmp_path / "m.h5", months / "model.h5")):
        result = segmpi("compare", *pair, "--json", tmp_path / "c.json", "--force", "--fail-on=psi=99", ok=False)
        features = json.loads((tmp_path / "c.json").read_text())["features"]
        assert [(feature["name"], feature["psi"]) for feature in features] == [(name, 0) for name in names[1:]]
        said = "\n".join(warnings(result))
        assert "features that only one side has: 1" in said and "different names" in said and result.returncode == 65


def test_ranks_that_see_other_files_are_refused(environment, program, months, tmp_path):
    for rank, old in enumerate(("old.h5", "new.h5")):
        (tmp_path / str(rank)).mkdir()
        shutil.copy(months / old, tmp_path / str(rank) / "old.h5")
    one = ["-n", "1", "-wdir"]
    tail = [program, "compare", "old.h5", months / "new.h5"]
    words = ["mpirun", *one, tmp_path / "0", *tail, ":", *one, tmp_path / "1", *tail]
    result = subprocess.run(list(map(str, words)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert result.returncode == 65 and "do not see the same files" in messages(result)[0]


def test_what_holds_no_scores_is_refused(segmpi, months):
    for words in (("table.h5", "new.h5"), ("old.h5", "all.h5")):
        result = segmpi("compare", *(months / word for word in words), ok=False)
        assert result.returncode == 65 and "no scores" in messages(result)[0]
    assert segmpi("compare", months / "old.h5", months / "none.h5", ok=False).returncode == 66
