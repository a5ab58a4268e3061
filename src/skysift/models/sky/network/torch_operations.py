"""The network in torch: for training, and as a reference of the exported graph."""

from collections.abc import Mapping
from typing import Any

from skysift.models.sky.baseline.torch_network import import_torch
from skysift.models.sky.network.architecture import SkyNetworkSettings, network

__all__ = ["TorchOperations", "forward"]


class TorchOperations:
    """The operations on tensors, shape (n, channels, n_y, n_x).

    Parameters
    ----------
    weights : mapping of str to tensor
        Of the network.
    """

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self._torch = import_torch()
        self._weights = weights

    def convolve(self, value: Any, name: str, *, stride: int = 1, dilation: int = 1) -> Any:
        """Convolve with a named kernel; 'same' padding at stride 1, none otherwise."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        padding = dilation * (weight.shape[2] // 2) if stride == 1 else 0
        return self._torch.nn.functional.conv2d(
            value, weight, bias, stride=stride, dilation=dilation, padding=padding
        )

    def add(self, one: Any, other: Any) -> Any:
        """Add two values."""
        return one + other

    def subtract(self, one: Any, other: Any) -> Any:
        """Subtract the second from the first."""
        return one - other

    def shifted(self, value: Any, constant: float) -> Any:
        """Add a number."""
        return value + constant

    def scaled(self, value: Any, constant: float) -> Any:
        """Multiply by a number."""
        return value * constant

    def function(self, name: str, value: Any) -> Any:
        """Apply ``relu``, ``sqrt``, ``log`` or ``exp``."""
        return getattr(self._torch, name)(value)

    def clip(self, value: Any, low: float, high: float) -> Any:
        """Limit a value."""
        return value.clamp(low, high)

    def concatenate(self, values: list[Any]) -> Any:
        """Join channels."""
        return self._torch.cat(values, dim=1)

    def pool(self, value: Any, size: int) -> Any:
        """Average over blocks."""
        return self._torch.nn.functional.avg_pool2d(value, size)

    def repeat(self, value: Any, size: int) -> Any:
        """Repeat each pixel over a block."""
        return self._torch.nn.functional.interpolate(value, scale_factor=size, mode="nearest")

    def spread(self, value: Any, size: int) -> Any:
        """Turn channels into the pixels of a block."""
        return self._torch.nn.functional.pixel_shuffle(value, size)

    def take(self, value: Any, start: int, stop: int) -> Any:
        """Take channels."""
        return value[:, start:stop]


def forward(
    settings: SkyNetworkSettings,
    weights: Mapping[str, Any],
    counts: Any,
    expected: Any,
    conditions: Any,
) -> tuple[Any, Any, Any]:
    """Return what `architecture.network` gives, as tensors."""
    return network(TorchOperations(weights), settings, counts, expected, conditions)
