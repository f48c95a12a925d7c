"""Segments: on the real table the four of the study, judged on the written labels from the CSV alone; on synthetic card
holders the same; on tables with other columns names that are made, and true."""

import h5py
import numpy as np
import pandas as pd
import pytest

STUDY = ["Cash Advance Enthusiasts", "Frugal Users", "Balanced Spenders", "Luxury Seekers"]


def read_segments(path):
    """names, labels of the clients"""
    with h5py.File(path) as file:
        return [name.decode() for name in file["segments/name"]], file["labels/segment"][:]


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


def test_the_real_table_has_the_four_segments_of_the_study(segmpi, real, tmp_path):
    clients, raw = real
    segmpi("fit", clients, "-o", tmp_path / "model.h5")
    names, labels = read_segments(tmp_path / "model.h5")
    assert names[0] == "Frugal Users"
    assert untrue(raw, tmp_path / "model.h5") == []
