"""The filtered map beside known sources: what they send is expected, no more and no less."""

import numpy as np
import pytest

from skysift.models.sky.extended import Rival, groups_within, one_instead
from skysift.models.sky.filtered import FilteredMap, Shining, SourceImage
from skysift.models.sky.local_source import Photons
from skysift.models.sky.refine import from_peak
from skysift.models.sky.stamps import source_stamp
from skysift.preprocess.sky_surface import MapSurface


@pytest.fixture(scope="module")
def search(sky):
    return sky.search()


def with_source(sky, counts, row, column):
    """Expected counts of a source in the middle of a pixel, on a background."""
    stamp = counts * source_stamp(sky.local(), sky.grid.pixel_size, 1.0)
    half = stamp.shape[1] // 2
    image = np.zeros((4, 200, 200))
    y, x = row + 40, column + 40
    image[:, y - half : y + half + 1, x - half : x + half + 1] = stamp
    return image[:, 40:160, 40:160].astype(np.float32)


def seen(search, counts, background):
    surface = MapSurface(background)
    return FilteredMap(search.filter, search.places, search.region, search.filter(counts), surface)


def test_a_known_source_leaves_nothing_to_find(sky, search):
    background = sky.background.astype(np.float32)
    row, column = 50, 70
    field = seen(search, background + with_source(sky, 200.0, row, column), background)
    xi, eta = (float(axis[i]) for axis, i in zip(search.places.axes, (column, row), strict=True))
    known = Shining(xi, eta, 200.0, SourceImage.of(search.filter, sky.local()))
    bright = field.peak()
    assert (bright.row, bright.column) == (row, column)
    assert bright.significance > 10
    beside = field._beside(field.above(2.0), [known], -1.0)
    assert len(beside.ratio) > 30
    empty = seen(search, background, background).ratio
    np.testing.assert_allclose(beside.ratio, empty[beside.row, beside.column], atol=0.15)
    assert field.peak([known], -1.0) is None


@pytest.mark.parametrize("flux", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("least", [0.5, 2.0, 4.0])
def test_no_pixel_above_a_ratio_is_lost(sky, search, rng, flux, least):
    """Blocks are left out by a bound: what is kept is what the whole map shows."""
    counts, _ = sky.draw(rng, ((0.3, 0.2), flux))
    first = FilteredMap(
        search.filter,
        search.places,
        search.region,
        search.filter(counts),
        search.background.fit(counts).surface,
    )
    away = search._background_away_from(
        np.array([(0.3, 0.2)]), [0.4], counts, search.background.fit(counts)
    )
    for field in (first, first.beside(away.surface)):
        kept = field.above(least)
        expected = np.argwhere(field.ratio > least)
        got = np.stack([kept.row, kept.column], axis=1)
        unsure = field.ratio[tuple(expected.T)] < least + 1e-3  # single precision
        missing = {*map(tuple, expected[~unsure].tolist())} - {*map(tuple, got.tolist())}
        assert not missing
        np.testing.assert_allclose(kept.ratio, field.ratio[kept.row, kept.column], atol=1e-3)


def test_the_peak_is_the_most_significant_of_all_pixels(sky, search, rng):
    for flux in (2.0, 10.0):
        counts, _ = sky.draw(rng, ((0.3, 0.2), flux), ((-0.6, 0.4), flux))
        field = seen(search, counts, sky.background.astype(np.float32))
        pixels = field.above(2.0)
        star = search.filter.cumulants.significance(
            field.sums[pixels.row, pixels.column], pixels.background.T
        )
        peak = field.peak(least=3.0)
        assert peak.significance == pytest.approx(star.max(), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-4, 1e-2])
def test_nothing_seen_where_nothing_is_expected_is_not_significant(sky, search, scale):
    background = (scale * sky.background).astype(np.float32)
    nothing = seen(search, np.zeros_like(background), background)
    assert nothing.at(50, 70).significance <= 0


def test_the_height_of_a_peak_tells_the_counts(sky, search):
    background = sky.background.astype(np.float32)
    image = SourceImage.of(search.filter, sky.local())
    peaks = [
        seen(search, background + with_source(sky, n, 60, 75), background).at(60, 75).excess
        for n in (100.0, 300.0)
    ]
    assert (peaks[1] - peaks[0]) / image.mean[0] == pytest.approx(200.0, rel=0.01)


def test_the_summit_is_between_pixels(sky, search, rng):
    errors = []
    for _ in range(20):
        place = (0.3 + rng.uniform(-0.0125, 0.0125), 0.2 + rng.uniform(-0.0125, 0.0125))
        counts, _ = sky.draw(rng, (place, 20.0))
        field = seen(search, counts, sky.background.astype(np.float32))
        errors.append(np.subtract(field.summit(field.peak()), place))
    assert np.sqrt(np.mean(np.square(errors))) < 0.004  # a pixel alone would be off by 0.007


def test_nothing_is_looked_for_near_a_known_source(sky, search, rng):
    counts, _ = sky.draw(rng, ((0.3, 0.2), 3.0))
    field = seen(search, counts, sky.background.astype(np.float32))
    dim = Shining(0.3, 0.2, 0.0, SourceImage.of(search.filter, sky.local()))
    peak = field.peak([dim], 0.1)
    xi, eta = search.places.axes
    assert np.hypot(xi[peak.column] - 0.3, eta[peak.row] - 0.2) > 0.1


def test_groups_are_chains():
    places = np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 0.4], [5.0, 5.0]])
    assert groups_within(places, 0.6) == [[0, 1, 2], [3, 4]]
    assert groups_within(places[:1], 0.6) == []


def test_what_the_width_does_to_the_counts_is_stated(sky, rng):
    """Counts with a width that is fitted, less those with the true one, scatter as is stated."""
    local, level, reach, sigma = sky.local(), 150.0, 1.2, 0.19
    moved, stated = [], []
    for _ in range(40):
        xi, eta, band = sky.photons_of((0.0, 0.0), 2.0, rng, sigma=sigma)
        n = rng.poisson(level * np.pi * reach**2, 4)
        radius, angle = reach * np.sqrt(rng.random(n.sum())), rng.uniform(0, 2 * np.pi, n.sum())
        photons = Photons(
            np.append(xi, radius * np.cos(angle)),
            np.append(eta, radius * np.sin(angle)),
            np.append(band.astype(np.int64), np.repeat(np.arange(4), n)),
            np.ones(len(xi) + n.sum()),
        )
        background = np.full(len(photons.xi), level)
        fit = from_peak((0.0, 0.0), float(len(xi)), local, np.ones(4))
        found = one_instead(photons, background, local.spread, [fit], Rival(0.0, 3))
        true = one_instead(
            photons, background, lambda _: local.spread(sigma), [fit], Rival(-100.0, 3)
        )
        moved.append(found.counts - true.counts)
        stated.append(found.by_width * found.counts)
    assert np.std(moved) == pytest.approx(np.mean(stated), rel=0.4)
    assert np.mean(stated) > 3


def test_a_gaussian_has_to_earn_its_parameters(sky, rng):
    """The same photons: a Gaussian replaces pieces if it explains more, or as much with fewer."""
    local = sky.local()
    xi, eta, band = sky.photons_of((0.0, 0.0), 8.0, rng, sigma=0.22)
    photons = Photons(xi, eta, band.astype(np.int64), np.ones(len(xi)))
    background = np.full(len(xi), 5.0)
    fit = from_peak((0.0, 0.0), float(len(xi)), local, np.ones(4))
    best = one_instead(photons, background, local.spread, [fit], Rival(0.0, 3))
    assert best.sigma == pytest.approx(0.22, rel=0.1)
    assert best.counts == pytest.approx(len(xi), rel=0.1)
    for parameters, wins in ((4, False), (9, True)):
        rival = Rival(best.gain + 5.0, parameters)
        assert (one_instead(photons, background, local.spread, [fit], rival) is not None) is wins
