"""The heap of a process that runs for weeks: one for all threads, and large pieces outside of it.

The allocator of the GNU C library gives threads heaps of their own, up to eight for each core, and
what one of them let go is not there for the others. It also learns to take large pieces from the
heap, where small ones then settle in the holes that they leave. Both let memory creep up for hours
though nothing is kept (mallopt(3), ``M_ARENA_MAX`` and ``M_MMAP_THRESHOLD``). Threads of a service
wait for each other anyway, so that sharing costs nothing that could be measured.
"""

import ctypes
import os

__all__ = ["ONE_HEAP", "tidy_heap"]

_VARIABLE = "MALLOC_ARENA_MAX"
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of <malloc.h>
_LARGE = 128 * 1024  # bytes; the library begins with this, and raises it unless it is told

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
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return all(mallopt(what, value) for what, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE)))
