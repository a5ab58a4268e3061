"""Save a fitted model in the format that suits it; load it from a verified bundle."""

from pathlib import PurePath
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import ModelFormat
from skysift.core.errors import BundleError, UnknownNameError

# The formats import scikit-learn, XGBoost or ONNX Runtime; a stream that runs an ONNX model should
# not wait for scikit-learn, so each is imported when it is needed.
# ruff: noqa: PLC0415

__all__ = ["ProbabilisticModel", "load_model", "save_model"]

_SUFFIX = {"onnx": ".onnx", "safetensors": ".safetensors", "skops": ".skops", "xgboost": ".json"}


class ProbabilisticModel(Protocol):
    """What every loaded classifier can do; the names are scikit-learn's."""

    classes_: NDArray[Any]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:  # noqa: N803
        """Return the probability of each class, shape (n, n_classes), for X (n, n_features)."""
        ...


def save_model(
    estimator: Any,
    *,
    format: str = "auto",  # noqa: A002  # the bundle's word
    name: str = "model",
) -> tuple[ModelFormat, dict[str, bytes]]:
    """Turn a fitted model into members of a bundle.

    Parameters
    ----------
    estimator : object
        A scikit-learn classifier of an allowed type; an ``xgboost.XGBClassifier``; an ONNX model
        (``onnx.ModelProto`` or its bytes). Of a search, its best estimator is stored.
    format : {"auto", "skops", "xgboost", "onnx"}
        How to store it.
    name : str
        Name of the file without its suffix.

    Returns
    -------
    format : str
        The format that was used.
    members : dict of str to bytes
        Name and content of the file, for :func:`skysift.core.bundle.write_bundle`.

    Raises
    ------
    BundleError
        If the model cannot be stored in that format.
    UnknownNameError
        If there is no such format.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    >>> format, members = save_model(model)
    >>> format, list(members)
    ('skops', ['model.skops'])
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    chosen = _format_of(estimator) if format == "auto" else format
    data: bytes
    match chosen:
        case "skops":
            from skysift.models.persist.skops_format import save_skops

            data = save_skops(estimator)
        case "xgboost":
            from skysift.models.persist.xgboost_format import save_xgboost

            if _format_of(estimator) != "xgboost":
                raise _unsuitable(estimator, chosen)
            data = save_xgboost(estimator)
        case "onnx":
            from skysift.models.persist.onnx_graph import check_onnx_graph

            if _format_of(estimator) != "onnx":
                raise _unsuitable(estimator, chosen)
            data = estimator if isinstance(estimator, bytes) else estimator.SerializeToString()
            check_onnx_graph(data)
        case "safetensors":
            raise BundleError(
                "safetensors holds arrays, not models.",
                "Use save_arrays and let the task put the model together.",
            )
        case _:
            raise UnknownNameError("model format", chosen, get_args(ModelFormat))
    return chosen, {f"{name}{_SUFFIX[chosen]}": data}


def load_model(
    bundle: Bundle,
    *,
    file: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    chunk: int | None = None,
) -> ProbabilisticModel:
    """Load the model of a bundle from bytes that were verified.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    file : str, optional
        One of its files of the bundle's model format; the bundle's main model if left out.
    threads : int, optional
        Number of threads; one for ONNX and the choice of the library for others if left out.
    device : {"cpu", "cuda"}
        Where an ONNX model runs.
    chunk : int, optional
        Rows at a time of an ONNX model.

    Raises
    ------
    BundleError
        If the file is damaged, not of the format, or holds what is not allowed.
    """
    entry = bundle.manifest.model
    name = file or entry.file
    if PurePath(name).suffix != _SUFFIX[entry.format]:
        raise BundleError(
            f"A model in the format {entry.format} is not stored as '{name}'.",
            "Train the bundle again.",
            path=bundle.folder,
        )
    data = bundle.read_bytes(name)
    try:
        model = _load(
            entry.format, data, entry.outputs, threads=threads, device=device, chunk=chunk
        )
        _check_width(model, len(bundle.manifest.features))
    except BundleError as error:
        raise BundleError(error.problem, error.remedy, path=bundle.folder / name) from error
    return model


def _load(
    format: ModelFormat,  # noqa: A002  # the bundle's word
    data: bytes,
    outputs: tuple[str, ...],
    *,
    threads: int | None,
    device: str,
    chunk: int | None,
) -> ProbabilisticModel:
    model: ProbabilisticModel
    match format:
        case "onnx":
            from skysift.models.persist.onnx_format import OnnxClassifier

            sizes = {} if chunk is None else {"chunk": chunk}
            return OnnxClassifier(data, outputs, threads=threads or 1, device=device, **sizes)
        case "xgboost":
            from skysift.models.persist.xgboost_format import load_xgboost

            return load_xgboost(data, threads=threads)
        case "skops":
            from skysift.models.persist.skops_format import load_skops

            model = load_skops(data)
            if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
                raise BundleError(
                    f"A {type(model).__name__} gives no probabilities.",
                    "Train a classifier, or calibrate it.",
                )
            if threads is not None:
                _set_threads(model, threads)
            return model
        case "safetensors":
            raise BundleError(
                "This bundle holds arrays, not a model.",
                "Use load_arrays on its bytes and let the task put the model together.",
            )


def _format_of(estimator: Any) -> ModelFormat:
    """Tell the format by where the class comes from, so that nothing need be imported."""
    if isinstance(estimator, bytes):
        return "onnx"
    module = type(estimator).__module__.partition(".")[0]
    if module == "xgboost":
        return "xgboost"
    return "onnx" if module == "onnx" else "skops"


def _unsuitable(estimator: Any, format: str) -> BundleError:  # noqa: A002  # the bundle's word
    return BundleError(
        f"A {type(estimator).__name__} cannot be stored in the format {format}.",
        'Use format="auto".',
    )


def _set_threads(model: Any, threads: int) -> None:
    if hasattr(model, "get_params"):
        keys = [key for key in model.get_params() if key.split("__")[-1] == "n_jobs"]
        model.set_params(**dict.fromkeys(keys, threads))


def _check_width(model: Any, n_features: int) -> None:
    width = getattr(model, "n_features_in_", n_features)
    if n_features and width != n_features:
        raise BundleError(
            f"The model wants {width} features, the bundle names {n_features}.",
            "Train the bundle again.",
        )
