"""Scaled parameters: how far each measured value is from what signal with the other values has.

The mean reduced scaled width and length of imaging telescopes (Krawczynski et al. 2006, Astropart.
Phys. 25, 380; Aharonian et al. 2006, A&A 457, 899) compare an image parameter with its mean and
spread for simulated gammas of the same size and distance, from lookup tables. Here a small network
takes the place of the table, so that every parameter is compared with what gammas have that agree
in all the others:

    z_j = (x_j - m_j(x_others)) / s_j(x_others)

m_j and s_j are trained on signal alone by the likelihood of Student's t with five degrees of
freedom, which bears outliers. The signal rows of the training sample get z from networks that have
not seen them (cross-fitting); otherwise signal would look more typical in training than later.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import MissingExtraError

__all__ = ["LARGEST_INPUT", "LARGEST_OUTPUT", "LOG_SPREAD", "ScaledParameters"]

Floats = NDArray[np.float32]

LARGEST_INPUT = 5.0
LARGEST_OUTPUT = 30.0
LOG_SPREAD = (-4.0, 3.0)
_CHUNK = 4096


class ScaledParameters(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Append to each row the scaled residuals of some of its columns.

    Parameters
    ----------
    targets : sequence of (int, sequence of int)
        For each residual the column that is predicted, and the columns that predict it.
    folds : int
        Networks per target, each trained on all signal rows but one fold.
    hidden : int
        Width of the two hidden layers.
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW with a cosine schedule.
    random_state : int
        Seed of folds, weights and batches.

    Attributes
    ----------
    mean_, scale_ : arrays, shape (n_features,)
        Of signal.
    context_ : list of int
        The columns that predict any of the targets.
    weights_, biases_ : lists of arrays, shapes (n_nets, n_in, n_out) and (n_nets, 1, n_out)
        Of the three layers; nets are ordered by fold, then by target.
    """

    def __init__(
        self,
        targets: Sequence[tuple[int, Sequence[int]]] = (),
        *,
        folds: int = 4,
        hidden: int = 48,
        epochs: int = 30,
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        weight_decay: float = 3e-2,
        random_state: int = 0,
    ) -> None:
        self.targets = targets
        self.folds = folds
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:  # noqa: N803  # scikit-learn's name
        """Train on the signal rows of X, shape (n, n_features); y is true for signal."""
        self._fit(X, y)
        return self

    def fit_transform(self, X: NDArray[Any], y: NDArray[Any], **_: Any) -> Floats:  # noqa: N803
        """Train, and return X with the residuals; those of signal rows are cross-fitted."""
        fold = self._fit(X, y)
        residuals = self._residuals(X)
        chosen = residuals.mean(axis=0)
        signal = np.flatnonzero(np.asarray(y, dtype=bool))
        chosen[signal] = residuals[fold, signal]
        return np.column_stack([np.asarray(X, dtype=np.float32), chosen])

    def transform(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        """Return X with the residuals, shape (n, n_features + n_targets)."""
        check_is_fitted(self)
        return np.column_stack([np.asarray(X, dtype=np.float32), self._residuals(X).mean(axis=0)])

    def standardise(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        """Return the columns in units of the spread of signal, clipped."""
        z = (np.asarray(X, dtype=np.float32) - self.mean_) / self.scale_
        return np.asarray(np.clip(z, -LARGEST_INPUT, LARGEST_INPUT))

    def _residuals(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        """Return the residuals by each fold's networks, shape (folds, n, n_targets)."""
        out = np.empty((self.folds, len(X), len(self.targets)), dtype=np.float32)
        columns = [target for target, _ in self.targets]
        for start in range(0, len(X), _CHUNK):
            z = self.standardise(X[start : start + _CHUNK])
            hidden = z[None][..., self.context_]
            for layer, (weight, bias) in enumerate(zip(self.weights_, self.biases_, strict=True)):
                hidden = np.matmul(hidden, weight) + bias
                if layer < len(self.weights_) - 1:
                    hidden = hidden / (1.0 + np.exp(-hidden))
            mean, log_spread = hidden[..., 0], np.clip(hidden[..., 1], *LOG_SPREAD)
            wanted = np.tile(z[:, columns].T, (self.folds, 1))
            residual = np.clip(
                (wanted - mean) * np.exp(-log_spread), -LARGEST_OUTPUT, LARGEST_OUTPUT
            )
            shape = (self.folds, len(columns), len(z))
            out[:, start : start + len(z)] = residual.reshape(shape).transpose(0, 2, 1)
        return out

    def _fit(self, X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:  # noqa: N803
        """Train all networks at once and return the fold of each signal row."""
        signal = np.asarray(X, dtype=np.float32)[np.asarray(y, dtype=bool)]
        self.n_features_in_ = signal.shape[1]
        self.mean_ = signal.mean(axis=0)
        self.scale_ = signal.std(axis=0) + np.float32(1e-6)
        self.context_ = sorted({column for _, context in self.targets for column in context})
        rng = np.random.default_rng(self.random_state)
        fold = rng.permutation(np.arange(len(signal)) % self.folds)
        self.weights_, self.biases_ = self._train(self.standardise(signal), fold, rng)
        return fold

    def _train(
        self, z: Floats, fold: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[list[Floats], list[Floats]]:
        try:
            import torch  # noqa: PLC0415  # an extra: only training needs it
        except ModuleNotFoundError as error:
            raise MissingExtraError("torch", extra="train") from error
        columns = [target for target, _ in self.targets]
        n_nets = self.folds * len(columns)
        width = len(self.context_)
        sees = np.zeros((len(columns), width, 1), dtype=np.float32)
        for row, (_, context) in enumerate(self.targets):
            sees[row, np.searchsorted(self.context_, context)] = 1.0
        mask = torch.from_numpy(np.tile(sees, (self.folds, 1, 1)))
        weights, biases = [], []
        sizes = (width, self.hidden, self.hidden, 2)
        for n_in, n_out in pairwise(sizes):
            fan_in = max(float(sees.sum(1).mean()), 1.0) if n_in == width else n_in
            bound = math.sqrt(3.0 / fan_in) * (0.1 if n_out == sizes[-1] else 1.0)
            draw = rng.uniform(-bound, bound, (n_nets, n_in, n_out)).astype(np.float32)
            weights.append(torch.nn.Parameter(torch.from_numpy(draw)))
            biases.append(torch.nn.Parameter(torch.zeros(n_nets, 1, n_out)))
        optimiser = torch.optim.AdamW(
            [*weights, *biases], lr=self.learning_rate, weight_decay=self.weight_decay
        )
        steps = max(self.epochs * (self._shortest(fold) // self._batch(fold)), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / 30),
        )
        rows, wanted = torch.from_numpy(z[:, self.context_]), torch.from_numpy(z[:, columns])
        for batch in self._batches(fold, rng):
            index = torch.from_numpy(batch)
            hidden = rows[index].repeat_interleave(len(columns), dim=0)
            hidden = torch.baddbmm(biases[0], hidden, weights[0] * mask)
            hidden = torch.baddbmm(biases[1], torch.nn.functional.silu(hidden), weights[1])
            hidden = torch.baddbmm(biases[2], torch.nn.functional.silu(hidden), weights[2])
            log_spread = hidden[..., 1].clamp(*LOG_SPREAD)
            truth = wanted[index].permute(0, 2, 1).reshape(n_nets, -1)
            residual = (truth - hidden[..., 0]) * torch.exp(-log_spread)
            loss = (log_spread + 3.0 * torch.log1p(residual.square() / 5.0)).mean(1).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        weights[0].data *= mask
        arrays = [[p.detach().numpy().copy() for p in part] for part in (weights, biases)]
        return arrays[0], arrays[1]

    def _shortest(self, fold: NDArray[np.int64]) -> int:
        return int(len(fold) - np.bincount(fold, minlength=self.folds).max())

    def _batch(self, fold: NDArray[np.int64]) -> int:
        return min(self.batch_size, self._shortest(fold))

    def _batches(
        self, fold: NDArray[np.int64], rng: np.random.Generator
    ) -> Iterator[NDArray[np.int64]]:
        """Yield rows for each fold's networks, shape (folds, batch), none of its left-out fold."""
        kept = [np.flatnonzero(fold != number) for number in range(self.folds)]
        size = self._batch(fold)
        for _ in range(self.epochs):
            order = [rng.permutation(rows)[: self._shortest(fold)] for rows in kept]
            for start in range(0, self._shortest(fold) - size + 1, size):
                yield np.stack([rows[start : start + size] for rows in order])
