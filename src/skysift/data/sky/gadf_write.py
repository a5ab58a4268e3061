"""Write an event list as a GADF DL3 file, which gammapy and ctools read."""

import gzip
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits

from skysift.core.files import write_atomic
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_name import is_card_value, name_cards
from skysift.data.sky.gti import GoodTimeIntervals

__all__ = ["encode_events", "gti_hdu", "write_events"]

_DOCUMENT = "https://gamma-astro-data-formats.readthedocs.io"


def write_events(events: EventList, path: str | Path) -> None:
    """Write EVENTS and GTI tables; a name that ends in ``.gz`` is gzipped.

    A reader sees the old file or the whole new one. Numbers are stored in double precision, so
    that reading gives the same list again.

    Parameters
    ----------
    events : EventList
        What is written; events without identifiers are numbered from 0.
    path : path-like
        The file, replaced if it is there.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    data = encode_events(events)
    if str(path).endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    write_atomic(path, data)


def encode_events(events: EventList) -> bytes:
    """Return the content of the file that `write_events` writes, not gzipped."""
    hdus = fits.HDUList([fits.PrimaryHDU(), _events_hdu(events),
                         gti_hdu(events.gti, events.reference_mjd)])  # fmt: skip
    buffer = BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def gti_hdu(gti: GoodTimeIntervals, reference_mjd: float) -> fits.BinTableHDU:
    """Return good time intervals as a GADF table."""
    columns = [
        fits.Column("START", "D", unit="s", array=gti.start),
        fits.Column("STOP", "D", unit="s", array=gti.stop),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    hdu.header.update(_class_cards("GTI") | _clock_cards(reference_mjd))
    return hdu


def _events_hdu(events: EventList) -> fits.BinTableHDU:
    identifiers = np.arange(len(events)) if events.event_id is None else events.event_id
    columns = [
        fits.Column("EVENT_ID", "K", array=identifiers),
        fits.Column("TIME", "D", unit="s", array=events.time),
        fits.Column("RA", "D", unit="deg", array=events.ra),
        fits.Column("DEC", "D", unit="deg", array=events.dec),
        fits.Column("ENERGY", "D", unit="TeV", array=events.energy),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    header = hdu.header
    header.update(_class_cards("EVENTS"))
    for keyword, value in events.meta.items():
        if keyword != "TIMESYS" and is_card_value(value):
            header[keyword] = value
    header.setdefault("OBS_MODE", "POINTING")
    header.update(name_cards(events))
    header.update(_clock_cards(events.reference_mjd))
    if len(events.gti):
        header["TSTART"] = (float(events.gti.start[0]), "[s] start of the good time")
        header["TSTOP"] = (float(events.gti.stop[-1]), "[s] end of the good time")
    header["ONTIME"] = (events.gti.duration, "[s] good time")
    header["LIVETIME"] = (events.livetime, "[s] good time less dead time")
    header["DEADC"] = (events.live_fraction, "live time over good time")
    header["RADECSYS"] = "ICRS"
    if np.isfinite(events.pointing.ra):
        header["RA_PNT"] = (events.pointing.ra, "[deg]")
        header["DEC_PNT"] = (events.pointing.dec, "[deg]")
    if np.isfinite(events.pointing.zenith):
        header["ALT_PNT"] = (90.0 - events.pointing.zenith, "[deg]")
    header["CREATOR"] = "skysift"
    return hdu


def _class_cards(name: str) -> dict[str, str]:
    return {"HDUCLASS": "GADF", "HDUDOC": _DOCUMENT, "HDUVERS": "0.3", "HDUCLAS1": name}


def _clock_cards(reference_mjd: float) -> dict[str, float | int | str]:
    whole = int(np.floor(reference_mjd))
    return {
        "MJDREFI": whole,
        "MJDREFF": reference_mjd - whole,
        "TIMEUNIT": "s",
        "TIMESYS": "TT",
        "TIMEREF": "LOCAL",
    }
