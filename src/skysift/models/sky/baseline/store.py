"""Trained baseline networks as folders: a description in JSON, weights in safetensors, ONNX."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from skysift.core.config import Config
from skysift.core.errors import ReadError
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


class _Description(Config):
    """What ``baseline.json`` holds."""

    kind: Literal["cnn-cleaner", "cnn-regressor"]
    variant: Variant
    shape: tuple[int, int]
    pooling: Literal["each", "once"] | None
    parameters: int
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]


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
    description = _Description(
        kind="cnn-cleaner" if isinstance(model, CnnCleaner) else "cnn-regressor",
        variant=model.variant,
        shape=shape,
        pooling=model.pooling if isinstance(model, CnnRegressor) else None,
        parameters=parameter_count(model.layers),
        loss=model.history_.loss,
        validation_loss=model.history_.validation_loss,
    )
    graph = export_layers(model.layers, model.weights_, shape)
    write_atomic(target / _WEIGHTS, save_arrays(model.weights_))
    write_atomic(target / _LAYERS, graph)
    if isinstance(model, CnnCleaner):
        folded = export_folded_cleaner(model.variant, model.weights_, shape)
        write_atomic(target / _FOLDED, folded)
    write_atomic(target / DESCRIPTION, description.model_dump_json(indent=2) + "\n")


def load_baseline(folder: str | Path) -> CnnCleaner | CnnRegressor:
    """Return a network that :func:`save_baseline` wrote, ready to predict.

    Raises
    ------
    ReadError
        If a file is missing or is not what it should be.
    UsageError
        If the weights are not those of the network described.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = _Description.model_validate_json(_read(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise ReadError(
            f"Not the description of a baseline network: {first['msg']}.",
            "Train the network again.",
            path=path,
        ) from error
    model: CnnCleaner | CnnRegressor
    if description.kind == "cnn-cleaner":
        model = CnnCleaner(description.variant)
    else:
        pooling = description.pooling or "each"
        model = CnnRegressor(description.variant, pooling=pooling, shape=description.shape)
    weights = load_arrays(_read(Path(folder) / _WEIGHTS))
    check_weights(model.layers, weights)
    model.weights_ = weights
    model.history_ = TrainingHistory(description.loss, description.validation_loss)
    return model


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Name the folder of a trained baseline network.",
            path=path,
        ) from error
