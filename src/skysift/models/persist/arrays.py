"""Models that are a set of arrays: the safetensors format."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load, save

from skysift.core.errors import BundleError

__all__ = ["load_arrays", "save_arrays"]

_KINDS = "biuf"


def save_arrays(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Return named arrays of numbers in the safetensors format.

    Parameters
    ----------
    arrays : mapping of str to array
        Booleans, integers or real numbers of up to 64 bits, of any shape.

    Raises
    ------
    BundleError
        If an array holds anything but such numbers.

    Examples
    --------
    >>> load_arrays(save_arrays({"weights": [[1.0, 2.0]]}))
    {'weights': array([[1., 2.]])}
    """
    plain = {}
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.dtype.kind not in _KINDS or array.dtype.itemsize > np.dtype(np.float64).itemsize:
            raise BundleError(
                f"The array '{name}' has the type {array.dtype}, which cannot be stored.",
                "Store booleans, integers or real numbers.",
            )
        # asarray keeps the shape of a scalar, which ascontiguousarray alone would not.
        plain[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return bytes(save(plain))


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file, given by its verified bytes.

    Raises
    ------
    BundleError
        If these are not the bytes of such a file.
    """
    try:
        return dict(load(data))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"Not a safetensors file: {error}.", "Fetch the bundle again, or train it again."
        ) from error
