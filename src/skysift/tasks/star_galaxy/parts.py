"""The trained parts of a blend as they predict and are stored: graphs and processes, never code.

Neither scikit-learn nor skops is needed here, whose imports take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.models.muygps.process import LocalProcess
from skysift.models.muygps.uncertainty import BinaryCalibration
from skysift.models.persist.onnx_format import OnnxClassifier

__all__ = ["OUTPUT", "GraphPart", "ProcessPart"]

Floats = NDArray[np.float64]

OUTPUT = "probability"
"""Of a graph: that of the second class."""

_CHUNK = 256  # rows at a time: what is in work stays in the cache
_LARGEST = 1e30  # absurd numbers still fit into single precision
_SCALING = ("median", "center", "scale", "mean", "deviation")


class GraphPart:
    """A classifier of two classes in an ONNX graph, with its bytes.

    Parameters
    ----------
    data : bytes
        The graph, with an output named :data:`OUTPUT`.
    threads : int
        Of the runtime.

    Raises
    ------
    BundleError
        If the graph is damaged or asks for what is not allowed.
    """

    def __init__(self, data: bytes, *, threads: int = 1) -> None:
        self.data = data
        self._session = OnnxClassifier(data, (OUTPUT,), threads=threads, chunk=_CHUNK)

    def predict_proba(self, columns: NDArray[Any]) -> Floats:
        """Return the probabilities of the two classes, shape (n, 2), for a matrix of columns."""
        rows = np.clip(columns, -_LARGEST, _LARGEST)
        return np.asarray(self._session.predict_proba(rows), dtype=np.float64)


@dataclass(frozen=True)
class ProcessPart:
    """A Gaussian process on columns that are imputed, scaled by quartiles and drawn in first.

    Parameters
    ----------
    scaling : array, shape (5, n_columns)
        Rows: what takes the place of NaN, center and scale by quartiles, and mean and standard
        deviation of the arsinh of that.
    process : LocalProcess
        With one output, -1 to 1.
    calibration : BinaryCalibration
        From means to probabilities.
    """

    scaling: Floats
    process: LocalProcess
    calibration: BinaryCalibration

    @classmethod
    def of(cls, pipeline: Any) -> Self:
        """Return what a fitted pipeline of imputer, scalers and MuyGPsClassifier does."""
        imputer, robust, _, standard, classifier = (step for _, step in pipeline.steps)
        scaling = (
            imputer.statistics_,
            robust.center_,
            robust.scale_,
            standard.mean_,
            standard.scale_,
        )
        return cls(np.array(scaling), classifier.process_, classifier.calibration_)

    def predict_proba(self, columns: NDArray[Any]) -> Floats:
        """Return the probabilities of the two classes, shape (n, 2), for a matrix of columns."""
        rows = np.ascontiguousarray(self.scaled(columns), dtype=self.process.points.dtype)
        return self.calibration(self.process.posterior(rows).mean.astype(np.float64))

    def scaled(self, columns: NDArray[Any]) -> Floats:
        """Return columns as the process sees them, shape (n, n_columns)."""
        median, center, scale, mean, deviation = self.scaling
        known = np.where(np.isnan(columns), median, columns)
        return np.asarray((np.arcsinh((known - center) / scale) - mean) / deviation)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values, fit for JSON, and arrays."""
        plain, arrays = self.process.to_state()
        own = {"scaling": self.scaling, "calibration": self.calibration.to_state()}
        return plain, arrays | own

    @classmethod
    def from_state(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, threads: int = 1
    ) -> Self:
        """Return the part that :meth:`to_state` described.

        Raises
        ------
        BundleError
            If something is missing or does not fit together.
        """
        process = LocalProcess.from_state(
            plain, arrays, search="exact", engine="auto", threads=threads
        )
        try:
            scaling, calibration = arrays["scaling"], arrays["calibration"]
        except KeyError as error:
            raise _unusable(f"it lacks {error}") from error
        if scaling.shape != (len(_SCALING), process.points.shape[1]) or not (
            np.isfinite(scaling).all() and np.all(scaling[[2, 4]] > 0)
        ):
            raise _unusable("its scaling does not fit")
        if process.targets.shape[1] != 1 or calibration.shape != (3,):
            raise _unusable("it is not of two classes")
        return cls(scaling, process, BinaryCalibration.from_state(calibration))


def _unusable(reason: str) -> BundleError:
    return BundleError(
        f"This is not the state of a process on scaled columns: {reason}.",
        "Fetch the bundle again, or train it again.",
    )
