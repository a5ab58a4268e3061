"""What is said of observations: windows, pointings that move, photons that are gone."""

import numpy as np
import pytest
from astropy.io import fits

from skysift.data.io import read_table
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.tasks.gamma_sky.live.memory import FieldMemory
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import windows_of

WINDOWS = ("--windows", "30s", "--lateness", "1h")


def photons(number=1, *, start=0.0, stop=60.0, n=300):
    rng = np.random.default_rng(number)
    ra, dec = rng.normal(10, 0.8, n), rng.normal(5, 0.8, n)
    ra[: n // 3], dec[: n // 3] = rng.normal(10.4, 0.03, n // 3), rng.normal(5.2, 0.03, n // 3)
    time = start + np.sort(rng.uniform(0, stop, n))
    return EventList(
        time, ra, dec, rng.uniform(0.1, 1, n), GoodTimeIntervals.of([(start, start + stop)]),
        Pointing(10.0, 5.0, 20.0), name=str(number),
    )  # fmt: skip


def drifting(path, by):
    """A photon list with a table of pointings that move by some degrees."""
    write_events(photons(), path)
    columns = [
        fits.Column("TIME", "D", unit="s", array=np.linspace(0, 60, 5)),
        fits.Column("RA_PNT", "D", unit="deg", array=10 + np.linspace(-by / 2, by / 2, 5)),
        fits.Column("DEC_PNT", "D", unit="deg", array=np.full(5, 5.0)),
    ]
    with fits.open(path) as hdus:
        table = fits.BinTableHDU.from_columns(columns, name="POINTING")
        fits.HDUList([*hdus, table]).writeto(path, overwrite=True)
    return path


# --- names of windows ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "step", "after"),
    [
        ("10s", None, ["0", "10", "20"]),
        ("20s", "5s", ["0", "5", "10"]),
        ("0.1min", None, ["0", "6", "12"]),
        ("0.4s", None, ["0", "0.4", "0.8", "1.2", "1.6", "2", "2.4"]),
        ("5s", "2.5s", ["0", "2.5", "5", "7.5"]),
        ("0.001s", None, ["0", "0.001", "0.002"]),
    ],
)
@pytest.mark.parametrize("start", [0.0, 123_456_789.3])
def test_windows_are_named_by_when_they_begin(length, step, after, start):
    options = PredictOptions(window=length, step=step)
    found = []
    for window, _ in zip(windows_of(photons(start=start), options), after, strict=False):
        found.append(window.name)
    assert found == [f"1+{one}s" for one in after]


def test_no_two_windows_share_a_name():
    for length in (0.3, 1 / 3, 0.07):
        names = [one.name for one in windows_of(photons(), PredictOptions(window=length))]
        assert len(set(names)) == len(names) > 100


# --- a pointing that moves ----------------------------------------------------------------------


@pytest.mark.parametrize("windows", [(), WINDOWS])
def test_a_pointing_that_moves_is_told_and_flagged(skysift, tmp_path, windows):
    drifting(tmp_path / "still.fits", 0.02)
    assert skysift("still.fits", "--out", "o.ecsv", *windows) == (0, "")
    drifting(tmp_path / "moving.fits", 2.0)
    code, said = skysift("moving.fits", "--out", "m.ecsv", *windows)
    assert code == 0
    assert "1: The telescope moved up to 0.996 deg from its mean pointing" in said
    assert "Flag 'pointing-moves'." in said
    for name, expected in (("o", False), ("m", True)):
        table = read_table(tmp_path / f"{name}{'-windows' if windows else ''}.ecsv")
        flags = [text.split(",") for text in table["flags"].astype(str)]
        flags = [one for one in flags if one != ["bin"]]
        assert len(flags) >= 1
        assert all(("pointing-moves" in one) == expected for one in flags)


def test_only_windows_with_a_moving_pointing_are_flagged():
    """Of a stream, whatever came first."""
    parts = [(photons(1), False), (photons(2, start=60.0), True), (photons(3, start=120.0), False)]
    for order in (parts, parts[::-1]):
        memory = FieldMemory(parts[0][0].pointing, ReadOptions(), (30.0,))
        for events, moves in order:
            memory.add(events, moves=moves)
        ends = (30.0, 60.0, 61.0, 120.0, 149.0, 150.0, 151.0, 180.0)
        assert [memory.moves(end - 30.0, end) for end in ends] == [
            False, False, True, True, True, False, False, False,
        ]  # fmt: skip


# --- nothing is left ----------------------------------------------------------------------------


@pytest.mark.parametrize("windows", [(), WINDOWS])
def test_why_no_photon_is_left_is_told(skysift, tmp_path, windows):
    write_events(photons(), tmp_path / "empty.fits")
    write_events(photons(2), tmp_path / "broken.fits")
    write_events(photons(3, start=100.0), tmp_path / "good.fits")
    with fits.open(tmp_path / "empty.fits") as hdus:
        hdus["GTI"].data = hdus["GTI"].data[:0]
        hdus.writeto(tmp_path / "empty.fits", overwrite=True)
    with fits.open(tmp_path / "broken.fits") as hdus:
        hdus["EVENTS"].data["ENERGY"][:] = np.nan
        hdus["EVENTS"].data["RA"][:3] = np.nan
        hdus.writeto(tmp_path / "broken.fits", overwrite=True)
    code, said = skysift("empty.fits", "--out", "o.ecsv", *windows)
    assert code == 2
    assert "1: no photon of 300 is left. The GTI table is empty" in said
    assert "Read with ignore_gti" in said
    code, said = skysift("good.fits", "broken.fits", "--out", "o.ecsv", *windows)
    assert code == 0
    assert said.startswith("2: no photon of 300 is left. ")
    record = read_table(tmp_path / "o.ecsv").meta["provenance"]["input_contract"]
    gravest = max(record, key=lambda one: one["n"])
    assert gravest["n"] > 200
    assert gravest["message"] in said
