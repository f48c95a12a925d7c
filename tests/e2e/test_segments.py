"""Segments: on the real table the four of the study, judged on the written labels from the CSV alone; on synthetic card
holders the same; on tables with other columns names that are made, and true."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import is_valid_linkage, leaves_list
from sklearn.tree import DecisionTreeClassifier

TOP = Path(__file__).resolve().parents[2]
STUDY = ["Cash Advance Enthusiasts", "Frugal Users", "Balanced Spenders", "Luxury Seekers"]
PREPARATIONS = [("median", "none"), ("median", "quantile:0.01"), ("mean", "none"), ("mean", "quantile:0.01")]


def texts(values):
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def read_segments(path):
    """names, labels of the clients"""
    with h5py.File(path) as file:
        return texts(file["segments/name"]), file["labels/segment"][:]


def conditions(raw, names, labels):
    """what the study says of its four segments, from the clients' own figures: {statement: is it true}"""
    mean, share = raw.mean(), {name: np.mean(labels == names.index(name)) for name in STUDY}
    cash, frugal, balanced, luxury = (raw[labels == names.index(name)].mean() for name in STUDY)
    return {
        "cash: low purchases": cash.PURCHASES < mean.PURCHASES,
        "cash: high limit": cash.CREDIT_LIMIT > mean.CREDIT_LIMIT,
        "cash: high cash advance": cash.CASH_ADVANCE > mean.CASH_ADVANCE,
        "frugal: low purchases": frugal.PURCHASES < mean.PURCHASES,
        "frugal: low balance": frugal.BALANCE < mean.BALANCE,
        "frugal: the largest": share["Frugal Users"] == max(share.values()),
        "frugal: 60 to 75 %": 0.60 <= share["Frugal Users"] <= 0.75,
        "balanced: high purchases": balanced.PURCHASES > mean.PURCHASES,
        "balanced: balance between": frugal.BALANCE < balanced.BALANCE < luxury.BALANCE,
        "luxury: high purchases": luxury.PURCHASES > mean.PURCHASES,
        "luxury: high limit": luxury.CREDIT_LIMIT > mean.CREDIT_LIMIT,
        "luxury: high balance": luxury.BALANCE > mean.BALANCE,
    }


def untrue(raw, path):
    """what is not as the study says; empty if all is"""
    names, labels = read_segments(path)
    if sorted(names) != sorted(STUDY):
        return names
    return [statement for statement, is_true in conditions(raw, names, labels).items() if not is_true]


@pytest.fixture(scope="module")
def real(segmpi, real_table, tmp_path_factory):
    """the real table as clients.h5 and as a frame"""
    path = tmp_path_factory.mktemp("real") / "clients.h5"
    segmpi("import", real_table, "-o", path)
    return path, pd.read_csv(real_table, index_col="CUST_ID")


@pytest.fixture(scope="module")
def twin(segmpi, tmp_path_factory):
    """synthetic card holders as clients.h5, as a frame, and their model"""
    folder = tmp_path_factory.mktemp("twin")
    segmpi("generate", "9000", "-o", folder / "clients.h5", "--csv", folder / "clients.csv")
    segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "--json", folder / "model.json", ranks=2)
    raw = pd.read_csv(folder / "clients.csv", index_col=0)
    return folder, raw


# ---- the four segments of the study ----


def test_the_real_table_has_the_four_segments_of_the_study(segmpi, real, tmp_path):
    clients, raw = real
    shown = segmpi("fit", clients, "-o", tmp_path / "model.h5").stdout
    names, labels = read_segments(tmp_path / "model.h5")
    assert names[0] == "Frugal Users"
    assert untrue(raw, tmp_path / "model.h5") == []
    assert len(conditions(raw, names, labels)) == 12
    for name in STUDY:
        assert re.search(rf"^   \d +\d+\.\d %  {name} \(", shown, re.M)
    for advice in ("Personalised offers", "Engagement and retention", "Premium services"):
        assert advice in shown


@pytest.mark.parametrize("impute, outliers", PREPARATIONS)
def test_ten_seeds_give_the_same_segments(segmpi, real, tmp_path, impute, outliers):
    clients, raw = real
    wrong = {}
    for seed in range(10):
        segmpi("fit", clients, "-o", tmp_path / "m.h5", "--force", "--stability", 0, "--impute", impute,
               "--outliers", outliers, "--seed", seed)
        if untrue(raw, tmp_path / "m.h5"):
            wrong[seed] = untrue(raw, tmp_path / "m.h5")
    assert wrong == {}


def test_eighteen_of_twenty_resamples_have_them(segmpi, real, tmp_path):
    wrong = {}
    for seed in range(20):
        sample = real[1].sample(frac=1, replace=True, random_state=seed)
        sample.to_csv(tmp_path / "sample.csv", index=False)
        segmpi("import", tmp_path / "sample.csv", "-o", tmp_path / "c.h5", "--force", "--id-column", "")
        segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "--force", "--stability", 0)
        if untrue(sample, tmp_path / "m.h5"):
            wrong[seed] = untrue(sample, tmp_path / "m.h5")
    assert len(wrong) <= 2, wrong


def test_synthetic_card_holders_have_them_too(twin):
    folder, raw = twin
    assert untrue(raw, folder / "model.h5") == []


def test_ward_on_amounts_needs_no_catalog(segmpi, twin, tmp_path):
    folder, raw = twin
    segmpi("fit", folder / "clients.h5", "-o", tmp_path / "m.h5", "--merge", "ward", "--stability", 0)
    assert untrue(raw, tmp_path / "m.h5") == []
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["segments"].attrs["merge_method"] == b"ward" and file["segments"].attrs["n_amounts"] == 8


# ---- what is said of them ----


def test_the_profile_is_that_of_pandas(twin):
    folder, raw = twin
    with h5py.File(folder / "model.h5") as file:
        labels, clusters, fill = (file[name][:] for name in
                                  ("labels/segment", "labels/cluster", "preprocessing/fill_value"))
        assert texts(file["feature"]) == list(raw.columns)
        filled = raw.fillna(dict(zip(raw.columns, fill)))
        z = (filled - filled.mean()) / filled.std(ddof=0)
        for by, prefix in ((labels, ""), (clusters, "cluster_")):
            for figure, wanted in (("mean", raw.groupby(by).mean()), ("median", raw.groupby(by).median()),
                                   ("z", z.groupby(by).mean())):
                assert file[f"segments/{prefix}{figure}"][:] == pytest.approx(wanted.values, rel=1e-9, abs=1e-12)
        assert file["segments/size"][:].tolist() == np.bincount(labels).tolist()
        assert file["segments/share"][:] == pytest.approx(np.bincount(labels) / len(raw), rel=1e-15)
        between = ((z.groupby(labels).mean() ** 2).mul(np.bincount(labels) / len(raw), axis=0)).sum()
        assert file["segments/effect"][:] == pytest.approx(between.values, rel=1e-9)
        assert (file["segments/cluster_to_segment"][:][clusters] == labels).all()
        assert file["labels/segment"].attrs["flag_meanings"].decode().split() == \
            [name.replace(" ", "_") for name in texts(file["segments/name"])]


def test_costs_and_tree_of_the_merge(twin):
    folder, _ = twin
    with h5py.File(folder / "model.h5") as file:
        group, kmeans = file["segments"], file["kmeans"]
        size, centers, to = kmeans["cluster_size"][:], kmeans["cluster_centers"][:], group["cluster_to_segment"][:]
        tree, inertia = group["merge_tree"][:], kmeans["inertia"][()]
        means = np.array([np.average(centers[to == s], axis=0, weights=size[to == s]) for s in range(4)])
        cost = inertia + (size * ((centers - means[to]) ** 2).sum(axis=1)).sum()
        assert group["centers"][:] == pytest.approx(means, abs=1e-12)
        assert group.attrs["cost"] == pytest.approx(cost, rel=1e-12)
        assert group.attrs["direct_cost"] < group.attrs["least_cost"] < cost < 1.1 * group.attrs["least_cost"]
    assert is_valid_linkage(tree)
    assert sorted(leaves_list(tree)) == list(range(8))
    assert tree[:4, 2].sum() == pytest.approx(cost - inertia, rel=1e-9)
    groups = {i: {i} for i in range(8)}
    for step, (left, right) in enumerate(tree[:4, :2].astype(int)):
        groups[8 + step] = groups.pop(left) | groups.pop(right)
    assert sorted(map(sorted, groups.values())) == sorted(np.flatnonzero(to == s).tolist() for s in range(4))


def test_the_rules_reproduce_the_segments(twin):
    """about as well as scikit-learn's tree of this depth; each leaf is what it says"""
    folder, raw = twin
    with h5py.File(folder / "model.h5") as file:
        labels, fill = file["labels/segment"][:], file["preprocessing/fill_value"][:]
        tree = {name: values[:] for name, values in file["segments/tree"].items()}
        fidelity = file["segments/tree"].attrs["fidelity"]
    x = raw.fillna(dict(zip(raw.columns, fill))).values
    leaf = np.zeros(len(x), int)
    for _ in range(3):
        inner = tree["feature"][leaf] >= 0
        left = x[np.arange(len(x)), tree["feature"][leaf]] <= tree["threshold"][leaf]
        leaf = np.where(inner, np.where(left, tree["left"][leaf], tree["right"][leaf]), leaf)
    assert (tree["feature"][leaf] < 0).all()
    hits = tree["segment"][leaf] == labels
    assert hits.mean() == pytest.approx(fidelity, abs=1e-12)
    for node in np.unique(leaf):
        assert (tree["clients"][node], tree["hits"][node]) == ((leaf == node).sum(), hits[leaf == node].sum())
        assert np.bincount(labels[leaf == node]).max() == tree["hits"][node]
    judge = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, labels)
    assert fidelity > judge.score(x, labels) - 0.01


def test_a_rule_does_not_repeat_a_condition(segmpi, twin):
    folder, raw = twin
    text = " ".join(segmpi("inspect", folder / "model.h5").stdout.split())
    with h5py.File(folder / "model.h5") as file:
        tree = {name: values[:] for name, values in file["segments/tree"].items()}
    repeated = 0

    def visit(node, conditions, depth):
        nonlocal repeated
        feature = tree["feature"][node]
        if feature < 0:
            words = " and ".join(f"{name} {sign} {value:.15g}" for (name, sign), value in conditions.items())
            assert f"if {words} ({100 * tree['hits'][node] / tree['clients'][node]:.0f} % of " in text
            repeated += len(conditions) < depth
            return
        for side, sign in ("left", "<="), ("right", ">"):
            narrower = {**conditions, (raw.columns[feature], sign): tree["threshold"][node]}
            visit(tree[side][node], narrower, depth + 1)

    visit(0, {}, 0)
    assert repeated > 0


def test_the_summary_the_file_and_json_agree(segmpi, twin):
    folder, _ = twin
    text, figures = segmpi("inspect", folder / "model.h5").stdout, json.loads((folder / "model.json").read_text())
    segments = figures["segments"]["segment"]
    with h5py.File(folder / "model.h5") as file:
        for i, segment in enumerate(segments):
            assert segment["name"] == texts(file["segments/name"])[i]
            assert segment["mean"] == file["segments/mean"][i].tolist()
            assert segment["stability"] == file["segments/stability"][i]
            assert 0.75 <= segment["stability"] <= 1 and 0 < segment["between"] < 0.5
            assert f"{100 * segment['share']:.1f} %  {segment['name']}" in text
            strongest = np.argmax(np.abs(segment["z"]))
            assert figures["segments"]["columns"][strongest] in text
        assert figures["segments"]["tree"]["fidelity"] == file["segments/tree"].attrs["fidelity"]
    assert text.index("Segments") < text.index("Preparation") and "No known segment" not in text
    small = [s for s in segments if s["share"] < 0.05]
    assert text.count("fewer than 5 % of the clients") == len(small)
    assert text.count("no feature lies more than 0.5 sd") == sum(max(map(abs, s["z"])) < 0.5 for s in segments)


def test_any_number_of_ranks_gives_the_same_segments(segmpi, twin, tmp_path):
    folder, _ = twin
    ids = set()
    for ranks in (1, 3, 7):
        path = tmp_path / f"{ranks}.h5"
        segmpi("fit", folder / "clients.h5", "-o", path, "--profile-only", "TENURE,PAYMENTS", ranks=ranks)
        with h5py.File(path) as file:
            ids.add((file.attrs["model_id"], file["labels/segment"][:].tobytes()))
    assert len(ids) == 1


def test_clients_between_segments_are_those_nearly_as_close_to_another(twin):
    folder, raw = twin
    with h5py.File(folder / "model.h5") as file:
        fill, low, high, mean, scale = (file[f"preprocessing/{name}"][:] for name in
                                        ("fill_value", "lower_bound", "upper_bound", "mean", "scale"))
        centers, to, labels = (file[name][:] for name in
                               ("kmeans/cluster_centers", "segments/cluster_to_segment", "labels/segment"))
        between = file["segments/between"][:]
    z = (np.clip(raw.fillna(dict(zip(raw.columns, fill))).values, low, high) - mean) / scale
    distance = np.linalg.norm(z[:, None] - centers, axis=2)
    own = np.where(to == labels[:, None], distance, np.inf).min(axis=1)
    other = np.where(to != labels[:, None], distance, np.inf).min(axis=1)
    wanted = [np.mean((own > 0.9 * other)[labels == s]) for s in range(4)]
    assert between == pytest.approx(wanted, abs=1e-3)


def test_a_client_counts_as_often_as_its_weight(segmpi, twin, tmp_path):
    _, raw = twin
    weight = np.arange(len(raw)) * 7 % 4
    raw.assign(OFTEN=weight).to_csv(tmp_path / "w.csv", index=False)
    segmpi("import", tmp_path / "w.csv", "-o", tmp_path / "c.h5", "--id-column", "")
    segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "--weights", "OFTEN", "--profile-only", "TENURE",
           "--stability", 4, ranks=2)
    repeated = raw.loc[raw.index.repeat(weight)]
    with h5py.File(tmp_path / "m.h5") as file:
        group, by = file["segments"], np.repeat(file["labels/segment"][:], weight)
        features = repeated[texts(file["feature"])]
        for part, columns in ((group, features), (group["profile_only"], repeated[["TENURE"]])):
            assert part["mean"][:] == pytest.approx(columns.groupby(by).mean().values, rel=1e-9)
            assert part["median"][:] == pytest.approx(columns.groupby(by).median().values, rel=1e-9)
        assert group["size"][:].tolist() == np.bincount(by).tolist()
        assert group["tree/clients"][0] == len(repeated)
        assert 0.75 < group["stability"][:].mean() <= 1


# ---- tables with other columns ----

RETAIL = {  # column: mean in each of five groups, spread
    "baskets": ([2, 9, 4, 30, 3], 0.15), "revenue_eur": ([40, 300, 90, 1500, 60], 0.2),
    "returns": ([0.2, 0.4, 3, 1, 0.1], 0.3), "online_share": ([0.2, 0.9, 0.8, 0.5, 0.1], 0.1),
    "days_since_visit": ([90, 10, 30, 3, 300], 0.2),
}
SENSORS = {"Température °C": ([20, 21, 80, 22, 20], 0.02), "vibration": ([1, 1.1, 4, 9, 1], 0.1),
           "load": ([0.5, 0.9, 0.95, 0.9, 0.1], 0.05)}


def make_table(schema, path, n=4000):
    draw = np.random.default_rng(4)
    group = draw.choice(5, n, p=[0.4, 0.25, 0.15, 0.1, 0.1])
    raw = pd.DataFrame({name: np.array(means)[group] * (1 + spread * draw.standard_normal(n))
                        for name, (means, spread) in schema.items()})
    raw.mask(draw.random(raw.shape) < 0.02).to_csv(path, index=False)
    return pd.read_csv(path)


@pytest.mark.parametrize("schema", [RETAIL, SENSORS], ids=["retail", "sensors"])
def test_other_columns_get_made_names_that_are_true(segmpi, tmp_path, schema):
    raw = make_table(schema, tmp_path / "t.csv")
    segmpi("import", tmp_path / "t.csv", "-o", tmp_path / "c.h5", "--id-column", "")
    shown = segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "-k", 5, "--stability", 0).stdout
    names, labels = read_segments(tmp_path / "m.h5")
    assert len(set(names)) == len(names) == 4
    assert "no column is known to be one, so on all" in shown.replace("\n  ", " ") and "No known segment fits" in shown
    for i, name in enumerate(names):
        words = re.findall(r"(?:^|, )(?:[Ss]lightly )?([Hh]igh|[Ll]ow) ([^,]+)", name)
        assert words, name
        for direction, column in words:
            above = raw[column][labels == i].mean() > raw[column].mean()
            assert above == (direction.lower() == "high"), name


def test_columns_of_card_holders_without_their_structure_get_no_names_of_theirs(segmpi, twin, tmp_path):
    """each column shuffled by itself: a catalog that does not fit does not guide, and stability is low"""
    _, raw = twin
    draw = np.random.default_rng(1)
    shuffled = pd.DataFrame({name: draw.permutation(raw[name].values) for name in raw})
    shuffled.to_csv(tmp_path / "s.csv", index=False)
    segmpi("import", tmp_path / "s.csv", "-o", tmp_path / "c.h5", "--id-column", "")
    shown = segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5").stdout
    names, _ = read_segments(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["segments"].attrs["merge_method"] == b"ward"
        assert file["segments/stability"][:].min() < 0.75
    assert len(set(names) & set(STUDY)) <= 1 and "Frugal Users" not in names
    assert "not found again reliably" in shown


def test_a_catalog_of_the_users_own_names_the_segments(segmpi, tmp_path):
    raw = make_table(RETAIL, tmp_path / "t.csv")
    segmpi("import", tmp_path / "t.csv", "-o", tmp_path / "c.h5", "--id-column", "")
    (tmp_path / "shop.ini").write_text(
        "[Gone]\nhigh = days_since_visit * 2\nlow = baskets\nrecommendation = win them back\n"
        "  with a voucher\n[Heavy buyers]\nhigh = baskets, revenue_eur\n"
        "[Impossible]\nlow = baskets\nhigh = revenue_eur * 3\n")
    (tmp_path / "schema.ini").write_text("[revenue_eur]\namount = yes\n")
    segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "-k", 5, "--n-segments", 5, "--stability", 0,
           "--catalog", tmp_path / "shop.ini", "--schema", tmp_path / "schema.ini")
    names, labels = read_segments(tmp_path / "m.h5")
    assert {"Gone", "Heavy buyers"} < set(names) and "Impossible" not in names
    assert raw.days_since_visit[labels == names.index("Gone")].mean() > 200
    assert raw.baskets[labels == names.index("Heavy buyers")].mean() > 20
    with h5py.File(tmp_path / "m.h5") as file:
        assert texts(file["segments/recommendation"])[names.index("Gone")] == "win them back with a voucher"
        assert np.isnan(file["segments/fit"][:]).sum() == 3
        assert file["segments"].attrs["n_amounts"] == 1


@pytest.mark.parametrize("text, hints", [
    ("[A]\nhigh = BALANCES\n", ["line 2 of", "cat.ini", "'high' of [A]", "did you mean 'BALANCE'?"]),
    ("[A]\nhigh = BALANCE\n\naverag = PAYMENTS\n", ["line 4 of", "'averag' of [A]", "did you mean 'average'?"]),
    ("[A\nhigh = BALANCE\n", ["line 1 of", "cat.ini", "']'"]),
])
def test_an_error_in_a_catalog_names_file_line_and_key(segmpi, twin, tmp_path, text, hints):
    (tmp_path / "cat.ini").write_text(text)
    result = segmpi("fit", twin[0] / "clients.h5", "-o", tmp_path / "m.h5", "--catalog", tmp_path / "cat.ini", ok=False,
                    ranks=3)
    assert result.returncode == 65
    assert len([line for line in result.stderr.splitlines() if line.startswith("segmpi")]) == 1
    for hint in hints:
        assert hint in result.stderr
    assert not (tmp_path / "m.h5").exists()


# ---- options ----


def test_profiled_columns_take_no_part_in_distances(segmpi, twin, tmp_path):
    folder, raw = twin
    common = [folder / "clients.h5", "--stability", 0, "--merge", "ward", "-o"]
    segmpi("fit", *common, tmp_path / "with.h5", "--profile-only", "TENURE,PAYMENTS")
    segmpi("fit", *common, tmp_path / "without.h5", "--exclude-columns", "PAYMENTS,TENURE")
    with h5py.File(tmp_path / "with.h5") as a, h5py.File(tmp_path / "without.h5") as b:
        for name in ("labels/cluster", "labels/segment", "kmeans/cluster_centers", "segments/z"):
            assert (a[name][:] == b[name][:]).all()
        extra = a["segments/profile_only"]
        assert texts(extra["feature"]) == ["PAYMENTS", "TENURE"]
        by = raw[["PAYMENTS", "TENURE"]].groupby(a["labels/segment"][:])
        assert extra["mean"][:] == pytest.approx(by.mean().values, rel=1e-12)
        assert extra["median"][:] == pytest.approx(by.median().values, rel=1e-12)
        assert "profile_only" not in b["segments"]


def test_as_many_segments_as_clusters_is_no_merge(segmpi, twin, tmp_path):
    folder, _ = twin
    segmpi("fit", folder / "clients.h5", "-o", tmp_path / "m.h5", "-k", 3, "--stability", 0)
    with h5py.File(tmp_path / "m.h5") as file:
        assert (file["labels/segment"][:] == file["labels/cluster"][:]).all()
        assert len(file["segments/name"]) == 3
    result = segmpi("fit", folder / "clients.h5", "-o", tmp_path / "x.h5", "-k", 3, "--n-segments", 4, ok=False)
    assert result.returncode == 64 and "more than the 3 clusters" in result.stderr


def test_a_next_month_keeps_numbers_and_names(segmpi, twin, tmp_path):
    """another draw of clients, with a catalog in which they have other names"""
    folder, _ = twin
    segmpi("generate", "7000", "-o", tmp_path / "next.h5", "--seed", 8)
    (tmp_path / "cat.ini").write_text((TOP / "data/catalog/card_holders.ini").read_text().replace("[", "[New "))
    shown = segmpi("fit", tmp_path / "next.h5", "-o", tmp_path / "next-model.h5", "--match", folder / "model.h5",
                   "--catalog", tmp_path / "cat.ini", "--stability", 0, ranks=2).stdout
    names, labels = read_segments(tmp_path / "next-model.h5")
    before, _ = read_segments(folder / "model.h5")
    with h5py.File(tmp_path / "next-model.h5") as file, h5py.File(folder / "model.h5") as old:
        group = file["segments"]
        assert group.attrs["matched_model"] == old.attrs["model_id"]
        previous, overlap = group["previous"][:], group["overlap"][:]
        share, rand = group.attrs["match_share"], group.attrs["match_rand"]
        assert group["size"][:].tolist() == np.bincount(labels, minlength=4).tolist()
    assert ((overlap >= 0.5) == (previous >= 0)).all() and (previous >= 0).sum() >= 3
    for i, was in enumerate(previous):
        assert was < 0 or (was == i and names[i] == before[was])
    assert 0.7 < share <= 1 and 0.5 < rand <= 1
    assert f"{100 * share:.1f} % of the clients are in the same segment" in shown
    again = segmpi("fit", folder / "clients.h5", "-o", tmp_path / "same.h5", "--match", folder / "model.h5",
                   "--stability", 0).stdout
    assert "100.0 % of the clients are in the same segment in both (adjusted Rand index 1.000)" in \
        again.replace("\n  ", " ")


def test_a_model_that_cannot_be_matched_is_refused_before_the_fit(segmpi, twin, tmp_path):
    folder, _ = twin
    for words, code, hint in (
            (["--match", folder / "clients.h5"], 65, "model to match"),
            (["--match", tmp_path / "none.h5"], 66, "none.h5"),
            (["--match", folder / "model.h5", "--exclude-columns", "BALANCE"], 65, "'BALANCE'")):
        result = segmpi("fit", folder / "clients.h5", "-o", tmp_path / "m.h5", *words, ok=False)
        assert (result.returncode, "k-means" in result.stderr) == (code, False)
        assert hint in result.stderr
