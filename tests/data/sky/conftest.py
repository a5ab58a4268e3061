"""Fixtures of photons on the sky: made-up GADF files, and gammapy as an oracle."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals


@pytest.fixture(scope="module")
def gammapy() -> Iterator[ModuleType]:
    """The package, its own deprecation warnings apart."""
    with warnings.catch_warnings():
        for module in ("gammapy", "regions"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=module)
        package = pytest.importorskip(
            "gammapy", reason="gammapy is the oracle: pip install 'skysift[gamma]'"
        )
        for part in ("data", "datasets", "irf", "maps"):
            pytest.importorskip(f"gammapy.{part}")
        yield package


COLUMNS = {
    "EVENT_ID": ("K", None, np.arange(10, 15)),
    "TIME": ("D", "s", np.array([1.0, 2.0, 3.0, 4.0, 5.0])),
    "RA": ("E", "deg", np.array([83.0, 83.5, 84.0, 83.2, 83.7])),
    "DEC": ("E", "deg", np.array([21.5, 22.0, 22.5, 21.9, 22.2])),
    "ENERGY": ("E", "TeV", np.array([0.1, 0.5, 1.0, 2.0, 30.0])),
}
HEADER = {
    "OBS_ID": 7,
    "OBJECT": "Crab",
    "TSTART": 0.0,
    "TSTOP": 10.0,
    "ONTIME": 10.0,
    "LIVETIME": 9.5,
    "DEADC": 0.95,
    "MJDREFI": 51910,
    "MJDREFF": 0.000742870370370241,
    "TIMESYS": "TT",
    "TIMEUNIT": "s",
    "RA_PNT": 83.6,
    "DEC_PNT": 22.0,
    "ALT_PNT": 60.0,
    "RADECSYS": "ICRS",
}


@pytest.fixture
def gadf_file(tmp_path: Path) -> Callable[..., Path]:
    """Make a file of five events that breaks no rule, but for the changes that are asked for.

    A column, keyword or interval given as None is left out.
    """

    def make(
        name: str = "events.fits",
        *,
        columns: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        gti: list[tuple[float, float]] | None = [(0.0, 10.0)],  # noqa: B006 - never changed
        gti_header: dict[str, Any] | None = None,
        more: tuple[fits.BinTableHDU, ...] = (),
    ) -> Path:
        chosen = {k: v for k, v in (COLUMNS | (columns or {})).items() if v is not None}
        events = _table("EVENTS", chosen)
        _set(events.header, HEADER | (header or {}))
        hdus = [fits.PrimaryHDU(), events]
        if gti is not None:
            bounds = np.array(gti, dtype=float).reshape(-1, 2)
            hdus.append(
                _table("GTI", {"START": ("D", "s", bounds[:, 0]), "STOP": ("D", "s", bounds[:, 1])})
            )
            _set(hdus[-1].header, gti_header or {})
        path = tmp_path / name
        fits.HDUList([*hdus, *more]).writeto(path)
        return path

    return make


@pytest.fixture
def pointing_table() -> Callable[..., fits.BinTableHDU]:
    def make(**columns: list[float]) -> fits.BinTableHDU:
        return _table("POINTING", {k: ("D", "deg", np.array(v)) for k, v in columns.items()})

    return make


@pytest.fixture
def crab_events() -> Callable[..., EventList]:
    """Made-up events about a direction, uniform in time and within two degrees in each axis."""

    def make(
        rng: np.random.Generator, n: int, ra: float = 83.63, dec: float = 22.01, span: float = 100.0
    ) -> EventList:
        return EventList(
            time=np.sort(rng.uniform(0, span, n)),
            ra=(ra + rng.uniform(-2, 2, n)) % 360,
            dec=np.clip(dec + rng.uniform(-2, 2, n), -90, 90),
            energy=10 ** rng.uniform(-1.5, 1.5, n),
            gti=GoodTimeIntervals.of([(0.0, 0.4 * span), (0.5 * span, span)]),
            pointing=Pointing(ra, dec, 30.0),
            live_fraction=0.9,
            name="5",
            event_id=np.arange(n),
        )

    return make


def _table(name: str, columns: dict[str, Any]) -> fits.BinTableHDU:
    made = [fits.Column(k, f, unit=u, array=v) for k, (f, u, v) in columns.items()]
    return fits.BinTableHDU.from_columns(made, name=name)


def _set(header: fits.Header, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        if value is not None:
            header[keyword] = value
