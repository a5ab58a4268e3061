"""A candidate as files: JSON, DS9 regions, FITS with its windows, light curve and maps."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from astropy.io import fits

from skysift.data.sky.ds9 import ellipse_region, point_region, region_file
from skysift.evaluate.ellipse import ellipse_scale
from skysift.serve.page.answers import Row
from skysift.serve.page.maps import WindowMaps
from skysift.serve.page.night import Source

__all__ = ["candidate_fits", "candidate_json", "candidate_regions"]

_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)


def candidate_json(
    source: Source, units: Mapping[str, str], provenance: Sequence[tuple[str, str]]
) -> bytes:
    """Return all that is known of a candidate; NaN, which JSON does not have, becomes null."""
    document = {
        "id": source.id,
        "units": {name: unit for name, unit in units.items() if name in source.best},
        "best": source.best,
        "windows": _by_time(source.candidates.values()),
        "light_curve": _by_time(source.bins.values()),
        "provenance": dict(provenance),
    }
    return json.dumps(_strict(document), indent=1, allow_nan=False, default=str).encode()


def candidate_regions(source: Source) -> bytes:
    """Return the 68 % and 95 % ellipses in the window that shows it best, or a cross."""
    best = source.best
    label = f"{source.id} {best['significance'] or 0.0:.1f} sigma"
    axes = [best.get(name) for name in ("err_major", "err_minor", "err_angle")]
    if not all(isinstance(value, float) and math.isfinite(value) for value in axes):
        return region_file([point_region(best["ra"], best["dec"], label=label)]).encode()
    major, minor, angle = (float(value) for value in axes if value is not None)
    place = (best["ra"], best["dec"])
    return region_file(
        [
            ellipse_region(*place, major, minor, angle, label=label),
            ellipse_region(*place, major * _WIDENING, minor * _WIDENING, angle, dashed=True),
        ]
    ).encode()


def candidate_fits(
    source: Source,
    units: Mapping[str, str],
    provenance: Sequence[tuple[str, str]],
    maps: WindowMaps | None,
) -> bytes:
    """Return tables WINDOWS and LIGHT_CURVE, and the maps of the best window as images."""
    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = "skysift"
    primary.header["OBJECT"] = _ascii(source.id)
    for name, value in provenance:
        primary.header["HISTORY"] = _ascii(f"{name}: {value}")
    hdus = fits.HDUList([primary, _table(_by_time(source.candidates.values()), units, "WINDOWS")])
    if source.bins:
        hdus.append(_table(_by_time(source.bins.values()), units, "LIGHT_CURVE"))
    if maps is not None:
        for name, layer in maps.layers.items():
            image = fits.ImageHDU(layer, header=maps.grid.wcs().to_header(), name=name)
            image.header["BUNIT"] = "count"
            hdus.append(image)
    buffer = BytesIO()
    hdus.writeto(buffer, checksum=True)
    return buffer.getvalue()


def _table(rows: Sequence[Row], units: Mapping[str, str], name: str) -> fits.BinTableHDU:
    columns = []
    for key, first in rows[0].items():
        values = [row.get(key) for row in rows]
        if isinstance(first, bool):
            array, form = np.array([bool(value) for value in values]), "L"
        elif isinstance(first, int):
            array, form = np.array([value or 0 for value in values], dtype=np.int64), "K"
        elif isinstance(first, float):
            array = np.array([np.nan if value is None else value for value in values])
            form = "D"
        else:
            texts = [_ascii(str("" if value is None else value)) for value in values]
            array, form = np.array(texts), f"{max(1, *map(len, texts), 1)}A"
        columns.append(fits.Column(name=key, format=form, array=array, unit=units.get(key) or None))
    return fits.BinTableHDU.from_columns(columns, name=name)


def _by_time(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.get("t_stop") or 0.0)


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
