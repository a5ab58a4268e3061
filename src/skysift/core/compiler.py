"""Numba, the compiler behind the fast engines: an extra that is imported when it is first used.

Its modules are reached by name, so that the types of this package are checked in the same way
whether it is installed or not.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from skysift.core.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compiled", "has_compiler", "import_numba", "read_only"]

Function = TypeVar("Function", bound=Callable[..., Any])


def has_compiler() -> bool:
    """Return whether numba is installed, without importing it."""
    return find_spec("numba") is not None


def import_numba(module: str = "numba") -> Any:
    """Return numba, one of its modules, or one of those of llvmlite, which comes with it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError("numba", extra="fast") from error


def compiled(function: Function) -> Function:
    """Compile a function for the types of its arguments, at its first call.

    Machine code is kept on disk beside the module, or in the user's cache if that cannot be written
    to; where neither can, it lives as long as the process. Multiplications and additions may be
    fused, which is more exact; nothing is reordered. The lock of the interpreter is released.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    njit = import_numba().njit
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no folder for its cache
        return njit(**options)(function)  # type: ignore[no-any-return]


def read_only(array: "NDArray[Any]") -> "NDArray[Any]":
    """Return a view that is contiguous and not to be written to; a copy where it is not contiguous.

    A compiled function is compiled again, in seconds, for each kind of argument, and arrays that
    may be written to are of another kind than those that may not.
    """
    import numpy as np  # noqa: PLC0415  # of what asks whether there is a compiler, little needs it

    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
