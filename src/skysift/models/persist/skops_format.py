"""scikit-learn estimators in the skops format, of allowed types only."""

from copy import deepcopy
from typing import Any

import skops.io

from skysift.core.errors import BundleError
from skysift.models.persist.allowed import check_arrays, check_types
from skysift.models.persist.archive import canonical_archive, malformed, read_headers, read_schema
from skysift.models.persist.soundness import check_and_complete, drop_training_state

__all__ = ["load_skops", "save_skops"]


def save_skops(estimator: Any) -> bytes:
    """Return a fitted estimator as a skops archive; the same estimator gives the same bytes.

    What only training needs is left out.

    Raises
    ------
    BundleError
        If the estimator, or a part of it, is not of an allowed type.
    """
    try:
        stored = deepcopy(estimator)
        drop_training_state(stored)
        data = canonical_archive(skops.io.dumps(stored))
    except TypeError as error:  # skops and copy say so of what they cannot store
        raise BundleError(
            f"A {type(estimator).__name__} cannot be stored: {error}.",
            "Store it as ONNX, or train a model of another kind.",
        ) from error
    load_skops(data)  # what is refused later is refused now
    return data


def load_skops(data: bytes) -> Any:
    """Return the fitted estimator of a skops archive, given by its verified bytes.

    Raises
    ------
    BundleError
        If the archive is damaged, names a type that is not allowed, or holds a model that would
        make compiled code read outside its arrays.
    """
    schema = read_schema(data)
    names = check_types(schema)
    check_arrays(schema, read_headers(data))
    try:
        # skops looks again, at the tree that it has built of the same schema.
        estimator = skops.io.loads(data, trusted=sorted(names))
        check_and_complete(estimator)
    except (BundleError, Warning):  # a warning, e.g. of another version, may be made an error
        raise
    except Exception as error:  # a hostile file can make skops and scikit-learn raise anything
        raise malformed(f"{type(error).__name__}: {error}") from error
    return estimator
