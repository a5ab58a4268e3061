"""Expected counts where they are asked for: as on the whole map, and never below a bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.preprocess.sky_surface import Blocks, MapSurface, Template, TemplateSurface


def made(seed, shape=(23, 31), n_bands=3):
    """A template with holes, and smooth terms with coefficients of either sign."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    terms = np.stack([np.ones(shape), x**2 + y**2, (x**2 + y**2) ** 2, x, y]).astype(np.float32)
    counts = rng.uniform(0.1, 2.0, (n_bands, 1, 1)) * np.exp(-(x**2 + y**2))
    counts *= x**2 + y**2 < rng.uniform(0.8, 2.0)
    counts[0, :4] = 0.0
    coefficients = rng.normal(0, 0.7, (n_bands, len(terms)))
    return TemplateSurface(Template(counts.astype(np.float32), terms), coefficients)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_some_pixels_are_as_on_the_whole_map(seed):
    rng = np.random.default_rng(seed)
    surface, whole = made(seed), MapSurface(made(seed).counts)
    row, column, band = rng.integers(0, 23, 40), rng.integers(0, 31, 40), rng.integers(0, 3, 40)
    np.testing.assert_allclose(surface.at(row, column), whole.at(row, column), rtol=1e-5)
    np.testing.assert_allclose(
        surface.in_bands(band, row, column), whole.in_bands(band, row, column), rtol=1e-5
    )
    window = np.ogrid[3:9, 20:31]
    np.testing.assert_allclose(surface.at(*window), whole.counts[:, 3:9, 20:31], rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_no_pixel_is_below_the_bound_of_its_block(seed, side):
    surface, blocks = made(seed), Blocks((23, 31), side)
    seen = surface.counts.sum(axis=0) > 0
    bound, exact = surface.lowest(blocks), MapSurface(surface.counts).lowest(blocks)
    for block, members in enumerate(blocks.members(seen)):
        pixels = members[members >= 0]
        if len(pixels):
            lowest = surface.counts.reshape(3, -1)[:, pixels].min(axis=1)
            np.testing.assert_array_equal(exact[:, block], lowest)
            assert (bound[:, block] <= lowest * (1 + 1e-5)).all()


def test_a_bound_is_close_where_blocks_are_small():
    surface, blocks = made(7, shape=(200, 200)), Blocks((200, 200))
    bound, exact = surface.lowest(blocks), MapSurface(surface.counts).lowest(blocks)
    lost = 1 - bound[exact > 0] / exact[exact > 0]
    assert np.median(lost) < 0.15


def test_every_pixel_is_in_one_block():
    members = Blocks((23, 31)).members(np.ones((23, 31), dtype=bool))
    assert sorted(members[members >= 0].tolist()) == list(range(23 * 31))


@pytest.mark.parametrize("shape", [(20, 20), (21, 19), (3, 50)])
def test_extremes_of_blocks(shape, rng):
    values = rng.normal(size=shape).astype(np.float32)
    blocks = Blocks(shape, 6)
    tiles = [
        values[row : row + 6, column : column + 6]
        for row in range(0, shape[0], 6)
        for column in range(0, shape[1], 6)
    ]
    assert blocks.highest(values).tolist() == [tile.max() for tile in tiles]
    assert blocks.lowest(values).tolist() == [tile.min() for tile in tiles]
