"""What is read of a Parquet footer without pyarrow, and what pyarrow would not survive."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.core.errors import ReadError
from skysift.data.images.parquet_stamps import read_parquet_stamps
from skysift.data.io import read_table
from skysift.data.parquet_footer import column_chunks


def parquet(rows=300, **options):
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            "cutout": [rng.bytes(40) for _ in range(rows)],
            "band": rng.choice(["g", "r"], rows),
            "size": rng.normal(size=rows),
            "bright": rng.random(rows) > 0.5,
            "place": pa.array([{"ra": x, "name": "a"} for x in rng.normal(size=rows)]),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=max(1, rows // 3), **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zstd", "version": "1.0"}, {"write_page_index": True}],
    ids=["plain", "old", "indexed"],
)
def test_the_footer_says_what_pyarrow_reads_in_it(options):
    data = parquet(**options)
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    expected = []
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for place in range(metadata.num_columns):
            column = row_group.column(place)
            sizes = column.total_uncompressed_size, column.total_compressed_size
            is_dictionary = column.physical_type == "BYTE_ARRAY" and any(
                "DICTIONARY" in encoding for encoding in column.encodings
            )
            about = (group, column.path_in_schema, *sizes, is_dictionary)
            expected.append((*about, row_group.total_byte_size))
    found = [
        (c.group, c.path, c.unpacked, c.packed, c.is_dictionary_of_bytes, c.group_bytes)
        for c in column_chunks(io.BytesIO(data))
    ]
    assert found == expected
    assert len(found) == 18


def damaged(data, rng):
    """Return a file with a byte or two of its footer changed."""
    changed = bytearray(data)
    length = int.from_bytes(data[-8:-4], "little")
    for at in rng.integers(length, size=int(rng.geometric(0.5))):
        changed[len(data) - 9 - at] = int(rng.integers(256))
    return bytes(changed)


def test_no_damage_to_a_footer_ends_the_process(tmp_path):
    """Of these footers, pyarrow's own metadata would end it (parquet::ParquetException)."""
    rng = np.random.default_rng(8)
    sound = parquet(30)
    path = tmp_path / "table.parquet"
    refused = 0
    for _ in range(300):
        data = damaged(sound, rng)
        path.write_bytes(data)
        list(read_parquet_stamps(data, "a", "a.parquet"))
        try:
            read_table(path)
        except ReadError:
            refused += 1
    assert 100 < refused < 300


@pytest.mark.parametrize("cut", [3, 11, 40])
def test_a_footer_that_is_cut_is_refused(cut):
    with pytest.raises(pa.ArrowInvalid, match="footer"):
        list(column_chunks(io.BytesIO(parquet(30)[:cut])))


@pytest.mark.parametrize(
    "footer",
    [
        b"\x1c" * 4000,  # a structure in a structure in a structure
        b"\x49\xfc\xff\xff\xff\xff\x0f",  # a list of four thousand million structures
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a text longer than 64 bits tell
        b"\x49\x1c\x16\x01\x16\x01\x00\x00",  # a row group without columns
    ],
    ids=["deep", "long", "endless", "without-columns"],
)
def test_footers_made_to_harm_are_refused(footer):
    data = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(pa.ArrowInvalid, match="footer"):
        list(column_chunks(io.BytesIO(data)))
