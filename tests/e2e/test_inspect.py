"""segmpi inspect: files in words, checksums, provenance."""

import h5py
import numpy as np
import pytest


@pytest.fixture(scope="module")
def files(segmpi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect")
    segmpi("generate", "5000", "-o", folder / "clients.h5", ranks=2)
    fit = segmpi("fit", folder / "clients.h5", "-o", folder / "model.h5", "-k", 5, ranks=2)
    return folder / "clients.h5", folder / "model.h5", fit.stdout


def test_a_model_reads_as_fit_has_printed_it(segmpi, files):
    _, model, printed = files
    text = segmpi("inspect", model).stdout
    assert text.startswith(printed)
    with h5py.File(model) as file:
        for size in file["kmeans/cluster_size"][:]:
            assert f"{size:,}" in text
        limit = list(file["feature"].asstr()[:]).index("CREDIT_LIMIT")
        row = next(line for line in text.splitlines() if line.strip().startswith("CREDIT_LIMIT"))
        shown = [float(cell.replace(",", "")) for cell in row.split()[1:]]
        assert shown == pytest.approx(file["kmeans/cluster_centers_original"][:, limit], rel=1e-3)
        assert file.attrs["model_id"].decode() in text


def test_a_table_is_described_without_its_ids(segmpi, files):
    text = segmpi("inspect", files[0]).stdout
    assert text.startswith("5,000 clients, 17 features (float64)")
    assert "MINIMUM_PAYMENTS" in text
    with h5py.File(files[0]) as file:
        ids = file["ids/client_id"][:10]
        assert not any(str(i.decode() if isinstance(i, bytes) else i) in text for i in ids if len(str(i)) > 5)


def test_centers_break_into_parts_where_the_terminal_is_narrow(segmpi, files, tmp_path):
    model = tmp_path / "many.h5"
    segmpi("fit", files[0], "-o", model, "-k", 20)
    text = segmpi("inspect", model).stdout
    assert text.count("CREDIT_LIMIT") > 1
    assert max(map(len, text.split("Origin")[0].splitlines())) <= 100


def test_provenance_names_the_input_and_the_command_line(segmpi, files):
    text = segmpi("inspect", "--provenance", files[1]).stdout
    assert "clients.h5" in text and '"n-clusters":5' in text
    assert "segmpi fit" in text


def test_options_that_name_many_columns_are_told_whole(segmpi, tmp_path):
    names = [f"a_column_with_a_long_name_{i}" for i in range(300)]
    values = np.random.default_rng(1).normal(size=(40, 300)).round(2)
    np.savetxt(tmp_path / "c.csv", values, "%g", ",", header=",".join(names), comments="")
    segmpi("fit", tmp_path / "c.csv", "-o", tmp_path / "m.h5", "-k", 2, "--stability", 0, "--exclude-columns",
           ",".join(names[70:]))
    shown = segmpi("inspect", "--provenance", tmp_path / "m.h5").stdout
    assert shown.count(names[-1]) == 2  # in the command line and in the options
    segmpi("report", tmp_path / "m.h5", "-o", tmp_path / "r")
    page = (tmp_path / "r/report.html").read_text()
    assert page.count(names[-1]) == 2
    table = page.split('<section id="correlation">')[1].split("</section>")[0]
    assert table.count('<th scope="row">') == 60  # as many as are drawn; the file has all
    assert len((tmp_path / "r/figures/correlation.tsv").read_text().splitlines()) == 71


def test_any_other_file_is_listed(segmpi, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["group/values"] = np.zeros((7, 3), "f4")
        file["numbers"] = np.arange(5)
        file["group/bad\033[31mname"] = np.arange(2)
    text = segmpi("inspect", tmp_path / "x.h5").stdout
    assert "group/values" in text and "float32  7 x 3" in text
    assert "int64    5" in text
    assert "\033" not in text


def test_check_says_ok_for_what_segmpi_has_written(segmpi, files):
    for path in files[:2]:
        text = segmpi("inspect", "--check", path).stdout
        assert text.startswith("ok: ") and text.endswith(" blocks, all checksums equal\n")
        assert int(text.split()[1].replace(",", "")) >= 5


def test_check_says_what_it_has_compared(segmpi, tmp_path):
    segmpi("generate", 1, "-o", tmp_path / "c.h5")
    segmpi("elbow", tmp_path / "c.h5", "-o", tmp_path / "e.h5", "--k-max", 1, "--n-init", 1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros((7, 3))
    for name, text in (("c.h5", "ok: 3 blocks, "), ("e.h5", "ok: the checksum of its content is equal; it has no blocks"),
                       ("x.h5", "ok: it can be read, but holds no checksums")):
        assert segmpi("inspect", "--check", tmp_path / name).stdout.startswith(text)
    assert segmpi("inspect", tmp_path / "c.h5").stdout.startswith("1 client, 17 features")


def test_check_finds_one_flipped_bit(segmpi, files, tmp_path):
    for path, dataset in ((files[0], "features"), (files[1], "labels/distance")):
        with h5py.File(path) as file:
            offset = file[dataset].id.get_offset() + 4321
        damaged = bytearray(path.read_bytes())
        damaged[offset] ^= 1
        (tmp_path / "damaged.h5").write_bytes(damaged)
        result = segmpi("inspect", "--check", tmp_path / "damaged.h5", ok=False)
        assert result.returncode == 65
        assert dataset in result.stderr and result.stdout == ""


def test_check_finds_a_changed_center(segmpi, files, tmp_path):
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(files[1].read_bytes())
    with h5py.File(damaged, "r+") as file:
        file["kmeans/cluster_centers"][0, 0] += 1e-9
    assert segmpi("inspect", "--check", damaged, ok=False).returncode == 65


def test_what_is_not_hdf5_is_65_and_what_is_not_there_66(segmpi, tmp_path):
    (tmp_path / "text").write_text("id,a\n1,2\n")
    (tmp_path / "empty").write_bytes(b"")
    for name, code in (("text", 65), ("empty", 65), ("none", 66)):
        result = segmpi("inspect", tmp_path / name, ok=False)
        assert result.returncode == code
        assert result.stderr.startswith("segmpi inspect: ") and name in result.stderr
        assert sum(line.startswith("segmpi") for line in result.stderr.splitlines()) == 1


def test_inspect_under_a_launcher_speaks_once(segmpi, files):
    alone = segmpi("inspect", files[1]).stdout
    assert segmpi("inspect", files[1], ranks=3).stdout == alone
