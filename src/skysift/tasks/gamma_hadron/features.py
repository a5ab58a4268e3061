"""The image parameters that a model may see, and what is derived from them.

Lengths are in the unit of the table (mm on the camera for MAGIC and FACT, degrees for ctapipe);
angles in degrees; ``log_size`` is the decimal logarithm of the summed charge. What each feature is
and why is in :mod:`skysift.tasks.gamma_hadron.feature_catalogue`.

Two rules keep artefacts of a table's making away from every model:

* of the two concentrations only one is a feature. In the MAGIC table 617 hadrons and no gamma have
  a brightest pixel with less than half of the light of the two brightest, which no image can have;
  a model that sees both concentrations learns that;
* every input is rounded to 12 significant bits (by 2.5e-4 at most, relatively, which is finer than
  any image parameter is measured). In the MAGIC table 2,839 hadrons and no gamma have a value with
  more than six significant digits; after rounding, nobody can tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, UnknownNameError
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.feature_catalogue import FEATURES, Array, Feature
from skysift.tasks.gamma_hadron.options import Mode

__all__ = ["FEATURES", "Feature", "compute", "inputs_of", "round_to_precision", "select"]

_SIGNIFICANT_BITS = 12
_BLOCK = 8192

_BY_NAME = {feature.name: feature for feature in FEATURES}


def select(columns: Iterable[str], mode: Mode) -> tuple[str, ...]:
    """Return the features that can be computed from these columns, in a fixed order.

    Parameters
    ----------
    columns : iterable of str
        Canonical columns that the table has.
    mode : {"source-dependent", "source-independent"}
        The second leaves out everything that knows the position of the source.
    """
    there = set(columns)
    return tuple(
        feature.name
        for feature in FEATURES
        if there.issuperset(feature.requires)
        and (mode == "source-dependent" or not feature.source_dependent)
    )


def inputs_of(features: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the features are computed from, each once.

    A name that is no feature of ours is a further column of the user's table and stands for itself.
    """
    needed: dict[str, None] = {}
    for name in features:
        feature = _BY_NAME.get(name)
        needed.update(dict.fromkeys((name,) if feature is None else feature.requires))
    return tuple(needed)


def compute(table: FeatureTable, features: Sequence[str]) -> NDArray[np.float32]:
    """Return the features as a matrix, shape (n_rows, n_features).

    Raises
    ------
    ContractError
        If the table lacks a column that a feature needs.
    UnknownNameError
        If a name is neither a feature nor a column of the table.
    """
    inputs: dict[str, NDArray[Any]] = {}
    for name in inputs_of(features):
        if name not in table:
            if name in features and name not in _BY_NAME:
                raise UnknownNameError("feature or column", name, [*_BY_NAME, *table.columns])
            raise ContractError(
                f"The model needs the column '{name}', which the table does not have.",
                "Map it with --columns; the table has: " + ", ".join(table.columns) + ".",
                path=table.meta.get("path"),
            )
        inputs[name] = table[name]
    out = np.empty((len(table), len(features)), dtype=np.float32)
    for start in range(0, len(table), _BLOCK):
        block = slice(start, start + _BLOCK)
        _compute_block({name: inputs[name][block] for name in inputs}, features, out[block])
    return out


def _compute_block(
    inputs: Mapping[str, NDArray[Any]], features: Sequence[str], out: NDArray[np.float32]
) -> None:
    """Fill a few rows of the matrix, all of which stay in the cache of a core."""
    rounded = {name: round_to_precision(values) for name, values in inputs.items()}
    for j, name in enumerate(features):
        feature = _BY_NAME.get(name)
        if feature is None:
            out[:, j] = rounded[name]
        else:
            out[:, j] = feature.compute(*(rounded[column] for column in feature.requires))


def round_to_precision(values: NDArray[Any]) -> Array:
    """Round to 12 significant bits, so that the way a number was printed tells nothing.

    Parameters
    ----------
    values : array, shape (n,)
        Any real numbers; NaN and infinities pass unchanged.

    Returns
    -------
    array of float32, shape (n,)
        The nearest numbers of 12 significant bits: at most 2.5e-4 away, relatively.

    Examples
    --------
    >>> round_to_precision(np.array([162.0521234567, -0.5, np.inf]))
    array([162.0625,  -0.5   ,      inf], dtype=float32)
    """
    bits = np.array(values, dtype=np.float32).view(np.uint32)
    dropped = 24 - _SIGNIFICANT_BITS
    bits += np.uint32(1 << (dropped - 1))
    bits &= np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    rounded = bits.view(np.float32)
    rounded[np.isnan(values)] = np.nan  # one with all bits set would become zero
    return rounded
