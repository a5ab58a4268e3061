"""What every request must pass and every answer must carry, whatever it is for."""

import ipaddress
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_BODY", "Guard", "host_name"]

MOST_BODY = 16 * 1024
"""Bytes of a request's body: forms with a reason or a token are all that is ever sent."""

_MOST_TARGET = 2048  # characters of path and query
_METHODS = {"GET", "HEAD", "POST"}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses strange hosts, methods and sizes, and adds the headers that keep a page to itself.

    Parameters
    ----------
    app : ASGI application
        What answers.
    names : collection of str
        Host names under which the page is known.

    Notes
    -----
    A page of somebody else can point its own name to our address and then read what we answer (DNS
    rebinding). Its browser still sends that name as Host: only known names, and addresses, which
    cannot be pointed anywhere else, are answered.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {name.lower().rstrip(".") for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":  # the start and the end of the application
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        answer = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        await answer(scope, _limited(receive), _marked(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _METHODS:
            return 405, "This method is not used here."
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MOST_TARGET:
            return 414, "The address is too long."
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._known(hosts[0]):
            return 421, "This page does not answer to that host name. Start it with --name NAME."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return 413, "That is more than this page takes."
        return None

    def _known(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if name.lower().rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(host: str) -> str | None:
    """Return the name or address of a Host header, without the port; None if it is no such header.

    Examples
    --------
    >>> [host_name(text) for text in ("localhost:8137", "[::1]:80", "10.0.0.1", "a:b:c", "[x")]
    ['localhost', '::1', '10.0.0.1', None, None]
    """
    if host.startswith("["):
        inside, bracket, port = host[1:].partition("]")
        good = bracket and (not port or (port[0] == ":" and port[1:].isdecimal()))
        return inside if good else None
    name, colon, port = host.partition(":")
    return name if name and (not colon or port.isdecimal()) else None


def _limited(receive: Receive) -> Receive:
    """Return a channel that ends a body which is longer than it said."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            return {"type": "http.disconnect"}
        return message

    return limited


def _marked(send: Send) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=_scope_of(message))
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return marked


def _scope_of(message: Message) -> dict[str, Any]:
    """Return the message itself as what MutableHeaders writes to."""
    message.setdefault("headers", [])
    return message  # type: ignore[return-value]  # a MutableMapping, of which only "headers" is used
