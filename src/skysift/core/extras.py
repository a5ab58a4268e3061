"""Optional parts: imported where they are used, and named with their remedy where they miss."""

import importlib
from typing import Any

from skysift.core.errors import MissingExtraError

__all__ = ["import_extra", "missing_extra"]

_EXTRAS = {"matplotlib": "report", "sklearn": "learn", "skops": "learn"}
"""Of packages that many modules import at their head: all but prediction needs them."""


def import_extra(name: str, *, extra: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    name : str
        The module, e.g. ``gammapy.maps``.
    extra : str
        The extra of skysift that installs its package.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If the package is not installed. One that is there and lacks a part of its own is another
        error: to install it again would not help.

    Examples
    --------
    >>> import_extra("json.decoder", extra="gamma").__name__
    'json.decoder'
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtraError(package, extra=extra) from error


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Return the error that names the remedy, if what could not be imported is an optional part.

    Examples
    --------
    >>> print(missing_extra(ModuleNotFoundError("no", name="matplotlib.figure")))
    This needs 'matplotlib', which is not installed. Run: pip install "skysift[report]"
    >>> missing_extra(ModuleNotFoundError("no", name="skysift.models.forgotten")) is None
    True
    """
    package = (error.name or "").partition(".")[0]
    return MissingExtraError(package, extra=_EXTRAS[package]) if package in _EXTRAS else None
