"""The layers in torch, which is imported when they run: for training and as a reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from skysift.core.errors import MissingExtraError
from skysift.models.sky.baseline.folding import (
    PHASE_SUM,
    TRANSPOSE_SUM,
    Taps,
    phase_taps,
    transpose_taps,
)
from skysift.models.sky.baseline.layers import (
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Pooling,
    Upsampling,
    same_padding,
)

__all__ = ["forward", "forward_folded_cleaner", "import_torch"]


def import_torch() -> Any:
    """Return the module torch.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import torch  # noqa: PLC0415  # an extra: only training needs it
    except ModuleNotFoundError as error:
        raise MissingExtraError("torch", extra="train") from error
    return torch


def forward(
    layers: Sequence[Layer],
    weights: Mapping[str, Any],
    inputs: Any,
    *,
    generator: Any = None,
    logits: bool = False,
) -> Any:
    """Return the output of the network as a tensor.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    weights : mapping of str to tensor
        Its arrays.
    inputs : tensor, shape (n, channels, n_y, n_x)
        Of the type and on the device of the weights.
    generator : torch.Generator, optional
        Draws what is dropped, in training. Without it nothing is.
    logits : bool
        Leave out the last activation, as losses want that take it in themselves.
    """
    torch = import_torch()
    value = inputs
    for number, layer in enumerate(layers):
        activated = not (logits and number == len(layers) - 1)
        match layer:
            case Convolution():
                value = _convolve(torch, layer, weights, number, value)
                value = _activate(torch, layer.activation, value) if activated else value
            case Dense():
                value = torch.nn.functional.linear(
                    value, weights[f"{number}.weight"], weights[f"{number}.bias"]
                )
                value = _activate(torch, layer.activation, value) if activated else value
            case Pooling():
                value = _pool(torch, layer.kind, value)
            case Upsampling():
                value = torch.nn.functional.interpolate(value, scale_factor=2, mode="nearest")
            case Flatten():
                value = value.flatten(1)
            case Dropout():
                value = _drop(torch, value, layer.share, generator)
    return value


def forward_folded_cleaner(
    layers: Sequence[Layer], weights: Mapping[str, Any], inputs: Any, *, logits: bool = False
) -> Any:
    """Return what :func:`forward` does of the layers of a cleaner, in half of the time.

    The upsamplings are folded into the convolutions after them; gradients flow through that.

    Parameters
    ----------
    layers : sequence of Layer
        Of :func:`skysift.models.sky.baseline.layers.cleaner_layers`.
    weights, inputs, logits
        As in :func:`forward`.
    """
    torch = import_torch()
    *_, upsampled, _, last = range(len(layers))
    value = forward(layers[: upsampled - 1], weights, inputs)
    taps = phase_taps(weights[f"{upsampled}.weight"].shape[-1])
    folded = _fold(torch, PHASE_SUM, taps, weights[f"{upsampled}.weight"])
    value = torch.nn.functional.pad(value, (*taps.padding, *taps.padding))
    bias = weights[f"{upsampled}.bias"].repeat(4)
    value = torch.relu(torch.nn.functional.conv2d(value, folded, bias))
    taps = transpose_taps(weights[f"{last}.weight"].shape[-1])
    folded = _fold(torch, TRANSPOSE_SUM, taps, weights[f"{last}.weight"])
    value = torch.nn.functional.conv_transpose2d(value, folded, weights[f"{last}.bias"], stride=4)
    before, _ = taps.padding
    n_y, n_x = inputs.shape[-2:]
    value = value[:, :, before : before + n_y, before : before + n_x]
    layer = layers[last]
    if logits or not isinstance(layer, Convolution):
        return value
    return _activate(torch, layer.activation, value)


def _pool(torch: Any, kind: str, value: Any) -> Any:
    functional = torch.nn.functional
    pool = functional.max_pool2d if kind == "max" else functional.avg_pool2d
    return pool(value, 2)


def _convolve(
    torch: Any, layer: Convolution, weights: Mapping[str, Any], number: int, value: Any
) -> Any:
    if layer.padding == "same":
        before, after = same_padding(layer.kernel)
        value = torch.nn.functional.pad(value, (before, after, before, after))
    return torch.nn.functional.conv2d(value, weights[f"{number}.weight"], weights[f"{number}.bias"])


def _fold(torch: Any, subscripts: str, taps: Taps, weight: Any) -> Any:
    counts = torch.from_numpy(taps.counts).to(weight)
    return torch.einsum(subscripts, counts, counts, weight).flatten(0, 2)


def _activate(torch: Any, activation: str, value: Any) -> Any:
    if activation == "softplus":
        return torch.nn.functional.softplus(value)
    return getattr(torch, activation)(value)


def _drop(torch: Any, value: Any, share: float, generator: Any) -> Any:
    if generator is None:
        return value
    keep = 1.0 - share
    mask = torch.rand(value.shape, generator=generator, device=value.device) < keep
    return value * mask / keep
