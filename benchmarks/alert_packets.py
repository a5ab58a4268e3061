"""Made-up alert packets for the benchmarks: Avro of the shape and size of ZTF's, with real physics.

Stars and galaxies on a noisy sky, a Moffat PSF of 1.7 to 3 pixels in the science image and of 2 in
the template, a hundred measured fields and thirty earlier detections, stamps as gzipped FITS.
"""

import gzip
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 63
_EARLIER = 30
_MEASURED = 85
_BETA = 2.5


def packets(n: int, rng: np.random.Generator) -> list[bytes]:
    """Return Avro containers of one alert each, as brokers send them."""
    import fastavro  # noqa: PLC0415  # an extra

    schema = fastavro.parse_schema(_schema())
    made = []
    for number in range(n):
        out = BytesIO()
        fastavro.writer(out, schema, [_alert(number, rng)])
        made.append(out.getvalue())
    return made


def _schema() -> dict[str, Any]:
    known = [
        {"name": "jd", "type": "double"},
        {"name": "fid", "type": "int"},
        {"name": "pid", "type": "long"},
        {"name": "pdiffimfilename", "type": ["string", "null"]},
        {"name": "ra", "type": "double"},
        {"name": "dec", "type": "double"},
        *({"name": name, "type": ["float", "null"]} for name in _FLOATS),
        {"name": "rfid", "type": ["null", "long"]},
        *({"name": f"measured_{k}", "type": ["float", "null"]} for k in range(_MEASURED)),
    ]
    candidate = {"type": "record", "name": "candidate", "fields": known}
    stamp = {
        "type": "record",
        "name": "cutout",
        "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
    }
    earlier = {"type": "array", "items": "candidate"}
    return {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "schemavsn", "type": "string"},
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": candidate},
            {"name": "prv_candidates", "type": ["null", earlier]},
            {"name": "cutoutScience", "type": ["null", stamp]},
            {"name": "cutoutTemplate", "type": ["null", "cutout"]},
            {"name": "cutoutDifference", "type": ["null", "cutout"]},
        ],
    }


_FLOATS = ("magzpsci", "xpos", "ypos", "fwhm", "seeratio")


def _alert(number: int, rng: np.random.Generator) -> dict[str, Any]:
    width = rng.uniform(1.7, 3.0)
    template, science = _field(rng, 2.0, width)
    candidate = {
        "jd": 2459000.5 + number,
        "fid": 2,
        "pid": 1105522281015 + 10**6 * number,
        "pdiffimfilename": f"ztf_{number:012d}_zr_c03_o_q3_scimrefdiffimg.fits",
        "ra": rng.uniform(0, 360),
        "dec": rng.uniform(-30, 90),
        "magzpsci": 26.3,
        "xpos": 1000.0,
        "ypos": 1000.0,
        "fwhm": width,
        "seeratio": (width + 1.096) / 1.164 / width,
        "rfid": 500_000_000 + number,
        **{f"measured_{k}": float(value) for k, value in enumerate(rng.normal(size=_MEASURED))},
    }
    return {
        "schemavsn": "3.3",
        "objectId": f"ZTF20{number:07d}",
        "candid": 1105522281015015000 + 10**12 * number,
        "candidate": candidate,
        "prv_candidates": [candidate] * _EARLIER,
        "cutoutScience": _stamp(science),
        "cutoutTemplate": _stamp(template),
        "cutoutDifference": _stamp(science - template),
    }


def _field(
    rng: np.random.Generator, *widths: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same sources at two seeings: the target and four others."""
    places = np.vstack([[31.0, 31.0], rng.uniform(6, 57, (4, 2))])
    wider = np.where(rng.random(5) < 0.3, rng.uniform(1.2, 2.5, 5), 1.0)
    flux = 10 ** rng.uniform(3, 4.5, 5)
    template, science = (
        rng.normal(0, noise, (SIDE, SIDE))
        + sum(
            _moffat(y, x, width * more, total)
            for (y, x), more, total in zip(places, wider, flux, strict=True)
        )
        for noise, width in zip((2.0, 8.0), widths, strict=True)
    )
    return template, science


def _moffat(y: float, x: float, fwhm: float, flux: float) -> NDArray[np.float64]:
    rows, columns = np.indices((SIDE, SIDE))
    a = fwhm / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    base = 1 + ((rows - y) ** 2 + (columns - x) ** 2) / a**2
    profile: NDArray[np.float64] = flux * (_BETA - 1) / (np.pi * a**2) * base**-_BETA
    return profile


def _stamp(pixels: NDArray[np.float64]) -> dict[str, Any]:
    cards = [
        "SIMPLE  =                    T",
        f"BITPIX  = {-32:20d}",
        f"NAXIS   = {2:20d}",
        f"NAXIS1  = {SIDE:20d}",
        f"NAXIS2  = {SIDE:20d}",
        "BUNIT   = 'DN      '",
        "END",
    ]
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    data = header + pixels.astype(">f4").tobytes()
    return {
        "fileName": "stamp.fits.gz",
        "stampData": gzip.compress(data.ljust(-(-len(data) // 2880) * 2880, b"\0")),
    }
