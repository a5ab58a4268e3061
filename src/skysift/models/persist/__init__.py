"""Fitted models to files and back, without pickle: skops, XGBoost's JSON, ONNX, safetensors."""

from skysift.models.persist.allowed import allow_type
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.persist.store import ProbabilisticModel, load_model, save_model

__all__ = [
    "ProbabilisticModel",
    "allow_type",
    "load_arrays",
    "load_model",
    "save_arrays",
    "save_model",
]
