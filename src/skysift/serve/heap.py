"""The heap of a process that runs for weeks: one for all threads, large pieces outside, no holes.

The allocator of the GNU C library gives threads heaps of their own, up to eight for each core, and
what one of them let go is not there for the others. It also learns to take large pieces from the
heap, where small ones then settle in the holes that they leave. Both let memory creep up for hours
though nothing is kept (mallopt(3), ``M_ARENA_MAX`` and ``M_MMAP_THRESHOLD``). Threads of a service
wait for each other anyway, so that sharing costs nothing that could be measured.
"""

import ctypes
import os
import time
from collections.abc import Callable

__all__ = ["ONE_HEAP", "HeapTrimmer", "tidy_heap"]

_VARIABLE = "MALLOC_ARENA_MAX"
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of <malloc.h>
_LARGE = 128 * 1024  # bytes; the library begins with this, and raises it unless it is told
_TRIMMED_EVERY = 60.0  # s

ONE_HEAP = {_VARIABLE: "1"}
"""Environment of a process all of whose threads share a heap; other C libraries ignore it."""


def tidy_heap() -> bool:
    """Let threads that are yet to start share a heap, and large pieces go back when they are freed.

    Returns
    -------
    bool
        Whether this is so now. Nothing is changed where the environment says how many heaps there
        may be, and where the C library is another one.
    """
    if _VARIABLE in os.environ:
        return False
    mallopt = _of_the_library("mallopt")
    if mallopt is None:
        return False
    return all(mallopt(what, value) for what, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE)))


class HeapTrimmer:
    """Gives the pages of the heap that hold nothing back to the system, now and then.

    What was freed between two pieces that are kept stays with the process otherwise, and more of
    it with each batch that is larger than those before (malloc_trim(3)). Other C libraries have no
    such call, and nothing is done.

    Parameters
    ----------
    every : float [s]
        Least time between two times.
    clock : callable
        Tells the time [s].

    Examples
    --------
    >>> trim = HeapTrimmer(every=60.0, clock=iter([0.0, 30.0, 61.0]).__next__)
    >>> trim()  # after 30 s
    False
    """

    def __init__(
        self, every: float = _TRIMMED_EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every = every
        self._clock = clock
        self._trimmed = clock()
        self._trim = _of_the_library("malloc_trim")

    def __call__(self) -> bool:
        """Do so if it is time to, and tell whether it was done."""
        now = self._clock()
        if self._trim is None or now - self._trimmed < self._every:
            return False
        self._trimmed = now
        self._trim(ctypes.c_size_t(0))
        return True


def _of_the_library(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, or None where it is not there."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
