"""Bounds that the operating system keeps for us, whatever code a record leads into."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["bound_memory", "bounded_time"]

if sys.platform == "linux":
    import resource
    import signal

    def bound_memory(extra: int) -> bool:
        """Let this process have so many more bytes of address space than it has now; no core dumps.

        Returns
        -------
        bool
            Whether the system keeps to it.
        """
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        wanted = pages * resource.getpagesize() + extra
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
        return True

    @contextmanager
    def bounded_time(seconds: float) -> Iterator[None]:
        """End this process by a signal if the block takes longer.

        The kernel does it, so that a loop in a C library is ended too, and even if the service
        that waits for this process was killed.
        """
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

else:

    def bound_memory(extra: int) -> bool:
        """Do nothing: this system does not bound the address space of a process."""
        del extra
        return False

    @contextmanager
    def bounded_time(seconds: float) -> Iterator[None]:
        """Do nothing: the service itself ends a worker that takes too long."""
        del seconds
        yield
