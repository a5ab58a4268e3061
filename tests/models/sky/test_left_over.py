"""Candidates without counts of their own, beside those that have them."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.models.sky.found import Found, explained_by_neighbours
from skysift.models.sky.refine import Refined


@pytest.fixture(scope="module")
def search(sky):
    return sky.search()


def a_found(xi, counts, error=20.0, extension=0.0):
    bands = np.array([counts]), np.array([error])
    fit = Refined(xi, 0.0, 1e-4 * np.eye(2), counts, error, *bands, 60.0, True)
    return Found(fit, None, None, 9.0, 1.0, extension)


def test_what_has_no_counts_beside_others_is_explained():
    bright, without, little = a_found(0.0, 200.0), a_found(0.15, -10.0), a_found(-0.15, 19.0)
    enough, alone = a_found(0.19, 21.0), a_found(-0.4, -10.0)
    every = [bright, without, little, enough, alone]
    assert explained_by_neighbours(every) == [without, little]
    assert explained_by_neighbours([without]) == []


def test_an_extended_source_explains_as_far_as_it_reaches():
    wide, without = a_found(0.0, 900.0, extension=0.4), a_found(0.9, 5.0)
    assert explained_by_neighbours([wide, without]) == [without]
    assert explained_by_neighbours([a_found(0.0, 900.0), without]) == []


def test_two_in_one_place_are_one_and_a_point_on_a_nebula_is_not():
    one, twin = a_found(0.0, 80.0), a_found(0.02, 60.0)
    assert explained_by_neighbours([twin, one]) == [twin]
    nebula = a_found(0.01, 900.0, extension=0.3)
    assert explained_by_neighbours([nebula, one]) == []


@pytest.mark.parametrize("twin", [(0.01, 0.4, 12.0), (0.15, 0.0, 9.0)])
def test_what_is_left_has_all_the_counts(sky, search, rng, twin):
    """One source that is listed twice, in its place or beside it, is as if it were found alone."""
    place = (0.2, -0.3)
    counts, photons = sky.draw(rng, (place, 1.0))
    background = search.background.fit(counts)
    alone = search._found_from((*place, 100.0), 9.0, [], photons=photons, background=background)

    by, share, significance = twin
    fit = replace(alone.fit, xi=alone.fit.xi + by, counts=share * alone.fit.counts)
    again = replace(alone, fit=fit, significance=12.0)
    fit = replace(alone.fit, counts=(1 - share) * alone.fit.counts)
    (left,) = search._with_counts([replace(alone, fit=fit), again], photons, background)
    assert left.fit.counts == pytest.approx(alone.fit.counts, rel=0.01)
    assert np.hypot(left.fit.xi - alone.fit.xi, left.fit.eta - alone.fit.eta) < 0.01
    assert left.significance == significance


def test_a_field_without_such_is_left_as_it_is(sky, search, rng):
    counts, photons = sky.draw(rng, ((0.2, -0.3), 1.0), ((-0.2, 0.1), 0.5))
    background = search.background.fit(counts)
    found = [
        search._found_from((*place, 50.0), 9.0, [], photons=photons, background=background)
        for place in ((0.2, -0.3), (-0.2, 0.1))
    ]
    left = search._with_counts(found, photons, background)
    assert all(one is other for one, other in zip(left, found, strict=True))
