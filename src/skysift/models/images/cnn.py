"""A small convolutional network of stamps as a scikit-learn classifier, run by ONNX Runtime."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import UsageError
from skysift.models.images.cnn_network import (
    CnnShape,
    CnnTraining,
    Standardisation,
    Weights,
    export_networks,
    train_network,
)
from skysift.models.persist.onnx_format import OnnxClassifier

__all__ = ["StampCnnClassifier", "open_graph"]

Floats = NDArray[np.float32]
Vary = Callable[[Floats, np.random.Generator], Floats]

_OUTPUT = "probability"
_CHUNK = 256  # rows at a time: what is in work stays in the cache
_PARTS = 6


class StampCnnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The mean, in log-odds, of small networks over the eight views of a stamp.

    A row holds the pixels of one or more planes, then numbers such as the seeing. With early
    stopping each network leaves out another sixth of the training rows, which chooses its epoch:
    rows of one object must not be split, so give one row for each. Without it each learns from all
    rows to the last epoch. PyTorch is needed to train, ONNX Runtime to predict.

    Parameters
    ----------
    side, planes : int
        A row begins with ``planes`` images of ``side`` x ``side`` pixels; what follows are numbers.
    networks : int
        How many, at most six.
    channels : (int, int, int)
        Of the three convolutions.
    hidden : int
        Width of the hidden layer.
    epochs, batch_size, learning_rate, weight_decay, dropout, smoothing
        See :class:`skysift.models.images.cnn_network.CnnTraining`.
    early_stopping : bool
        Whether rows that are left out choose the epoch.
    vary : callable, optional
        Takes rows, shape (n, n_features), and a generator, and returns rows of the same objects as
        they might have been seen, e.g. fainter. Called at each step of the training.
    random_state : int
        Seed.

    Attributes
    ----------
    classes_ : array, shape (2,)
        The labels, sorted.
    graph_ : bytes
        All that predictions need, an ONNX model.
    losses_ : list of list of float
        Log loss of each network on the rows that it left out, as training went on; empty without
        early stopping.

    Raises
    ------
    UsageError
        If the rows do not fit the planes, or the number of networks is out of range.
    """

    def __init__(
        self,
        *,
        side: int,
        planes: int = 1,
        networks: int = 1,
        channels: tuple[int, int, int] = (8, 16, 24),
        hidden: int = 24,
        epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        weight_decay: float = 2e-2,
        dropout: float = 0.2,
        smoothing: float = 5e-3,
        early_stopping: bool = True,
        vary: Vary | None = None,
        random_state: int = 0,
    ) -> None:
        self.side = side
        self.planes = planes
        self.networks = networks
        self.channels = channels
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.smoothing = smoothing
        self.early_stopping = early_stopping
        self.vary = vary
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Train on X, shape (n, n_features), NaN where unknown, with labels y of two classes."""
        columns = np.asarray(X, dtype=np.float32)
        self.classes_, label = np.unique(y, return_inverse=True)
        shape = self._shape(columns)
        standardisation = Standardisation.fit(columns, shape)
        rows = standardisation(columns)
        vary, drawn = self.vary, None
        if vary is not None:

            def drawn(chosen: NDArray[np.int64], rng: np.random.Generator) -> Floats:
                return standardisation(vary(columns[chosen], rng))

        rng = np.random.default_rng(self.random_state)
        training = CnnTraining(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            smoothing=self.smoothing,
        )
        networks: list[Weights] = []
        self.losses_: list[list[float]] = []
        for left_out in self._left_out(rows, label, rng):
            weights, losses = train_network(
                shape, rows, label == 1, left_out=left_out, training=training, rng=rng, drawn=drawn
            )
            networks.append(weights)
            self.losses_.append(losses)
        self.n_features_in_ = shape.n_features
        self.graph_ = export_networks(shape, standardisation, networks, _OUTPUT)
        self._session = open_graph(self.graph_)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities of the two classes, shape (n, 2)."""
        check_is_fitted(self, "graph_")
        return np.asarray(self._session.predict_proba(X), dtype=np.float64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Return the likelier class of each row, shape (n,)."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])

    def _left_out(
        self, rows: Floats, label: NDArray[np.int64], rng: np.random.Generator
    ) -> list[NDArray[np.bool_]]:
        """Return which rows each network does not learn from."""
        if not self.early_stopping:
            return [np.zeros(len(rows), dtype=bool)] * self.networks
        parts = StratifiedKFold(_PARTS, shuffle=True, random_state=int(rng.integers(2**31)))
        splits = list(parts.split(rows, label))[: self.networks]
        return [np.isin(np.arange(len(rows)), part) for _, part in splits]

    def _shape(self, columns: Floats) -> CnnShape:
        numbers = (columns.shape[1] if columns.ndim == 2 else 0) - self.planes * self.side**2  # noqa: PLR2004  # a matrix
        if numbers < 0 or not 1 <= self.networks <= _PARTS or len(self.classes_) != 2:  # noqa: PLR2004  # binary
            raise UsageError(
                f"{self.networks} networks of {self.planes} planes of {self.side} x {self.side} "
                f"pixels cannot learn {len(self.classes_)} classes from rows of shape "
                f"{columns.shape[1:]}.",
                f"Give 1 to {_PARTS} networks, two classes, and rows of pixels, then numbers.",
            )
        return CnnShape(self.planes, self.side, numbers, self.channels, self.hidden)


def open_graph(data: bytes, *, threads: int = 1) -> OnnxClassifier:
    """Return the classifier that a fitted network's `graph_` holds.

    Parameters
    ----------
    data : bytes
        The graph.
    threads : int
        Of the runtime.

    Raises
    ------
    BundleError
        If it is damaged or asks for what is not allowed.
    """
    return OnnxClassifier(data, (_OUTPUT,), threads=threads, chunk=_CHUNK)
