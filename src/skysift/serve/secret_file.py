"""Files that hold a secret: refused, as ssh refuses keys, where others can open them."""

import os
import re
import shlex
import stat
from pathlib import Path
from typing import BinaryIO

from skysift.core.errors import UsageError

__all__ = ["check_private", "is_secret"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET = re.compile(r"password|secret|token|\bkey\b|jaas|sasl\.username|oauthbearer")


def is_secret(key: str) -> bool:
    """Tell whether the value of a setting is nobody else's business.

    Examples
    --------
    >>> [is_secret(key) for key in ("sasl.password", "ssl.key.location", "fetch.min.bytes")]
    [True, True, False]
    """
    return _SECRET.search(key.lower()) is not None


def check_private(opened: BinaryIO, path: Path) -> None:
    """Refuse a file of ours that others of this machine can open.

    Of a file of somebody else (secrets that a container or the system hands out) its owner decides,
    and systems without such modes have none to look at.

    Raises
    ------
    UsageError
        If its group or everybody may read, write or execute it.
    """
    if not hasattr(os, "getuid"):
        return
    facts = os.fstat(opened.fileno())
    if not stat.S_ISREG(facts.st_mode):  # a pipe of the shell: <(pass show skysift)
        return
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid == os.getuid() and mode & _OTHERS:
        raise UsageError(
            f"Others on this machine may read or change this file (its mode is {mode:04o}), so "
            "its secret is not used.",
            f"chmod 600 {shlex.quote(str(path))}; if somebody may have read it, make a new secret.",
            path=path,
        )
