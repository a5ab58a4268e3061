"""Small files that claim, or unpack to, far more than they are."""

import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from PIL import Image

__all__ = ["BOMBS", "make_bombs"]

GIB = 2**30
MIB = 2**20
_PIECE = 16 * MIB
_BLOCK = 2880
_HUGE = 2**31 - 1

Maker = Callable[[], bytes]


@cache
def _run(fill: bytes) -> bytes:
    """Return a piece of a deflate stream, of 16 MiB of one byte, that can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(fill * _PIECE) + packer.flush(zlib.Z_FULL_FLUSH)


def deflated(size: int = GIB, head: bytes = b"", fill: bytes = b"\0") -> bytes:
    """Return a raw deflate stream of a head and then of one byte again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + _run(fill) * (size // _PIECE) + b"\x03\x00"


def gzipped(size: int = GIB, head: bytes = b"", fill: bytes = b"\0") -> bytes:
    """Return gzip of a head and then of one byte again and again."""
    sum_ = zlib.crc32(head)
    for _ in range(size // _PIECE):
        sum_ = zlib.crc32(fill * _PIECE, sum_)
    length = (size // _PIECE * _PIECE + len(head)) % 2**32
    start = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    return start + deflated(size, head, fill) + struct.pack("<II", sum_, length)


def cards(*pairs: tuple[str, Any]) -> bytes:
    """Return the block of a FITS header."""
    lines = []
    for keyword, value in pairs:
        text = {True: "T", False: "F"}.get(value, value) if isinstance(value, bool) else value
        shown = f"'{text}'" if isinstance(text, str) and not isinstance(value, bool) else str(text)
        lines.append(f"{keyword:<8}= {shown:>20}".ljust(80))
    text = "".join([*lines, "END".ljust(80)])
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode()


EMPTY = cards(("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True))


def huge_image() -> bytes:
    """Return a header of 2^62 pixels."""
    head = cards(
        ("SIMPLE", True), ("BITPIX", -64), ("NAXIS", 2), ("NAXIS1", _HUGE), ("NAXIS2", _HUGE)
    )
    return head + b"\0" * _BLOCK


def events_table(**changes: Any) -> bytes:
    """Return a photon list with another number of rows, heap, or width."""
    names = ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY")
    columns = [
        (f"{key}{n}", value)
        for n, name in enumerate(names, 1)
        for key, value in (("TTYPE", name), ("TFORM", changes.get(f"TFORM{n}", "1D")))
    ]
    sizes: dict[str, Any] = {
        "BITPIX": 8, "NAXIS": 2, "NAXIS1": 40, "NAXIS2": 4, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 5,
    } | {key: value for key, value in changes.items() if not key.startswith("TFORM")}  # fmt: skip
    head = cards(("XTENSION", "BINTABLE"), *sizes.items(), *columns, ("EXTNAME", "EVENTS"))
    return EMPTY + head + b"\0" * _BLOCK


def tiles(compression: str, side: int, tile: int, packed: bytes) -> bytes:
    """Return a tile-compressed image of so many pixels, all of its tiles the same few bytes."""
    rows = min((-(-side // tile)) ** 2, 4096)
    descriptors = struct.pack(">ii", len(packed), 0) * rows
    head = cards(
        ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", rows),
        ("PCOUNT", len(packed)), ("GCOUNT", 1), ("TFIELDS", 1), ("TTYPE1", "COMPRESSED_DATA"),
        ("TFORM1", "1PB(2147483647)"), ("ZIMAGE", True), ("ZBITPIX", 32), ("ZNAXIS", 2),
        ("ZNAXIS1", side), ("ZNAXIS2", side), ("ZTILE1", tile), ("ZTILE2", tile),
        ("ZCMPTYPE", compression), ("ZNAME1", "BLOCKSIZE"), ("ZVAL1", 32),
        ("ZNAME2", "BYTEPIX"), ("ZVAL2", 4), ("CTYPE1", "HPLN-TAN"), ("CTYPE2", "HPLT-TAN"),
        ("CUNIT1", "arcsec"), ("CUNIT2", "arcsec"), ("CDELT1", 0.5), ("CDELT2", 0.5),
        ("CRPIX1", side / 2), ("CRPIX2", side / 2), ("DATE-OBS", "2014-03-01T00:00:00"),
    )  # fmt: skip
    data = descriptors + packed
    return EMPTY + head + data + b"\0" * (-len(data) % _BLOCK)


def compressed_constant(side: int) -> bytes:
    """Return a sound compressed image of one value, which shrinks as far as images can."""
    out = io.BytesIO()
    header = fits.Header({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CDELT1": 0.5, "CDELT2": 0.5,
                          "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRPIX1": side / 2,
                          "CRPIX2": side / 2, "DATE-OBS": "2014-03-01T00:00:00"})  # fmt: skip
    hdu = fits.CompImageHDU(
        np.zeros((side, side), np.int16), header, compression_type="RICE_1", tile_shape=(64, side)
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    return out.getvalue()


_AVRO = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "candid", "type": "long"},
        {"name": "cutoutScience", "type": ["null", "bytes"]},
        {"name": "numbers", "type": {"type": "array", "items": "long"}},
    ],
}
_NULLS = {**_AVRO, "fields": [{"name": "n", "type": {"type": "array", "items": "null"}}]}


def zigzag(number: int) -> bytes:
    """Return an integer as Avro writes it."""
    value = (number << 1) ^ (number >> 63)
    out = bytearray()
    while value > 0x7F:  # seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def avro(
    block: bytes,
    count: int,
    codec: bytes = b"null",
    size: int | None = None,
    schema: Mapping[str, Any] = _AVRO,
) -> bytes:
    """Return a container of one block that may claim what it likes."""
    entries = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": codec}
    head = b"Obj\x01" + zigzag(len(entries))
    for key, value in entries.items():
        head += zigzag(len(key)) + key + zigzag(len(value)) + value
    length = len(block) if size is None else size
    return head + b"\0" + b"S" * 16 + zigzag(count) + zigzag(length) + block + b"S" * 16


def parquet_of_rows() -> bytes:
    """Return a table of a hundred million equal rows."""
    names = ("fLength", "fWidth", "fSize", "fConc", "fConc1", "fAsym", "fM3Long", "fM3Trans",
             "fAlpha", "fDist")  # fmt: skip
    piece = pa.DictionaryArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int8()), 5_000_000), pa.array([1.0])
    )
    out = io.BytesIO()
    table = pa.table(dict.fromkeys(names, piece))
    pq.write_table(table, out, compression="zstd", row_group_size=5_000_000, store_schema=False)
    return out.getvalue()


def parquet_of_texts() -> bytes:
    """Return a table of one long text, told by number in each of its rows."""
    text = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(1_000_000, np.int32)), pa.array(["A" * MIB])
    )
    table = pa.table({"fLength": pa.repeat(pa.scalar(1.0), 1_000_000), "note": text})
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", store_schema=False)
    return out.getvalue()


def parquet_of_stamps() -> bytes:
    """Return a table of stamps, all of them the same megabytes."""
    blob = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(100_000, np.int32)), pa.array([b"\0" * (64 * MIB)], pa.binary())
    )
    out = io.BytesIO()
    pq.write_table(pa.table({"cutout": blob}), out, compression="zstd", store_schema=False)
    return out.getvalue()


def hdf5_of_zeros() -> bytes:
    """Return a column of 2^31 rows in chunks that shrink a thousandfold."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        group = file.create_group("events")
        for name in ("length", "width", "size"):
            column = group.create_dataset(
                name, (2**31,), "f8", chunks=(64 * MIB // 8,), compression="gzip"
            )
            column[: 64 * MIB // 8] = 0.0
    return out.getvalue()


def hdf5_never_written() -> bytes:
    """Return columns of 2^50 rows that hold nothing but a fill value, in one chunk of 2 GiB."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        group = file.create_group("events")
        for name in ("length", "width", "size"):
            group.create_dataset(name, (2**50,), "f8", chunks=(2**28,), compression="gzip")
    return out.getvalue()


def picture(kind: str, side: int) -> bytes:
    """Return a picture of one value."""
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, kind)
    return out.getvalue()


def png_of_bits(side: int) -> bytes:
    """Return a PNG of zeros, a bit for each pixel."""
    zeros = b"\x78\xda" + deflated(side * (side // 8 + 1) // _PIECE * _PIECE + _PIECE)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zeros), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def gif_of_claims(side: int) -> bytes:
    """Return a small GIF that claims so many pixels to a side."""
    data = bytearray(picture("GIF", 64))
    data[6:10] = struct.pack("<HH", side, side)
    at = data.index(b"\x2c\0\0\0\0") + 5
    data[at : at + 4] = struct.pack("<HH", side, side)
    return bytes(data)


def jpeg_of_claims() -> bytes:
    """Return a small JPEG that claims 65,500 pixels to a side."""
    data = bytearray(picture("JPEG", 64))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def tar_of_zeros() -> bytes:
    """Return a packed archive whose member is a gibibyte of zeros."""
    item = tarfile.TarInfo("star_1.fits")
    item.size = GIB
    return gzipped(GIB, head=item.tobuf())


def tar_of_many() -> bytes:
    """Return a packed archive of a million empty members."""
    item = tarfile.TarInfo("a.fits").tobuf()
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    piece = item * 10_000
    return b"".join([*(packer.compress(piece) for _ in range(100)), packer.flush()])


def laughs() -> bytes:
    """Return a VOTable whose entities unpack to a billion words."""
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(10)
    )
    text = (
        f'<?xml version="1.0"?><!DOCTYPE VOTABLE [{entities}]><VOTABLE version="1.4"><RESOURCE>'
        "<DESCRIPTION>&l9;</DESCRIPTION></RESOURCE></VOTABLE>"
    )
    return text.encode()


def aliases() -> bytes:
    """Return an ECSV whose header repeats itself a billion times by aliases."""
    lines = ["# %ECSV 1.0", "# ---", "# datatype:", "# - {name: a, datatype: float64}", "# meta:"]
    lines.append("#   l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]")
    for n in range(1, 9):
        inside = ", ".join([f"*l{n - 1}"] * 10)
        lines.append(f"#   l{n}: &l{n} [{inside}]")
    return "\n".join([*lines, "a", "1.0", ""]).encode()


BOMBS: Mapping[str, tuple[tuple[str, ...], str, Maker]] = {
    # name: tasks that read it, suffix, content
    "gzip of a gibibyte": (
        ("gamma-sky", "star-galaxy", "streak", "active-region", "flare", "gamma-hadron"),
        "fits.gz",
        lambda: gzipped(head=EMPTY),
    ),
    "gzip of a photon list without end": (
        ("gamma-sky",), "fits.gz", lambda: gzipped(head=events_table(NAXIS2=2**28)[: -_BLOCK]),
    ),
    "gzip in gzip in gzip": (
        ("gamma-sky", "star-galaxy", "active-region", "gamma-hadron"),
        "fits.gz",
        lambda: gzip.compress(gzip.compress(gzipped())),
    ),
    "gzip of text": (("gamma-hadron",), "csv.gz", lambda: gzipped(head=b"a,b\n1,2\n", fill=b"1")),
    "image of 2^62 pixels": (
        ("gamma-sky", "star-galaxy", "active-region", "flare", "gamma-hadron"), "fits", huge_image,
    ),
    "table of 2^40 rows": (
        ("gamma-sky", "gamma-hadron"), "fits", lambda: events_table(NAXIS2=2**40),
    ),
    "table with a heap of 2^60 bytes": (
        ("gamma-sky", "gamma-hadron"),
        "fits",
        lambda: events_table(PCOUNT=2**60, THEAP=2**59, TFORM2="1PD(2147483647)"),
    ),
    "row of 2^40 bytes": (
        ("gamma-sky", "gamma-hadron"),
        "fits",
        lambda: events_table(NAXIS1=2**40, TFORM1="137438953472D"),
    ),
    "Rice tiles of 30,000 pixels to a side": (
        ("active-region", "star-galaxy"),
        "fits.fz",
        lambda: tiles("RICE_1", 30_000, 500, b"\0" * 64),
    ),
    "one Rice tile of 8,000 pixels to a side": (
        ("active-region", "flare"), "fits.fz", lambda: tiles("RICE_1", 8_000, 8_000, b"\0" * 64),
    ),
    "gzip tile of a gibibyte": (
        ("active-region", "star-galaxy"), "fits.fz", lambda: tiles("GZIP_1", 512, 512, gzipped()),
    ),
    "Rice tiles of one value": (
        ("active-region", "flare"), "fits.fz", lambda: compressed_constant(8_000),
    ),
    "Avro block of 2^60 records": (
        ("star-galaxy", "streak"), "avro", lambda: avro(b"\x02\0\0", 2**60),
    ),
    "Avro block of 2^60 bytes": (
        ("star-galaxy", "streak"), "avro", lambda: avro(b"\x02\0\0", 1, size=2**60),
    ),
    "Avro array of 2^60 nulls": (
        ("star-galaxy", "streak"), "avro", lambda: avro(zigzag(2**60) + b"\0", 1, schema=_NULLS),
    ),
    "Avro bytes of 2^60": (
        ("star-galaxy",), "avro", lambda: avro(b"\x02\x02" + zigzag(2**60), 1),
    ),
    "Avro deflate of a gibibyte": (
        ("star-galaxy", "streak"), "avro", lambda: avro(deflated(), 1, b"deflate"),
    ),
    "Parquet of equal rows": (("gamma-hadron",), "parquet", parquet_of_rows),
    "Parquet of one long text": (("gamma-hadron",), "parquet", parquet_of_texts),
    "Parquet of equal stamps": (("star-galaxy", "streak"), "parquet", parquet_of_stamps),
    "HDF5 of zeros": (("gamma-hadron",), "h5", hdf5_of_zeros),
    "HDF5 never written": (("gamma-hadron",), "h5", hdf5_never_written),
    "PNG of 60,000 pixels to a side": (
        ("active-region", "flare"), "png", lambda: png_of_bits(60_000),
    ),
    "PNG of 8,000 pixels to a side": (
        ("active-region", "flare"), "png", lambda: picture("PNG", 8_000),
    ),
    "JPEG that claims 65,500 pixels": (("active-region", "flare"), "jpg", jpeg_of_claims),
    "GIF that claims 30,000 pixels": (("active-region",), "gif", lambda: gif_of_claims(30_000)),
    "tar of a gibibyte": (("star-galaxy", "active-region"), "tar.gz", tar_of_zeros),
    "tar of a million members": (("star-galaxy",), "tar.gz", tar_of_many),
    "VOTable of a billion laughs": (("gamma-hadron",), "vot", laughs),
    "ECSV of a billion aliases": (("gamma-hadron",), "ecsv", aliases),
}  # fmt: skip


def make_bombs(
    folder: Path, names: Sequence[str] | None = None
) -> Iterator[tuple[str, tuple[str, ...], Path]]:
    """Write the bombs, or those of the names, into a folder; yield name, tasks and path of each."""
    for number, (name, (tasks, suffix, make)) in enumerate(BOMBS.items()):
        if names and name not in names:
            continue
        path = folder / f"bomb-{number:02}.{suffix}"
        path.write_bytes(make())
        yield name, tasks, path
