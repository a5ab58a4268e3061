"""Groups that a split must not tear apart, and weights that take brightness away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import InputError
from skysift.data.images.facts import fact_table
from skysift.data.images.groups import exposure_groups, magnitude_matched_weights, object_groups
from skysift.data.images.image_set import ImageSet
from skysift.data.images.readers import read_images


def images_of(facts: list[dict]) -> ImageSet:
    pixels = np.arange(len(facts) * 9, dtype=float).reshape(-1, 3, 3)
    return ImageSet.from_pixels(pixels, facts=fact_table(facts))


def test_name_position_and_pixels_chain_into_one_group() -> None:
    images = images_of(
        [
            {"object": "a"},
            {"object": "a", "ra": 359.9999, "dec": 0.0},
            {"object": "b", "ra": 0.0001, "dec": 0.0},
            {"ra": 10.0, "dec": 0.0},
            {},
            {},
        ]
    )
    assert object_groups(images, radius=1.0).tolist() == [0, 0, 0, 1, 2, 3]  # 0.72 arcsec apart
    assert object_groups(images, radius=0.7).tolist() == [0, 0, 1, 2, 3, 4]
    doubled = images.take([0, 1, 2, 3, 4, 4])
    assert object_groups(doubled, radius=0).tolist() == [0, 0, 1, 2, 3, 3]


def test_exposures_are_told_or_the_lack_of_one_is() -> None:
    images = images_of([{"exposure": "7", "image": "x"}, {"exposure": "7"}, {"exposure": "8"}])
    assert exposure_groups(images).tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="2 cutouts"):
        exposure_groups(images, by="image")


@given(st.lists(st.tuples(st.floats(14, 22), st.booleans()), min_size=1, max_size=60))
def test_weighted_classes_have_equal_numbers_in_every_bin(rows) -> None:
    magnitude, galaxy = np.array([m for m, _ in rows]), np.array([g for _, g in rows])
    weights = magnitude_matched_weights(magnitude, galaxy, width=0.5)
    bins = np.floor(magnitude / 0.5)
    for one in np.unique(bins):
        here = bins == one
        assert weights[here & galaxy].sum() == pytest.approx(weights[here & ~galaxy].sum())
    assert ((weights >= 0) & (weights <= 1)).all()


def test_an_unknown_magnitude_weighs_nothing() -> None:
    assert magnitude_matched_weights([np.nan, 18.0, 18.1], [0, 0, 1]).tolist() == [0, 1, 1]


@pytest.mark.mirror
def test_the_known_duplicates_of_the_ztf_stars_are_found(mirror) -> None:
    images = read_images([mirror / "ztf" / "cutouts.tar.gz"]).images
    groups = object_groups(images)
    pairs = [
        sorted(images.identifiers[groups == group])
        for group in np.flatnonzero(np.bincount(groups) > 1)
    ]
    assert len(np.unique(groups)) == 1195
    assert ["star_187", "star_727"] in pairs
    assert len(np.unique(exposure_groups(images, by="image"))) == 51
