"""The image parameters that a model may see, and what is derived from them.

Lengths are in the unit of the table (mm on the camera for MAGIC and FACT, degrees for ctapipe);
angles in degrees; ``log_size`` is the decimal logarithm of the summed charge. The Hillas
parameters are those of Hillas (1985, Proc. 19th ICRC 3, 445); the derived ones are combinations
that analysts of imaging telescopes use (Fegan 1997, J. Phys. G 23, 1013; Bock et al. 2004, NIM A
516, 511; Albert et al. 2008, NIM A 588, 424).

Two rules keep artefacts of a table's making away from every model:

* of the two concentrations only one is a feature. In the MAGIC table 617 hadrons and no gamma have
  a brightest pixel with less than half of the light of the two brightest, which no image can have;
  a model that sees both concentrations learns that;
* every input is rounded to 12 significant bits (a relative step of 2e-4, finer than any image
  parameter is measured). In the MAGIC table 2,839 hadrons and no gamma have a value with more than
  six significant digits; after rounding, nobody can tell.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, UnknownNameError
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.options import Mode

__all__ = ["FEATURES", "Feature", "compute", "inputs_of", "round_to_precision", "select"]

Array = NDArray[np.float32]

_SIGNIFICANT_BITS = 12


@dataclass(frozen=True, slots=True)
class Feature:
    """One number that a model may see.

    Parameters
    ----------
    name : str
        Name of the feature.
    formula : str
        How it is computed from the image parameters.
    reason : str
        Why it should tell gammas from hadrons.
    requires : tuple of str
        Canonical columns that it is computed from, in the order that `compute` takes them.
    compute : callable
        Maps columns, shape (n,) each, to the feature, shape (n,).
    source_dependent : bool
        True if it needs to know where the source is.
    """

    name: str
    formula: str
    reason: str
    requires: tuple[str, ...]
    compute: Callable[..., Array]
    source_dependent: bool = False


def _as_measured(name: str, reason: str, *, source_dependent: bool = False) -> Feature:
    return Feature(name, name, reason, (name,), _same, source_dependent)


def _same(values: Array) -> Array:
    return values


def _log_area(length: Array, width: Array) -> Array:
    # 98 images of the MAGIC table have no width: a floor of a tenth of a pixel keeps the logarithm.
    return np.asarray(np.log10(np.maximum(length * width, 1e-6 + 1e-3 * length * length)))


def _ratio(above: Array, below: Array) -> Array:
    return np.asarray(above / np.maximum(below, np.float32(1e-6)))


def _miss(alpha: Array, dist: Array) -> Array:
    return np.asarray(dist * np.sin(np.radians(alpha)))


def _along(alpha: Array, dist: Array) -> Array:
    return np.asarray(dist * np.cos(np.radians(alpha)))


FEATURES: tuple[Feature, ...] = (
    _as_measured("log_size", "more light, better measured image; hadrons give less light"),
    _as_measured("length", "hadronic showers are longer and more irregular"),
    _as_measured("width", "transverse momentum of pions makes hadronic showers wider"),
    _as_measured("concentration_two_pixel", "electromagnetic images are compact"),
    _as_measured("concentration_cog", "electromagnetic images are compact"),
    _as_measured("concentration_core", "electromagnetic images are compact"),
    _as_measured("asymmetry", "the head of a gamma image points to the source"),
    _as_measured("m3_long", "the tail of a gamma image points away from the source"),
    _as_measured("skewness_long", "the tail of a gamma image points away from the source"),
    _as_measured("kurtosis_long", "sub-showers flatten the profile of a hadron"),
    _as_measured("kurtosis_trans", "sub-showers flatten the profile of a hadron"),
    _as_measured("leakage1", "a cut image is badly measured"),
    _as_measured("leakage2", "a cut image is badly measured"),
    _as_measured("n_islands", "hadronic sub-showers and muons make islands"),
    _as_measured("n_pixels", "hadronic images spread over more pixels"),
    _as_measured("alpha", "a gamma image points to the source", source_dependent=True),
    _as_measured("dist", "grows with impact distance, as elongation does", source_dependent=True),
    Feature(
        "abs_m3_trans",
        "|m3_trans|",
        "a mirror image is as likely: only the size of the transverse asymmetry counts",
        ("m3_trans",),
        np.abs,
    ),
    Feature(
        "abs_skewness_trans",
        "|skewness_trans|",
        "a mirror image is as likely: only the size of the transverse asymmetry counts",
        ("skewness_trans",),
        np.abs,
    ),
    Feature(
        "abs_time_gradient",
        "|time_gradient|",
        "grows with impact distance; hadrons scatter about the relation",
        ("time_gradient",),
        np.abs,
    ),
    Feature(
        "log_area",
        "log10(length * width)",
        "area of the ellipse",
        ("length", "width"),
        _log_area,
    ),
    Feature(
        "log_density",
        "log_size - log10(length * width)",
        "light per area: electromagnetic images are dense",
        ("log_size", "length", "width"),
        lambda log_size, length, width: log_size - _log_area(length, width),
    ),
    Feature(
        "elongation",
        "width / length",
        "impact distance; hadrons are rounder at the same distance",
        ("width", "length"),
        _ratio,
    ),
    Feature(
        "length_per_size",
        "length / log_size",
        "length grows with the logarithm of size; muon arcs are long and faint",
        ("length", "log_size"),
        _ratio,
    ),
    Feature(
        "width_per_size",
        "width / log_size",
        "width expected for the light that was seen",
        ("width", "log_size"),
        _ratio,
    ),
    Feature(
        "asymmetry_per_length",
        "asymmetry / length",
        "asymmetry free of the size of the image",
        ("asymmetry", "length"),
        _ratio,
    ),
    Feature(
        "m3_long_per_length",
        "m3_long / length",
        "skewness along the major axis",
        ("m3_long", "length"),
        _ratio,
    ),
    Feature(
        "m3_trans_per_width",
        "|m3_trans| / (width + 1)",
        "skewness along the minor axis",
        ("m3_trans", "width"),
        lambda m3_trans, width: np.abs(m3_trans) / (width + 1.0),
    ),
    Feature(
        "head_tail_agreement",
        "sign(m3_long) * asymmetry",
        "brightest pixel and tail lie on opposite sides in a clean image",
        ("m3_long", "asymmetry"),
        lambda m3_long, asymmetry: np.sign(m3_long) * asymmetry,
    ),
    Feature(
        "miss",
        "dist * sin(alpha)",
        "distance of the major axis from the source",
        ("alpha", "dist"),
        _miss,
        source_dependent=True,
    ),
    Feature(
        "dist_along_axis",
        "dist * cos(alpha)",
        "distance from the source along the major axis",
        ("alpha", "dist"),
        _along,
        source_dependent=True,
    ),
    Feature(
        "miss_per_width",
        "dist * sin(alpha) / (width + 1)",
        "miss in units of the width: its measurement error",
        ("alpha", "dist", "width"),
        lambda alpha, dist, width: _miss(alpha, dist) / (width + 1.0),
        source_dependent=True,
    ),
    Feature(
        "disp_residual",
        "dist / length * width / length",
        "disp = constant * (1 - width / length) holds only for showers from the source",
        ("dist", "length", "width"),
        lambda dist, length, width: _ratio(dist, length) * _ratio(width, length),
        source_dependent=True,
    ),
)

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
    inputs: dict[str, Array] = {}
    for name in inputs_of(features):
        if name not in table:
            if name in features and name not in _BY_NAME:
                raise UnknownNameError("feature or column", name, [*_BY_NAME, *table.columns])
            raise ContractError(
                f"The model needs the column '{name}', which the table does not have.",
                "Map it with --columns; the table has: " + ", ".join(table.columns) + ".",
                path=table.meta.get("path"),
            )
        inputs[name] = round_to_precision(table[name])
    out = np.empty((len(table), len(features)), dtype=np.float32)
    for j, name in enumerate(features):
        feature = _BY_NAME.get(name)
        if feature is None:
            out[:, j] = inputs[name]
        else:
            out[:, j] = feature.compute(*(inputs[column] for column in feature.requires))
    return out


def round_to_precision(values: NDArray[Any]) -> Array:
    """Round to 12 significant bits, so that the way a number was printed tells nothing.

    Parameters
    ----------
    values : array, shape (n,)
        Any real numbers; NaN and infinities pass unchanged.

    Returns
    -------
    array of float32, shape (n,)
        The nearest numbers of 12 significant bits: at most 1.3e-4 away, relatively.

    Examples
    --------
    >>> round_to_precision(np.array([162.0521234567, -0.5, np.inf]))
    array([162.0625,  -0.5   ,      inf], dtype=float32)
    """
    bits = np.array(values, dtype=np.float32).view(np.uint32)
    dropped = 24 - _SIGNIFICANT_BITS
    bits += np.uint32(1 << (dropped - 1))
    bits &= np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return bits.view(np.float32)
