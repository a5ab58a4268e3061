"""Distillation: one small network that copies the probabilities of a slow ensemble.

The network learns what the ensemble says, not the classes (Bucila, Caruana & Niculescu-Mizil 2006,
"Model compression", KDD 12, 535; Hinton, Vinyals & Dean 2015, arXiv:1503.02531). A probability
tells more of a row than its class, and the ensemble can label as many rows as one likes to make:
rows between neighbours of the same class (Chawla et al. 2002, JAIR 16, 321).

Columns enter as they were measured. Logarithms, ratios and projections are taken within the ONNX
graph, so that nothing is left to compute outside.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from skysift.core.errors import MissingExtraError
from skysift.models.graph_builder import GraphBuilder
from skysift.models.one_cycle import one_cycle

__all__ = ["DistilledNetwork", "Expansion", "InterpolatedRows", "Polar", "interpolate_rows"]

Floats = NDArray[np.float32]

_SMALLEST = 1e-6
_LARGEST_RATIO = 5.0
_LIMITS = (0.001, 0.999)  # quantiles of the training rows beyond which a column is cut
_FARTHEST = 0.6  # of the way to the neighbour
_JITTER = 0.03  # of a column's spread
_INTERQUARTILE_RANGE = 1.349  # of a normal distribution, in standard deviations


@dataclass(frozen=True, slots=True)
class Polar:
    """A pair of columns that are polar coordinates: their projections are two columns more.

    Parameters
    ----------
    radius, angle : str
        The columns; the angle in degrees.
    across, along : str
        Names of ``radius sin(angle)`` and ``radius cos(angle)``.
    """

    radius: str
    angle: str
    across: str
    along: str


@dataclass(frozen=True)
class Expansion:
    """What a small network sees beside the columns themselves.

    Parameters
    ----------
    columns : tuple of str
        The columns, in order.
    polar : sequence of Polar
        Projections; their names may be used in what follows.
    logs : sequence of mapping of str to float
        Sums of columns, by factor, whose natural logarithm is taken; the key ``""`` is a constant.
    ratios : sequence of (str, str)
        Column over column, within -5 to 5.

    Examples
    --------
    >>> expansion = Expansion(
    ...     ("length", "width"), logs=({"length": 1.0},), ratios=(("width", "length"),)
    ... )
    >>> expansion(np.array([[100.0, 20.0]])).round(3)
    array([[100.   ,  20.   ,   4.605,   0.2  ]], dtype=float32)
    """

    columns: tuple[str, ...]
    polar: Sequence[Polar] = ()
    logs: Sequence[Mapping[str, float]] = ()
    ratios: Sequence[tuple[str, str]] = ()

    def __call__(self, X: NDArray[Any]) -> Floats:  # noqa: N803  # scikit-learn's name
        """Return the columns and what is derived from them, shape (n, n_expanded)."""
        parts = [np.asarray(X, dtype=np.float32)]
        if self.polar:
            turn, shift, radius = self._projections()
            parts.append(np.sin(parts[0] @ turn + shift) * (parts[0] @ radius))
        base = np.concatenate(parts, axis=1)
        parts = [base]
        if self.logs:
            factors, constants = self._sums(self.logs)
            parts.append(np.log(np.maximum(base @ factors + constants, np.float32(_SMALLEST))))
        if self.ratios:
            above, below = self._above_and_below()
            ratio = (base @ above) / (base @ below + np.float32(_SMALLEST))
            parts.append(np.clip(ratio, -_LARGEST_RATIO, _LARGEST_RATIO))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def add_to(self, graph: GraphBuilder, shares: str, low: Floats, width: Floats) -> str:
        """Add the same to an ONNX graph, of columns that are given as ``(x - low) / width``.

        The output has these shares in place of the columns, which a layer that follows can undo.
        """
        extra = 2 * len(self.polar)
        turn, shift, radius = self._projections()

        def of_columns(factors: Floats, constants: Floats, value: str) -> str:
            """Add a sum of columns; a projection is what it is, and no share."""
            unit = np.ones(len(factors), np.float32)
            unit[: len(width)] = width
            moved = constants + low @ factors[: len(low)]
            return graph(
                "Gemm", value, graph.constant(unit[:, None] * factors), graph.constant(moved)
            )

        base = shares
        if extra:
            unit = graph("Sin", of_columns(turn, shift, shares))
            projected = graph("Mul", unit, of_columns(radius, np.zeros_like(shift), shares))
            base = graph("Concat", shares, projected, axis=1)
        parts = [base]
        if self.logs:
            total = of_columns(*self._sums(self.logs), base)
            parts.append(graph("Log", graph("Max", total, graph.constant(_SMALLEST))))
        if self.ratios:
            above, below = self._above_and_below()
            zero = np.zeros(len(self.ratios), np.float32)
            ratio = graph(
                "Div",
                of_columns(above, zero, base),
                of_columns(below, zero + np.float32(_SMALLEST), base),
            )
            parts.append(graph.clip(ratio, -_LARGEST_RATIO, _LARGEST_RATIO))
        return graph("Concat", *parts, axis=1) if len(parts) > 1 else base

    def _projections(self) -> tuple[Floats, Floats, Floats]:
        """Return what gives the angles and the radii, sine before cosine for each pair."""
        turn = np.zeros((len(self.columns), 2 * len(self.polar)), np.float32)
        radius = np.zeros_like(turn)
        for pair, polar in enumerate(self.polar):
            both = slice(2 * pair, 2 * pair + 2)
            turn[self.columns.index(polar.angle), both] = np.radians(1.0)
            radius[self.columns.index(polar.radius), both] = 1.0
        shift = np.tile(np.array([0.0, np.pi / 2], np.float32), len(self.polar))
        return turn, shift, radius

    def _sums(self, terms: Sequence[Mapping[str, float]]) -> tuple[Floats, Floats]:
        """Return factors, shape (n_base, n_terms), and constants, shape (n_terms,)."""
        base = list(self.columns)
        for polar in self.polar:
            base += [polar.across, polar.along]
        factors = np.zeros((len(base), len(terms)), np.float32)
        for number, term in enumerate(terms):
            for name, factor in term.items():
                if name:
                    factors[base.index(name), number] = factor
        constants = np.array([term.get("", 0.0) for term in terms], np.float32)
        return factors, constants

    def _above_and_below(self) -> tuple[Floats, Floats]:
        above, _ = self._sums([{name: 1.0} for name, _ in self.ratios])
        below, _ = self._sums([{name: 1.0} for _, name in self.ratios])
        return above, below


@dataclass(frozen=True)
class DistilledNetwork:
    """A network of rectified linear units with two outputs: a probability and its error.

    Parameters
    ----------
    expansion : Expansion
        What it sees of the columns.
    low, high : arrays, shape (n_columns,)
        Limits to which each column is cut: where no training row has been, the network says what
        it says at the edge.
    weights, biases : tuples of arrays, shapes (n_in, n_out) and (n_out,)
        Of the layers.
    """

    expansion: Expansion
    low: Floats
    high: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    @classmethod
    def fit(
        cls,
        X: NDArray[Any],  # noqa: N803  # scikit-learn's name
        probability: NDArray[Any],
        error: NDArray[Any],
        expansion: Expansion,
        rng: np.random.Generator,
        *,
        hidden: Sequence[int] = (64, 64),
        epochs: int = 40,
        batch_size: int = 1024,
        learning_rate: float = 8e-3,
        weight_decay: float = 1e-3,
    ) -> Self:
        """Train on what the teacher says.

        Both outputs are learnt by the cross-entropy with the teacher's number, whose minimum is
        at its mean, for the error as well as for the probability.

        Parameters
        ----------
        X : array, shape (n, n_columns)
            Columns as measured.
        probability, error : arrays, shape (n,)
            The teacher's, in 0..1.
        expansion : Expansion
            What the network sees.
        rng : numpy.random.Generator
            Of weights and batches.
        hidden : sequence of int
            Widths of the hidden layers.
        epochs, batch_size, learning_rate, weight_decay
            Of AdamW with a one-cycle schedule.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        """
        low, high = np.quantile(X, _LIMITS, axis=0).astype(np.float32)
        seen = expansion(np.clip(np.asarray(X, dtype=np.float32), low, high))
        mean, scale = seen.mean(axis=0), seen.std(axis=0) + np.float32(_SMALLEST)
        seen -= mean
        seen /= scale
        target = np.stack([probability, error], axis=1).astype(np.float32)
        sizes = (seen.shape[1], *hidden, target.shape[1])
        weights, biases = _train(
            seen,
            target,
            sizes,
            rng,
            epochs=epochs,
            batch_size=min(batch_size, len(seen)),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        # The first layer takes the standardisation in.
        weights[0] = weights[0] / scale[:, None]
        biases[0] = biases[0] - mean @ weights[0]
        return cls(expansion, low, high, tuple(weights), tuple(biases))

    def predict_with_error(self, X: NDArray[Any]) -> tuple[Floats, Floats]:  # noqa: N803
        """Return probability and error, shape (n,) each, for X (n, n_columns)."""
        value = self.expansion(np.clip(np.asarray(X, dtype=np.float32), self.low, self.high))
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = value @ weight + bias
            if number < len(self.weights) - 1:
                value = np.maximum(value, 0)
        both = expit(value)
        return both[:, 0], both[:, 1]

    def to_onnx(self, names: tuple[str, str]) -> bytes:
        """Return the network as an ONNX graph of the columns, with outputs of these names."""
        graph = GraphBuilder()
        width = np.maximum(self.high - self.low, np.float32(_SMALLEST))
        # One pair of limits for all columns is much faster than limits for each.
        shares = graph(
            "Gemm", "features", *map(graph.constant, (np.diag(1 / width), -self.low / width))
        )
        value = self.expansion.add_to(graph, graph.clip(shares, 0.0, 1.0), self.low, width)
        weights, biases = list(self.weights), list(self.biases)
        columns = slice(len(width))
        biases[0] = biases[0] + self.low @ weights[0][columns]
        weights[0] = weights[0].copy()
        weights[0][columns] *= width[:, None]
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            exact = [graph.constant(part, exact=True) for part in (weight, bias)]
            value = graph("Gemm", value, *exact)
            if number < len(weights) - 1:
                value = graph("Relu", value)
        both = graph("Sigmoid", value)
        for number, name in enumerate(names):
            graph.output(name, graph("Gather", both, graph.integers(number), axis=1))
        return graph.serialise(len(self.low))


@dataclass(frozen=True, slots=True)
class InterpolatedRows:
    """Rows made between rows of a table.

    Parameters
    ----------
    values : array, shape (n, n_columns)
        The rows.
    parents : array of int, shape (n, 2)
        The rows of the table that each lies between.
    """

    values: NDArray[np.float64]
    parents: NDArray[np.int64]


def interpolate_rows(
    X: NDArray[Any],  # noqa: N803  # scikit-learn's name
    y: NDArray[np.bool_],
    n: int,
    rng: np.random.Generator,
    *,
    neighbours: int = 8,
) -> InterpolatedRows:
    """Make rows between neighbours of the same class, with a little noise.

    Neighbours are found among the ranks of each column, so that no unit and no tail decides.

    Parameters
    ----------
    X : array, shape (n_rows, n_columns)
        The table.
    y : array of bool, shape (n_rows,)
        The class of each row; the classes keep their shares.
    n : int
        How many rows to make, within rounding.
    rng : numpy.random.Generator
        Source of randomness.
    neighbours : int
        How many neighbours a row has.

    Returns
    -------
    InterpolatedRows
        No value lies outside the range of its column.

    Examples
    --------
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> made = interpolate_rows(X, X[:, 0] > 5, 100, np.random.default_rng(0), neighbours=2)
    >>> made.values.shape, bool((made.values <= X.max(axis=0)).all())
    ((100, 2), True)
    """
    X = np.asarray(X, dtype=np.float64)  # noqa: N806
    ranks = np.stack([rankdata(column) for column in X.T], axis=1) / len(X)
    quartiles = np.quantile(X, [0.25, 0.75], axis=0)
    noise = _JITTER * (quartiles[1] - quartiles[0]) / _INTERQUARTILE_RANGE
    values, parents = [], []
    for kind in (False, True):
        rows = np.flatnonzero(y == kind)
        number = min(neighbours, len(rows) - 1)
        search = NearestNeighbors(n_neighbors=number).fit(ranks[rows])
        near = search.kneighbors(return_distance=False)  # a row is no neighbour of itself
        first = rng.integers(len(rows), size=round(n * len(rows) / len(y)))
        second = near[first, rng.integers(number, size=len(first))]
        pair = np.stack([rows[first], rows[second]], axis=1)
        way = rng.uniform(0.0, _FARTHEST, (len(pair), 1))
        between = X[pair[:, 0]] + way * (X[pair[:, 1]] - X[pair[:, 0]])
        values.append(between + noise * rng.normal(size=between.shape))
        parents.append(pair)
    inside = np.clip(np.concatenate(values), X.min(axis=0), X.max(axis=0))
    return InterpolatedRows(inside, np.concatenate(parents))


def _train(
    seen: Floats,
    target: Floats,
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
) -> tuple[list[Floats], list[Floats]]:
    """Return the weights and biases of each layer."""
    try:
        import torch  # noqa: PLC0415  # an extra: only training needs it
    except ModuleNotFoundError as error:
        raise MissingExtraError("torch", extra="train") from error
    weights, biases = [], []
    for n_in, n_out in pairwise(sizes):
        draw = rng.normal(0.0, math.sqrt(1.0 / (3.0 * n_in)), (n_in, n_out)).astype(np.float32)
        weights.append(torch.nn.Parameter(torch.from_numpy(draw)))
        biases.append(torch.nn.Parameter(torch.zeros(n_out)))
    decayed = {"params": weights, "weight_decay": weight_decay}
    optimiser = torch.optim.AdamW(
        [decayed, {"params": biases, "weight_decay": 0.0}], lr=learning_rate, fused=True
    )
    schedule = one_cycle(torch, optimiser, learning_rate, epochs * (len(seen) // batch_size))
    rows, wanted = torch.from_numpy(seen), torch.from_numpy(target)
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(seen)))
        for start in range(0, len(seen) - batch_size + 1, batch_size):
            index = order[start : start + batch_size]
            hidden = rows[index]
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                hidden = torch.relu(torch.addmm(bias, hidden, weight))
            log_odds = torch.addmm(biases[-1], hidden, weights[-1])
            loss = 2 * torch.nn.functional.binary_cross_entropy_with_logits(log_odds, wanted[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    arrays = [[p.detach().numpy().copy() for p in part] for part in (weights, biases)]
    return arrays[0], arrays[1]
