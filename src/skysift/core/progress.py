"""How a long job tells how far it is."""

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and what is being done."""


def silent(_fraction: float, _what: str) -> None:
    """Report no progress."""
