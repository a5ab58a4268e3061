"""Where the photons of a field stop: found if they do, and never where they do not."""

import numpy as np
import pytest

from skysift.preprocess.sky_field import FieldProfile

N, PIXEL = 200, 0.025
X, Y = np.meshgrid((np.arange(N) - 99.5) * -PIXEL, (np.arange(N) - 99.5) * PIXEL)
DISTANCE = np.hypot(X, Y)
TEMPLATE = np.stack(
    [level * np.exp(-((DISTANCE / radius) ** 3.9)) for level, radius in ((0.1, 2.4), (0.02, 4.0))]
)
PROFILE = FieldProfile.of(TEMPLATE, X, Y)


def until(radius, width=0.08):
    """The share that a camera of some radius lets through."""
    return 1 / (1 + np.exp((DISTANCE - radius) / width))


def near(x, y, size, counts):
    """A round source."""
    shape = np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * size**2))
    return counts * shape / shape.sum()


def reach_of(expected, rng):
    drawn = rng.poisson(expected)
    band, row, column = np.nonzero(drawn)
    band, row, column = (np.repeat(i, drawn[drawn > 0]) for i in (band, row, column))
    return PROFILE.reach(X[row, column], Y[row, column], band)


@pytest.mark.parametrize("scale", [0.003, 0.02, 0.1, 1.0, 20.0])
def test_a_field_that_fills_its_map_is_not_cut(scale, rng):
    tilted = 1 + 0.3 * X / 2.5 + 0.2 * Y / 2.5
    for _ in range(40 if scale < 20 else 5):
        assert reach_of(scale * TEMPLATE * tilted, rng) is None


def test_a_field_at_the_limit_is_not_cut_either(rng):
    """Beyond 1.5 deg just a quarter: the chance is 1e-6 per radius."""
    for scale in (0.1, 1.0):
        expected = scale * TEMPLATE * np.where(DISTANCE > 1.5, 0.25, 1.0)
        assert [reach_of(expected, rng) for _ in range(100)] == [None] * 100


@pytest.mark.parametrize(
    "source",
    [(0.0, 0.0, 0.1), (0.3, -0.2, 0.1), (0.5, 0.6, 0.2), (1.3, 0.4, 0.2), (-2.2, 0.3, 0.1)],
)
def test_sources_brighter_than_the_field_do_not_cut_it(source, rng):
    for counts in (300.0, 3000.0, 30000.0):
        assert reach_of(TEMPLATE + near(*source, counts), rng) is None


@pytest.mark.parametrize("radius", [1.2, 1.6, 2.0, 2.2])
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_where_photons_stop_is_found(radius, scale, rng):
    for _ in range(10):
        reach = reach_of(scale * TEMPLATE * until(radius), rng)
        assert reach == pytest.approx(radius + 0.1, abs=0.11)


def test_a_bright_nebula_does_not_cut_a_field(rng):
    """A degree across and at its middle as bright as the field."""
    for place in ((0.0, 0.0), (0.5, 0.5), (1.0, 0.0)):
        for scale in (0.1, 1.0, 20.0):
            nebula = near(*place, 0.5, 0.15 * TEMPLATE.sum())
            assert reach_of(scale * (TEMPLATE + nebula), rng) is None


def test_a_source_near_the_edge_does_not_hide_it(rng):
    cut = TEMPLATE * until(1.6)
    for place in ((1.4, 0.3), (-0.2, 0.0), (0.6, -0.9)):
        reach = reach_of(cut + near(*place, 0.1, 1500.0) * until(1.6), rng)
        assert reach == pytest.approx(1.7, abs=0.2)


def test_the_exposure_of_the_template_does_not_matter(rng):
    drawn = rng.poisson(TEMPLATE * until(1.5))
    band, row, column = np.nonzero(drawn)
    place = X[row, column], Y[row, column], band
    longer = FieldProfile.of(50 * TEMPLATE, X, Y)
    assert PROFILE.reach(*place) == longer.reach(*place) is not None


def test_nothing_is_said_without_photons_or_room():
    nothing = np.zeros(0)
    assert PROFILE.reach(nothing, nothing, np.zeros(0, dtype=np.int64)) is None
    small = FieldProfile.of(TEMPLATE[:, 80:120, 80:120], X[80:120, 80:120], Y[80:120, 80:120])
    assert small.reach(np.full(500, 0.1), np.zeros(500), np.zeros(500, dtype=np.int64)) is None
