"""The same bits: files do not depend on the number of ranks or on the SIMD level."""

import h5py
import numpy as np
import pytest

from judge import check_clusters, contents, differences, read_model, read_table

RANKS = [1, 2, 3, 5, 7, 16, 64]
LEVELS = ["ref", "v3", "v4"]


@pytest.fixture(scope="module")
def synthetic(segmpi, tmp_path_factory):
    path = tmp_path_factory.mktemp("ranks") / "clients.h5"
    segmpi("generate", 300000, "-o", path, ranks=2)
    return path


@pytest.fixture(scope="module")
def real(segmpi, real_table, tmp_path_factory):
    path = tmp_path_factory.mktemp("ranks") / "clients.h5"
    segmpi("import", real_table, "-o", path, ranks=2)
    return path


@pytest.fixture(scope="module")
def levels(segmpi, tmp_path_factory):
    """the SIMD levels of this CPU; one that it lacks is refused with 78"""
    folder, found = tmp_path_factory.mktemp("levels"), []
    segmpi("generate", 100, "-o", folder / "clients.h5")
    for level in LEVELS:
        words = ["fit", folder / "clients.h5", "-o", folder / f"{level}.h5", "-k", 2]
        result = segmpi(*words, env={"SEGMPI_SIMD": level}, ok=False)
        assert result.returncode in (0, 78), result.stderr
        if result.returncode == 0:
            assert read_model(folder / f"{level}.h5").provenance.run.simd == level
            found.append(level)
    assert found == LEVELS[: len(found)]
    return found


class Fits:
    """models of one table with one set of options, compared with the first one"""

    def __init__(self, segmpi, folder, table, *words):
        self.segmpi, self.folder, self.table, self.words = segmpi, folder, table, words
        self.first = None

    def check(self, **how):
        path = self.folder / "m.h5"
        self.segmpi("fit", self.table, "-o", path, "--force", "--quiet", *self.words, **how)
        found = contents(path)
        if self.first is None:
            self.first = found
        assert differences(found, self.first) == []


@pytest.fixture(scope="module")
def fits(request, segmpi, tmp_path_factory):
    made = {}

    def of(table, *words):
        if (table, words) not in made:
            folder = tmp_path_factory.mktemp("fits")
            made[table, words] = Fits(segmpi, folder, request.getfixturevalue(table), *words)
        return made[table, words]

    return of


# Short, but with restarts and swaps.
SHORT = ("synthetic", "-k", 8, "--n-init", 2, "--max-iter", 10)
REAL = ("real", "-k", 8, "--outliers", "none")
OTHER = ("-k", 11, "--init", "random", "--impute", "mean", "--outliers", "z:3", "--scale", "none", "--no-swaps")


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("options", [SHORT, REAL], ids=["300,000", "real"])
def test_models_do_not_depend_on_ranks(fits, options, ranks):
    fits(*options).check(ranks=ranks)


def test_nor_do_those_of_other_stages(segmpi, tmp_path):
    fit = Fits(segmpi, tmp_path, tmp_path / "clients.h5", *OTHER)
    segmpi("generate", 20000, "-o", fit.table)
    for ranks in (1, 4, 16):
        fit.check(ranks=ranks)


def test_a_run_without_launcher_is_one_rank(fits):
    fits(*SHORT).check()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("options", [SHORT, REAL], ids=["300,000", "real"])
def test_models_do_not_depend_on_the_simd_level(fits, levels, options, level):
    if level not in levels:
        pytest.skip(f"this CPU does not have level {level}; it is refused")
    fits(*options, "--stability", 0).check(ranks=3, env={"SEGMPI_SIMD": level})


def test_the_model_of_many_clients_is_right(segmpi, synthetic, tmp_path):
    segmpi("fit", synthetic, "-o", tmp_path / "m.h5", *SHORT[1:], ranks=3)
    check_clusters(read_model(tmp_path / "m.h5"), read_table(synthetic)[1])


# ---- shapes: what a rank owns has every form ----


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 1023, 1024, 1025, 2049, 5000])
def test_any_number_of_rows_on_any_number_of_ranks(segmpi, tmp_path, rows):
    fit = Fits(segmpi, tmp_path, tmp_path / "clients.h5", "-k", min(rows, 9), "--seed", 3)
    segmpi("generate", rows, "-o", fit.table)
    for ranks in (1, 2, 7):
        fit.check(ranks=ranks)
    check_clusters(read_model(tmp_path / "m.h5"), read_table(fit.table)[1])


@pytest.mark.parametrize("d", [1, 2, 40])
def test_any_number_of_columns_and_clusters(segmpi, tmp_path, d):
    random = np.random.default_rng(d)
    with h5py.File(tmp_path / "clients.h5", "w") as file:
        file["x"] = random.normal(size=(3000, d)) + random.integers(0, 3, size=(3000, 1)) * 4
    for k in (1, 2, 9, 30):
        fit = Fits(segmpi, tmp_path, tmp_path / "clients.h5", "-k", k, "--n-init", 3, "--outliers", "none")
        for how in ({"ranks": 1}, {"ranks": 3}, {"ranks": 2, "env": {"SEGMPI_SIMD": "ref"}}):
            fit.check(**how)


def test_equal_clients_and_empty_clusters(segmpi, tmp_path):
    """few distinct clients, many copies: ties everywhere, and clusters that start empty"""
    random = np.random.default_rng(0)
    points = random.integers(0, 3, size=(5000, 2)).astype(float)
    with h5py.File(tmp_path / "clients.h5", "w") as file:
        file["x"] = points
    for k in (4, 8, 9):
        fit = Fits(segmpi, tmp_path, tmp_path / "clients.h5", "-k", k, "--scale", "none", "--init", "random")
        for how in ({"ranks": 1}, {"ranks": 4}, {"ranks": 2, "env": {"SEGMPI_SIMD": "ref"}}):
            fit.check(**how)
        model = read_model(tmp_path / "m.h5")
        assert (model.kmeans.cluster_size > 0).all()


# ---- what comes before ----


def test_generated_tables_do_not_depend_on_ranks(segmpi, synthetic, tmp_path):
    first = contents(synthetic)
    for ranks in (1, 3, 7, 64):
        segmpi("generate", 300000, "-o", tmp_path / "c.h5", "--force", ranks=ranks)
        assert differences(contents(tmp_path / "c.h5"), first) == []


def test_imported_tables_do_not_depend_on_ranks(segmpi, tmp_path):
    segmpi("generate", 30000, "-o", tmp_path / "made.h5", "--csv", tmp_path / "c.csv", ranks=2)
    found = {}
    for ranks in (1, 2, 3, 5, 7, 16, 64):
        segmpi("import", tmp_path / "c.csv", "-o", tmp_path / "c.h5", "--force", ranks=ranks)
        found[ranks] = contents(tmp_path / "c.h5")
        assert differences(found[ranks], found[1]) == []
    made = contents(tmp_path / "made.h5")
    for name in ("features", "feature", "ids/client_id", "ids/source_row"):
        assert found[1][name] == made[name]
