"""Where a cleaner runs: on a GPU when a runtime can use one, else on the processor."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import MissingExtraError, UnknownNameError, UsageError
from skysift.models.persist.onnx_session import find_device
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.export import export_folded_cleaner
from skysift.models.sky.baseline.layers import check_cleaner_shape
from skysift.models.sky.baseline.maps import check_maps
from skysift.models.sky.baseline.runtime import CleanerRuntime
from skysift.models.sky.baseline.torch_network import forward, import_torch

__all__ = ["DEVICES", "NetworkRuntime", "TorchGpuRuntime", "available_devices", "open_cleaner"]

Floats = NDArray[np.float32]

DEVICES = ("cuda", "torch-cuda", "cpu")
"""In order of preference: ONNX Runtime on a GPU, torch on a GPU, ONNX Runtime on the processor."""

_CHUNK = 256


class NetworkRuntime(Protocol):
    """What every runtime offers."""

    def predict(self, inputs: ArrayLike, out: Floats | None = None) -> Floats:
        """Return what the network makes of ready inputs, shape (n, n_y, n_x)."""


def available_devices() -> tuple[str, ...]:
    """Return those of :data:`DEVICES` that can be used here, the best first."""
    there = {
        "cuda": find_device() == "cuda",
        "torch-cuda": _torch_sees_a_gpu(),
        "cpu": True,
    }
    return tuple(device for device in DEVICES if there[device])


def open_cleaner(
    cleaner: CnnCleaner,
    shape: tuple[int, int],
    *,
    device: str = "auto",
    threads: int = 1,
) -> NetworkRuntime:
    """Return the fastest runtime of a trained cleaner.

    Parameters
    ----------
    cleaner : CnnCleaner
        A trained one.
    shape : (int, int)
        Rows and columns of the maps.
    device : {"auto", "cuda", "torch-cuda", "cpu"}
        Where to run; "auto" is the best that is available.
    threads : int
        Of the processor.

    Raises
    ------
    UnknownNameError
        If there is no such device.
    UsageError
        If the device is not available here, or the shape does not fit.
    MissingExtraError
        If onnx is not installed.
    """
    available = available_devices()
    chosen = available[0] if device == "auto" else device
    if chosen not in DEVICES:
        raise UnknownNameError("device", chosen, ("auto", *DEVICES))
    if chosen not in available:
        raise UsageError(
            f"The device '{chosen}' is not available.", f"Use {' or '.join(available)}."
        )
    if chosen == "torch-cuda":
        return TorchGpuRuntime(cleaner, shape)
    data = export_folded_cleaner(cleaner.variant, cleaner.weights_, shape)
    return CleanerRuntime(data, threads=threads, device=chosen)


class TorchGpuRuntime:
    """A cleaner on a GPU by torch, in single precision.

    Parameters
    ----------
    cleaner : CnnCleaner
        A trained one.
    shape : (int, int)
        Rows and columns of the maps.
    device : str
        As torch names it.

    Raises
    ------
    UsageError
        If the shape does not fit the cleaner.
    MissingExtraError
        If torch is not installed.
    """

    def __init__(
        self, cleaner: CnnCleaner, shape: tuple[int, int], *, device: str = "cuda"
    ) -> None:
        check_cleaner_shape(shape)
        self._torch = import_torch()
        self._layers = cleaner.layers
        self._shape = shape
        self._device = self._torch.device(device)
        self._weights = {
            name: self._torch.from_numpy(array).to(self._device)
            for name, array in cleaner.weights_.items()
        }

    def predict(self, inputs: ArrayLike, out: Floats | None = None) -> Floats:
        """Return what the network makes of ready inputs, shape (n, n_y, n_x).

        Raises
        ------
        UsageError
            If the maps are of another size.
        """
        maps = check_maps(inputs)
        if maps.shape[1:] != self._shape:
            raise UsageError(
                f"Maps of {maps.shape[1:]} pixels do not fit a model of {self._shape}.",
                "Give maps of that size.",
            )
        result = np.empty(maps.shape, np.float32) if out is None else out
        with self._torch.inference_mode():
            for start in range(0, len(maps), _CHUNK):
                part = np.ascontiguousarray(maps[start : start + _CHUNK, None], dtype=np.float32)
                tensor = self._torch.from_numpy(part).to(self._device)
                output: Any = forward(self._layers, self._weights, tensor)
                result[start : start + _CHUNK] = output[:, 0].cpu().numpy()
        return result


def _torch_sees_a_gpu() -> bool:
    try:
        return bool(import_torch().cuda.is_available())
    except MissingExtraError:
        return False
