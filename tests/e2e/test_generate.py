"""segmpi generate: synthetic clients resemble the real table, whatever the number of ranks."""

import configparser
import itertools
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"

# What is asked of 100,000 clients, against facts of the published table.

# column: share of zeros, share of missing cells, mean, median, 99th percentile
COLUMNS = {
    "BALANCE": (0.0089, 0.0000, 1564.47, 873.385, 9338.8),
    "BALANCE_FREQUENCY": (0.0089, 0.0000, 0.877271, 1, 1),
    "PURCHASES": (0.2284, 0.0000, 1003.2, 361.28, 8977.29),
    "ONEOFF_PURCHASES": (0.4807, 0.0000, 592.437, 38, 6689.9),
    "INSTALLMENTS_PURCHASES": (0.4375, 0.0000, 411.068, 89, 3886.24),
    "CASH_ADVANCE": (0.5171, 0.0000, 978.871, 0, 9588.16),
    "PURCHASES_FREQUENCY": (0.2283, 0.0000, 0.490351, 0.5, 1),
    "ONEOFF_PURCHASES_FREQUENCY": (0.4807, 0.0000, 0.202458, 0.083333, 1),
    "PURCHASES_INSTALLMENTS_FREQUENCY": (0.4374, 0.0000, 0.364437, 0.166667, 1),
    "CASH_ADVANCE_FREQUENCY": (0.5171, 0.0000, 0.135144, 0, 0.833333),
    "CASH_ADVANCE_TRX": (0.5171, 0.0000, 3.24883, 0, 29),
    "PURCHASES_TRX": (0.2284, 0.0000, 14.7098, 7, 116.51),
    "CREDIT_LIMIT": (0.0000, 0.0001, 4494.45, 3000, 17000),
    "PAYMENTS": (0.0268, 0.0000, 1733.14, 856.902, 13608.7),
    "MINIMUM_PAYMENTS": (0.0000, 0.0350, 864.207, 312.344, 9034.1),
    "PRC_FULL_PAYMENT": (0.6596, 0.0000, 0.153715, 0, 1),
    "TENURE": (0.0000, 0.0000, 11.5173, 12, 12),
}
# Pearson, gaps filled with the median: row by row below the diagonal, in hundredths
CORRELATIONS = [
    32,
    18, 13,
    16, 10, 92,
    13, 12, 68, 33,
    50, 10, -5, -3, -6,
    -8, 23, 39, 26, 44, -22,
    7, 20, 50, 52, 21, -9, 50,
    -6, 18, 32, 13, 51, -18, 86, 14,
    45, 19, -12, -8, -13, 63, -31, -11, -26,
    39, 14, -7, -5, -7, 66, -20, -7, -17, 80,
    15, 19, 69, 55, 63, -8, 57, 54, 53, -13, -7,
    53, 10, 36, 32, 26, 30, 12, 30, 6, 13, 15, 27,
    32, 7, 60, 57, 38, 45, 10, 24, 9, 18, 26, 37, 42,
    40, 13, 10, 5, 13, 14, 1, -3, 3, 10, 11, 10, 13, 13,
    -32, -10, 18, 13, 18, -15, 31, 16, 25, -25, -17, 16, 6, 11, -14,
    7, 12, 9, 6, 9, -7, 6, 8, 7, -13, -4, 12, 14, 11, 6, -2,
]

MONEY = [
    "BALANCE", "PURCHASES", "ONEOFF_PURCHASES", "INSTALLMENTS_PURCHASES", "CASH_ADVANCE",
    "CREDIT_LIMIT", "PAYMENTS", "MINIMUM_PAYMENTS",
]


def frequencies(x):
    return [c for c in x if "FREQUENCY" in c or c.startswith("PRC_")]


def filled(x):
    return x.fillna(x.median())


def correlations(x):
    return filled(x).corr().to_numpy()[np.tril_indices(x.shape[1], -1)]


def read_table(path):
    with h5py.File(path) as file:
        return pd.DataFrame(file["features"][:], columns=file["feature"].asstr()[:])


@pytest.fixture(scope="module")
def clients(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generate")
    segmpi("generate", "100000", "-o", folder / "c.h5", "--csv", folder / "c.csv")
    return folder / "c.h5", folder / "c.csv"


@pytest.fixture(scope="module")
def table(clients):
    return read_table(clients[0])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_has_the_distribution_of_the_real_one(table, column):
    zeros, missing, mean, median, p99 = COLUMNS[column]
    x = table[column]
    assert (x == 0).mean() == pytest.approx(zeros, abs=0.03)
    assert x.isna().mean() == pytest.approx(missing, abs=0.03)
    assert x.median() == pytest.approx(median, rel=0.10)
    assert x.quantile(0.99) == pytest.approx(p99, rel=0.10)
    if column in frequencies(table):
        assert x.mean() == pytest.approx(mean, abs=0.03)


def test_columns_correlate_like_the_real_ones(table):
    assert list(table) == list(COLUMNS)
    assert np.abs(correlations(table) - np.array(CORRELATIONS) / 100).max() < 0.1


def test_the_figures_above_are_those_of_the_real_table(real_table):
    x = pd.read_csv(real_table).drop(columns="CUST_ID")
    for column, (zeros, missing, mean, median, p99) in COLUMNS.items():
        found = [(x[column] == 0).mean(), x[column].isna().mean(), x[column].mean(),
                 x[column].median(), x[column].quantile(0.99)]
        assert found == pytest.approx([zeros, missing, mean, median, p99], rel=1e-4, abs=1e-4)
    assert correlations(x) == pytest.approx(np.array(CORRELATIONS) / 100, abs=0.0051)


def test_cells_of_a_client_agree_with_one_another(table):
    x = table
    assert np.allclose(x.PURCHASES, x.ONEOFF_PURCHASES + x.INSTALLMENTS_PURCHASES, atol=1e-6)
    for amount, share in [
        ("BALANCE", "BALANCE_FREQUENCY"), ("PURCHASES", "PURCHASES_FREQUENCY"),
        ("PURCHASES", "PURCHASES_TRX"), ("ONEOFF_PURCHASES", "ONEOFF_PURCHASES_FREQUENCY"),
        ("INSTALLMENTS_PURCHASES", "PURCHASES_INSTALLMENTS_FREQUENCY"),
        ("CASH_ADVANCE", "CASH_ADVANCE_FREQUENCY"), ("CASH_ADVANCE", "CASH_ADVANCE_TRX"),
    ]:
        assert ((x[amount] > 0) == (x[share] > 0)).all(), (amount, share)
    for column in frequencies(x):
        assert x[column].between(0, 1).all()
        steps = x[column] * (x.TENURE - (column == "BALANCE_FREQUENCY"))
        assert np.allclose(steps, steps.round(), atol=1e-5)
    assert (x.PURCHASES_TRX >= (x.PURCHASES_FREQUENCY * x.TENURE).round()).all()
    assert (x.CASH_ADVANCE_TRX >= (x.CASH_ADVANCE_FREQUENCY * x.TENURE).round()).all()
    assert x.TENURE.isin(range(6, 13)).all()
    assert x.MINIMUM_PAYMENTS[x.PAYMENTS == 0].isna().all()
    assert (x.PAYMENTS[x.MINIMUM_PAYMENTS.isna()] == 0).mean() > 0.5
    assert x.CREDIT_LIMIT.isna().any()
    assert (x[MONEY].min() >= 0).all()


def archetypes(profile):
    """Fit of each group to (frugal, cash, balanced, luxury), from tanh of its z-profile."""
    t = np.tanh(profile)
    purchases, balance = t["PURCHASES"], t["BALANCE"]
    limit, cash = t["CREDIT_LIMIT"], t["CASH_ADVANCE"]
    return np.array([
        (-purchases - balance) / 2,
        (limit + cash - purchases) / 3,
        (purchases + 1 - balance.abs()) / 2,
        (purchases + limit + balance) / 3,
    ])


def best_merge(z, profile_z, labels):
    """Shares and z-profiles of the merge into 4, within 10 % of the least cost, that fits best."""
    size = np.bincount(labels, minlength=8)
    total = pd.DataFrame(z).groupby(labels).sum().to_numpy()
    profile_total = profile_z.groupby(labels).sum()
    merges = []
    for merge in itertools.product(range(4), repeat=8):
        first = [merge.index(v) for v in range(4) if v in merge]
        if len(first) < 4 or first != sorted(first):
            continue  # each merge once
        member = np.equal.outer(np.arange(4), merge).astype(float)
        cost = -(((member @ total) ** 2).sum(1) / (member @ size)).sum() + (z**2).sum()
        merges.append((cost, member))
    bound = 1.1 * min(cost for cost, _ in merges)
    best = (-np.inf, None, None)
    for cost, member in merges:
        share = member @ size / size.sum()
        if cost > bound or share.min() < 0.01:
            continue
        profile = pd.DataFrame(member @ profile_total / (member @ size)[:, None])
        profile.columns = profile_z.columns
        fit = archetypes(profile)
        for order in itertools.permutations(range(4)):
            score = sum(fit[name, group] for name, group in enumerate(order))
            if score > best[0]:
                best = (score, share[list(order)], profile.iloc[list(order)])
    return best[1], best[2].set_index(pd.Index(["frugal", "cash", "balanced", "luxury"]))


def test_fit_finds_the_four_groups_of_the_study(segmpi, table, tmp_path):
    segmpi("generate", "40000", "-o", tmp_path / "c.h5")
    segmpi("fit", tmp_path / "c.h5", "-o", tmp_path / "m.h5", "-k", "8")
    with h5py.File(tmp_path / "m.h5") as file:
        labels = file["labels/cluster"][:]
    x = filled(table.iloc[:40000])
    capped = x.clip(x.quantile(0.01), x.quantile(0.99), axis=1)
    z = ((capped - capped.mean()) / capped.std(ddof=0)).to_numpy()
    share, p = best_merge(z, (x - x.mean()) / x.std(ddof=0), labels)

    assert 0.60 <= share[0] <= 0.75 and share[0] == share.max()
    assert share[1:] == pytest.approx([0.11, 0.145, 0.05], abs=0.03)
    assert p.PURCHASES["cash"] < 0 < p.CREDIT_LIMIT["cash"] and p.CASH_ADVANCE["cash"] > 0
    assert p.PURCHASES["frugal"] < 0 and p.BALANCE["frugal"] < 0
    assert p.PURCHASES["balanced"] > 0
    assert p.BALANCE["frugal"] < p.BALANCE["balanced"] < p.BALANCE["luxury"]
    assert p.PURCHASES["luxury"] > 0 and p.CREDIT_LIMIT["luxury"] > 0 and p.BALANCE["luxury"] > 0


def test_csv_and_hdf5_hold_the_same_clients(clients, table):
    csv = pd.read_csv(clients[1], float_precision="round_trip")
    with h5py.File(clients[0]) as file:
        assert file.attrs["format"] in (b"clients", "clients")
        assert (file["ids/client_id"][:] == csv.CUST_ID).all()
    assert list(csv) == ["CUST_ID"] + list(table)
    cells = csv.drop(columns="CUST_ID").astype(float)
    pd.testing.assert_frame_equal(cells, table, check_exact=True)


def test_the_dictionary_describes_these_columns(table):
    dictionary = configparser.ConfigParser()
    dictionary.read(DATA / "schema" / "card_holders.ini")
    assert dictionary.sections() == list(table)
    for column in table:
        entry = dictionary[column]
        assert entry["unit"] in ("money", "share", "count", "months") and entry["meaning"]
        assert (entry["amount"] == "yes") == (column in MONEY)
        assert ("missing" in entry) == table[column].isna().any()


def test_ranks_do_not_change_the_clients(segmpi, clients, tmp_path):
    segmpi("generate", "100000", "-o", tmp_path / "c.h5", "--csv", tmp_path / "c.csv", ranks=3)
    assert (tmp_path / "c.csv").read_bytes() == clients[1].read_bytes()
    with h5py.File(tmp_path / "c.h5") as a, h5py.File(clients[0]) as b:
        for name in ("features", "ids/client_id", "ids/source_row"):
            assert a[name][:].tobytes() == b[name][:].tobytes()


def test_a_client_depends_on_seed_and_row_alone(segmpi, table, tmp_path):
    segmpi("generate", "1500", "-o", tmp_path / "few.h5")
    segmpi("generate", "1500", "-o", tmp_path / "other.h5", "--seed", "1")
    pd.testing.assert_frame_equal(read_table(tmp_path / "few.h5"), table.iloc[:1500])
    same = read_table(tmp_path / "other.h5") == table.iloc[:1500]
    assert same[MONEY].mean().max() < 0.6  # zeros only


def test_sample_is_what_the_program_makes(segmpi, tmp_path):
    segmpi("generate", "1000", "-o", tmp_path / "c.h5", "--csv", tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == (DATA / "sample" / "clients.csv").read_bytes()


def test_an_existing_csv_is_kept_without_force(segmpi, tmp_path):
    csv = tmp_path / "c.csv"
    csv.write_text("mine")
    result = segmpi("generate", "10", "-o", tmp_path / "c.h5", "--csv", csv, ranks=2, ok=False)
    assert result.returncode == 73
    assert csv.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv"]
    segmpi("generate", "10", "-o", tmp_path / "c.h5", "--csv", csv, "--force", ranks=2)
    assert len(csv.read_text().splitlines()) == 11
    assert csv.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.csv", "c.h5"]
