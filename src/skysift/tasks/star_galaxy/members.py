"""How trained parts are stored in a bundle and come back: skops, safetensors, ONNX; never code."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError
from skysift.models.calibration import BetaCalibration
from skysift.models.cross_fitting import CrossFitted
from skysift.models.images.cnn import StampCnnClassifier, open_graph
from skysift.models.muygps import MuyGPsClassifier
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.persist.skops_format import load_skops, save_skops
from skysift.tasks.star_galaxy.blend import ColumnBlend
from skysift.tasks.star_galaxy.predictors import PosteriorModel, Predictor

__all__ = ["load_predictor", "save_predictor"]

Files = dict[str, bytes]
Description = dict[str, Any]


def save_predictor(predictor: Predictor) -> tuple[Description, Files]:
    """Return how a trained part is put together, JSON-ready, and its files.

    Raises
    ------
    BundleError
        If a part of it cannot be stored without code.
    """
    files: Files = {}
    if isinstance(predictor, PosteriorModel):
        return {"kind": "posterior", "model": _save(predictor.pipeline, "model", files)}, files
    if not isinstance(predictor, CrossFitted):
        raise BundleError(
            f"A {type(predictor).__name__} cannot be stored.", "Train a model of another kind."
        )
    beta = predictor.calibration
    described = {
        "kind": "cross-fitted",
        "beta_calibration": [beta.a, beta.b, beta.c],
        "members": [
            _save(member, f"member-{number}", files)
            for number, member in enumerate(predictor.members)
        ],
    }
    return described, files


def load_predictor(bundle: Bundle, described: Mapping[str, Any], *, threads: int) -> Predictor:
    """Return the trained part that :func:`save_predictor` described.

    Raises
    ------
    BundleError
        If a file is damaged or holds what is not allowed, or the description makes no sense.
    """
    try:
        if described["kind"] == "posterior":
            return PosteriorModel(_load(bundle, described["model"], threads), np.empty(0))
        members = [_load(bundle, member, threads) for member in described["members"]]
        beta = BetaCalibration(*(float(value) for value in described["beta_calibration"]))
        return CrossFitted(members, beta, np.empty(0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"The description of the model makes no sense: {type(error).__name__}: {error}.",
            "Fetch the bundle again, or train it again.",
            path=bundle.folder,
        ) from error


def _save(estimator: Any, name: str, files: Files) -> Description:
    """Add the files of a fitted classifier, and return how it is put together."""
    if isinstance(estimator, ColumnBlend):
        return {
            "kind": "blend",
            "columns": [list(columns) for _, columns in estimator.parts],
            "parts": [
                _save(part, f"{name}-{number}", files)
                for number, part in enumerate(estimator.parts_)
            ],
        }
    if isinstance(estimator, Pipeline) and isinstance(estimator[-1], MuyGPsClassifier):
        plain, arrays = estimator[-1].to_state()
        files[f"{name}.skops"] = save_skops(estimator[:-1])
        files[f"{name}.safetensors"] = save_arrays(arrays)
        return {
            "kind": "process",
            "steps": f"{name}.skops",
            "arrays": f"{name}.safetensors",
            "state": plain,
        }
    if isinstance(estimator, StampCnnClassifier):
        files[f"{name}.onnx"] = estimator.graph_
        return {"kind": "network", "file": f"{name}.onnx"}
    files[f"{name}.skops"] = save_skops(estimator)
    return {"kind": "skops", "file": f"{name}.skops"}


def _load(bundle: Bundle, described: Mapping[str, Any], threads: int) -> Any:
    match described["kind"]:
        case "blend":
            parts = [_load(bundle, part, threads) for part in described["parts"]]
            return _blend(parts, described["columns"])
        case "process":
            steps = load_skops(bundle.read_bytes(described["steps"]))
            arrays = load_arrays(bundle.read_bytes(described["arrays"]))
            process = MuyGPsClassifier.from_state(described["state"], arrays, threads=threads)
            return Pipeline([*steps.steps, ("muygpsclassifier", process)])
        case "network":
            return open_graph(bundle.read_bytes(described["file"]), threads=threads)
        case _:
            return load_skops(bundle.read_bytes(described["file"]))


def _blend(parts: Sequence[Any], columns: Sequence[Sequence[int]]) -> ColumnBlend:
    ranges = [(int(first), int(last)) for first, last in columns]
    blend = ColumnBlend(list(zip(parts, ranges, strict=True)))
    blend.parts_ = list(parts)
    blend.classes_ = np.array([False, True])
    blend.n_features_in_ = max(last for _, last in ranges)
    return blend
