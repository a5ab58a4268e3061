"""Trained baseline networks as folders: a description in JSON, weights in safetensors, ONNX."""

import json
from pathlib import Path
from typing import Any

from skysift.core.errors import ReadError, UnknownNameError
from skysift.core.files import write_atomic
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.export import export_folded_cleaner, export_layers
from skysift.models.sky.baseline.layers import check_weights, parameter_count
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.training import TrainingHistory
from skysift.models.sky.baseline.variants import Variant

__all__ = ["DESCRIPTION", "KINDS", "load_baseline", "save_baseline"]

KINDS = ("cnn-cleaner", "cnn-regressor")

DESCRIPTION = "baseline.json"
"""The file that makes a folder one of a trained baseline network."""

_WEIGHTS, _LAYERS, _FOLDED = "weights.safetensors", "layers.onnx", "folded.onnx"


def save_baseline(
    model: CnnCleaner | CnnRegressor, folder: str | Path, *, shape: tuple[int, int]
) -> None:
    """Write a trained network.

    Parameters
    ----------
    model : CnnCleaner or CnnRegressor
        What was trained.
    folder : path-like
        An existing one; it gets ``baseline.json``, ``weights.safetensors``, ``layers.onnx`` and, of
        a cleaner, ``folded.onnx``, which is for
        :class:`skysift.models.sky.baseline.runtime.CleanerRuntime`.
    shape : (int, int)
        Rows and columns of the maps that the graphs are for.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    MissingExtraError
        If onnx is not installed.
    """
    target = Path(folder)
    description: dict[str, Any] = {
        "kind": KINDS[0] if isinstance(model, CnnCleaner) else KINDS[1],
        "variant": model.variant.to_dict(),
        "shape": list(shape),
        "parameters": parameter_count(model.layers),
        "loss": list(model.history_.loss),
        "validation_loss": list(model.history_.validation_loss),
    }
    if isinstance(model, CnnRegressor):
        description["pooling"] = model.pooling
    graph = export_layers(model.layers, model.weights_, shape)
    write_atomic(target / _WEIGHTS, save_arrays(model.weights_))
    write_atomic(target / _LAYERS, graph)
    if isinstance(model, CnnCleaner):
        folded = export_folded_cleaner(model.variant, model.weights_, shape)
        write_atomic(target / _FOLDED, folded)
    write_atomic(target / DESCRIPTION, json.dumps(description, indent=2) + "\n")


def load_baseline(folder: str | Path) -> CnnCleaner | CnnRegressor:
    """Return a network that :func:`save_baseline` wrote, ready to predict.

    Raises
    ------
    ReadError
        If a file is missing or is not what it should be.
    UnknownNameError
        If the folder holds a network of another kind.
    UsageError
        If the weights are not those of the network described.
    """
    path = Path(folder) / DESCRIPTION
    description = _read_description(path)
    try:
        kind = description["kind"]
        variant = Variant.from_dict(description["variant"])
        history = TrainingHistory(tuple(description["loss"]), tuple(description["validation_loss"]))
        n_y, n_x = description["shape"]
        pooling = description["pooling"] if kind == KINDS[1] else "each"
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(
            f"The description of the network is not complete: {error}.",
            "Train it again.",
            path=path,
        ) from error
    model: CnnCleaner | CnnRegressor
    match kind:
        case "cnn-cleaner":
            model = CnnCleaner(variant)
        case "cnn-regressor":
            model = CnnRegressor(variant, pooling=pooling, shape=(n_y, n_x))
        case _:
            raise UnknownNameError("baseline network", str(kind), KINDS)
    weights = load_arrays(_read(Path(folder) / _WEIGHTS))
    check_weights(model.layers, weights)
    model.weights_, model.history_ = weights, history
    return model


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(_read(path))
    except ValueError as error:
        raise ReadError(f"Not JSON: {error}.", "Train the network again.", path=path) from error
    if not isinstance(description, dict):
        raise ReadError("Not the description of a network.", "Train it again.", path=path)
    return description


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Name the folder of a trained baseline network.",
            path=path,
        ) from error
