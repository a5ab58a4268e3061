"""Trails of an image set: one row for each cutout, whatever it brings."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.errors import InputError
from skysift.data.images.facts import fact_table
from skysift.data.images.image_set import ImageSet
from skysift.models.images.streaks.features import STREAK_FEATURES
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.table import measure_streaks, point_spread_of
from skysift.models.images.streaks.trail import Trail, trail_image

SHAPE = (27, 27)


@pytest.fixture
def images(rng: np.random.Generator) -> ImageSet:
    seeing = PointSpread.moffat(2.4)
    stack = rng.normal(10.0, 1.0, (3, *SHAPE))
    stack[0] += trail_image(Trail(13.0, 13.0, 900.0, 8.0, 25.0), SHAPE, seeing)
    stack[1] += trail_image(Trail(13.0, 13.0, 600.0, 0.0, 0.0), SHAPE, seeing)
    stack[2] = np.nan
    facts = fact_table([{"seeing": 2.4}, {"seeing": 2.4}, {"seeing": 2.4}])
    return ImageSet.from_pixels(stack, facts=facts, identifiers=["trail", "star", "blank"])


def test_each_cutout_has_its_row(images: ImageSet):
    table = measure_streaks(images, reach=4.0)
    assert table["identifier"].tolist() == ["trail", "star", "blank"]
    assert abs(table["trail_length"][0] - 8.0) < 4.0 * table["trail_length_error"][0]
    assert abs(table["trail_angle"][0] - 25.0) < 4.0 * table["trail_angle_error"][0]
    assert table["trail_significance"][0] > 10.0
    assert table["trail_significance"][1] < 5.0
    assert np.isnan(table.matrix(list(STREAK_FEATURES))[2]).all()
    assert (table.unit("trail_length"), table.unit("trail_angle")) == ("pix", "deg")


def test_the_point_spread_function_is_the_best_that_there_is(images: ImageSet):
    assert point_spread_of(images, 0).fwhm == pytest.approx(2.4, rel=0.01)
    unknown = ImageSet.from_pixels(images.pixels[:1])
    nominal = PointSpread.gaussian(1.9)
    assert point_spread_of(unknown, 0, nominal=nominal) == nominal
    with pytest.raises(InputError, match="brings no seeing"):
        point_spread_of(unknown, 0)
    own = trail_image(Trail(10.0, 10.0, 1.0, 0, 0), (21, 21), PointSpread.gaussian(3.3))
    object.__setattr__(unknown, "psf", own[None].astype(np.float32))
    assert point_spread_of(unknown, 0).fwhm == pytest.approx(3.3, rel=0.03)


def test_pixels_count_by_their_variance_where_it_is_known(images: ImageSet, rng):
    loud = np.zeros(SHAPE, dtype=bool)
    loud[:, 17:] = True  # an amplifier with ten times the noise of the other
    pixels = images.pixels.copy()
    pixels[:, loud] = 10.0 + rng.normal(0.0, 10.0, (3, int(loud.sum())))
    variance = np.where(loud, 100.0, 1.0).astype(np.float32)
    known = replace(images, pixels=pixels, variance=np.tile(variance, (3, 1, 1)))
    by_sky = measure_streaks(replace(known, variance=None), reach=4.0)
    weighed = measure_streaks(known, reach=4.0)
    assert 0.7 < weighed["reduced_chi2"][1] < 1.3
    assert by_sky["reduced_chi2"][1] > 3.0
    few = np.full_like(known.variance, np.nan)
    few[:, :5] = 1.0
    as_without = measure_streaks(replace(known, variance=few), reach=4.0)
    np.testing.assert_array_equal(as_without["trail_flux"], by_sky["trail_flux"])
