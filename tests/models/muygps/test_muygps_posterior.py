import math
from dataclasses import replace

import numpy as np
import pytest

from skysift.core import compiler
from skysift.core.errors import MissingExtraError, UnknownNameError
from skysift.models.muygps import posterior, torch_engine
from skysift.models.muygps.kernels import RBF, Matern
from skysift.models.muygps.posterior import local_posterior

ENGINES = ("compiled", "numpy", "torch")
KERNELS = [
    Matern(0.5, 3.0),
    Matern(1.5, 3.0),
    Matern(2.5, 3.0),
    Matern(0.8, 3.0),
    Matern(math.inf, 3.0),
    RBF((1.0, 2.0, 3.0, 4.0, 5.0, 6.0)),
]


def dense_posterior(rows, kernel):
    """Row by row from the definition, with a general solver."""
    profile = kernel.profile()
    mean, variance, quadratic = [], [], []
    for query, near in zip(rows.query, rows.indices, strict=True):
        x = np.vstack([query, rows.points[near]]) / np.asarray(kernel.length_scale)
        squared = ((x[:, None] - x) ** 2).sum(axis=2)
        k = profile(squared)
        inner = k[1:, 1:] + np.diag(rows.noise[near])
        solved = np.linalg.solve(inner, np.column_stack([k[1:, 0], rows.targets[near]]))
        mean.append(rows.targets[near].T @ solved[:, 0])
        variance.append(1.0 - k[0, 1:] @ solved[:, 0])
        quadratic.append((rows.targets[near] * solved[:, 1:]).sum(axis=0))
    return np.array(mean), np.array(variance), np.array(quadratic)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_posteriors_are_those_of_the_definition(neighbourhoods, kernel, engine):
    mean, variance, quadratic = dense_posterior(neighbourhoods, kernel)
    found = local_posterior(neighbourhoods, kernel, engine=engine)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.variance, variance, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.quadratic, quadratic, rtol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_number_of_neighbours_fills_the_tiles(neighbourhoods, engine, k):
    few = replace(neighbourhoods, indices=neighbourhoods.indices[:, :k].copy())
    mean, variance, _ = dense_posterior(few, Matern(1.5, 3.0))
    found = local_posterior(few, Matern(1.5, 3.0), engine=engine)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.variance, variance, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_without_noise_interpolates_its_neighbour(neighbourhoods, engine):
    at_points = replace(
        neighbourhoods,
        query=neighbourhoods.points[neighbourhoods.indices[:, 0]],
        noise=np.zeros_like(neighbourhoods.noise),
    )
    found = local_posterior(at_points, Matern(1.5, 3.0), engine=engine)
    np.testing.assert_allclose(
        found.mean, at_points.targets[at_points.indices[:, 0]], rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(found.variance, 0.0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_copies_of_a_noiseless_neighbour_add_nothing(neighbourhoods, engine):
    """Where a general solver meets a singular matrix."""
    kernel = Matern(1.5, 3.0)
    single = replace(neighbourhoods, noise=np.zeros_like(neighbourhoods.noise))
    twice = replace(single, indices=np.concatenate([single.indices] * 2, axis=1))
    expected = local_posterior(single, kernel, engine="numpy")
    found = local_posterior(twice, kernel, engine=engine)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("engine", ENGINES)
def test_of_noiseless_copies_that_differ_the_first_counts(engine, dtype):
    points = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.5], [1.0, 0.5], [2.0, -1.0]], dtype)
    targets = np.array([[1.0], [0.0], [3.0], [-3.0], [2.0]], dtype)
    rows = posterior.Neighbourhoods(
        np.array([[0.0, 0.0], [0.7, 0.2]], dtype),
        points,
        targets,
        np.zeros(5, dtype),
        np.array([[0, 1, 2, 3, 4], [2, 3, 0, 1, 4]]),
    )
    first = replace(rows, indices=rows.indices[:, [0, 2, 4]])
    expected = dense_posterior(first, Matern(1.5, 3.0))
    found = local_posterior(rows, Matern(1.5, 3.0), engine=engine)
    close = {"rtol": 1e-10, "atol": 1e-10} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-4}
    for one, other in zip((found.mean, found.variance, found.quadratic), expected, strict=True):
        np.testing.assert_allclose(one, other, **close)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_beyond_all_reach_is_the_prior(neighbourhoods, kernel, engine):
    far = neighbourhoods.rows(slice(6))
    query = far.query.copy()
    query[1:, 2] = [1e20, -1e100, 1e154, -1e160, 1.7e308]
    found = local_posterior(replace(far, query=query), kernel, engine=engine)
    np.testing.assert_allclose(found.mean[1:], 0.0, atol=1e-90)
    np.testing.assert_array_equal(found.variance[1:], 1.0)
    near = local_posterior(far, kernel, engine=engine)
    np.testing.assert_allclose(found.mean[0], near.mean[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_single_precision_is_close_where_noise_tames_it(neighbourhoods, engine):
    double = local_posterior(neighbourhoods, Matern(1.5, 3.0), engine="numpy")
    single = replace(
        neighbourhoods,
        query=neighbourhoods.query.astype(np.float32),
        points=neighbourhoods.points.astype(np.float32),
        targets=neighbourhoods.targets.astype(np.float32),
        noise=neighbourhoods.noise.astype(np.float32),
    )
    found = local_posterior(single, Matern(1.5, 3.0), engine=engine)
    assert found.mean.dtype == found.variance.dtype == np.float32
    np.testing.assert_allclose(found.mean, double.mean, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.variance, double.variance, rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ["compiled", "numpy"])
def test_neither_chunks_nor_threads_change_an_answer(neighbourhoods, engine, monkeypatch):
    whole = local_posterior(neighbourhoods, Matern(0.8, 3.0), engine=engine)
    monkeypatch.setattr(posterior, "_COMPILED_CHUNK", 8)
    monkeypatch.setattr(posterior, "_NUMPY_CHUNK_BYTES", 5 * 24 * 24 * 8)
    parts = local_posterior(neighbourhoods, Matern(0.8, 3.0), engine=engine, threads=3)
    np.testing.assert_array_equal(parts.mean, whole.mean)
    np.testing.assert_array_equal(parts.variance, whole.variance)


def test_no_rows_have_no_posteriors(neighbourhoods):
    found = local_posterior(neighbourhoods.rows(slice(0)), RBF(3.0))
    assert found.mean.shape == (0, 2)


def test_sigma_squared_of_a_process_is_found_again(rng):
    """Targets drawn from the process itself, scaled by 5."""
    n_points, k = 600, 30
    points = rng.uniform(0.0, 6.0, size=(n_points, 2))
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    kernel = Matern(1.5, 1.0)
    covariance = kernel.profile()(squared.copy()) + 0.01 * np.eye(n_points)
    targets = 5.0 * np.linalg.cholesky(covariance) @ rng.normal(size=(n_points, 8))
    rows = posterior.Neighbourhoods(
        points,
        points,
        targets,
        np.full(n_points, 0.01),
        np.argsort(squared, axis=1)[:, 1 : k + 1],
    )
    sigma_squared = local_posterior(rows, kernel).sigma_squared(k)
    assert sigma_squared.shape == (8,)
    assert sigma_squared.mean() == pytest.approx(25.0, rel=0.1)


def test_without_numba_the_engine_is_numpy(neighbourhoods, monkeypatch):
    expected = local_posterior(neighbourhoods, RBF(3.0), engine="numpy")
    monkeypatch.setattr(posterior, "has_compiler", lambda: False)
    found = local_posterior(neighbourhoods, RBF(3.0))
    np.testing.assert_array_equal(found.mean, expected.mean)


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(MissingExtraError, match=r"skysift\[fast\]"):
        compiler.import_numba("numba_that_is_not_there")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"skysift\[train\]"):
        torch_engine._import_torch()


def test_an_engine_that_does_not_exist(neighbourhoods):
    with pytest.raises(UnknownNameError, match="numpie"):
        local_posterior(neighbourhoods, RBF(3.0), engine="numpie")
