"""Alert packets: real ones are read in full, hostile ones refused; fastavro is the oracle."""

import gzip
import json
import tarfile
import zlib
from io import BytesIO

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.data.images.alerts import Cutout, read_avro_stamps, stamp_of_alert
from skysift.data.images.flags import StampFlag
from skysift.data.images.limits import Limits
from skysift.data.images.readers import iter_stamps, read_images
from skysift.data.images.stamp import Rejected, Stamp


def container(schema: dict, records: list[dict], codec: str = "null") -> bytes:
    out = BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), records, codec=codec)
    return out.getvalue()


def raw_container(schema: object, block: bytes, count: int, codec: bytes = b"null") -> bytes:
    """A container written by hand, which fastavro would not write."""

    def long(value: int) -> bytes:
        value = (value << 1) ^ (value >> 63)
        out = b""
        while value > 0x7F:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])

    text = json.dumps(schema).encode()
    entries = {b"avro.schema": text, b"avro.codec": codec}
    header = long(len(entries)) + b"".join(
        long(len(key)) + key + long(len(value)) + value for key, value in entries.items()
    )
    sync = b"0123456789abcdef"
    return b"Obj\x01" + header + long(0) + sync + long(count) + long(len(block)) + block + sync


def codes(data: bytes, **options: object) -> list[str]:
    found = read_avro_stamps(data, "a", "a.avro", **options)
    return [item.code if isinstance(item, Rejected) else "ok" for item in found]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_container_gives_every_alert_with_its_facts(alert_schema, make_alert, codec) -> None:
    alerts = [make_alert(candid=k) for k in range(5)]
    found = list(read_avro_stamps(container(alert_schema, alerts, codec), "a", "a.avro"))
    assert [stamp.identifier for stamp in found] == [str(k) for k in range(5)]
    stamp = found[0]
    packed = gzip.decompress(alerts[0]["cutoutScience"]["stampData"])
    np.testing.assert_array_equal(stamp.pixels, fits.getdata(BytesIO(packed)))
    assert stamp.facts["object"] == "ZTF20aaelulu"
    assert stamp.facts["band"] == "ztf_i"
    assert stamp.facts["exposure"] == "110552228"
    assert stamp.facts["mjd"] == pytest.approx(58859.5222801, abs=1e-6)
    assert stamp.facts["zero_point"] == pytest.approx(26.4, abs=1e-6)


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_blocks_that_arrow_packs(alert_schema, make_alert, codec) -> None:
    out = BytesIO()
    schema = fastavro.parse_schema(alert_schema)
    fastavro.schemaless_writer(out, schema, make_alert())
    plain = out.getvalue()
    if codec == "snappy":
        block = pa.Codec("snappy").compress(plain, asbytes=True)
        block += zlib.crc32(plain).to_bytes(4, "big")
    else:
        block = pa.Codec("zstd").compress(plain, asbytes=True)
    assert codes(raw_container(alert_schema, block, 1, codec.encode())) == ["ok"]
    broken = block[:-1] + bytes([block[-1] ^ 1])
    if codec == "snappy":
        assert codes(raw_container(alert_schema, broken, 1, b"snappy")) == ["damaged-avro"]


def test_a_block_of_snappy_that_claims_far_more_than_it_has_is_refused_unread(alert_schema) -> None:
    claims = b"\x80\x80\x80\x64" + bytes(60)  # 200 MiB in 64 bytes
    (refused,) = read_avro_stamps(raw_container(alert_schema, claims, 1, b"snappy"), "a", "a")
    assert "too large" in refused.reason


def test_one_bad_alert_does_not_stop_the_others(alert_schema, make_alert) -> None:
    bad = {"fileName": "x", "stampData": b"\x1f\x8bnot a gzip file"}
    bomb = {"fileName": "x", "stampData": gzip.compress(b"SIMPLE  =" + bytes(10_000_000))}
    whole = make_alert()["cutoutScience"]["stampData"]
    cut = {"fileName": "x", "stampData": whole[: len(whole) // 2]}
    alerts = [
        make_alert(),
        make_alert(cutoutScience=None),
        make_alert(cutoutScience=bad),
        make_alert(cutoutScience=bomb),
        make_alert(cutoutScience=cut),
        make_alert(),
    ]
    data = container(alert_schema, alerts)
    assert codes(data, limits=Limits(member_bytes=1_000_000)) == [
        "ok",
        "no-image",
        "damaged-stamp",
        "damaged-stamp",
        "damaged-stamp",
        "ok",
    ]
    assert codes(data, cutout=Cutout.TEMPLATE) == ["ok"] * 6


def test_the_target_of_a_clipped_stamp_is_where_the_detector_says(make_alert) -> None:
    out = BytesIO()
    pixels = np.random.default_rng(1).normal(200, 5, (63, 48)).astype(np.float32)
    fits.PrimaryHDU(pixels).writeto(out)
    alert = make_alert(cutoutScience=out.getvalue())
    alert["candidate"] = {**alert["candidate"], "xpos": 17.0, "ypos": 900.0}
    stamp = stamp_of_alert(alert, "live")
    assert stamp.flags & StampFlag.PADDED
    assert stamp.center == (31.0, 16.0)
    alert["candidate"] = {**alert["candidate"], "xpos": 3056.0}
    assert stamp_of_alert(alert, "live").center == (31.0, 31.0)


def test_rubin_alerts_by_their_own_fields(make_stamp) -> None:
    alert = {
        "diaSourceId": 170595940828184636,
        "diaSource": {
            "ra": 1.04,
            "dec": -8.1,
            "midpointMjdTai": 61219.4,
            "diaObjectId": None,
            "ssObjectId": 99,
            "visit": 2026062700854,
            "band": "z",
        },
        "cutoutScience": make_stamp((33, 33)),
    }
    stamp = stamp_of_alert(alert, "live")
    assert isinstance(stamp, Stamp)
    assert stamp.identifier == "170595940828184636"
    assert (stamp.facts["object"], stamp.facts["exposure"]) == ("99", "2026062700854")
    assert stamp.facts["zero_point"] == 31.4


RECURSIVE = {
    "type": "record",
    "name": "alert",
    "fields": [{"name": "next", "type": ["null", "alert"]}],
}
LIST_OF_NOTHING = {
    "type": "record",
    "name": "alert",
    "fields": [{"name": "many", "type": {"type": "array", "items": "null"}}],
}
DOUBLING = {
    "type": "record",
    "name": "r0",
    "fields": [
        {
            "name": "a",
            "type": {
                "type": "record",
                "name": "r1",
                "fields": [{"name": "x", "type": "null"}],
            },
        },
    ],
}
for _level in range(2, 22):
    DOUBLING = {
        "type": "record",
        "name": f"top{_level}",
        "fields": [{"name": "a", "type": DOUBLING}, {"name": "b", "type": DOUBLING["name"]}],
    }


@pytest.mark.parametrize(
    ("schema", "block", "count"),
    [
        (RECURSIVE, b"\x02" * 100_000, 1),
        (LIST_OF_NOTHING, b"\xfe\xff\xff\xff\xff\x7f\x00", 1),
        (DOUBLING, b"\x00", 1),
        ({"type": "record", "name": "alert", "fields": []}, b"", 10**15),
        ("string", b"\x02a", 1),
        ({"type": "record", "name": "alert"}, b"", 1),
        ({"nonsense": 1}, b"", 1),
    ],
)
def test_hostile_schemas_are_refused_at_once(schema, block, count) -> None:
    assert codes(raw_container(schema, block, count)) == ["damaged-avro"]


def test_a_block_that_unpacks_too_far_is_refused(alert_schema, monkeypatch) -> None:
    monkeypatch.setattr("skysift.data.images.avro._MAX_BLOCK", 1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(2 << 20)) + packer.flush()
    assert codes(raw_container(alert_schema, bomb, 1, b"deflate")) == ["damaged-avro"]
    bomb = pa.Codec("zstd").compress(bytes(2 << 20), asbytes=True)
    assert codes(raw_container(alert_schema, bomb, 1, b"zstandard")) == ["damaged-avro"]
    assert codes(raw_container(alert_schema, b"x", 1, b"bzip2")) == ["damaged-avro"]


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_packets_never_raise(alert_schema, make_alert, data) -> None:
    whole = bytearray(container(alert_schema, [make_alert()]))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for damaged in (bytes(whole), cut):
        for found in read_avro_stamps(damaged, "a", "a"):
            assert isinstance(found, Stamp | Rejected)


def test_parquet_with_flat_fields_reads_like_avro(tmp_path, make_alert) -> None:
    alert = make_alert()
    row = {**alert["candidate"], "candid": 5, "objectId": "ZTF1"}
    row["cutoutScience"] = alert["cutoutScience"]["stampData"]
    path = tmp_path / "alerts.parquet"
    pq.write_table(pa.Table.from_pylist([row, {**row, "cutoutScience": b"junk"}]), path)
    good, bad = iter_stamps([path])
    assert good.facts["exposure"] == "110552228"
    assert good.identifier == "5"
    assert bad.code == "damaged-stamp"


@pytest.mark.mirror
def test_real_packets_agree_with_fastavro(mirror, tmp_path) -> None:
    path = mirror / "ztf_alerts" / "kowalski_ztf_avro.tar.gz"
    read = read_images([path])
    assert read.checked.counts["rejected"] == 0
    assert len(read.images) == 31
    with tarfile.open(path) as archive:
        for row, member in enumerate(m for m in archive if m.isreg()):
            (record,) = fastavro.reader(archive.extractfile(member))
            assert read.images.identifiers[row] == str(record["candid"])
            assert read.images.facts["ra"][row] == record["candidate"]["ra"]
            assert read.images.facts["object"][row] == record["objectId"]
            stamp = gzip.decompress(record["cutoutScience"]["stampData"])
            values = np.frombuffer(stamp[2880:], ">f4", 63 * 63).reshape(63, 63)
            np.testing.assert_array_equal(read.images.pixels[row], values)


@pytest.mark.mirror
def test_real_stamps_in_parquet(mirror) -> None:
    images = read_images([mirror / "ztf_alerts" / "ztf_alerts.parquet"]).images
    assert len(images) == 361
    assert images.has(StampFlag.NOT_SQUARE).sum() == 2
    assert (images.cropped(21).pixels.shape) == (361, 21, 21)
