"""Local posteriors: a Gaussian process conditioned on the nearest neighbours of each row.

With K the covariance of the k neighbours of a row plus their noise, c that of the row with them and
y their targets, all in units of sigma squared (Muyskens et al. 2021, eq. 3.4),

    mean = c^T K^-1 y,    variance = 1 - c^T K^-1 c.

With K = L L^T both are inner products of L^-1 c and L^-1 y, and those are the last rows of the
factor of K with c and y written below it: one factorisation gives everything. It also gives
y^T K^-1 y, from which sigma squared follows. The variance is that of the function without noise.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import has_compiler, read_only
from skysift.core.errors import UnknownNameError
from skysift.models.muygps.kernels import Kernel, Profile, inverse_length_scale

__all__ = ["ENGINES", "LocalPosterior", "Neighbourhoods", "local_posterior"]

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

ENGINES = ("auto", "compiled", "numpy", "torch")
"""How posteriors are computed; "auto" is "compiled" where numba is installed, else "numpy"."""

_COMPILED_CHUNK = 4096
_NUMPY_CHUNK_BYTES = 1 << 23
_OUTSIDE = 1e30  # of the border's own corner: large, and its square root does not matter


@dataclass(frozen=True, slots=True)
class Neighbourhoods:
    """Rows to predict and what each is conditioned on.

    Parameters
    ----------
    query : array, shape (n, n_features)
        The rows to predict.
    points : array, shape (n_points, n_features)
        Training rows.
    targets : array, shape (n_points, n_outputs)
        Their targets, less the mean of the process.
    noise : array, shape (n_points,)
        Variance of the noise of each target, in units of sigma squared.
    indices : array of int, shape (n, k)
        Of the neighbours of each row among the points.
    """

    query: Floats
    points: Floats
    targets: Floats
    noise: Floats
    indices: Integers

    def __len__(self) -> int:
        """Return the number of rows to predict."""
        return len(self.query)

    def rows(self, part: slice) -> "Neighbourhoods":
        """Return some of the rows."""
        return Neighbourhoods(
            self.query[part], self.points, self.targets, self.noise, self.indices[part]
        )


@dataclass(frozen=True, slots=True)
class LocalPosterior:
    """Posteriors in units of sigma (squared).

    Parameters
    ----------
    mean : array, shape (n, n_outputs)
        Less the mean of the process.
    variance : array, shape (n,)
        The same for all outputs; in 0..1.
    quadratic : array, shape (n, n_outputs)
        y^T K^-1 y of the neighbours.
    """

    mean: Floats
    variance: Floats
    quadratic: Floats

    @classmethod
    def empty(cls, n: int, n_outputs: int, dtype: Any) -> "LocalPosterior":
        """Return arrays to be filled."""
        return cls(
            np.empty((n, n_outputs), dtype), np.empty(n, dtype), np.empty((n, n_outputs), dtype)
        )

    def rows(self, part: slice) -> "LocalPosterior":
        """Return some of the rows, as views."""
        return LocalPosterior(self.mean[part], self.variance[part], self.quadratic[part])

    def sigma_squared(self, k: int) -> NDArray[np.float64]:
        """Return the scale of the variance of each output, shape (n_outputs,).

        It is the mean of y^T K^-1 y / k over the rows (Muyskens et al. 2021, section 3.3).
        """
        return np.asarray(self.quadratic.mean(axis=0, dtype=np.float64) / k)


def local_posterior(
    rows: Neighbourhoods,
    kernel: Kernel,
    *,
    engine: str = "auto",
    threads: int = 1,
) -> LocalPosterior:
    """Return the posterior of each row given its neighbours.

    The memory used beside the result does not grow with the number of rows. The numbers are of the
    type of ``rows.points``, float64 or float32. A row at any finite distance has an answer: so far
    from all neighbours that the covariance vanishes, the prior, with mean 0 and variance 1.

    Parameters
    ----------
    rows : Neighbourhoods
        What to predict, from what.
    kernel : Matern or RBF
        The covariance.
    engine : {"auto", "compiled", "numpy", "torch"}
        How; they agree to rounding error, also where noiseless neighbours coincide: there the first
        of them counts, and the others add nothing.
    threads : int
        Number of threads, each with its share of the rows. Of no meaning to "torch".

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    MissingExtraError
        If what the engine needs is not installed.
    """
    if engine == "auto":
        engine = "compiled" if has_compiler() else "numpy"
    scale = inverse_length_scale(kernel, rows.points.shape[1]).astype(rows.points.dtype)
    rows = _within_reach(rows, scale)
    profile = kernel.profile()
    if engine == "torch":
        from skysift.models.muygps.torch_engine import torch_posterior  # noqa: PLC0415  # an extra

        return torch_posterior(rows, scale, profile)
    k, n_outputs = rows.indices.shape[1], rows.targets.shape[1]
    result = LocalPosterior.empty(len(rows), n_outputs, rows.points.dtype)
    work: Callable[[Neighbourhoods, LocalPosterior], None]
    if engine == "compiled":
        work, chunk = _compiled_work(scale, profile), _COMPILED_CHUNK
    elif engine == "numpy":
        size = k + 1 + n_outputs
        work = _NumpyWork(scale, profile)
        chunk = max(1, _NUMPY_CHUNK_BYTES // (size * size * rows.points.itemsize))
    else:
        raise UnknownNameError("engine", engine, ENGINES)
    parts = [slice(start, start + chunk) for start in range(0, len(rows), chunk)]
    if threads == 1 or len(parts) == 1:
        for part in parts:
            work(rows.rows(part), result.rows(part))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda part: work(rows.rows(part), result.rows(part)), parts))
    return result


def _within_reach(rows: Neighbourhoods, scale: Floats) -> Neighbourhoods:
    """Return the same rows, those beyond all reach moved to where their squares are finite.

    The covariance is zero there as well.
    """
    edge = np.cbrt(np.finfo(scale.dtype).max) / scale
    query = rows.query
    if (query.max(axis=0, initial=0.0) <= edge).all() and (
        query.min(axis=0, initial=0.0) >= -edge
    ).all():
        return rows
    return replace(rows, query=np.clip(query, -edge, edge))


def _compiled_work(
    scale: Floats, profile: Profile
) -> Callable[[Neighbourhoods, LocalPosterior], None]:
    from skysift.models.muygps.compiled import posterior_rows  # noqa: PLC0415  # imports numba

    def work(rows: Neighbourhoods, result: LocalPosterior) -> None:
        posterior_rows(
            read_only(rows.query),
            read_only(rows.points),
            read_only(rows.targets),
            read_only(rows.noise),
            read_only(rows.indices),
            read_only(scale),
            profile.form,
            profile.table.factor,
            profile.table.first,
            read_only(profile.table.coefficients),
            result.mean,
            result.variance,
            result.quadratic,
        )

    return work


@dataclass(frozen=True, slots=True)
class _NumpyWork:
    """The engine that needs nothing but numpy."""

    scale: Floats
    profile: Profile

    def __call__(self, rows: Neighbourhoods, result: LocalPosterior) -> None:
        k = rows.indices.shape[1]
        bordered = self._bordered(rows)
        diagonal = np.einsum("nii->ni", bordered)[:, :k].copy()
        floor = k * np.finfo(bordered.dtype).eps * diagonal
        try:
            factor = np.linalg.cholesky(bordered)
            singular = (np.einsum("nii->ni", factor)[:, :k] ** 2 <= floor).any(axis=1)
        except np.linalg.LinAlgError:
            factor, singular = bordered, np.ones(len(rows), dtype=bool)
        if singular.any():
            factor[singular] = _factor_by_columns(bordered[singular], floor[singular])
        along, solved = factor[:, k, :k], factor[:, k + 1 :, :k]
        np.einsum("nj,nmj->nm", along, solved, out=result.mean)
        np.einsum("nmj,nmj->nm", solved, solved, out=result.quadratic)
        np.maximum(1.0 - np.einsum("nj,nj->n", along, along), 0.0, out=result.variance)

    def _bordered(self, rows: Neighbourhoods) -> Floats:
        """Return K with c and y below it, shape (n, k + 1 + n_outputs, the same)."""
        k, n_outputs = rows.indices.shape[1], rows.targets.shape[1]
        # Relative to the row, so that the Gram matrix loses nothing to a far origin.
        x = (rows.points[rows.indices] - rows.query[:, None]) * self.scale
        gram = x @ x.swapaxes(1, 2)
        norms = np.einsum("nii->ni", gram).copy()
        gram *= -2.0
        gram += norms[:, :, None]
        gram += norms[:, None, :]
        np.maximum(gram, 0.0, out=gram)
        np.einsum("nii->ni", gram)[:] = 0.0
        matrix = np.zeros((len(rows), k + 1 + n_outputs, k + 1 + n_outputs), x.dtype)
        matrix[:, :k, :k] = self.profile(gram)
        matrix[:, k, :k] = self.profile(norms)
        matrix[:, k + 1 :, :k] = rows.targets[rows.indices].swapaxes(1, 2)
        diagonal = np.einsum("nii->ni", matrix)
        diagonal[:, :k] = 1.0 + rows.noise[rows.indices]
        diagonal[:, k:] = _OUTSIDE
        return matrix


def _factor_by_columns(matrix: Floats, floor: Floats) -> Floats:
    """Factorise column by column where a pivot vanishes: such a column becomes zero.

    A neighbour that the ones before it determine, such as a copy of one of them, adds nothing.
    """
    factor = np.tril(matrix)
    for q in range(floor.shape[1]):
        factor[:, q:, q] -= np.einsum("nip,np->ni", factor[:, q:, :q], factor[:, q, :q])
        pivot = factor[:, q, q]
        there = pivot > floor[:, q]
        root = np.sqrt(np.where(there, pivot, 1.0))
        factor[:, q:, q] *= np.where(there, 1.0 / root, 0.0)[:, None]
    return factor
