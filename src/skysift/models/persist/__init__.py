"""Fitted models to files and back, without pickle: skops, XGBoost's JSON, ONNX, safetensors.

:func:`skysift.models.persist.allowed.allow_type` widens the list of what a skops file may hold.
"""

from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.persist.store import ProbabilisticModel, load_model, save_model

__all__ = [
    "ProbabilisticModel",
    "load_arrays",
    "load_model",
    "save_arrays",
    "save_model",
]
