"""What the network is trained for: the Poisson likelihood of rates, and of where centres are.

For a map with the true rates b of the background and s of the sources, the expectation over
independent draws c of the negative log-likelihood of predicted rates is, up to a constant,

    D(b, b') = sum b' - b + b ln(b / b')

(the Kullback-Leibler divergence of Poisson distributions). To train on it is to train with the
Poisson likelihood of infinitely many independent draws of the same truth: without bias, without the
noise of one draw, and without telling the network the counts that it is to predict. Its gradient
vanishes for the mean only, so that counts are conserved.

A centre lies in a block with the probability that the head gives (cross-entropy: a rate, not a
score); its place within has a Gaussian error, whose covariance the head gives too.
"""

from collections.abc import Mapping
from typing import Any

from skysift.models.sky.baseline.torch_network import import_torch
from skysift.models.sky.network.architecture import (
    LOG_VARIANCE,
    MOST_TWIST,
    SkyNetworkSettings,
)
from skysift.models.sky.network.torch_operations import forward

__all__ = ["PARTS", "LossWeights", "network_loss"]

PARTS = ("background", "source", "centre", "place")
"""Of the loss."""

_TINY = 1e-9
_FEWEST = 100.0  # counts of background


class LossWeights:
    """How the parts are weighed against each other.

    The divergence of the background grows with the exposure, as what an error of it costs does;
    divided by the root of the counts it is of the same order for short and for long exposures. Both
    divergences enter through the logarithm: neither an odd instrument nor a bright source may drown
    the others.
    """

    background = 10.0
    source = 1.0
    centre = 0.3
    place = 0.1


def network_loss(
    settings: SkyNetworkSettings, weights: Mapping[str, Any], batch: Mapping[str, Any]
) -> tuple[Any, dict[str, float]]:
    """Return the loss of a batch, and its parts.

    Parameters
    ----------
    settings : SkyNetworkSettings
        Of the network.
    weights : mapping of str to tensor
        Of the network.
    batch : mapping of str to tensor
        ``counts``, ``expected``, ``background``, ``source``: shape (n, n_bands, n_y, n_x);
        ``conditions``: (n, 2, n_y / 4, n_x / 4); ``centre``: (n, 3, n_y / 4, n_x / 4), which is 1
        where a centre is, and its two offsets from the middle of the block.
    """
    torch = import_torch()
    correction, log_source, heat = forward(
        settings, weights, batch["counts"], batch["expected"], batch["conditions"]
    )
    truth = batch["background"]
    predicted = torch.log(batch["expected"] + _TINY) + correction
    size = truth.sum((1, 2, 3)).clamp(min=_FEWEST).sqrt()
    background = torch.log1p(_divergence(torch, truth, predicted) / size)
    source = torch.log1p(10.0 * _divergence(torch, batch["source"], log_source) / size)
    there = batch["centre"][:, 0]
    centre = torch.nn.functional.binary_cross_entropy_with_logits(
        heat[:, 0], there, reduction="none"
    ).sum((1, 2))
    place = (there * _surprise(torch, heat[:, 1:], batch["centre"][:, 1:])).sum((1, 2))
    w = LossWeights
    total = w.background * background + w.source * source + w.centre * centre + w.place * place
    parts = dict(zip(PARTS, (background, source, centre, place), strict=True))
    return total.mean(), {name: float(value.detach().mean()) for name, value in parts.items()}


def _surprise(torch: Any, stated: Any, truth: Any) -> Any:
    """Return the negative logarithm of the Gaussian density of the offsets, up to a constant.

    Parameters
    ----------
    stated : tensor, shape (n, 5, n_y / 4, n_x / 4)
        Offsets, logarithms of their variances, and artanh of their correlation.
    truth : tensor, shape (n, 2, n_y / 4, n_x / 4)
        Offsets.
    """
    log_variance = stated[:, 2:4].clamp(*LOG_VARIANCE)
    twist = stated[:, 4].clamp(-MOST_TWIST, MOST_TWIST)
    pull = (truth - stated[:, :2]) * torch.exp(-log_variance / 2)
    x, y, correlation = pull[:, 0], pull[:, 1], torch.tanh(twist)
    left = 1 - correlation**2
    distance = (x**2 + y**2 - 2 * correlation * x * y) / left
    return (distance + log_variance.sum(1) + torch.log(left)) / 2


def _divergence(torch: Any, truth: Any, log_predicted: Any) -> Any:
    """Return the divergence of each map, shape (n,)."""
    known = truth * (torch.log(truth + _TINY) - log_predicted)
    return (torch.exp(log_predicted) - truth + known).sum((1, 2, 3))
