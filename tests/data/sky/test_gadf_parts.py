"""Files of several observations: which tables are those of one, and what is said of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.errors import ReadError
from skysift.data.contract import Verdict
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf import EventFile, read_events
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.data.sky.gadf_location import HduLocation
from skysift.data.sky.gadf_write import encode_events
from skysift.data.sky.gti import GoodTimeIntervals

NIGHT = 86400.0


def run(number: int, *, stop: float = 100.0) -> EventList:
    """A run of ten times as many photons as its number; run 2 is a day after run 1."""
    start = (number - 1) * NIGHT
    time = start + np.linspace(1.0, 99.0, 10 * number)
    return EventList(
        time, np.full(len(time), 80.0 + number), np.zeros(len(time)), np.ones(len(time)),
        GoodTimeIntervals.of([(start, start + stop)]), Pointing(80.0 + number, 0.0, 20.0),
        live_fraction=1 - number / 10, name=str(number), meta={"OBS_ID": number},
    )  # fmt: skip


def tables(number: int, suffix: str = "", *, stop: float = 100.0) -> list[fits.BinTableHDU]:
    """EVENTS and GTI of a run."""
    with fits.HDUList.fromstring(encode_events(run(number, stop=stop))) as hdus:
        made = [fits.BinTableHDU(hdu.data.copy(), hdu.header.copy()) for hdu in hdus[1:]]
    for hdu in made:
        hdu.name += suffix
    return made


def pointing(ra: float, name: str = "POINTING") -> fits.BinTableHDU:
    columns = [fits.Column(k, "D", unit="deg", array=[v]) for k, v in
               (("RA_PNT", ra), ("DEC_PNT", 0.0))]  # fmt: skip
    return fits.BinTableHDU.from_columns(columns, name=name)


def response() -> fits.BinTableHDU:
    values = np.random.default_rng(0).random(50_000)  # does not shrink: some must be unpacked
    return fits.BinTableHDU.from_columns([fits.Column("EFFAREA", "D", array=values)], name="AEFF")


def write(path: Path, *hdus: fits.BinTableHDU) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


@pytest.fixture
def index_of(tmp_path: Path) -> Callable[..., ObservationIndex]:
    """Write an index of rows (observation, type, file, extension) and open it."""

    def make(*rows: tuple[int, str, str, str]) -> ObservationIndex:
        numbers, types, files, names = (list(column) for column in zip(*rows, strict=True))
        columns = [
            fits.Column("OBS_ID", "K", array=numbers),
            fits.Column("HDU_TYPE", "10A", array=types),
            fits.Column("HDU_CLASS", "10A", array=types),
            fits.Column("FILE_DIR", "10A", array=["./"] * len(rows)),
            fits.Column("FILE_NAME", "20A", array=files),
            fits.Column("HDU_NAME", "20A", array=names),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "hdu-index.fits.gz")
        return open_index(tmp_path)

    return make


def codes(file: EventFile) -> list[str]:
    return [finding.code for finding in file.findings]


def assert_is_run(file: EventFile, number: int) -> None:
    expected = run(number)
    assert file.events.time.tolist() == expected.time.tolist()
    assert file.events.gti.start.tolist() == expected.gti.start.tolist()
    assert file.events.live_fraction == pytest.approx(expected.live_fraction)
    assert file.events.pointing.ra == expected.pointing.ra
    assert file.events.name == str(number)


@pytest.mark.parametrize("name", ["all.fits", "all.fits.gz"])
def test_an_index_names_the_tables_of_each_run_in_one_file(index_of, tmp_path, name) -> None:
    write(tmp_path / name, *tables(1, "_1"), response(), *tables(2, "_2"), response())
    index = index_of(
        (1, "events", name, "events_1"),
        (1, "gti", name, "GTI_1"),
        (2, "events", name, "EVENTS_2"),
        (2, "gti", name, "gti_2"),
    )
    for number in (1, 2):
        file = index.read(number)
        assert_is_run(file, number)
        assert codes(file) == []
        assert file.counts["rejected"] == 0


def test_an_index_chooses_among_the_good_times_of_a_run(index_of, tmp_path: Path) -> None:
    events, whole = tables(1)
    clean = tables(1, "_CLEAN", stop=30.0)[1]
    write(tmp_path / "a.fits", events, whole, clean)
    file = index_of((1, "events", "a.fits", "EVENTS"), (1, "gti", "a.fits", "GTI_CLEAN")).read(1)
    assert file.events.gti.duration == 30.0
    assert len(file.events) == 3
    alone = read_events(tmp_path / "a.fits")
    assert alone.events.gti.duration == 100.0
    assert codes(alone) == ["tables-left-out"]


def test_an_index_chooses_among_the_pointings(index_of, tmp_path: Path) -> None:
    write(tmp_path / "a.fits", *tables(1), pointing(10.0), response(), pointing(20.0, "BETTER"))
    rows = [(1, "events", "a.fits", "EVENTS"), (1, "gti", "a.fits", "GTI")]
    file = index_of(*rows, (1, "pointing", "a.fits", "Better")).read(1)
    assert file.events.pointing.ra == pytest.approx(20.0)


@pytest.mark.parametrize("kind", ["events", "gti", "pointing"])
def test_an_extension_that_the_index_names_and_the_file_lacks_is_said(
    index_of, tmp_path, kind
) -> None:
    write(tmp_path / "a.fits", *tables(1), pointing(10.0))
    names = {"events": "EVENTS", "gti": "GTI", "pointing": "POINTING"} | {kind: "ELSE"}
    index = index_of(*((1, one, "a.fits", name) for one, name in names.items()))
    with pytest.raises(
        ReadError,
        match=r"names the extension 'ELSE' for .*PRIMARY, EVENTS, GTI, POINTING.*HDU_NAME",
    ):
        index.read(1)
    if kind == "gti":
        assert len(index.read(1, ignore_gti=True).events) == 10


def test_parts_that_the_index_does_not_name_are_those_behind_the_events(index_of, tmp_path) -> None:
    write(tmp_path / "a.fits", *tables(1, "_1"), pointing(11.0), *tables(2, "_2"), pointing(22.0))
    index = index_of((1, "events", "a.fits", "EVENTS_1"), (2, "events", "a.fits", "EVENTS_2"))
    for number in (1, 2):
        file = index.read(number)
        assert file.events.pointing.ra == pytest.approx(11.0 * number)
        assert len(file.events) == 10 * number
        assert codes(file) == []


def test_a_good_time_is_not_borrowed_from_another_run(tmp_path: Path) -> None:
    events, _ = tables(1)
    write(tmp_path / "a.fits", events, *tables(2))
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[3].header["OBS_ID"] = 2
    file = read_events(tmp_path / "a.fits")
    assert len(file.events) == 10
    assert codes(file) == ["tables-left-out", "no-gti"]


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_a_second_table_of_events_is_noted(tmp_path: Path, name) -> None:
    path = write(tmp_path / name, *tables(1), *tables(2))
    file = read_events(path)
    assert_is_run(file, 1)
    (finding,) = file.findings
    assert (finding.code, finding.verdict) == ("tables-left-out", Verdict.NOTED)
    assert "left out are EVENTS (HDU 3, 20 rows), GTI (HDU 4, 1 rows)" in finding.message


def test_the_second_table_of_events_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", *tables(1), *tables(2, "_2"))
    file = read_events(HduLocation(path, "events_2", "events", "events"))
    assert_is_run(file, 2)
    assert codes(file) == []


def test_a_second_table_of_events_behind_the_responses_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", *tables(1), response(), *tables(2))
    file = read_events(path)
    assert_is_run(file, 1)
    assert "EVENTS (HDU 4, 20 rows)" in file.findings[0].message


def test_what_is_damaged_behind_the_responses_costs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", *tables(1), response(), *tables(2))
    path.write_bytes(path.read_bytes()[:-4000])
    assert_is_run(read_events(path), 1)
    behind = write(tmp_path / "b.fits", *tables(1), response())
    behind.write_bytes(behind.read_bytes() + b"XTENSION= 'RUBBISH '".ljust(2880))
    assert read_events(behind).findings == ()


def test_no_response_of_a_gzipped_file_is_unpacked_to_look_behind_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits.gz", *tables(1), response(), *tables(2))
    file = read_events(path, max_bytes=200_000)
    assert_is_run(file, 1)


def test_good_time_in_a_file_of_its_own_is_no_reason_to_note_the_one_beside_the_events(
    index_of, tmp_path: Path
) -> None:
    write(tmp_path / "a.fits", *tables(1))
    write(tmp_path / "gti.fits", tables(1, stop=50.0)[1])
    file = index_of((1, "events", "a.fits", "EVENTS"), (1, "gti", "gti.fits", "GTI")).read(1)
    assert file.events.gti.duration == 50.0
    assert codes(file) == ["outside-gti"]


def test_runs_that_share_their_good_time_have_it(tmp_path: Path) -> None:
    events, gti = tables(1)
    other = tables(1, "_LOW")[0]
    file = read_events(write(tmp_path / "a.fits", events, other, gti))
    assert file.events.gti.duration == 100.0
    assert codes(file) == ["tables-left-out"]
