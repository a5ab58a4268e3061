"""Who may change something: people with the token, or this machine alone if there is none."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from skysift.serve.page.options import is_loopback

__all__ = ["SESSION_COOKIE", "SESSION_SECONDS", "Access", "AccessDeniedError"]

SESSION_COOKIE = "skysift-session"
SESSION_SECONDS = 12 * 3600
_MOST_SESSIONS = 200
_TRIES = 10  # wrong tokens ...
_TRIES_SECONDS = 60.0  # ... in this time, from whomever: more are not looked at


class AccessDeniedError(Exception):
    """A change is refused.

    Parameters
    ----------
    status : int
        Of HTTP.
    reason : str
        For people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Access:
    """Decides whether a request may change something.

    Parameters
    ----------
    token : str or None
        What proves the right.
    on_loopback : bool
        Whether only this machine reaches the page.
    clock : callable
        Returns seconds that never run backwards.

    Notes
    -----
    The token is sent once, in the body of a request, and answered with the random name of a
    session; that is what the cookie holds. Sessions are kept in memory, as digests. A request that
    changes something must come from a page of ours: the cookie is ``SameSite=Strict`` and
    the origin, which browsers always send with a POST, is compared with the host.
    """

    def __init__(
        self,
        token: str | None,
        *,
        on_loopback: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = None if token is None else _digest(token)
        self._on_loopback = on_loopback
        self._clock = clock
        self._sessions: dict[bytes, float] = {}
        self._wrong: list[float] = []

    @property
    def has_token(self) -> bool:
        """Whether there is a token to be asked for."""
        return self._token is not None

    @property
    def is_read_only(self) -> bool:
        """Whether nobody may change anything: a page for others, without a token."""
        return self._token is None and not self._on_loopback

    def may_change(self, request: Request) -> bool:
        """Tell whether a request has the right, wherever it comes from."""
        if self._token is None:
            peer = request.client.host if request.client else ""
            return self._on_loopback and is_loopback(peer)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        return self._has_session(request)

    def require(self, request: Request) -> None:
        """Let a request change something.

        Raises
        ------
        AccessDeniedError
            If it may not.
        """
        self.require_own_origin(request)
        if self.may_change(request):
            return
        if self.is_read_only:
            raise AccessDeniedError(
                403, "This page only shows. Start it with --token-file to change something here."
            )
        raise AccessDeniedError(401, "Sign in with the token first.")

    def require_own_origin(self, request: Request) -> None:
        """Refuse what another site makes a browser send.

        Raises
        ------
        AccessDeniedError
            If the origin is not this page.
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        foreign = site is not None and site not in {"same-origin", "none"}
        if origin is not None:
            foreign |= urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
        if foreign:
            raise AccessDeniedError(403, "Another site asked for this.")

    def sign_in(self, token: str) -> str:
        """Return the name of a new session.

        Raises
        ------
        AccessDeniedError
            If the token is wrong, or too many were.
        """
        if not self.has_token:
            raise AccessDeniedError(403, "There is no token to sign in with.")
        if not self._is_token(token.strip()):
            raise AccessDeniedError(401, "That is not the token.")
        name = secrets.token_urlsafe(32)
        now = self._clock()
        alive = {key: end for key, end in self._sessions.items() if end > now}
        self._sessions = dict(list(alive.items())[-_MOST_SESSIONS + 1 :])
        self._sessions[_digest(name)] = now + SESSION_SECONDS
        return name

    def sign_out(self, request: Request) -> None:
        """End the session of a request."""
        self._sessions.pop(_digest(request.cookies.get(SESSION_COOKIE, "")), None)

    def _has_session(self, request: Request) -> bool:
        end = self._sessions.get(_digest(request.cookies.get(SESSION_COOKIE, "")))
        return end is not None and end > self._clock()

    def _is_token(self, given: str) -> bool:
        """Compare in constant time; refuse to compare when there were too many wrong ones."""
        now = self._clock()
        self._wrong = [moment for moment in self._wrong if now - moment < _TRIES_SECONDS]
        if len(self._wrong) >= _TRIES:
            raise AccessDeniedError(429, "Too many wrong tokens. Wait a minute.")
        if self._token is not None and hmac.compare_digest(_digest(given), self._token):
            return True
        self._wrong.append(now)
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
