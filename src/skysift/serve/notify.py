"""Telling the service manager that we are ready, alive or about to stop: the protocol of systemd.

A datagram of ``KEY=value`` to the socket that the environment variable NOTIFY_SOCKET names, see
sd_notify(3). Without that variable nobody waits for it, and nothing is sent.
"""

import os
import socket

__all__ = ["notify"]

_SECONDS = 1.0  # nobody waits longer for the manager


def notify(message: str) -> bool:
    """Send a message, e.g. ``READY=1``, ``WATCHDOG=1`` or ``STOPPING=1``; tell whether it went.

    Examples
    --------
    >>> import os
    >>> _ = os.environ.pop("NOTIFY_SOCKET", None)
    >>> notify("READY=1")
    False
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path  # Linux's names without a file
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SECONDS)
            sender.sendto(message.encode(), address)
    except OSError:
        return False  # a manager that does not listen is none of the answers' business
    return True
