"""Small files that unpack to far more than they are cost no more than a refusal."""

import gzip
import io
from itertools import pairwise

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from PIL import Image

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import gunzip
from skysift.data.images.members import iter_members
from skysift.data.images.parquet_stamps import read_parquet_stamps
from skysift.data.io import read_table
from skysift.data.parquet_bounds import bounded_parquet, bounded_record_batches
from skysift.data.sky.counts_map_fits import read_counts_map
from skysift.data.solar.readers import read_solar_image
from skysift.report.run_folder import read_run

MIB = 2**20


def parquet(column, **options):
    out = io.BytesIO()
    pq.write_table(pa.table({"cutout": column}), out, compression="zstd", **options)
    return out.getvalue()


def repeated(blob, rows):
    indices = pa.array(np.zeros(rows, np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([blob]))


def test_gzip_that_shrinks_too_far_is_refused_long_before_its_bound():
    packed = gzip.compress(bytes(64 * MIB))
    with pytest.raises(ReadError, match="more than 500 times"):
        gunzip(packed, max_bytes=256 * MIB)
    assert gunzip(gzip.compress(bytes(MIB)), max_bytes=2 * MIB) == bytes(MIB)


def test_a_text_table_in_gzip_is_refused_early(tmp_path):
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1" * (64 * MIB)))
    with pytest.raises(ReadError, match=r"grows beyond 1[67],"):
        read_table(path)


def test_a_blob_that_stands_in_many_rows_is_not_unpacked(rng):
    data = parquet(repeated(rng.bytes(MIB), 10_000), store_schema=False)
    (found,) = read_parquet_stamps(data, "a", "a.parquet")
    assert (found.code, "repeats its entries" in found.reason) == ("too-many-bytes", True)


def test_a_page_that_shrinks_too_far_is_refused():
    data = parquet(pa.array([bytes(64 * MIB)]), use_dictionary=False)
    (found,) = read_parquet_stamps(data, "a", "a.parquet")
    assert (found.code, "500 times" in found.reason) == ("too-many-bytes", True)


def test_sound_dictionaries_are_read_as_they_are(rng):
    """Texts and records that are packed in dictionaries, with rows that have none."""
    table = pa.table(
        {
            "name": ["a", "b", None, "a"],
            "value": rng.normal(size=4),
            "cut": pa.array([{"data": b"x"}, None, {"data": None}, {"data": b"x"}]),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    with bounded_parquet(pa.BufferReader(out.getvalue())) as file:
        found = pa.Table.from_batches(bounded_record_batches(file, 3, table.column_names, [0]))
    assert found.to_pylist() == table.to_pylist()
    assert found.schema.types == table.schema.types


VOTABLE = """<?xml version="1.0"?>{doctype}<VOTABLE version="1.1"><RESOURCE>
<DESCRIPTION>{text}</DESCRIPTION><TABLE><FIELD name="size" datatype="double"/><DATA><TABLEDATA>
<TR><TD>1.5</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


def test_a_table_that_declares_entities_is_refused_before_they_are_unpacked(tmp_path):
    laughs = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise("abcdefghij")
    )
    path = tmp_path / "events.vot"
    path.write_text(VOTABLE.format(doctype=f"<!DOCTYPE VOTABLE [{laughs}]>", text="&j;"))
    with pytest.raises(ReadError, match="entities of its own"):
        read_table(path)


def test_a_table_that_names_the_document_type_of_the_first_votables_is_read(tmp_path):
    elsewhere = '<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">'
    path = tmp_path / "events.vot"
    path.write_text(VOTABLE.format(doctype=elsewhere, text="events"))
    assert read_table(path)["size"].tolist() == [1.5]


@pytest.mark.parametrize(("rows", "chunk"), [(2**40, 2**20), (2**23, 2**23)])
def test_hdf5_that_claims_too_much_is_refused(tmp_path, rows, chunk):
    path = tmp_path / "events.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        group.create_dataset("size", (rows,), "f8", chunks=(chunk,), compression="gzip")
    with pytest.raises(ReadError, match="no table does"):
        read_table(path)


def test_a_picture_that_shrinks_too_far_is_refused(tmp_path):
    path = tmp_path / "sun.png"
    Image.new("L", (4096, 4096)).save(path)
    with pytest.raises(ReadError, match="no image of the Sun shrinks so far"):
        read_solar_image(path)


@pytest.mark.parametrize("value", ["1E400", "NaN", "0", "7"])
def test_a_pixel_of_no_width_is_refused(tmp_path, value):
    out = io.BytesIO()
    fits.PrimaryHDU(np.zeros((64, 64), np.float32)).writeto(out)
    data = out.getvalue().replace(
        b"BITPIX  =                  -32", f"BITPIX  = {value:>20}".encode()
    )
    path = tmp_path / "sun.fits"
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"BITPIX|whole number"):
        read_solar_image(path)


def test_a_compressed_image_without_axes_is_refused(tmp_path):
    out = io.BytesIO()
    hdu = fits.CompImageHDU(np.ones((64, 64), np.float32), compression_type="GZIP_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    data = bytearray(out.getvalue())
    at = data.index(b"ZNAXIS  =")
    data[at : at + 80] = b"ZNAXIS  =                    0".ljust(80)
    path = tmp_path / "sun.fits"
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"unpacks to the shape|damaged"):
        read_solar_image(path)


def test_an_archive_of_empty_files_breaks_off(tmp_path):
    import tarfile  # noqa: PLC0415  # of this test only

    path = tmp_path / "stamps.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(3000):
            archive.addfile(tarfile.TarInfo(f"{number}.fits"))
    found = list(iter_members(path))
    assert len(found) < 1100
    assert "empty files only" in found[-1].reason


def test_a_table_of_two_thousand_million_columns_is_refused_before_it_is_opened(tmp_path):
    hdu = fits.BinTableHDU.from_columns([fits.Column("E_MIN", "1D", array=[1.0])], name="BANDS")
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.zeros((1, 4, 4), "f4")), hdu]).writeto(out)
    data = bytearray(out.getvalue())
    at = data.index(b"TFIELDS =")
    data[at : at + 80] = b"TFIELDS =           2147483647".ljust(80)
    path = tmp_path / "map.fits"
    path.write_bytes(data)
    with pytest.raises(ReadError, match="more columns than a FITS table can have"):
        read_counts_map(path)


@pytest.mark.parametrize("damage", [b"LIVETIME= 'T'", b"BANDSHDU= 'PRIMARY'", b"TFORM1  = '(2,2)'"])
def test_a_counts_map_that_makes_no_sense_is_refused(tmp_path, damage):
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "1D", "TeV", array=[1.0]) for name in ("E_MIN", "E_MAX")], name="BANDS"
    )
    header = fits.Header({"BANDSHDU": "BANDS", "LIVETIME": 1.0})
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.zeros((1, 4, 4), "f4"), header), table]).writeto(out)
    data = bytearray(out.getvalue())
    at = data.index(damage[:8])
    data[at : at + 80] = damage.ljust(80)
    path = tmp_path / "map.fits"
    path.write_bytes(data)
    with pytest.raises(ReadError, match="holds no counts map"):
        read_counts_map(path)


@pytest.mark.parametrize("part", ['"task": []', '"facts": 1', '"provenance": null'])
def test_the_record_of_a_run_that_makes_no_sense_is_refused(tmp_path, part):
    parts = {'"schema": 1', '"task": "streak"', '"kind": "explore"', '"facts": {}',
             '"provenance": {}'}  # fmt: skip
    kept = [one for one in parts if one.split(":")[0] != part.split(":")[0]]
    (tmp_path / "run.json").write_text(f"{{{', '.join([*kept, part])}}}")
    with pytest.raises(ReadError, match="makes no sense"):
        read_run(tmp_path)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.map_(pa.string(), pa.string())])
def test_a_long_text_in_lists_and_maps_is_bounded_as_well(tmp_path, kind) -> None:
    path = tmp_path / "lists.parquet"
    for text, entries in (("sound", 3), ("x" * 2**20, 200)):
        names = [str(number) for number in range(entries)]
        several = [text] * entries if pa.types.is_list(kind) else [(n, text) for n in names]
        pq.write_table(pa.table({"a": pa.array([several, None, []], type=kind)}), path)
        with bounded_parquet(path) as file:
            batches = bounded_record_batches(file, 256, ["a"], [0])
            if text == "sound":
                assert next(batches).column(0).to_pylist() == [several, None, []]
                continue
            with pytest.raises(ReadError, match="repeats its entries"):
                next(batches)
