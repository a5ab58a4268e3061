"""One heap for all threads of a process that runs for weeks.

The allocator of the GNU C library gives threads heaps of their own, up to eight for each core, and
what one of them let go is not there for the others: memory creeps up for hours though nothing is
kept (mallopt(3), ``M_ARENA_MAX``). Threads of a service wait for each other anyway, so that a heap
that they share costs them nothing that could be measured.
"""

import ctypes
import os

__all__ = ["ONE_HEAP", "share_one_heap"]

_VARIABLE = "MALLOC_ARENA_MAX"
_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>

ONE_HEAP = {_VARIABLE: "1"}
"""Environment of a process all of whose threads share a heap; other C libraries ignore it."""


def share_one_heap() -> bool:
    """Let threads that are yet to start share the heap of this process; tell whether they will.

    Where the environment says how many heaps there may be, and where the C library is another one,
    nothing is changed.
    """
    if _VARIABLE in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return mallopt is not None and mallopt(_ARENA_MAX, 1) == 1
