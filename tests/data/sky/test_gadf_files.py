"""Files that are damaged, hostile or something else; and what is written is read again."""

import functools
import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import OutputError, ReadError, SkysiftError, UnknownNameError
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.fits_stream import FitsStream, read_bounded
from skysift.data.sky.fits_table import Cards
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_index import open_index
from skysift.data.sky.gadf_location import HduLocation, list_responses
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.rad_max import read_rad_max


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"nowhere.fits: The file cannot be read.*Check that"):
        read_events(tmp_path / "nowhere.fits")


@pytest.mark.parametrize(
    "content",
    [b"", b"RA,DEC\n1,2\n", gzip.compress(b"no FITS", mtime=0), b"\x89PNG\r\n\x1a\n" + bytes(5000)],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.fits"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="This is not a FITS file"):
        read_events(path)


def test_a_fits_file_without_events_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    with pytest.raises(ReadError, match="no EVENTS table"):
        read_events(path)


@pytest.mark.parametrize("name", ["events.fits", "events.fits.gz"])
def test_a_file_cut_anywhere_is_refused_or_read_whole(gadf_file, tmp_path, name) -> None:
    content = gadf_file(name).read_bytes()
    whole = read_events(tmp_path / name).events
    cut = tmp_path / "cut.fits"
    refused: list[ReadError] = []
    for size in range(0, len(content), max(1, len(content) // 60)):
        cut.write_bytes(content[:size])
        try:
            events = read_events(cut).events
        except ReadError as error:
            refused.append(error)
        else:
            # Only the padding behind the last table, or the check sum behind it, is missing.
            assert events.time.tolist() == whole.time.tolist()
            assert events.gti.stop.tolist() == whole.gti.stop.tolist()
    assert len(refused) > 30
    assert all(error.path == cut and error.remedy for error in refused)


def test_a_table_cut_short_says_by_how_much(gadf_file) -> None:
    path = gadf_file(gti=None)
    path.write_bytes(path.read_bytes()[: -2880 + 40])  # 5 rows of 28 bytes are 140
    with pytest.raises(ReadError, match=r"cut short: it ends 100 bytes before.*checksum"):
        read_events(path)


def test_a_damaged_gzip_file_is_refused(gadf_file) -> None:
    path = gadf_file("events.fits.gz")
    content = bytearray(path.read_bytes())
    content[20:40] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(ReadError, match="damaged"):
        read_events(path)


@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(_small_file(folder))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b" 0-9'/=ETF")))
    path = folder / "damaged.fits"
    path.write_bytes(content)
    try:
        file = read_events(path, max_bytes=1 << 20)
    except SkysiftError as error:
        assert error.exit_code == 2  # noqa: PT017 - both outcomes are right
    else:
        assert sum(file.counts.values()) == file.n_rows


@functools.cache
def _small_file(folder: Path) -> bytes:
    rng = np.random.default_rng(1)
    events = EventList(
        np.arange(20.0), rng.uniform(83, 84, 20), rng.uniform(21, 22, 20), np.ones(20),
        GoodTimeIntervals.of([(0.0, 20.0)]), Pointing(83.5, 21.5, 30.0),
    )  # fmt: skip
    write_events(events, folder / "whole.fits")
    return (folder / "whole.fits").read_bytes()


def bomb(path: Path, size: int) -> Path:
    """A gzipped FITS file with an image of zeros in front of its events."""
    header = fits.Header(
        [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", size), ("EXTEND", True)]
    )
    with gzip.open(path, "wb") as file:
        file.write(header.tostring().encode())
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return path


def test_a_bomb_is_refused_by_its_ratio_before_it_is_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.fits.gz", 64 << 20)
    assert path.stat().st_size < 100_000
    with pytest.raises(ReadError, match="more than 1000 times its size"):
        read_events(path)
    with pytest.raises(ReadError, match="more than 1000 times its size"):
        read_bounded(path)


def test_no_more_is_unpacked_than_the_bound(gadf_file, tmp_path: Path) -> None:
    path = gadf_file("events.fits.gz")
    with pytest.raises(ReadError, match=r"more than 9.31e-06 GiB"):
        read_events(path, max_bytes=10_000)
    assert len(read_bounded(path, max_bytes=100_000)) == len(gzip.decompress(path.read_bytes()))


def test_a_header_that_claims_petabytes_is_refused_at_once(gadf_file) -> None:
    path = gadf_file(gti=None)
    content = path.read_bytes()
    claim = b"NAXIS2  =      999999999999999"
    path.write_bytes(content.replace(b"NAXIS2  =                    5", claim))
    with pytest.raises(ReadError, match="more than 2 GiB"):
        read_events(path)


def test_gzip_members_one_after_another_are_one_file(gadf_file, tmp_path: Path) -> None:
    content = gadf_file().read_bytes()
    path = tmp_path / "parts.fits.gz"
    parts = [gzip.compress(content[:5000]), bytes(7), gzip.compress(content[5000:]), bytes(100)]
    path.write_bytes(b"".join(parts))
    assert read_bounded(path) == content
    assert len(read_events(path).events) == 5


@given(data=st.binary(max_size=300_000), cuts=st.lists(st.integers(0, 300_000), max_size=8))
def test_pieces_of_a_gzipped_file_are_those_of_the_plain_one(tmp_path_factory, data, cuts) -> None:
    content = b"SIMPLE  =" + data
    path = tmp_path_factory.getbasetemp() / "pieces.fits.gz"
    path.write_bytes(gzip.compress(content))
    edges = [min(cut, len(content)) for cut in cuts]
    with FitsStream(path) as stream:
        for one, other in itertools.pairwise(edges):
            low, high = sorted((one, other))
            assert stream.read(low, high - low) == content[low:high]


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.rstrip),
)


@given(value=VALUES, comment=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_cards_mean_what_astropy_says(tmp_path_factory, value, comment) -> None:
    header = fits.Header()
    header["VALUE"] = (value, comment[: max(0, 60 - 2 * len(str(value)))])
    path = tmp_path_factory.getbasetemp() / "cards.fits"
    path.write_bytes(b"SIMPLE  =")
    with FitsStream(path) as stream:
        cards = Cards(header.tostring().encode("ascii"), stream)
    expected = fits.Header.fromstring(header.tostring())["VALUE"]
    found = cards.get("VALUE")
    assert (type(found), found) == (type(expected), expected)


def test_what_is_written_is_read_again(crab_events, rng, tmp_path: Path) -> None:
    events = crab_events(rng, 500)
    inside = events.take(events.gti.contains(events.time))
    for name in ("a.fits", "a.fits.gz"):
        write_events(inside, tmp_path / name)
        file = read_events(tmp_path / name)
        for column in ("time", "ra", "dec", "energy", "event_id"):
            np.testing.assert_array_equal(getattr(file.events, column), getattr(inside, column))
        assert file.events.gti.start.tolist() == inside.gti.start.tolist()
        assert file.events.pointing == inside.pointing
        assert file.events.livetime == inside.livetime
        assert file.events.reference_mjd == inside.reference_mjd
        assert file.events.name == "5"
        assert [f.code for f in file.findings] == ["gti-gaps"]


def test_writing_into_nothing_says_so(crab_events, rng, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_events(crab_events(rng, 3), tmp_path / "no folder" / "a.fits")


def test_an_index_leads_to_all_parts(gadf_file, tmp_path: Path) -> None:
    events = gadf_file("events.fits", gti=None)
    gadf_file("gti.fits", gti=[(0.0, 2.9)])
    names = ["events", "gti", "aeff"]
    rows = {
        "OBS_ID": ("K", [7, 7, 7]),
        "HDU_TYPE": ("10A", names),
        "HDU_CLASS": ("10A", ["events", "gti", "aeff_2d"]),
        "FILE_DIR": ("10A", [".", "./", ""]),
        "FILE_NAME": ("20A", [events.name, "gti.fits", "irf.fits"]),
        "HDU_NAME": ("20A", ["events", "gti", "EFFECTIVE AREA"]),
    }
    columns = [fits.Column(k, f, array=v) for k, (f, v) in rows.items()]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "hdu-index.fits.gz")
    index = open_index(tmp_path)
    assert index.obs_ids == (7,)
    file = index.read(7)
    assert file.events.time.tolist() == [1.0, 2.0, 3.0]
    assert file.counts == {
        "accepted": 3,
        "repaired": 0,
        "rejected": 2,
    }  # 3 s is at the edge, 4 and 5 s are too late
    response = HduLocation(tmp_path / "irf.fits", "EFFECTIVE AREA", "aeff", "aeff_2d")
    assert index.responses(7) == (response,)
    with pytest.raises(UnknownNameError, match="no observation '8'"):
        index.read(8)


def test_a_folder_without_an_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no hdu-index.fits"):
        open_index(tmp_path)
    (tmp_path / "hdu-index.fits").write_bytes(b"SIMPLE  =" + bytes(3000))
    with pytest.raises(ReadError, match=r"hdu-index.fits: The file is cut short"):
        open_index(tmp_path)


def rad_max_table() -> fits.BinTableHDU:
    cells = {
        "ENERG_LO": ("3E", "GeV", [100.0, 300.0, 1000.0]),
        "ENERG_HI": ("3E", "GeV", [300.0, 1000.0, 3000.0]),
        "THETA_LO": ("2E", "deg", [0.0, 1.0]),
        "THETA_HI": ("2E", "deg", [1.0, 2.0]),
        "RAD_MAX": ("6E", "deg", [0.3, 0.2, 0.1, 0.4, 0.3, 0.2]),
    }
    columns = [fits.Column(k, f, unit=u, array=[v]) for k, (f, u, v) in cells.items()]
    hdu = fits.BinTableHDU.from_columns(columns, name="RAD_MAX")
    hdu.header["HDUCLAS2"], hdu.header["HDUCLAS4"] = "RAD_MAX", "RAD_MAX_2D"
    return hdu


def test_rad_max_is_found_and_looked_up(gadf_file) -> None:
    path = gadf_file(more=(rad_max_table(),))
    (location,) = list_responses(path)
    assert location == HduLocation(path, "RAD_MAX", "rad_max", "rad_max_2d")
    cut = read_rad_max(location)
    np.testing.assert_allclose(cut.at([0.1, 0.5, 2.9], 0.4), [0.3, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(cut.at(0.5, 5.0), 0.3, rtol=1e-6)
    assert np.isnan(cut.at([0.01, 3.1], 0.4)).all()


def test_what_is_no_rad_max_says_so(gadf_file) -> None:
    path = gadf_file()
    with pytest.raises(ReadError, match="'EVENTS' is no RAD_MAX table"):
        read_rad_max(HduLocation(path, "EVENTS", "rad_max", "rad_max_2d"))
    with pytest.raises(ReadError, match="'NOTHING' is no RAD_MAX table"):
        read_rad_max(HduLocation(path, "NOTHING", "rad_max", "rad_max_2d"))


def test_responses_are_told_by_class_or_by_name(gadf_file) -> None:
    old = rad_max_table()
    old.name = "POINT SPREAD FUNCTION"
    old.header["HDUCLAS2"], old.header["HDUCLAS4"] = "RPSF", "3GAUSS"
    bare = rad_max_table()
    bare.name = "BACKGROUND"
    del bare.header["HDUCLAS2"], bare.header["HDUCLAS4"]
    found = list_responses(gadf_file(more=(old, bare)))
    assert [(r.hdu_type, r.hdu_class) for r in found] == [("psf", "psf_3gauss"), ("bkg", "")]
