"""Small made-up images, stamps and alerts."""

import gzip
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits


def _stamp(
    shape: tuple[int, int] = (20, 20), *, sky: float = 200.0, cards: dict | None = None
) -> bytes:
    """A FITS file of a star on a noisy sky, with the photometric cards of a survey."""
    rng = np.random.default_rng(7)
    y, x = np.indices(shape)
    star = 900.0 * np.exp(-(((y - shape[0] / 2) ** 2) + (x - shape[1] / 2) ** 2) / 2.0)
    pixels = (sky + star + rng.normal(0, 5, shape)).astype(np.float32)
    hdu = fits.PrimaryHDU(pixels)
    known = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 10.0, "CRPIX2": 10.0,
        "CRVAL1": 30.0, "CRVAL2": -5.0, "CD1_1": -2.811e-4, "CD1_2": 0.0, "CD2_1": 0.0,
        "CD2_2": 2.811e-4, "PIXSCALE": 1.012, "SEEING": 1.7, "MAGZP": 25.6, "SATURATE": 50000.0,
        "INFOBITS": 0, "STATUS": 1, "FIXAPERS": "2,3,4,6,10,14", "EXPID": 123, "FILTER": "ZTF_i",
        **{f"APCOR{k}": -1.0 / k for k in range(1, 7)},
    }  # fmt: skip
    for name, value in {**known, **(cards or {})}.items():
        if value is None:
            hdu.header.remove(name, ignore_missing=True)
        else:
            hdu.header[name] = value
    out = BytesIO()
    hdu.writeto(out)
    return out.getvalue()


def _alert(candid: int = 1105522281015015000, **changes: object) -> dict:
    """A ZTF alert with the fields that are read, and some that are not."""
    hdu = fits.PrimaryHDU(fits.getdata(BytesIO(_stamp((63, 63)))))
    out = BytesIO()
    hdu.writeto(out)
    packed = {"fileName": "a.fits.gz", "stampData": gzip.compress(out.getvalue())}
    candidate = {
        "jd": 2458860.0222801, "fid": 3, "pid": 1105522281015, "ra": 185.7, "dec": 15.8,
        "magzpsci": 26.4, "xpos": 2432.0, "ypos": 867.6, "rb": 0.9,
    }  # fmt: skip
    return {
        "schemavsn": "3.3",
        "objectId": "ZTF20aaelulu",
        "candid": candid,
        "candidate": candidate,
        "prv_candidates": [candidate, candidate],
        "cutoutScience": packed,
        "cutoutTemplate": packed,
        "cutoutDifference": packed,
        **changes,
    }


ALERT_SCHEMA = {
    "type": "record",
    "name": "alert",
    "namespace": "ztf",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {
            "name": "candidate",
            "type": {
                "type": "record",
                "name": "candidate",
                "namespace": "ztf.alert",
                "fields": [
                    {"name": "jd", "type": "double"},
                    {"name": "fid", "type": "int"},
                    {"name": "pid", "type": "long"},
                    {"name": "ra", "type": "double"},
                    {"name": "dec", "type": "double"},
                    {"name": "magzpsci", "type": ["float", "null"], "default": None},
                    {"name": "xpos", "type": ["float", "null"]},
                    {"name": "ypos", "type": ["float", "null"]},
                    {"name": "rb", "type": ["float", "null"]},
                ],
            },
        },
        {
            "name": "prv_candidates",
            "type": ["null", {"type": "array", "items": "ztf.alert.candidate"}],
        },
        {
            "name": "cutoutScience",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "cutout",
                    "namespace": "ztf.alert",
                    "fields": [
                        {"name": "fileName", "type": "string"},
                        {"name": "stampData", "type": "bytes"},
                    ],
                },
            ],
        },
        {"name": "cutoutTemplate", "type": ["null", "ztf.alert.cutout"]},
        {"name": "cutoutDifference", "type": ["null", "ztf.alert.cutout"]},
    ],
}


@pytest.fixture(scope="session")
def make_stamp() -> Callable[..., bytes]:
    return _stamp


@pytest.fixture(scope="session")
def make_alert() -> Callable[..., dict]:
    return _alert


@pytest.fixture(scope="session")
def alert_schema() -> dict:
    return ALERT_SCHEMA


def _science_header(kind: str) -> fits.Header:
    """The coordinates of a wide image, with strong distortions of either kind."""
    header = fits.Header()
    common = {
        "CRPIX1": 160.5, "CRPIX2": -40.25, "CRVAL1": 5.5, "CRVAL2": -4.0,
        "CD1_1": -2.8124e-4, "CD1_2": -1.2e-7, "CD2_1": 1.7e-7, "CD2_2": 2.812e-4,
    }  # fmt: skip
    if kind == "TPV":
        cards = {
            "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CUNIT1": "deg", "CUNIT2": "deg", **common,
            "PV1_0": 1e-6, "PV1_1": 0.99991, "PV1_2": 1.5e-4, "PV1_4": 2.1e-2, "PV1_7": -1.7e-2,
            "PV2_0": -1e-5, "PV2_1": 1.0001, "PV2_2": 3.6e-5, "PV2_4": -9.4e-3, "PV2_8": 2e-2,
        }  # fmt: skip
    else:
        cards = {
            "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", **common,
            "A_ORDER": 2, "A_2_0": 2e-5, "A_1_1": -1e-5, "B_ORDER": 2, "B_0_2": -2e-5,
        }  # fmt: skip
    header.update(cards)
    header.update(
        {"SEEING": 1.8, "SATURATE": 50000.0, "INFOBITS": 2, "MAGZP": 25.5, "EXPID": 77, "STATUS": 1}
    )
    return header


@pytest.fixture
def science_image(tmp_path: Path) -> Callable[[str], Path]:
    """Write an image of 300 x 240 pixels whose values tell their place."""

    def write(kind: str) -> Path:
        y, x = np.indices((240, 300))
        path = tmp_path / f"{kind.lower()}.fits"
        fits.PrimaryHDU((1000 * y + x).astype(np.float32), _science_header(kind)).writeto(path)
        return path

    return write
