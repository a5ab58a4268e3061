"""Classifiers as ONNX graphs, run by ONNX Runtime from verified bytes."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import BundleError, UsageError
from skysift.models.persist.archive import malformed
from skysift.models.persist.onnx_graph import check_onnx_graph
from skysift.models.persist.onnx_session import open_session

__all__ = ["OnnxClassifier"]

Floats = NDArray[np.float32]


class OnnxClassifier:
    """A binary classifier in an ONNX graph, with the interface of scikit-learn.

    The graph has one input of float32, shape (n, n_features), and gives the probability of
    signal, shape (n,), and optionally the uncertainty of that, shape (n,).

    Parameters
    ----------
    data : bytes
        The serialised model.
    outputs : sequence of str
        Names of the graph's outputs: the probability and, if there is one, its uncertainty.
    threads : int
        Threads for one call. One is best for many small calls and beside other processes.
    device : {"cpu", "cuda"}
        Where to run; never anywhere else than asked.
    chunk : int
        Rows per call of the runtime, which bounds memory for any n.

    Raises
    ------
    BundleError
        If the model is damaged, refers to other files, asks for operators beyond ONNX, or has
        other inputs or outputs.
    UsageError
        If the device is not available.

    Notes
    -----
    Threads may share a classifier.
    """

    def __init__(
        self,
        data: bytes,
        outputs: Sequence[str] = ("probability",),
        *,
        threads: int = 1,
        device: str = "cpu",
        chunk: int = 65_536,
    ) -> None:
        check_onnx_graph(data)
        self.classes_ = np.arange(2)
        self._outputs = list(outputs)
        self._chunk = chunk
        self._device = device
        self._session = open_session(data, threads=threads, device=device)
        self._input, self.n_features_in_ = _check_signature(self._session, self._outputs)
        self._local = threading.local()

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803  # scikit-learn's name
        """Return the probabilities of background and signal, shape (n, 2)."""
        (probability, *_) = self._run(X)
        return np.stack([1 - probability, probability], axis=1)

    def predict_with_error(self, X: ArrayLike) -> tuple[Floats, Floats]:  # noqa: N803
        """Return the probability of signal and its uncertainty, shape (n,) each.

        Raises
        ------
        UsageError
            If the model gives no uncertainty.
        """
        if len(self._outputs) == 1:
            raise UsageError(
                "This model gives no uncertainty.", "Use a bundle whose model has two outputs."
            )
        probability, error = self._run(X)
        return probability, error

    def _run(self, X: ArrayLike) -> list[Floats]:  # noqa: N803  # scikit-learn's name
        rows = np.ascontiguousarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:  # noqa: PLR2004  # a matrix
            raise ValueError(f"X has the shape {rows.shape}, not (n, {self.n_features_in_})")
        if len(rows) == 1 and self._device == "cpu":
            return self._run_one(rows)
        results = [np.empty(len(rows), np.float32) for _ in self._outputs]
        for start in range(0, len(rows), self._chunk):
            part = rows[start : start + self._chunk]
            values = self._session.run(self._outputs, {self._input: part})
            for result, value in zip(results, values, strict=True):
                result[start : start + len(part)] = value.reshape(len(part))
        return results

    def _run_one(self, row: Floats) -> list[Floats]:
        """Run one row through buffers that stay bound, which is faster than passing arrays."""
        if not hasattr(self._local, "one"):
            self._local.one = _OneRow(
                self._session, self._input, self._outputs, self.n_features_in_
            )
        bound: _OneRow = self._local.one
        return bound(row)


class _OneRow:
    """Input and output buffers of one thread, bound to a session once."""

    def __init__(self, session: Any, name: str, outputs: list[str], n_features: int) -> None:
        self._session = session
        self._row = np.empty((1, n_features), np.float32)
        self._values = [np.empty(1, np.float32) for _ in outputs]
        self._binding = session.io_binding()
        self._bind(self._binding.bind_input, name, self._row, self._row.shape)
        ranks = {output.name: len(output.shape) for output in session.get_outputs()}
        for output, value in zip(outputs, self._values, strict=True):
            self._bind(self._binding.bind_output, output, value, (1,) * ranks[output])

    @staticmethod
    def _bind(bind: Any, name: str, array: Floats, shape: tuple[int, ...]) -> None:
        bind(name, "cpu", 0, np.float32, shape, array.ctypes.data)

    def __call__(self, row: Floats) -> list[Floats]:
        self._row[:] = row
        self._session.run_with_iobinding(self._binding)
        return [value.copy() for value in self._values]


def _check_signature(session: Any, outputs: list[str]) -> tuple[str, int]:
    """Return name and width of the one input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:  # noqa: PLR2004  # a matrix
        raise malformed("its input is not one matrix of float32")
    width = inputs[0].shape[1]
    if not isinstance(width, int) or isinstance(inputs[0].shape[0], int):
        raise malformed("its input has not the shape (n, n_features) with n left open")
    found = {output.name: output for output in session.get_outputs()}
    if not 1 <= len(outputs) <= 2:  # noqa: PLR2004  # the probability and its uncertainty
        raise BundleError(
            f"A classifier has one or two outputs, not {len(outputs)}.", "Name them in the bundle."
        )
    for name in outputs:
        if name not in found:
            raise malformed(f"it has no output '{name}', only {', '.join(found)}")
        trailing = found[name].shape[1:]
        if found[name].type != "tensor(float)" or any(length != 1 for length in trailing):
            raise malformed(f"its output '{name}' is not one float32 per row")
    return inputs[0].name, width
