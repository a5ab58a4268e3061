"""How long a download waits, and how often it tries again."""

from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts and retries of a fetch.

    Parameters
    ----------
    connect : float
        Longest wait for a connection, in seconds: short, so that a machine without the network
        soon gets to the next mirror.
    read : float
        Longest silence of a server, in seconds.
    attempts : int
        Tries of one mirror that answers, but badly. One that cannot be reached is tried once.
    pause : float
        Mean wait before the second try, in seconds; it doubles each time.
    pip : float
        Longest time for pip to get a wheel, in seconds.
    """

    connect: float = 5.0
    read: float = 30.0
    attempts: int = 5
    pause: float = 0.5
    pip: float = 600.0
