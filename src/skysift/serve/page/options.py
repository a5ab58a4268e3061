"""What the live page is told: which sink it shows, where it listens, who may change something."""

import ipaddress
import os
from pathlib import Path

from pydantic import Field

from skysift.core.config import Config
from skysift.core.errors import ReadError, UsageError
from skysift.serve.secret_file import check_private

__all__ = ["TOKEN_VARIABLE", "PageOptions", "is_loopback", "read_token"]

TOKEN_VARIABLE = "SKYSIFT_PAGE_TOKEN"  # noqa: S105  # the name of the variable, not a token
_LEAST_TOKEN = 16  # characters: fewer can be guessed
_MOST_TOKEN = 4096


class PageOptions(Config):
    """A page.

    Examples
    --------
    >>> PageOptions(sink=Path("candidates")).on_loopback
    True
    """

    sink: Path = Field(description="The folder that a service writes to.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8137, ge=0, le=65535, description="0 for one that is free.")
    names: tuple[str, ...] = Field(
        (), description="Host names that browsers may use for this page, beside IP addresses."
    )
    deadline: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="What latencies are compared with [s]; that of the service if left out.",
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether an address is of this machine alone.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(file: Path | None) -> str | None:
    """Return the token of a file, or of the environment, None if there is neither.

    Raises
    ------
    ReadError
        If the file cannot be read.
    UsageError
        If the token is too short to be one, or others can open the file.
    """
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            return None
    else:
        token = _first_line(file)
    if not _LEAST_TOKEN <= len(token) <= _MOST_TOKEN or not token.isascii():
        raise UsageError(
            f"The token must have {_LEAST_TOKEN} to {_MOST_TOKEN} ASCII characters.",
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.",
        )
    return token


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            check_private(opened, file)
            return opened.readline(_MOST_TOKEN + 2).decode("ascii", "replace").strip()
    except OSError as error:
        raise ReadError(
            f"The token cannot be read: {error.strerror}.",
            "Name a file with the token in its first line.",
            path=file,
        ) from error
