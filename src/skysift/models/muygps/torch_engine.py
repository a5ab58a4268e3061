"""The posterior in torch, for a GPU; on a machine without one it runs on the processor.

The mathematics is that of :mod:`skysift.models.muygps.posterior`: one factorisation per row, of the
covariance of its neighbours, and one triangular solve for what stands beside it.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import MissingExtraError
from skysift.models.muygps.kernels import (
    MATERN_1_2,
    MATERN_3_2,
    MATERN_TABLE,
    SQUARED_EXPONENTIAL,
    Profile,
)
from skysift.models.muygps.posterior import LocalPosterior, Neighbourhoods
from skysift.models.muygps.smoothness import BIAS, COEFFICIENTS, PIECE_BITS, SHIFT, SmoothnessTable

__all__ = ["torch_posterior"]

_CHUNK_BYTES = {"cpu": 1 << 23, "cuda": 1 << 30}


def torch_posterior(
    rows: Neighbourhoods,
    scale: NDArray[np.floating[Any]],
    profile: Profile,
    *,
    device: str | None = None,
) -> LocalPosterior:
    """Return the posterior of each row given its neighbours.

    Parameters
    ----------
    rows : Neighbourhoods
        What to predict, from what.
    scale : array, shape (n_features,)
        What the features are multiplied by.
    profile : Profile
        Of the kernel.
    device : str, optional
        As torch names it; the GPU if there is one, else the processor, if left out.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    torch = _import_torch()
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def put(values: NDArray[Any]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(values)).to(place)

    points, targets, noise = put(rows.points * scale), put(rows.targets), put(rows.noise)
    k, n_outputs = rows.indices.shape[1], rows.targets.shape[1]
    result = LocalPosterior.empty(len(rows), n_outputs, rows.points.dtype)
    chunk = max(1, _CHUNK_BYTES[place.type] // (k * k * rows.points.itemsize))
    with torch.inference_mode():
        for start in range(0, len(rows), chunk):
            part = slice(start, start + chunk)
            near = put(rows.indices[part].astype(np.int64, copy=False))
            x = points[near] - put(rows.query[part] * scale)[:, None]
            covariance, cross = _covariances(torch, x, noise[near], profile)
            beside = torch.cat([cross[:, :, None], targets[near]], dim=2)
            solved = _solve(torch, covariance, beside)
            along, outputs = solved[:, :, :1], solved[:, :, 1:]
            mean = (along * outputs).sum(dim=1)
            variance = (1.0 - along.square().sum(dim=(1, 2))).clamp(min=0.0)
            result.mean[part] = mean.cpu().numpy()
            result.variance[part] = variance.cpu().numpy()
            result.quadratic[part] = outputs.square().sum(dim=1).cpu().numpy()
    return result


def _import_torch() -> Any:
    try:
        import torch  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("torch", extra="train") from error
    return torch


def _covariances(torch: Any, x: Any, noise: Any, profile: Profile) -> tuple[Any, Any]:
    """Return those of the neighbours with noise, (n, k, k), and those with the row, (n, k)."""
    gram = torch.bmm(x, x.mT)
    norms = torch.diagonal(gram, dim1=1, dim2=2).clone()
    squared = (norms[:, :, None] + norms[:, None, :] - 2.0 * gram).clamp_(min=0.0)
    covariance = _profile(torch, squared, profile)
    torch.diagonal(covariance, dim1=1, dim2=2).copy_(1.0 + noise)
    return covariance, _profile(torch, norms, profile)


def _solve(torch: Any, covariance: Any, beside: Any) -> Any:
    """Return L^-1 b with L the lower factors, (n, k, k), and b what stands beside, (n, k, any)."""
    k = covariance.shape[1]
    factor, failed = torch.linalg.cholesky_ex(covariance)
    diagonal = torch.diagonal(covariance, dim1=1, dim2=2)
    floor = k * torch.finfo(covariance.dtype).eps * diagonal
    pivots = torch.diagonal(factor, dim1=1, dim2=2).square()
    singular = (failed > 0) | ~(pivots > floor).all(dim=1)
    solved = torch.linalg.solve_triangular(factor, beside, upper=False)
    if bool(singular.any()):
        solved[singular] = _solve_by_columns(
            torch, covariance[singular], beside[singular], floor[singular]
        )
    return solved


def _solve_by_columns(torch: Any, covariance: Any, beside: Any, floor: Any) -> Any:
    """Return the same column by column where a pivot vanishes: such a column becomes zero.

    A neighbour that the ones before it determine, such as a copy of one of them, adds nothing.
    """
    k = covariance.shape[1]
    factor = torch.cat([covariance, beside.mT], dim=1)
    for q in range(k):
        before = factor[:, q, :q, None]
        factor[:, q:, q] -= torch.bmm(factor[:, q:, :q], before)[:, :, 0]
        pivot = factor[:, q, q]
        there = pivot > floor[:, q]
        root = torch.where(there, pivot, 1.0).sqrt()
        factor[:, q:, q] *= torch.where(there, 1.0 / root, 0.0)[:, None]
    return factor[:, k:].mT


def _profile(torch: Any, squared: Any, profile: Profile) -> Any:
    if profile.form == SQUARED_EXPONENTIAL:
        return torch.exp(-0.5 * squared)
    r = squared.sqrt()
    if profile.form == MATERN_1_2:
        return torch.exp(-r)
    if profile.form == MATERN_TABLE:
        return _tabulated(torch, r, profile.table)
    if profile.form == MATERN_3_2:
        r = math.sqrt(3.0) * r
        return (1.0 + r) * torch.exp(-r)
    r = math.sqrt(5.0) * r
    return (1.0 + r + r.square() / 3.0) * torch.exp(-r)


def _tabulated(torch: Any, r: Any, table: SmoothnessTable) -> Any:
    """Return the Matern covariance from the table; see `SmoothnessTable`."""
    x = r.double() * table.factor
    bits = x.view(torch.int64)
    piece = (bits >> SHIFT) - table.first
    coefficients = torch.from_numpy(table.coefficients).to(r.device)
    index = piece.clamp(0, len(coefficients) - 1)
    rest = (bits & ((1 << SHIFT) - 1)) | (BIAS << 52)
    t = rest.view(torch.float64) * 2.0 ** (PIECE_BITS + 1) - (2.0 ** (PIECE_BITS + 1) + 1.0)
    value = coefficients[:, 0][index]
    for power in range(1, COEFFICIENTS):
        value = value * t + coefficients[:, power][index]
    value = torch.where(piece < 0, 1.0, value * torch.exp(-x))
    return value.to(r.dtype)
