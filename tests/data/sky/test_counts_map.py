"""Counts on a fixed grid: what is counted, what slides, what is written."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import InputError, ReadError, UsageError
from skysift.data.sky.counts_map import CountsMap, bin_events, cell_index
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.sliding import SlidingCounts
from skysift.data.sky.tangent import TangentGrid

EDGES = np.array([0.1, 0.3, 1.0, 10.0])
GRID = TangentGrid(83.63, 22.01, 30, 20, 0.1)


def test_counts_are_conserved_and_edges_belong_to_the_upper_band() -> None:
    grid = TangentGrid(0.0, 0.0, 3, 3, 1.0)
    energy = np.array([0.1, 0.3, 0.99, 1.0, 10.0, 0.05])
    events = EventList(
        np.arange(6.0), np.array([0.0, 1, 359, 0, 0, 0]), np.array([0.0, 1, -1, 0, 0, 0]), energy,
        GoodTimeIntervals.of([(0, 6)]), Pointing(0, 0), live_fraction=0.5,
    )  # fmt: skip
    counts_map = CountsMap.from_events(events, grid, EDGES)
    assert counts_map.counts.sum() == 4  # 10 and 0.05 TeV are in no band
    assert counts_map.counts[0, 1, 1] == 1
    assert counts_map.counts[1, 2, 0] == 1  # north-east is up and left
    assert counts_map.counts[1, 0, 2] == 1
    assert counts_map.counts[2, 1, 1] == 1
    assert counts_map.livetime == 3.0
    assert counts_map.offset()[1, 1] == pytest.approx(0, abs=1e-12)
    assert cell_index(events, grid, EDGES).tolist() == [4, 15, 11, 22, -1, -1]


def test_binned_events_lie_in_the_cells_that_count_them(rng) -> None:
    n = 500
    ra, dec = 83.63 + rng.uniform(-3, 3, n), 22.01 + rng.uniform(-2, 2, n)
    ra[:5] += 180.0  # behind the plane
    events = EventList(
        np.sort(rng.uniform(0, 9, n)), ra, dec, rng.uniform(0.05, 12.0, n),
        GoodTimeIntervals.of([(0, 9)]), Pointing(83.63, 22.01),
    )  # fmt: skip
    binned = bin_events(events, GRID, EDGES)
    cells = cell_index(events, GRID, EDGES)
    counted = cells >= 0
    assert 100 < counted.sum() < n
    expected = np.bincount(cells[counted], minlength=binned.counts.size)
    np.testing.assert_array_equal(binned.counts.ravel(), expected)
    np.testing.assert_array_equal(binned.band, cells[counted] // (30 * 20))
    sky = GRID.from_plane(binned.xi, binned.eta)
    np.testing.assert_allclose(sky, (ra[counted], dec[counted]), atol=1e-9)


def test_counts_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        CountsMap(np.zeros((2, 20, 30), dtype=np.float32), EDGES, GRID,
                  GoodTimeIntervals.of([]), 0.0, Pointing(0, 0))  # fmt: skip


# Batches as (number of events, length in s), and how far to slide after each.
STEPS = st.lists(
    st.tuples(st.integers(0, 40), st.floats(0.01, 30), st.floats(0, 40)), min_size=1, max_size=12
)


@given(steps=STEPS, windows=st.lists(st.floats(0.5, 60), min_size=1, max_size=3, unique=True),
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_sliding_equals_counting_anew(steps, windows, seed) -> None:
    rng = np.random.default_rng(seed)
    pointing = Pointing(83.63, 22.01)
    sliding = SlidingCounts(GRID, EDGES, windows, pointing, live_fraction=0.8)
    batches, start = [], 0.0
    for n, length, step in steps:
        begin = max(start, sliding.now if np.isfinite(sliding.now) else start)
        batches.append(_batch(rng, n, begin, length, pointing))
        start = begin + length / 2  # half of it overlaps with the next
        sliding.append(batches[-1])
        sliding.slide(begin + step if step else begin)
        whole = _merged(batches)
        for window in windows:
            here = whole.between(sliding.now - window, sliding.now)
            fresh = CountsMap.from_events(here, GRID, EDGES)
            slid = sliding.counts_map(window)
            np.testing.assert_array_equal(slid.counts, fresh.counts)
            assert slid.livetime == pytest.approx(fresh.livetime, abs=1e-9)
            np.testing.assert_allclose(slid.gti.start, fresh.gti.start)


def _batch(rng, n, start, length, pointing) -> EventList:
    time = np.sort(rng.uniform(start, start + length, n))
    sky = (83.63 + rng.uniform(-2, 2, n), 22.01 + rng.uniform(-1.5, 1.5, n))
    good = GoodTimeIntervals.of(
        [(start, start + 0.4 * length), (start + 0.7 * length, start + length)]
    )
    return EventList(time, *sky, 10 ** rng.uniform(-1.3, 1.2, n), good, pointing, 0.8)


def _merged(batches: list[EventList]) -> EventList:
    time, ra, dec, energy = (
        np.concatenate([getattr(b, name) for b in batches])
        for name in ("time", "ra", "dec", "energy")
    )
    order = np.argsort(time, kind="stable")
    bounds = [pair for b in batches for pair in zip(b.gti.start, b.gti.stop, strict=True)]
    return EventList(time[order], ra[order], dec[order], energy[order],
                     GoodTimeIntervals.of(bounds), batches[0].pointing, 0.8)  # fmt: skip


def test_a_long_stream_is_forgotten_and_still_right(rng) -> None:
    windows = [1.0, 30.0, 200.0]
    sliding = SlidingCounts(GRID, EDGES, windows, Pointing(83.63, 22.01), live_fraction=0.8)
    batches = []
    largest = 0
    for start in range(0, 3000, 50):
        batches.append(_batch(rng, 500, float(start), 50.0, sliding.pointing))
        sliding.append(batches[-1])
        for step in (20.0, 50.0):
            sliding.slide(start + step)
        largest = max(largest, sliding.n_buffered)
    assert largest < 3 * 200 * 10 + 2000  # of 30,000 events
    whole = _merged(batches)
    for window in windows:
        fresh = CountsMap.from_events(whole.between(3000 - window, 3000), GRID, EDGES)
        np.testing.assert_array_equal(sliding.counts_map(window).counts, fresh.counts)
        assert sliding.counts_map(window).livetime == pytest.approx(fresh.livetime)


def test_a_map_once_given_does_not_slide(crab_events, rng) -> None:
    sliding = SlidingCounts(GRID, EDGES, [50.0], Pointing(83.63, 22.01))
    sliding.append(crab_events(rng, 300))
    sliding.slide(50.0)
    given_away = sliding.counts_map(50.0)
    before = given_away.counts.copy()
    sliding.slide(500.0)
    np.testing.assert_array_equal(given_away.counts, before)
    assert before.sum() > 0
    assert sliding.counts_map(50.0).counts.sum() == 0


def test_what_sliding_refuses(crab_events, rng) -> None:
    events = crab_events(rng, 20)
    sliding = SlidingCounts(GRID, EDGES, [5.0], Pointing(83.63, 22.01))
    with pytest.raises(UsageError, match="No window of 6"):
        sliding.counts_map(6.0)
    with pytest.raises(UsageError, match="make no sense"):
        SlidingCounts(GRID, EDGES, [0.0], Pointing(83.63, 22.01))
    with pytest.raises(InputError, match="not in the order"):
        sliding.append(events.take(slice(None, None, -1)))
    sliding.slide(50.0)
    with pytest.raises(InputError, match=r"row 0: .*after the windows have slid"):
        sliding.append(events)
    with pytest.raises(UsageError, match="cannot slide to"):
        sliding.slide(49.0)
    other = SlidingCounts(GRID, EDGES, [5.0], Pointing(83.63, 22.01), reference_mjd=50000.0)
    with pytest.raises(InputError, match="count time from"):
        other.append(events)


@pytest.fixture
def counts_map(crab_events, rng) -> CountsMap:
    return CountsMap.from_events(crab_events(rng, 2000), GRID, EDGES)


def assert_same(one: CountsMap, other: CountsMap) -> None:
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.energy_edges, other.energy_edges, rtol=1e-12)
    assert one.grid.shape == other.grid.shape
    np.testing.assert_allclose(
        (one.grid.ra, one.grid.dec, one.grid.pixel_size),
        (other.grid.ra, other.grid.dec, other.grid.pixel_size), rtol=1e-10,
    )  # fmt: skip
    np.testing.assert_allclose(one.gti.start, other.gti.start)
    np.testing.assert_allclose(one.gti.stop, other.gti.stop)
    assert one.livetime == pytest.approx(other.livetime, nan_ok=True)
    assert (one.pointing.ra, one.pointing.dec) == pytest.approx(
        (other.pointing.ra, other.pointing.dec), nan_ok=True
    )
    assert one.reference_mjd == pytest.approx(other.reference_mjd, abs=1e-10)


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz"])
def test_a_map_is_read_as_it_was_written(counts_map, tmp_path: Path, name) -> None:
    counts_map.write(tmp_path / name)
    assert_same(CountsMap.read(tmp_path / name), counts_map)
    assert CountsMap.read(tmp_path / name).pointing.zenith == pytest.approx(30.0)
    packed = (tmp_path / name).read_bytes()[:2] == gzip.compress(b"")[:2]
    assert packed == name.endswith(".gz")


def test_other_images_are_refused(counts_map, tmp_path: Path) -> None:
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(image)
    with pytest.raises(ReadError, match="holds no counts map"):
        CountsMap.read(image)
    counts_map.write(tmp_path / "map.fits")
    with fits.open(tmp_path / "map.fits") as hdus:
        hdus[0].data = hdus[0].data[:2]
        hdus.writeto(tmp_path / "short.fits")
    with pytest.raises(ReadError, match="does not fit 3 energy bands"):
        CountsMap.read(tmp_path / "short.fits")


def test_a_header_of_countless_axes_is_refused_at_once(counts_map, tmp_path: Path) -> None:
    path = tmp_path / "map.fits"
    counts_map.write(path)
    data = path.read_bytes()
    at = data.index(b"NAXIS   =")
    path.write_bytes(data[:at] + b"NAXIS   =           2147483647".ljust(80) + data[at + 80 :])
    with pytest.raises(ReadError, match="NAXIS"):
        CountsMap.read(path)
