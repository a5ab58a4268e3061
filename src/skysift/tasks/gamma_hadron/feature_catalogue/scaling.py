"""Which features are scaled by which others."""

from collections.abc import Sequence

__all__ = ["scaling_targets"]

# What each feature that is scaled, or that predicts others, is a measure of. A residual is taken
# from features that measure none of the same.
_MEASURES = {
    "log_size": {"log_size"},
    "log_length": {"length"},
    "log_width": {"width"},
    "log_concentration": {"concentration"},
    "concentration_cog": {"concentration"},
    "concentration_core": {"concentration"},
    "asymmetry_per_length": {"asymmetry"},
    "m3_long_per_length": {"m3_long"},
    "skewness_long": {"m3_long"},
    "log_m3_trans": {"m3_trans"},
    "abs_skewness_trans": {"m3_trans"},
    "kurtosis_long": {"kurtosis_long"},
    "abs_time_gradient": {"time_gradient"},
    "log_alpha": {"alpha"},
    "dist": {"dist"},
    "miss": {"alpha", "dist"},
    "m3_trans_per_width": {"m3_trans"},
    "log_density": {"log_size", "length", "width"},
    "asymmetry": {"asymmetry"},
    "m3_long": {"m3_long"},
}
_ONLY_SCALED = {"m3_trans_per_width", "log_density", "asymmetry", "m3_long"}
_ONLY_PREDICT = {"miss"}


def scaling_targets(names: Sequence[str]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return which features are scaled and which others predict them, by position.

    Parameters
    ----------
    names : sequence of str
        The features of a model, in order.

    Returns
    -------
    tuple of (int, tuple of int)
        As :class:`skysift.models.scaled_parameters.ScaledParameters` takes them.
    """
    place = {name: position for position, name in enumerate(names) if name in _MEASURES}
    predict = [name for name in place if name not in _ONLY_SCALED]
    return tuple(
        (position, tuple(place[p] for p in predict if _MEASURES[p].isdisjoint(_MEASURES[name])))
        for name, position in place.items()
        if name not in _ONLY_PREDICT
    )
