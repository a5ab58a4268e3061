"""The cleaned map: counts are conserved, unbiased, and as uncertain as stated."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skysift.core.errors import InputError, OutputError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.cleaned import clean

EDGES = np.array([0.04, 0.2, 1.0, 5.0])
GRID = TangentGrid(0.0, -90.0, 24, 20, 0.025)
GTI = GoodTimeIntervals.of([(1000.0, 1050.0), (1060.0, 1100.0)])
SHAPE = (3, *GRID.shape)


def counts_map(counts):
    return CountsMap(
        np.asarray(counts, np.float32), EDGES, GRID, GTI, 85.0, Pointing(10.0, -89.6, 25.0)
    )


def point_source(total, width=0.05):
    xi, eta = GRID.pixel_centres()
    shape = np.exp(-((xi[None, :] - 0.03) ** 2 + (eta[:, None] + 0.02) ** 2) / (2 * width**2))
    bands = np.array([0.6, 0.3, 0.1])[:, None, None]
    return total * bands * shape / shape.sum()


def falling_background(level):
    bands = np.array([1.0, 0.3, 0.05])[:, None, None]
    return level * bands * np.linspace(0.6, 1.4, GRID.n_x)[None, None, :] * np.ones(SHAPE)


def fitted_level(counts, shape, background):
    """Maximum-likelihood level of a source of known shape, by Newton's method."""
    level = max(counts.sum() - background.sum(), 1.0)
    for _ in range(50):
        expected = level * shape + background
        score = np.sum(counts * shape / expected) - shape.sum()
        level = max(level + score / np.sum(counts * shape**2 / expected**2), 1e-3)
    return level


images = arrays(np.float64, SHAPE, elements=st.floats(0, 100), fill=st.just(0.5))


@given(arrays(np.int64, SHAPE, elements=st.integers(0, 10**6), fill=st.just(3)), images, images)
def test_counts_are_conserved_in_every_pixel_band_and_in_total(counts, source, background):
    result = clean(counts_map(counts), source, background)
    added = result.cleaned + result.background + result.residual
    raw = counts.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(added, raw, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(added.sum(axis=(1, 2)), raw.sum(axis=(1, 2)), rtol=1e-12)
    assert (result.cleaned >= 0).all()
    assert (result.cleaned <= raw).all()
    assert (result.variance >= 0).all()


@pytest.mark.parametrize(("total", "level"), [(300.0, 0.3), (60.0, 0.3), (25.0, 1.0)])
def test_the_source_counts_are_unbiased_and_their_errors_true(rng, total, level):
    shape, background = point_source(1.0), falling_background(level)
    truth = total * shape + background
    pulls, found, residuals = [], [], []
    for counts in rng.poisson(truth, (300, *SHAPE)):
        fitted = fitted_level(counts, shape, background)
        result = clean(counts_map(counts), fitted * shape, background)
        value, error = result.source_counts()
        # At its maximum the likelihood gives the source just the counts of the cleaned map.
        assert value == pytest.approx(fitted, rel=1e-3, abs=0.1)
        pulls.append((value - total) / error)
        found.append(value)
        residuals.append(result.residual.sum())
    spread = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(total, abs=4 * spread)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.13)
    assert np.mean(residuals) == pytest.approx(0, abs=4 * np.std(residuals) / np.sqrt(300))


def test_the_variance_of_a_pixel_is_that_about_the_photons_that_are_there(rng):
    source, background = point_source(200.0), falling_background(0.4)
    of_source = rng.poisson(source, (400, *SHAPE))
    raw = of_source + rng.poisson(background, (400, *SHAPE))
    results = [clean(counts_map(one), source, background, level_error=0.0) for one in raw]
    error = np.array([one.cleaned for one in results]) - of_source
    stated = np.mean([one.variance for one in results], axis=0)
    bright = source > 0.2
    assert np.mean(error**2, axis=0)[bright].sum() == pytest.approx(stated[bright].sum(), rel=0.04)
    assert error.mean() == pytest.approx(0, abs=1e-3)


def test_the_error_of_the_whole_source_is_the_bound_of_cramer_and_rao():
    source, background = np.full(SHAPE, 0.5), np.full(SHAPE, 1.5)
    counts = counts_map(np.full(SHAPE, 2.0))
    value, error = clean(counts, source, background).source_counts()
    assert value == pytest.approx(source.sum())
    assert error == pytest.approx(source.sum() / np.sqrt(source.sum() * 0.25))
    half = np.zeros(GRID.shape, dtype=bool)
    half[:, :12] = True
    assert clean(counts, source, background).source_counts(half)[0] == pytest.approx(value / 2)


def test_what_the_method_does_not_expect_stays_in_the_residual():
    counts = falling_background(1.0).round() + 0.0
    counts[0, 4, 5] += 30
    result = clean(counts_map(counts), np.zeros(SHAPE), falling_background(1.0))
    assert result.cleaned.sum() == 0
    assert result.level_error == 0
    assert np.unravel_index(result.residual.argmax(), SHAPE) == (0, 4, 5)
    nothing = clean(counts_map(counts), np.zeros(SHAPE), np.zeros(SHAPE))
    np.testing.assert_array_equal(nothing.residual, counts)


@pytest.fixture
def written(tmp_path, rng):
    source, background = point_source(80.0), falling_background(0.5)
    result = clean(counts_map(rng.poisson(source + background)), source, background)
    path = tmp_path / "clean.fits"
    result.write(path, provenance={"command": "skysift predict", "method": "filter"})
    return path, result


def test_the_file_has_maps_wcs_time_and_provenance(written):
    path, result = written
    with fits.open(path, checksum=True) as hdus:
        names = [hdu.name for hdu in hdus]
        assert names == [
            *("PRIMARY", "CLEANED", "VARIANCE", "BACKGROUND", "RESIDUAL"),
            *("EBOUNDS", "GTI", "SKYSIFT_PROVENANCE"),
        ]
        total = sum(hdus[name].data for name in ("CLEANED", "BACKGROUND", "RESIDUAL"))
        np.testing.assert_allclose(total, result.counts.counts, atol=1e-9)
        np.testing.assert_array_equal(hdus["VARIANCE"].data, result.variance)
        x, y = WCS(hdus["CLEANED"].header, naxis=2).all_world2pix(200.0, -89.8, 0)
        np.testing.assert_allclose([x, y], GRID.to_pixel(200.0, -89.8), atol=1e-6)
        assert hdus["GTI"].data["STOP"].tolist() == [1050.0, 1100.0]
        assert hdus[0].header["LIVETIME"] == 85.0
        header = hdus[0].header
        parts = header["NCLEANED"] + header["NBACKGND"] + header["NRESIDUE"]
        assert parts == pytest.approx(header["NCOUNTS"])
        story = json.loads(hdus["SKYSIFT_PROVENANCE"].data["json"][0])
        assert story == {"command": "skysift predict", "method": "filter"}


def test_gammapy_reads_every_map(written):
    maps = pytest.importorskip("gammapy.maps", reason="gammapy is not installed")
    path, result = written
    for name in ("cleaned", "variance", "background", "residual"):
        found = maps.Map.read(path, hdu=name.upper())
        np.testing.assert_array_equal(found.data, getattr(result, name))
        np.testing.assert_allclose(found.geom.axes["energy"].edges.to_value("TeV"), EDGES)
        assert found.geom.axes["energy"].interp == "log"
        x, y = GRID.to_pixel(200.0, -89.8)
        value = found.get_by_coord((200.0, -89.8, 0.1))  # deg, deg, TeV
        assert value == getattr(result, name)[0, round(float(y)), round(float(x))]


def test_expectations_that_do_not_fit_are_refused(tmp_path):
    counts = counts_map(np.ones(SHAPE))
    with pytest.raises(InputError, match="source expectation has shape"):
        clean(counts, np.ones((1, 2, 3)), np.ones(SHAPE))
    with pytest.raises(InputError, match="background expectation holds negative"):
        clean(counts, np.ones(SHAPE), -np.ones(SHAPE))
    with pytest.raises(OutputError):
        clean(counts, np.ones(SHAPE), np.ones(SHAPE)).write(tmp_path / "no" / "clean.fits")
