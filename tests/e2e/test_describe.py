"""segmpi describe: every figure against numpy and pandas, the same bits on any number of ranks, tables and pictures."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray

LONG = np.longdouble


@pytest.fixture(scope="module")
def generated(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("describe") / "clients.h5"
    segmpi("generate", 30000, "-o", path, "--seed", 7, ranks=2)
    return path


@pytest.fixture(scope="module")
def real(segmpi, real_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("describe") / "real.h5"
    segmpi("import", real_table, "-o", path)
    return path


@pytest.fixture(scope="module", params=["real", "generated"])
def clients(request):
    """the real table, where it is, and a generated one"""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def described(segmpi, clients, tmp_path_factory):
    """(table, description, JSON, printed text)"""
    folder = tmp_path_factory.mktemp("described")
    done = segmpi("describe", clients, "-o", folder / "d.h5", "--json", folder / "d.json", ranks=3)
    return clients, folder / "d.h5", json.loads((folder / "d.json").read_text()), done.stdout


def read(path):
    with h5py.File(path) as file:
        return pd.DataFrame(file["features"][:], columns=file["feature"].asstr()[:])


def close(found, expected, tolerance=1e-12):
    """relative, in long double"""
    found, expected = np.asarray(found, LONG), np.asarray(expected, LONG)
    assert (np.isnan(found) == np.isnan(expected)).all()
    there = ~np.isnan(expected)
    assert (np.abs(found - expected)[there] <= tolerance * np.abs(expected)[there]).all()


def present(table):
    return [table[name].dropna().to_numpy() for name in table]


def deviations(x):
    """from the mean, which is itself rounded: twice"""
    u = x.astype(LONG) - x.astype(LONG).mean()
    return u - u.mean()


def skewness(x):
    n, u = LONG(len(x)), deviations(x)
    return np.sqrt(n * (n - 1)) / (n - 2) * (u**3).mean() / (u**2).mean() ** LONG(1.5)


def kurtosis(x):
    n, u = LONG(len(x)), deviations(x)
    ratio = (u**4).sum() / (u**2).sum() ** 2
    return n * (n + 1) * (n - 1) / ((n - 2) * (n - 3)) * ratio - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


def pearson(a, b):
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = deviations(a[both]), deviations(b[both])
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def test_moments_are_those_of_numpy_and_pandas(described):
    table, file = read(described[0]), h5py.File(described[1])
    assert (file["count"][:] == table.count()).all()
    assert (file["missing_count"][:] == table.isna().sum()).all() and file["missing_count"][:].any()
    assert (file["zero_count"][:] == (table == 0).sum()).all()
    assert (file["min"][:] == table.min()).all() and (file["max"][:] == table.max()).all()
    columns = present(table)
    close(file["mean"], [x.astype(LONG).mean() for x in columns])
    close(file["std"], [x.astype(LONG).std(ddof=1) for x in columns])
    close(file["skewness"], [skewness(x) for x in columns])
    close(file["kurtosis"], [kurtosis(x) for x in columns])
    for name, pandas in (("mean", table.mean()), ("std", table.std()), ("skewness", table.skew()),
                         ("kurtosis", table.kurt())):
        close(file[name], pandas)


def test_quantiles_outliers_and_distinct_values_are_exact(described):
    table, file = read(described[0]), h5py.File(described[1])
    columns = present(table)
    assert list(file["probability"]) == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    quantile = np.array([np.quantile(x, file["probability"][:]) for x in columns])
    assert (file["quantile"][:] == quantile).all()
    for t, x in enumerate(columns):
        fence = 1.5 * (quantile[t, 4] - quantile[t, 2])
        beyond = (x < quantile[t, 2] - fence) | (x > quantile[t, 4] + fence)
        assert file["iqr_outlier_count"][t] == beyond.sum()
        assert file["z_outlier_count"][t] == (np.abs((x - x.mean()) / x.std(ddof=1)) > 3).sum()
        distinct = len(np.unique(x))
        assert file["distinct_count"][t] == (distinct if distinct <= 10000 else -1)
    assert file.attrs["distinct_cap"] == 10000


def test_histograms_are_those_of_numpy_on_their_edges(described):
    file = h5py.File(described[1])
    for t, x in enumerate(present(read(described[0]))):
        edges, count = file["histogram/bin_edges"][t], file["histogram/bin_count"][t]
        assert (np.diff(edges) > 0).all() and edges[0] == x.min() and edges[-1] == x.max()
        assert (np.histogram(x, edges)[0] == count).all() and count.sum() == len(x)
        if file["histogram/bin_scale"][t] == 0:
            assert np.allclose(np.diff(edges), np.diff(edges).mean())
        else:
            body = next(w for w in np.quantile(x, [0.75, 0.95, 0.99, 1]) - np.quantile(x, [0.25, 0.05, 0.01, 0]) if w)
            width = np.diff(np.arcsinh((edges - np.median(x)) / body))
            assert np.allclose(width, width.mean()) and (x.max() - x.min()) / body > 8
    assert set(file["histogram/bin_scale"]) == {0, 1}


def test_correlations_are_those_of_pandas(described):
    table, file = read(described[0]), h5py.File(described[1])
    x = table.to_numpy()
    close(file["correlation"], [[pearson(a, b) for b in x.T] for a in x.T])
    assert np.abs(file["correlation"][:] - table.corr()).to_numpy().max() < 1e-12
    close(file["spearman"], table.corr("spearman"))
    assert file["spearman"].attrs["basis"] == b"all clients"


def test_gaps_are_counted_by_pairs(described):
    table, file = read(described[0]), h5py.File(described[1])
    gap, zero = table.isna().to_numpy().astype(int), (table == 0).to_numpy().astype(int)
    assert (file["co_missing_count"][:] == gap.T @ gap).all()
    assert (file["zero_where_missing_count"][:] == gap.T @ zero).all()


def test_the_sum_of_purchases_and_the_missing_minimum_are_told(described):
    table, _, figures, text = described
    x = read(table)
    whole = (x.PURCHASES - x.ONEOFF_PURCHASES - x.INSTALLMENTS_PURCHASES).abs() <= 1e-6 * x.PURCHASES
    (relation,) = figures["relations"]
    assert relation["feature"] == "PURCHASES" and relation["equal_count"] == whole.sum()
    assert relation["coefficient"] == {"ONEOFF_PURCHASES": 1, "INSTALLMENTS_PURCHASES": 1}
    gap = next(g for g in figures["gaps"] if (g["feature"], g["other"]) == ("MINIMUM_PAYMENTS", "PAYMENTS"))
    both = x.MINIMUM_PAYMENTS.isna() & (x.PAYMENTS == 0)
    assert gap["other_is"] == "0" and gap["clients"] == both.sum()
    assert gap["share"] == pytest.approx(both.sum() / x.MINIMUM_PAYMENTS.isna().sum(), rel=1e-12)
    assert gap["lift"] == pytest.approx(gap["share"] / (x.PAYMENTS == 0).mean(), rel=1e-12)
    text = " ".join(text.split())
    assert "PURCHASES = ONEOFF_PURCHASES + INSTALLMENTS_PURCHASES, for" in text
    assert f"MINIMUM_PAYMENTS is missing where PAYMENTS is 0: {both.sum():,} of its" in text


def test_the_real_table_is_as_known(segmpi, real):
    text = " ".join(segmpi("describe", real).stdout.split())
    assert text.startswith("8,950 clients, 17 features, 314 missing cells")
    assert "for 8,931 of 8,950 clients" in text
    assert "240 of its 313 gaps (77 %)" in text


def contents(path):
    """all datasets and attributes but those of the run"""
    found = {}

    def visit(name, item):
        if name.startswith("provenance/run"):
            return
        if isinstance(item, h5py.Dataset):
            found[name] = list(item.asstr()[:]) if item.dtype.kind == "O" else item[()].tobytes()
        found.update({f"{name}@{key}": np.asarray(value).tobytes() for key, value in item.attrs.items()
                      if key not in ("REFERENCE_LIST", "DIMENSION_LIST")})

    with h5py.File(path) as file:
        file.visititems(visit)
        found["@"] = {key: str(value) for key, value in file.attrs.items()}
    return found


def test_any_number_of_ranks_writes_the_same_bits(segmpi, described, generated, tmp_path):
    for ranks in (1, 7, 64) if described[0] == generated else (1, 7):
        segmpi("describe", described[0], "-o", tmp_path / f"{ranks}.h5", ranks=ranks)
        assert contents(tmp_path / f"{ranks}.h5") == contents(described[1])
    assert len(contents(described[1])) > 60


def test_json_has_the_figures_of_the_file(described):
    file, figures = h5py.File(described[1]), described[2]
    assert figures["features"] == list(file["feature"].asstr()[:])
    for name in ("count", "missing_count", "zero_count", "mean", "std", "min", "max", "skewness", "kurtosis",
                 "iqr_outlier_count", "z_outlier_count", "correlation", "co_missing_count"):
        assert np.array_equal(figures[name], file[name][:])
    assert np.array_equal(figures["quantile"]["values"], file["quantile"][:])
    assert np.array_equal(figures["spearman"]["correlation"], file["spearman"][:])
    assert [h["bin_count"] for h in figures["histogram"]] == file["histogram/bin_count"][:].tolist()


def test_other_readers_open_it(described):
    data = xarray.open_dataset(described[1])
    assert data.correlation.dims == ("feature", "feature_2")
    limit = data.sel(feature="CREDIT_LIMIT")
    assert float(limit["quantile"].sel(probability=0.5)) == read(described[0]).CREDIT_LIMIT.median()
    text = subprocess.run(["ncdump", "-h", described[1]], capture_output=True, text=True, check=True).stdout
    assert "double correlation(feature, feature_2)" in text


def test_a_model_carries_the_statistics_of_its_table(segmpi, described, tmp_path):
    segmpi("fit", described[0], "-o", tmp_path / "m.h5", "-k", 3, "--n-init", 1, ranks=2)
    model, file = h5py.File(tmp_path / "m.h5"), h5py.File(described[1])
    for name in ("count", "missing_count", "zero_count", "mean", "std", "min", "max", "quantile", "skewness", "kurtosis",
                 "correlation", "co_missing_count", "zero_where_missing_count"):
        assert np.array_equal(model["statistics"][name][:], file[name][:])
    assert xarray.open_dataset(tmp_path / "m.h5", group="statistics").correlation.dims == ("feature", "feature_2")
    segmpi("inspect", "--check", tmp_path / "m.h5")


def test_inspect_prints_what_describe_has_printed(segmpi, described):
    text = segmpi("inspect", described[1]).stdout
    assert text.startswith(described[3]) and "input_name" in text
    segmpi("inspect", "--check", described[1])


def test_spearman_of_a_sample_says_so(segmpi, generated, tmp_path):
    texts = {segmpi("describe", generated, "-o", tmp_path / f"{ranks}.h5", "--spearman-rows", 5000, ranks=ranks).stdout
             for ranks in (1, 3)}
    assert len(texts) == 1 and "Spearman: a sample of 5,000 clients" in texts.pop()
    assert contents(tmp_path / "1.h5") == contents(tmp_path / "3.h5")
    with h5py.File(tmp_path / "1.h5") as file:
        assert file["spearman"].attrs["basis"] == b"sample by row number"
        assert file["spearman"].attrs["n_rows"] == 5000
        all_clients = read(generated).corr("spearman").to_numpy()
        assert 0 < np.abs(file["spearman"][:] - all_clients).max() < 0.08


# ---- odd tables ----


def write_table(path, columns):
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"table/{name}"] = np.asarray(values, "f8")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    n, random = 3000, np.random.default_rng(1)
    path = tmp_path_factory.mktemp("odd") / "odd.h5"
    columns = {
        "none": np.full(n, np.nan),
        "one": np.where(np.arange(n) == 5, 2.5, np.nan),
        "constant": np.full(n, 7.25),
        "infinite": np.where(np.arange(n) % 3 == 0, np.inf, random.normal(size=n)),
        "huge": np.where(np.arange(n) == 9, 1e300, random.normal(size=n)),
        "whole range": random.choice([-1.7e308, 1.7e308], n),
        "tiny": random.normal(size=n) * 1e-310,
        "far": 1e9 + random.normal(size=n) * 1e-3,
        "it's `date` $x\033[31m": random.integers(0, 5, n),
    }
    write_table(path, columns)
    return path, columns


def test_odd_columns_have_documented_results(segmpi, odd, tmp_path):
    done = segmpi("describe", odd[0], "-o", tmp_path / "d.h5", ranks=3)
    assert "warning: infinite cells are taken as missing: 1,000" in done.stderr
    assert "\033" not in done.stdout
    file = h5py.File(tmp_path / "d.h5")
    names = list(file["feature"].asstr()[:])
    at = {name: t for t, name in enumerate(names)}
    keys = ("count", "missing_count", "mean", "std", "skewness", "kurtosis", "quantile", "correlation", "spearman")
    figure = {name: {key: file[key][t] for key in keys} for name, t in at.items()}
    for name, count in (("none", 0), ("one", 1)):
        assert figure[name]["count"] == count and np.isnan(figure[name]["std"])
        assert np.isnan(figure[name]["skewness"]) and np.isnan(figure[name]["correlation"]).all()
    assert np.isnan(figure["none"]["mean"]) and figure["one"]["quantile"].tolist() == [2.5] * 7
    assert (figure["constant"]["std"], figure["constant"]["skewness"], figure["constant"]["kurtosis"]) == (0, 0, 0)
    assert np.isnan(figure["constant"]["correlation"]).all() and np.isnan(figure["constant"]["spearman"]).all()
    assert figure["infinite"]["missing_count"] == 1000 and file.attrs["infinite_count"] == 1000
    for name in ("huge", "whole range", "tiny", "far"):
        x = odd[1][name].astype(LONG)
        close([figure[name]["mean"], figure[name]["std"]], [x.mean(), x.std(ddof=1)], 1e-8 if name == "tiny" else 1e-12)
        close(figure[name]["skewness"], skewness(odd[1][name]), 1e-8 if name == "tiny" else 1e-12)
        assert file["histogram/bin_count"][at[name]].sum() == len(x)
        assert np.isfinite(file["histogram/bin_edges"][at[name]]).all()
        close(file["correlation"][at[name], at["far"]], pearson(odd[1][name], odd[1]["far"]), 1e-8)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows_are_described_on_many_ranks(segmpi, tmp_path, rows):
    write_table(tmp_path / "t.h5", {"a": np.arange(rows), "b": np.arange(rows)[::-1] ** 2})
    segmpi("describe", tmp_path / "t.h5", "-o", tmp_path / "d.h5", ranks=5)
    with h5py.File(tmp_path / "d.h5") as file:
        assert list(file["count"]) == [rows, rows]
        assert np.isnan(file["std"][0]) == (rows < 2) and np.isnan(file["skewness"][0]) == (rows < 3)


def test_a_weight_counts_as_so_many_rows(segmpi, tmp_path):
    random = np.random.default_rng(2)
    weight = np.append(random.integers(0, 9, 2500), [0, 1000, 33])
    n = len(weight)
    a = random.normal(size=n)
    columns = {"a": a, "b": np.where(random.random(n) < 0.2, np.nan, a + random.normal(size=n)),
               "c": random.integers(0, 4, n), "d": np.where(random.random(n) < 0.3, np.nan, random.random(n))}
    write_table(tmp_path / "t.h5", {**columns, "times": weight})
    write_table(tmp_path / "repeated.h5", {name: np.repeat(x, weight) for name, x in columns.items()})
    for ranks in (1, 3):
        segmpi("describe", tmp_path / "t.h5", "--weights", "times", "-o", tmp_path / f"{ranks}.h5", ranks=ranks)
    segmpi("describe", tmp_path / "repeated.h5", "-o", tmp_path / "r.h5")
    assert contents(tmp_path / "1.h5") == contents(tmp_path / "3.h5")
    found, expected = h5py.File(tmp_path / "1.h5"), h5py.File(tmp_path / "r.h5")
    assert found.attrs["n_clients"] == weight.sum() and found.attrs["n_rows"] == n
    for name in ("count", "missing_count", "zero_count", "mean", "std", "min", "max", "quantile", "correlation",
                 "spearman", "distinct_count", "iqr_outlier_count", "z_outlier_count", "co_missing_count",
                 "zero_where_missing_count", "histogram/bin_edges", "histogram/bin_count"):
        assert np.array_equal(found[name][:], expected[name][:]), name
    for name in ("skewness", "kurtosis"):
        close(found[name], expected[name])


def test_outputs_are_never_overwritten_unasked(segmpi, generated, tmp_path):
    (tmp_path / "d.h5").write_text("old")
    done = segmpi("describe", generated, "-o", tmp_path / "d.h5", ok=False)
    assert done.returncode == 73 and (tmp_path / "d.h5").read_text() == "old"
    assert segmpi("describe", generated, "-o", tmp_path / "d.h5", "--force", "--quiet").stdout == ""
    plan = segmpi("describe", generated, "--dry-run").stdout
    assert "clients           30,000" in plan and float(re.search(r"memory per rank +([\d.]+) MB", plan)[1]) > 40


def test_timing_names_the_passes(segmpi, generated):
    text = segmpi("describe", generated, "--timing", "--quiet", ranks=2).stderr
    assert [line.split()[0] for line in text.splitlines()[1:6]] == ["counts", "quantiles", "correlations", "histograms",
                                                                   "ranks"]


# ---- in a terminal ----


def in_terminal(program, environment, width, *words, **env):
    """what the program prints on a terminal of that width"""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {name: value for name, value in environment.items() if name not in ("NO_COLOR", "LC_ALL", "LANG")}
    process = subprocess.Popen([program, *map(str, words)], stdin=subprocess.DEVNULL, stdout=follower,
                               stderr=subprocess.PIPE, env={**environment, **env})
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(leader)
    assert process.wait() == 0, process.stderr.read()
    return text.decode().replace("\r", "")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_tables_fit_the_terminal(program, environment, described, width):
    text = in_terminal(program, environment, width, "inspect", described[1], NO_COLOR="1", LANG="C.UTF-8")
    head = text.split("\nOrigin\n")[0]
    assert "\033" not in text and "█" in text
    tables = head.split("\nColumns that others make up\n")[0]
    assert max(map(len, tables.splitlines())) <= width
    for title in ("missing", "distinct", "kurtosis", "99 %", "max", "beyond fence", "Spearman"):
        assert title in tables
    assert "\033[1m" in in_terminal(program, environment, width, "inspect", described[1])


def test_pictures_are_drawn_by_gnuplot(segmpi, program, environment, described):
    text = segmpi("inspect", "--plot", described[1]).stdout
    table, file = read(described[0]), h5py.File(described[1])
    assert "\033" not in text
    assert max(map(len, text.splitlines())) <= 100
    for name in table:
        assert name in text
    rows = [line for line in text.splitlines() if re.match(r" *\d+ TENURE ", line)]
    shown = [int(cell) for line in rows for cell in line.split()[2:]]
    assert shown == [int(f"{100 * r:.0f}") for r in file["correlation"][-1]]
    assert text.count("*") > 100 and f"{table.CREDIT_LIMIT.max():,.0f}" in text
    wide = in_terminal(program, environment, 150, "inspect", "--plot", described[1], NO_COLOR="1")
    assert max(map(len, wide.splitlines())) in range(100, 151)
    assert "\033[38;5;" in in_terminal(program, environment, 100, "inspect", "--plot", described[1])


def test_names_are_not_interpreted_by_gnuplot(segmpi, odd, tmp_path):
    segmpi("describe", odd[0], "-o", tmp_path / "d.h5")
    text = segmpi("inspect", "--plot", tmp_path / "d.h5").stdout
    assert "it's `date` $x?[31m" in text and "\033" not in text


def test_without_gnuplot_the_message_names_the_package(segmpi, described, tmp_path):
    done = segmpi("inspect", "--plot", described[1], ok=False, env={"PATH": str(tmp_path)})
    assert done.returncode == 78 and done.stdout == ""
    assert done.stderr.startswith("segmpi inspect: gnuplot") and "gnuplot-nox" in done.stderr


def test_what_holds_no_picture_says_so(segmpi, generated):
    done = segmpi("inspect", "--plot", generated, ok=False)
    assert done.returncode == 64 and "nothing to draw" in done.stderr
