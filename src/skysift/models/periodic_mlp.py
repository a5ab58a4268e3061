"""An ensemble of small networks with periodic embeddings of their numerical inputs.

Each input is mapped to a normal distribution by its quantiles, then to sines and cosines of learnt
frequencies and a small linear layer (Gorishniy, Rubachev & Babenko 2022, "On embeddings for
numerical features in tabular deep learning", NeurIPS 35, section 3.3: PLR with a shared linear
layer), beside itself, before two hidden layers. All members are trained at once, each on batches of
its own.
"""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import MissingExtraError
from skysift.models.both_classes import both_classes

__all__ = ["PeriodicMlpClassifier", "normal_knots"]

Floats = NDArray[np.float32]

_CHUNK = 2048
_LARGEST_Z = 3.5


def normal_knots(values: NDArray[Any], n_knots: int) -> tuple[Floats, Floats]:
    """Return knots of the piecewise linear map of a column to a standard normal distribution.

    Parameters
    ----------
    values : array, shape (n,)
        The column.
    n_knots : int
        Most knots; where quantiles coincide there are fewer.

    Returns
    -------
    x, z : arrays, shape (n_knots,)
        Values, rising, and normal quantiles, evenly spaced so that the tails have their share; the
        last knot is repeated to fill up.
    """
    z = np.linspace(-_LARGEST_Z, _LARGEST_Z, n_knots, dtype=np.float32)
    x = np.quantile(values, ndtr(z)).astype(np.float32)
    x, first, count = np.unique(x, return_index=True, return_counts=True)
    z = np.array([z[i : i + k].mean() for i, k in zip(first, count, strict=True)], np.float32)
    missing = n_knots - len(x)
    return np.pad(x, (0, missing), mode="edge"), np.pad(z, (0, missing), mode="edge")


class PeriodicMlpClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Mean of `members` networks; a binary classifier with scikit-learn's interface.

    Parameters
    ----------
    members : int
        Number of networks.
    hidden : int
        Width of the two hidden layers.
    frequencies, embedding : int
        Frequencies per input, and width of its embedding.
    sigma : float
        Spread of the initial frequencies.
    dropout : float
        Share of hidden units that are dropped in training.
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW with a cosine schedule.
    knots : int
        Knots of the map to a normal distribution.
    random_state : int
        Seed of weights, batches and dropout.

    Attributes
    ----------
    knots_x_, knots_z_ : arrays, shape (n_features, knots)
        The map of each column.
    arrays_ : dict of str to array
        The trained weights, first axis the member.
    """

    def __init__(
        self,
        *,
        members: int = 3,
        hidden: int = 128,
        frequencies: int = 10,
        embedding: int = 6,
        sigma: float = 0.05,
        dropout: float = 0.25,
        epochs: int = 18,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        knots: int = 48,
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.hidden = hidden
        self.frequencies = frequencies
        self.embedding = embedding
        self.sigma = sigma
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.knots = knots
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:  # noqa: N803  # scikit-learn's name
        """Train on X, shape (n, n_features), with labels y of two classes."""
        X = np.asarray(X, dtype=np.float32)  # noqa: N806
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:  # noqa: PLR2004  # binary
            raise ValueError(f"two classes are needed, not {len(self.classes_)}")
        self.n_features_in_ = X.shape[1]
        pairs = [normal_knots(column, self.knots) for column in X.T]
        self.knots_x_ = np.stack([x for x, _ in pairs])
        self.knots_z_ = np.stack([z for _, z in pairs])
        rng = np.random.default_rng(self.random_state)
        self.arrays_ = self._initial(rng)
        self._train(self.to_normal(X), codes.astype(np.float32), rng)
        return self

    def to_normal(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        """Map each column to about a standard normal distribution."""
        columns = [
            np.interp(column, x, z)
            for column, x, z in zip(np.asarray(X).T, self.knots_x_, self.knots_z_, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def decision_function(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        """Return the log-odds of the mean probability, shape (n,)."""
        p = self._mean_probability(X)
        return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float32)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities of the two classes, shape (n, 2)."""
        p = self._mean_probability(X)
        return both_classes(p)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Return the likelier class of each row, shape (n,)."""
        return np.asarray(self.classes_[(self._mean_probability(X) >= 0.5).astype(int)])  # noqa: PLR2004  # even odds

    def _mean_probability(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        z = self.to_normal(X)
        parts = [self._forward(z[start : start + _CHUNK]) for start in range(0, len(z), _CHUNK)]
        p = expit(np.concatenate(parts, axis=1).astype(np.float64)).mean(axis=0)
        return np.asarray(np.clip(p, 1e-7, 1 - 1e-7))

    def _forward(self, z: Floats) -> Floats:
        """Return the log-odds by each member, shape (members, n)."""
        a = self.arrays_
        phase = z[None, :, :, None] * (2 * np.pi * a["frequency"][:, None])
        waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)
        inside = np.matmul(waves, a["embed_weight"][:, None]) + a["embed_bias"][:, None]
        embedded = np.maximum(inside, 0).reshape(self.members, len(z), -1)
        own = np.broadcast_to(z, (self.members, *z.shape))
        hidden = np.concatenate([own, embedded], axis=-1)
        for layer in (1, 2):
            hidden = np.matmul(hidden, a[f"weight_{layer}"]) + a[f"bias_{layer}"]
            hidden = hidden / (1.0 + np.exp(-hidden))
        return np.asarray((np.matmul(hidden, a["weight_3"]) + a["bias_3"])[..., 0])

    def _initial(self, rng: np.random.Generator) -> dict[str, Floats]:
        k, f, d = self.members, self.n_features_in_, self.embedding
        width = f * (d + 1)

        def uniform(*shape: int, bound: float) -> Floats:
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        frequency = self.sigma * rng.normal(size=(k, f, self.frequencies))
        embed_bound = 1 / math.sqrt(2 * self.frequencies)
        return {
            "frequency": frequency.astype(np.float32),
            "embed_weight": uniform(k, 2 * self.frequencies, d, bound=embed_bound),
            "embed_bias": np.zeros((k, f, d), np.float32),
            "weight_1": uniform(k, width, self.hidden, bound=math.sqrt(3 / width)),
            "bias_1": np.zeros((k, 1, self.hidden), np.float32),
            "weight_2": uniform(k, self.hidden, self.hidden, bound=math.sqrt(3 / self.hidden)),
            "bias_2": np.zeros((k, 1, self.hidden), np.float32),
            "weight_3": uniform(k, self.hidden, 1, bound=math.sqrt(1 / self.hidden)),
            "bias_3": np.zeros((k, 1, 1), np.float32),
        }

    def _train(self, z: Floats, y: Floats, rng: np.random.Generator) -> None:
        try:
            import torch  # noqa: PLC0415  # an extra: only training needs it
        except ModuleNotFoundError as error:
            raise MissingExtraError("torch", extra="train") from error
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        p = {name: torch.nn.Parameter(torch.from_numpy(a)) for name, a in self.arrays_.items()}
        decayed = [value for name, value in p.items() if "weight" in name]
        others = [value for name, value in p.items() if "weight" not in name]
        optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": self.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.learning_rate,
            betas=(0.9, 0.99),
            fused=True,
        )
        size = min(self.batch_size, len(z))
        steps = self.epochs * (len(z) // size)
        warm = max(steps // 20, 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: (
                min(1.0, (step + 1) / warm)
                * 0.5
                * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
            ),
        )
        rows, truth = torch.from_numpy(z), torch.from_numpy(y)
        keep = 1.0 - self.dropout

        def dropped(hidden: Any) -> Any:
            mask = torch.rand(hidden.shape, generator=generator) < keep
            return hidden * mask / keep

        for _ in range(self.epochs):
            order = np.stack([rng.permutation(len(z)) for _ in range(self.members)])
            for start in range(0, len(z) - size + 1, size):
                index = torch.from_numpy(order[:, start : start + size])
                x = rows[index]
                phase = x[..., None] * (2 * math.pi * p["frequency"][:, None])
                waves = torch.cat([phase.cos(), phase.sin()], -1).flatten(1, 2)
                inside = torch.bmm(waves, p["embed_weight"]).view(*x.shape, self.embedding)
                embedded = torch.relu(inside + p["embed_bias"][:, None]).flatten(2)
                hidden = torch.cat([x, embedded], -1)
                for layer in (1, 2):
                    hidden = torch.baddbmm(p[f"bias_{layer}"], hidden, p[f"weight_{layer}"])
                    hidden = dropped(torch.nn.functional.silu(hidden))
                logit = torch.baddbmm(p["bias_3"], hidden, p["weight_3"])[..., 0]
                loss = torch.nn.functional.binary_cross_entropy_with_logits(
                    logit, truth[index], reduction="none"
                )
                optimiser.zero_grad(set_to_none=True)
                loss.mean(1).sum().backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        self.arrays_ = {name: value.detach().numpy().copy() for name, value in p.items()}
