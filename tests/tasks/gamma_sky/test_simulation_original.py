"""The published data set made again: its faults are there, and each can be switched off."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from skysift.core.errors import UnknownNameError, UsageError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.tasks.gamma_sky.simulation.folded import Instrument
from skysift.tasks.gamma_sky.simulation.original import (
    SIZES,
    OriginalRecipe,
    original_dataset,
)

FIXED = OriginalRecipe(grid="fixed", zenith=(20.0, 20.0), nsb=(1.0, 1.0))
EDGES = OriginalRecipe(zenith=(20.0, 20.0), nsb=(1.0, 1.0))


def make(recipe, n=60, seed=5):
    response = AnalyticResponse()
    (pairs,) = original_dataset(
        "test", n, np.random.default_rng(seed), response, recipe=recipe, batch_size=n
    )
    return pairs


def errors_of_the_peak(pairs):
    """Distance [deg] from the label to the peak of the clean map."""
    peaks = [np.unravel_index(image.argmax(), image.shape)[::-1] for image in pairs.clean]
    return 0.025 * np.hypot(*(np.array(peaks) - pairs.positions).T)


def test_as_published():
    pairs = make(EDGES, 20)
    assert pairs.noisy.shape == pairs.clean.shape == (20, 200, 200)
    assert pairs.noisy.dtype == pairs.clean.dtype == np.float32
    for maps in (pairs.noisy, pairs.clean):
        np.testing.assert_allclose(maps.min(axis=(1, 2)), 0.0, atol=1e-6)
        np.testing.assert_allclose(maps.max(axis=(1, 2)), 1.0, atol=1e-6)
    for field in pairs.fields:
        assert field.exposure == pytest.approx(100.0)
        assert len(field.sources) == 1
        assert field.sources[0].photons(0.3) == pytest.approx(5.7e-6)


def test_labels_and_image_agree_on_the_fixed_grid_only():
    fixed, edges = make(FIXED), make(EDGES)
    assert np.percentile(errors_of_the_peak(fixed), 68) < 0.03
    dec = np.abs([field.pointing.dec for field in edges.fields])
    off = errors_of_the_peak(edges)
    assert np.median(off[dec > 45]) > 1.3 * np.median(errors_of_the_peak(fixed))
    assert off.max() > 0.05


def test_smoothing_and_stretch_are_undone_by_their_switches():
    """The same photons, with and without."""
    whole = make(OriginalRecipe(grid="fixed", smoothing=0.0, stretch=False), 4)
    assert np.all(whole.noisy == np.round(whole.noisy))
    smoothed = make(OriginalRecipe(grid="fixed", stretch=False), 4)
    np.testing.assert_allclose(
        smoothed.noisy[1], gaussian_filter(whole.noisy[1].astype(float), 5.0), atol=1e-5
    )
    stretched = make(OriginalRecipe(grid="fixed"), 4)
    low, high = stretched.noisy_range.T
    back = stretched.noisy * (high - low)[:, None, None] + low[:, None, None]
    np.testing.assert_allclose(back, smoothed.noisy, atol=1e-4)


@pytest.mark.parametrize("grid", ["fixed", "data-edges"])
def test_a_clean_map_holds_the_source(grid):
    recipe = OriginalRecipe(
        grid=grid, smoothing=0.0, stretch=False, zenith=(20.0, 20.0), nsb=(1.0, 1.0)
    )
    pairs = make(recipe, 60)
    # away from the passage of right ascension through zero and from the poles, where bins are huge
    dec = np.array([field.pointing.dec for field in pairs.fields])
    ra = np.array([field.pointing.ra for field in pairs.fields])
    margin = 6.0 / np.cos(np.radians(dec))
    sound = (np.abs(dec) < 60) & (ra > margin) & (ra < 360 - margin)
    left = pairs.clean.sum(axis=(1, 2))[sound]
    noise = np.sqrt(pairs.noisy.sum(axis=(1, 2)).mean() / sound.sum())
    empty = make(
        OriginalRecipe(
            grid=grid, smoothing=0.0, stretch=False, flux=1e-6, zenith=(20.0, 20.0), nsb=(1.0, 1.0)
        ),
        60,
    )
    assert empty.clean.sum(axis=(1, 2))[sound].mean() == pytest.approx(0.0, abs=5 * noise)
    assert left.mean() > 80


def test_parts_batches_and_mistakes():
    assert SIZES == {"train": 8000, "validation": 2000, "test": 2000}
    response = AnalyticResponse()
    sizes = [
        len(batch)
        for batch in original_dataset(
            "train", 5, np.random.default_rng(1), response, batch_size=2,
            recipe=OriginalRecipe(pixels=40),
        )
    ]  # fmt: skip
    assert sizes == [2, 2, 1]
    with pytest.raises(UnknownNameError, match="validation"):
        next(original_dataset("valid", 1, np.random.default_rng(1), response))
    with pytest.raises(UsageError, match="one band"):
        next(original_dataset("test", 1, np.random.default_rng(1), Instrument(response)))
    with pytest.raises(UnknownNameError, match="grid"):
        OriginalRecipe(grid="free")  # type: ignore[arg-type]
