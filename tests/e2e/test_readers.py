"""Other programs read segmpi's files, and segmpi reads files of other programs."""

import re
import subprocess
import sys

import h5py
import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from judge import check_clusters, contents, differences, messages, read_model, read_table, warnings

ENGINES = [None, "netcdf4"]  # the first is xarray's choice


@pytest.fixture(scope="module")
def folder(segmpi, tmp_path_factory):
    """c.h5 with ids as text, from a CSV with a name that is not ASCII, and m.h5, its model"""
    folder = tmp_path_factory.mktemp("readers")
    segmpi("generate", 3000, "-o", folder / "made.h5", "--csv", folder / "made.csv")
    frame = pd.read_csv(folder / "made.csv").rename(columns={"BALANCE": "Bestände €"})
    frame.CUST_ID = [f"K-ü{i}" for i in frame.CUST_ID]
    frame.to_csv(folder / "c.csv", index=False)
    segmpi("import", folder / "c.csv", "-o", folder / "c.h5", ranks=2)
    segmpi("fit", folder / "c.h5", "-o", folder / "m.h5", "-k", 4, "--n-init", 2, ranks=2)
    return folder


@pytest.fixture(scope="module")
def frame(folder):
    return pd.read_csv(folder / "c.csv", index_col="CUST_ID", float_precision="round_trip").astype(float)


# ---- segmpi's files ----


def test_h5py_follows_scales_to_labels(folder, frame):
    with h5py.File(folder / "c.h5") as file:
        features = file["features"]
        assert [dim[0].name for dim in features.dims] == ["/client", "/feature"]
        assert features.dims[1][0].asstr()[:].tolist() == list(frame)
        assert file["feature_original"].asstr()[:].tolist() == list(frame)
        assert [text.decode() for text in file["ids/client_id"]] == list(frame.index)
        assert file["ids/source_row"][:].tolist() == list(range(3000))
    with h5py.File(folder / "m.h5") as file:
        assert [dim[0].name for dim in file["kmeans/cluster_centers"].dims] == ["/cluster", "/feature"]
        assert [dim[0].name for dim in file["pca/components"].dims] == ["/pca/component", "/feature"]
        assert [dim[0].name for dim in file["labels/cluster"].dims] == ["/client"]


def test_every_array_hangs_on_named_dimensions(folder):
    for name in ("c.h5", "m.h5"):
        lost = []

        def visit(path, item):
            if isinstance(item, h5py.Dataset) and not h5py.h5ds.is_scale(item.id):
                lost.extend(path for dim in item.dims if len(dim) == 0 or not dim[0].name)

        with h5py.File(folder / name) as file:
            file.visititems(visit)
        assert lost == []


def test_pandas_makes_frames_of_them(folder, frame):
    with h5py.File(folder / "c.h5") as file:
        found = pd.DataFrame(file["features"][:], columns=file["feature"].asstr()[:], index=file["ids/client_id"].asstr()[:])
    pd.testing.assert_frame_equal(found, frame, check_names=False, check_exact=True)
    with h5py.File(folder / "m.h5") as file:
        centers = pd.DataFrame(file["kmeans/cluster_centers_original"][:], columns=file["feature"].asstr()[:])
        labels = pd.DataFrame({name: file[f"labels/{name}"][:] for name in ("cluster", "distance", "margin")})
    assert centers["Bestände €"].between(0, 20000).all()
    assert labels.groupby("cluster").size().tolist() == read_model(folder / "m.h5").kmeans.cluster_size.tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_opens_tables(folder, frame, engine):
    with xr.open_dataset(folder / "c.h5", engine=engine) as table:
        assert table.attrs["format"] == "clients"
        assert dict(table.sizes) == {"client": 3000, "feature": 17}
        assert table.features.dims == ("client", "feature")
        assert np.array_equal(table.features.sel(feature="Bestände €"), frame["Bestände €"])
        assert np.array_equal(table.features, frame, equal_nan=True)
    with xr.open_dataset(folder / "made.h5", engine=engine, group="ids") as ids:
        assert ids.client_id.dims == ids.source_row.dims == ("client",)
        assert ids.client_id.values.tolist() == list(range(1, 3001))


@pytest.mark.xfail(strict=True, reason="netCDF-C 4.9.0 (Debian 12) crashes on texts of fixed length; h5py reads them")
@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_reads_ids_that_are_texts(folder, frame, engine):
    """in a process of its own: netCDF's library crashes on texts of fixed length"""
    script = f"import xarray; print(*xarray.open_dataset({str(folder / 'c.h5')!r}, engine={engine!r}, group='ids')" \
             ".client_id.values.tolist(), sep='\\n')"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[:-1] == list(frame.index)


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_opens_models(folder, engine):
    model = read_model(folder / "m.h5")
    with xr.open_dataset(folder / "m.h5", engine=engine) as root:
        assert root.feature.values.tolist() == model.feature.tolist()
        assert root.cluster.values.tolist() == [0, 1, 2, 3]
        assert root.attrs["model_id"] == model.model_id
    for group in ("preprocessing", "kmeans", "pca", "labels"):
        with xr.open_dataset(folder / "m.h5", engine=engine, group=group, mask_and_scale=False) as found:
            kept = vars(getattr(model, group))
            assert set(found.variables) | set(found.attrs) >= {name for name in kept if name not in found.sizes}
            for name, variable in found.variables.items():
                assert np.array_equal(variable.values, kept[name], equal_nan=True), name
    with xr.open_dataset(folder / "m.h5", engine=engine, group="kmeans") as kmeans:
        assert kmeans.cluster_centers.dims == ("cluster", "feature")
        assert kmeans.cluster_centers.attrs["long_name"] == "cluster centers in scaled units"


def test_netcdf4_opens_them_with_shared_dimensions(folder):
    with netCDF4.Dataset(folder / "m.h5") as file:
        assert {name: len(dim) for name, dim in file.dimensions.items()}.items() >= {
            "feature": 17, "cluster": 4, "client": 3000}.items()
        assert set(file.groups) >= {"preprocessing", "kmeans", "pca", "labels", "provenance"}
        assert file["kmeans/cluster_centers"].dimensions == ("cluster", "feature")
        assert file["labels/cluster"].dimensions == ("client",)
        assert file["labels/cluster"][:].sum() == read_model(folder / "m.h5").labels.cluster.sum()
        assert file["provenance"].seed == 0 and file["provenance/run"].ranks == 2


def test_ncdump_prints_them(folder, frame):
    def dump(*words):
        return subprocess.run(["ncdump", *words], capture_output=True, text=True, check=True, timeout=60).stdout

    header = dump("-h", folder / "m.h5")
    for line in ("feature = 17 ;", "client = 3000 ;", "string feature(feature) ;", "int cluster(cluster) ;",
                 "double cluster_centers(cluster, feature) ;", "short cluster(client) ;", ':format = "model" ;'):
        assert line in header
    assert "Bestände €" in dump("-v", "feature", folder / "m.h5")
    values = re.search(r" cluster_size = ([\d, ]+) ;", dump("-v", "/kmeans/cluster_size", folder / "m.h5")).group(1)
    assert [int(v) for v in values.split(",")] == read_model(folder / "m.h5").kmeans.cluster_size.tolist()
    # not the texts in ids/client_id: see test_xarray_reads_ids_that_are_texts
    assert "2997, 2998, 2999 ;" in dump("-v", "/ids/source_row", folder / "c.h5")
    assert dump("-v", "features", folder / "c.h5").count("NaN") == frame.isna().to_numpy().sum()
    assert "2998, 2999, 3000 ;" in dump("-v", "/ids/client_id", folder / "made.h5")


def test_files_are_plain_for_tools(folder):
    """private, without times of objects, numbers little-endian"""
    for name in ("c.h5", "m.h5"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        listing = subprocess.run(["h5dump", "-H", folder / name], capture_output=True, text=True, check=True).stdout
        own = re.sub(r"H5T_IEEE_F32BE", "", listing)  # of dimensions without values, as netCDF-4 has them
        assert not re.search(r"H5T_\w+BE\b", own)


# ---- files of others ----


@pytest.fixture(scope="module")
def expected(folder):
    """the model of the imported table, without what it says about its input"""
    return core(folder / "m.h5")


def core(path):
    found = contents(path)
    return {name: value for name, value in found.items()
            if not name.startswith("provenance") and name not in ("@content_checksum", "@model_id", "")}


def write_dataset(file, name, cells, how):
    options = {"plain": {}, "chunked": {"chunks": (700, 5)},
               "gzip": {"chunks": (1000, 17), "compression": "gzip", "shuffle": True},
               "fletcher": {"chunks": (64, 17), "fletcher32": True}}[how]
    return file.create_dataset(name, data=cells, **options)


def fit_again(segmpi, path, *more):
    segmpi("fit", path, "-o", path.parent / "found.h5", "-k", 4, "--n-init", 2, "--force", *more, ranks=3)
    return path.parent / "found.h5"


@pytest.mark.parametrize("how", ["plain", "chunked", "gzip", "fletcher"])
def test_a_dataset_in_any_layout_makes_the_same_model(segmpi, folder, frame, expected, tmp_path, how):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = write_dataset(file, "some/where", frame.to_numpy(), how)
        file["names"] = np.array(list(frame), dtype=h5py.string_dtype())
        file["names"].make_scale()
        data.dims[1].attach_scale(file["names"])
    found = core(fit_again(segmpi, tmp_path / "x.h5"))
    assert differences(found, expected) == []


def test_names_come_from_an_attribute_or_are_numbers(segmpi, frame, tmp_path):
    names = list(frame)
    for kind, text in [("variable", h5py.string_dtype()), ("fixed", "S40"), ("none", None)]:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"] = frame.to_numpy()
            if text:
                file["x"].attrs["columns"] = np.array([name.encode() for name in names], dtype=text)
        found = read_model(fit_again(segmpi, tmp_path / "x.h5")).feature.tolist()
        assert found == (names if kind != "none" else [f"column_{t}" for t in range(17)])


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i4", "i8", "u1", "i2", "u2", "u4", ">i4"])
def test_any_numeric_type_is_read_as_its_values(segmpi, frame, tmp_path, dtype):
    cells = frame.fillna(0).to_numpy()
    if dtype[-2] in "iu":
        cells = np.round(cells).clip(0, 250)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = cells.astype(dtype)
    model = read_model(fit_again(segmpi, tmp_path / "x.h5", "--outliers", "none"))
    check_clusters(model, cells.astype(dtype).astype(float))
    assert model.preprocessing.missing.sum() == 0


def test_a_group_of_columns_makes_the_same_model(segmpi, frame, expected, tmp_path):
    """one dataset per column, in the order of creation; what is not a numeric column is left out with a note"""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("clients", track_order=True)
        for t, (name, column) in enumerate(frame.items()):
            group.create_dataset(name, data=column, dtype="f8", chunks=(500,) if t % 2 else None)
        group["text"] = np.array(["x"] * 3000, dtype="S3")
    assert differences(core(fit_again(segmpi, tmp_path / "x.h5")), expected) == []
    result = segmpi("fit", tmp_path / "x.h5", "--dataset", "/clients/", "-o", tmp_path / "m.h5", "-k", 4, "--n-init", 2)
    assert differences(core(tmp_path / "m.h5"), expected) == []
    assert "'text' is not a numeric column" in result.stderr


@pytest.mark.parametrize("how", ["matrix", "group"])
def test_what_looks_like_the_number_of_the_client_is_warned_of(segmpi, tmp_path, how):
    """in order, or distinct under a name that says so; codes and amounts are neither"""
    rng = np.random.default_rng(3)
    columns = {"row": np.arange(2000)[::-1], "Cust_ID": rng.permutation(2000), "region_id": rng.integers(0, 9, 2000),
               "shuffled": rng.permutation(2000), "share_no": rng.random(2000), "x": rng.normal(size=2000)}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if how == "matrix":
            file["x"] = np.stack(list(columns.values()), axis=1)
            file["x"].attrs["names"] = list(columns)
        for name, column in columns.items() if how == "group" else []:
            file[f"g/{name}"] = column
    told = warnings(segmpi("describe", tmp_path / "x.h5", ranks=2))
    assert len(told) == 2 and all("--exclude-columns" in line for line in told)
    assert {line.split("'")[1] for line in told} == {"row", "Cust_ID"}
    assert warnings(segmpi("describe", tmp_path / "x.h5", "--exclude-columns", "row,Cust_ID")) == []


FOREIGN = {  # what a file holds, what is said about it, and the number of columns that are read
    "truth values": (lambda file: file.update(a=np.arange(50.0), b=np.arange(50) % 3 == 0), "", 2),
    "a filter of its own": (
        lambda file: (file.update(a=np.arange(50.0)), file.create_dataset("b", data=np.arange(50), compression="lzf")),
        "left out: 'b' in 'x.h5' is packed with filter 32000", 1),
    "no names": (lambda file: file.update(x=np.ones((50, 3))), "'x' has no names for its columns", 3),
    "records": (lambda file: file.update(x=np.zeros(50, [("a", "f4"), ("b", "i4")])), "write each field as a dataset", 0),
    "groups in groups": (lambda file: file.update({"bank/clients/a": np.ones(50)}), "--dataset names a deeper one", 0),
    "lengths": (lambda file: file.update(a=np.ones(50), b=np.ones(49)), "column 'b' has 49 values, 'a' has 50", 0),
    "pandas": (lambda file: (file.update({"t/block0_values": np.ones((50, 2))}), file["t"].attrs.update(pandas_type="frame")),
               "'t' in 'x.h5' was written by pandas' to_hdf()", 0),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_read_or_refused_with_what_to_do(segmpi, tmp_path, what):
    make, says, columns = FOREIGN[what]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    result = segmpi("fit", "x.h5", "-o", "m.h5", "--dry-run", cwd=tmp_path, ok=False)
    assert result.returncode == (0 if columns else 65) and says in result.stderr, result.stderr
    assert not columns or re.search(rf"columns +{columns}\n", result.stdout), result.stdout


def test_dataset_chooses_among_several(segmpi, frame, expected, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/first"] = np.ones((5, 2))
        file["b"] = frame.to_numpy()
        file["b"].attrs["names"] = list(frame)
    result = segmpi("fit", tmp_path / "x.h5", "-o", tmp_path / "m.h5", ranks=2, ok=False)
    assert result.returncode == 65 and len(messages(result)) == 1
    assert "choose one with --dataset" in result.stderr and "'a/first'" in result.stderr and "'b'" in result.stderr
    assert differences(core(fit_again(segmpi, tmp_path / "x.h5", "--dataset", "b")), expected) == []
    result = segmpi("fit", tmp_path / "x.h5", "--dataset", "c", "-o", tmp_path / "m.h5", ok=False)
    assert result.returncode == 64 and "no dataset 'c'" in result.stderr


def test_a_table_stored_in_single_precision_is_fitted_as_it_stands(segmpi, folder, tmp_path):
    segmpi("import", folder / "c.csv", "-o", tmp_path / "f.h5", "--float32", ranks=3)
    model = read_model(fit_again(segmpi, tmp_path / "f.h5"))
    check_clusters(model, read_table(tmp_path / "f.h5")[1])


def test_files_that_hold_no_table_are_65(segmpi, tmp_path):
    def cases(file):
        yield "nothing", lambda: None
        yield "texts", lambda: file.create_dataset("x", data=np.array([["a", "b"]], dtype="S1"))
        yield "three dimensions", lambda: file.create_dataset("x", data=np.ones((4, 3, 2)))
        yield "complex", lambda: file.create_dataset("x", data=np.ones((4, 3), complex))
        yield "no columns", lambda: file.create_dataset("x", shape=(4, 0))
        yield "declares far more values than it holds", lambda: file.create_dataset("x", shape=(10**8, 17), chunks=(1000, 17))
        yield "holds no values", lambda: file.create_dataset("x", shape=(10**8, 17))

    for i in range(7):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            what, make = list(cases(file))[i]
            make()
        result = segmpi("fit", tmp_path / "x.h5", "-o", tmp_path / "m.h5", "-k", 1, ranks=2, ok=False)
        assert result.returncode == 65, (what, result.stderr)
        assert len(messages(result)) == 1 and "x.h5" in result.stderr
        assert i < 5 or what in result.stderr, result.stderr
        assert not (tmp_path / "m.h5").exists()


def test_columns_of_different_length_are_65(segmpi, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["g/a"], file["g/b"] = np.ones(10), np.ones(11)
    result = segmpi("fit", tmp_path / "x.h5", "--dataset", "g", "-o", tmp_path / "m.h5", ranks=2, ok=False)
    assert result.returncode == 65 and "column 'b' has 11 values, 'a' has 10" in result.stderr
