"""A trained gamma-hadron model: features in, gammaness out; as a bundle and back.

A graph in ONNX predicts by itself. What knows the estimators, and with them SciPy and scikit-learn,
is imported where an ensemble of them is stored or loaded.
"""

# ruff: noqa: PLC0415  # for the reason above

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import InputColumn, ModelEntry, ModelFormat
from skysift.core.classifier import Classifier, stored
from skysift.core.errors import BundleError
from skysift.data.table import FeatureTable
from skysift.models.persist import load_model, save_model
from skysift.models.persist.onnx_format import OnnxClassifier
from skysift.tasks.gamma_hadron.features import compute
from skysift.tasks.gamma_hadron.options import Mode

__all__ = [
    "CLASSES",
    "GammaHadronModel",
    "OnnxPredictor",
    "Predictor",
    "load_bundle",
    "save_bundle",
]

TASK = "gamma-hadron"
CLASSES = ("hadron", "gamma")
"""Background and signal, in the order of the model's outputs."""

_OUTPUTS = ("gammaness", "gammaness_err")
_CHUNK_OF_ENSEMBLES = 512


class Predictor(Protocol):
    """The trained part: a matrix of features to gammaness and its error."""

    def predict_with_error(self, X: NDArray[Any], /) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: N803  # scikit-learn's name
        """Return gammaness and its error, shape (n,) each, for X (n, n_features)."""
        ...


@dataclass(frozen=True)
class OnnxPredictor:
    """A model that is an ONNX graph from the start, e.g. a distilled network.

    Parameters
    ----------
    data : bytes
        The serialised graph, with the outputs ``gammaness`` and ``gammaness_err``.
    chunk : int
        Rows at a time.
    """

    data: bytes
    chunk: int = 65_536

    @cached_property
    def _session(self) -> OnnxClassifier:
        return OnnxClassifier(self.data, _OUTPUTS, chunk=self.chunk)

    def predict_with_error(self, X: NDArray[Any], /) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: N803  # scikit-learn's name
        """Return gammaness and its error, shape (n,) each, for X (n, n_features)."""
        return self._session.predict_with_error(X)


@dataclass(frozen=True, kw_only=True)
class GammaHadronModel(Classifier):
    """A model, and all that a user of its numbers must know; gamma is the positive class.

    Parameters
    ----------
    mode : {"source-dependent", "source-independent"}
        Whether it knows where the source is.
    features : tuple of str
        Columns of its matrix.
    inputs : tuple of InputColumn
        Columns of the table that the features are computed from, with their training range.
    predictor : Predictor
        The trained part.
    column_map : mapping or None
        How the training table named its columns, so that the same kind of table can be read.
    """

    mode: Mode
    features: tuple[str, ...]
    inputs: tuple[InputColumn, ...]
    predictor: Predictor
    column_map: Mapping[str, Any] | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that a table must have."""
        return tuple(column.name for column in self.inputs)

    @property
    def training_range(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each input in the training data."""
        return {
            column.name: (column.low, column.high)
            for column in self.inputs
            if column.low is not None and column.high is not None
        }

    def gammaness(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probability of being a gamma ray at the training prior, and its error.

        Parameters
        ----------
        table : FeatureTable
            Events with the columns in `needed`, all of them finite.

        Returns
        -------
        gammaness, error : arrays, shape (n_rows,)
            The error is the standard deviation over the members of the model: what the finite
            training sample leaves open. It does not cover a difference between simulated and real
            showers.
        """
        gammaness, error = self.predictor.predict_with_error(compute(table, self.features))
        return np.asarray(gammaness, dtype=np.float64), np.asarray(error, dtype=np.float64)


def describe_inputs(table: FeatureTable, needed: Sequence[str]) -> tuple[InputColumn, ...]:
    """Return the inputs with their units and ranges in the training table."""
    return tuple(
        InputColumn(
            name=name,
            unit=table.unit(name),
            low=float(np.min(table[name])),
            high=float(np.max(table[name])),
        )
        for name in needed
    )


def table_hash(table: FeatureTable, names: Sequence[str]) -> str:
    """Return a SHA-256 over the values of columns, as training data is identified."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(table[name], dtype="<f8").tobytes())
    return digest.hexdigest()


def save_bundle(model: GammaHadronModel, folder: Path, *, card: str, summary: str) -> Bundle:
    """Write a cross-fitted or ONNX model as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    BundleError
        If the model is of a kind that cannot be stored without code.
    """
    entry, members = _members(model)
    spec = model.spec(
        TASK,
        summary,
        entry,
        preprocessing={
            "mode": model.mode,
            "column_map": None if model.column_map is None else dict(model.column_map),
        },
        inputs=model.inputs,
        features=model.features,
        classes=CLASSES,
    )
    return write_bundle(folder, spec, {**members, **model.kept}, render_card(spec, card))


def load_bundle(folder: Path, *, threads: int = 1) -> GammaHadronModel:
    """Load a bundle.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task.
    """
    bundle = Bundle.load(folder, task=TASK)
    manifest = bundle.manifest
    mode: Any = manifest.preprocessing.get("mode")
    column_map: Any = manifest.preprocessing.get("column_map")
    return GammaHadronModel(
        **stored(bundle, CLASSES[1]),
        mode=mode,
        features=manifest.features,
        inputs=manifest.inputs,
        predictor=_predictor(bundle, threads),
        column_map=column_map,
    )


def _members(model: GammaHadronModel) -> tuple[ModelEntry, dict[str, bytes]]:
    from skysift.models.cross_fitting import CrossFitted

    predictor = model.predictor
    if isinstance(predictor, OnnxPredictor):
        kind, members = save_model(predictor.data)
        return _entry(model, kind, list(members), {"chunk": predictor.chunk}), members
    if not isinstance(predictor, CrossFitted):
        raise BundleError(
            f"A {type(predictor).__name__} cannot be stored.", "Copy the bundle it came from."
        )
    if _is_ours(predictor.members[0]):
        from skysift.models.onnx_export import export_cross_fitted

        data = export_cross_fitted(predictor, _OUTPUTS)
        kind, members = save_model(data)
        return _entry(model, kind, list(members), {"chunk": _CHUNK_OF_ENSEMBLES}), members
    members = {}
    formats: list[ModelFormat] = []
    for number, member in enumerate(predictor.members):
        kind, files = save_model(member, name=f"member-{number}")
        formats.append(kind)
        members.update(files)
    calibration = predictor.calibration
    beta = [calibration.a, calibration.b, calibration.c]
    return _entry(model, formats[0], list(members), {"beta_calibration": beta}), members


def _is_ours(member: Any) -> bool:
    """Tell whether a member is made of skysift's own estimators, which are stored as ONNX."""
    steps = [step for _, step in getattr(member, "steps", [("", member)])]  # of a pipeline
    return any(type(step).__module__.startswith("skysift.") for step in steps)


def _entry(
    model: GammaHadronModel, kind: ModelFormat, files: list[str], extra: Mapping[str, Any]
) -> ModelEntry:
    return ModelEntry(
        format=kind,
        file=files[0],
        family=model.family,
        parameters={**model.parameters, **extra, "members": files},
        outputs=_OUTPUTS if kind == "onnx" else _OUTPUTS[:1],
    )


def _predictor(bundle: Bundle, threads: int) -> Predictor:
    entry = bundle.manifest.model
    files: Any = entry.parameters.get("members") or [entry.file]
    if entry.format == "onnx":
        chunk: Any = entry.parameters.get("chunk")
        onnx_model: Any = load_model(bundle, threads=threads, chunk=chunk)
        return onnx_model  # type: ignore[no-any-return]
    from skysift.models.calibration import BetaCalibration
    from skysift.models.cross_fitting import CrossFitted

    beta: Any = entry.parameters.get("beta_calibration") or [1.0, 1.0, 0.0]
    members = [load_model(bundle, file=file, threads=threads) for file in files]
    return CrossFitted(members, BetaCalibration(*beta), np.empty(0))
