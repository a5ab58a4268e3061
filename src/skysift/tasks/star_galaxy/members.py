"""How trained parts are stored in a bundle and come back: ONNX, safetensors, skops; never code.

scikit-learn and skops take seconds to import, and the default bundle needs neither.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Mapping
from typing import Any

import numpy as np

from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError
from skysift.models.calibration import BetaCalibration
from skysift.models.cross_fitting import BinaryModel, CrossFitted
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.tasks.star_galaxy.blend import Blend
from skysift.tasks.star_galaxy.parts import GraphPart, ProcessPart
from skysift.tasks.star_galaxy.predictors import Predictor

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
    from skysift.tasks.star_galaxy.choice import ChosenBlend
    from skysift.tasks.star_galaxy.posterior_model import PosteriorModel

    files: Files = {}
    if isinstance(predictor, PosteriorModel):
        return {"kind": "posterior", "model": _save_pipeline(predictor.pipeline, files)}, files
    fitted = predictor.fitted if isinstance(predictor, ChosenBlend) else predictor
    if not isinstance(fitted, CrossFitted):
        raise BundleError(
            f"A {type(predictor).__name__} cannot be stored.", "Train a model of another kind."
        )
    beta = fitted.calibration
    described = {
        "kind": "cross-fitted",
        "beta_calibration": [beta.a, beta.b, beta.c],
        "members": [
            _save(member, f"member-{number}", files) for number, member in enumerate(fitted.members)
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
            return _load_posterior(bundle, described["model"], threads)
        members = [_load(bundle, member, threads) for member in described["members"]]
        beta = BetaCalibration(*(float(value) for value in described["beta_calibration"]))
        return CrossFitted(members, beta, np.empty(0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"The description of the model makes no sense: {type(error).__name__}: {error}.",
            "Fetch the bundle again, or train it again.",
            path=bundle.folder,
        ) from error


def _save(member: Any, name: str, files: Files) -> Description:
    """Add the files of a trained classifier, and return how it is put together."""
    match member:
        case Blend():
            return {
                "kind": "blend",
                "columns": [list(columns) for columns in member.columns],
                "parts": [
                    _save(part, f"{name}-{number}", files)
                    for number, part in enumerate(member.parts)
                ],
            }
        case GraphPart():
            files[f"{name}.onnx"] = member.data
            return {"kind": "graph", "file": f"{name}.onnx"}
        case ProcessPart():
            plain, arrays = member.to_state()
            files[f"{name}.safetensors"] = save_arrays(arrays)
            return {"kind": "process", "arrays": f"{name}.safetensors", "state": plain}
        case _:
            return _save_other(member, name, files)


def _save_other(member: Any, name: str, files: Files) -> Description:
    from skysift.models.images.cnn import StampCnnClassifier
    from skysift.models.persist.skops_format import save_skops

    if isinstance(member, StampCnnClassifier):
        return _save(GraphPart(member.graph_), name, files)
    files[f"{name}.skops"] = save_skops(member)
    return {"kind": "skops", "file": f"{name}.skops"}


def _load(bundle: Bundle, described: Mapping[str, Any], threads: int) -> BinaryModel:
    match described["kind"]:
        case "blend":
            parts = [_load(bundle, part, threads) for part in described["parts"]]
            columns = [(int(first), int(last)) for first, last in described["columns"]]
            if len(parts) != len(columns):
                raise ValueError("a blend has as many parts as ranges of columns")
            return Blend(parts, columns)
        case "process":
            arrays = load_arrays(bundle.read_bytes(described["arrays"]))
            return ProcessPart.from_state(described["state"], arrays, threads=threads)
        case "graph":
            return GraphPart(bundle.read_bytes(described["file"]), threads=threads)
        case _:
            from skysift.models.persist.skops_format import load_skops

            model: BinaryModel = load_skops(bundle.read_bytes(described["file"]))
            return model


def _save_pipeline(pipeline: Any, files: Files) -> Description:
    """Add a pipeline that ends in a Gaussian process: skops before it, then arrays."""
    from skysift.models.persist.skops_format import save_skops

    plain, arrays = pipeline[-1].to_state()
    files["model.skops"] = save_skops(pipeline[:-1])
    files["model.safetensors"] = save_arrays(arrays)
    return {"steps": "model.skops", "arrays": "model.safetensors", "state": plain}


def _load_posterior(bundle: Bundle, described: Mapping[str, Any], threads: int) -> Predictor:
    from sklearn.pipeline import Pipeline

    from skysift.models.muygps import MuyGPsClassifier
    from skysift.models.persist.skops_format import load_skops
    from skysift.tasks.star_galaxy.posterior_model import PosteriorModel

    steps = load_skops(bundle.read_bytes(described["steps"]))
    arrays = load_arrays(bundle.read_bytes(described["arrays"]))
    process = MuyGPsClassifier.from_state(described["state"], arrays, threads=threads)
    return PosteriorModel(Pipeline([*steps.steps, ("muygpsclassifier", process)]), np.empty(0))
