"""A small, read-only listener for /metrics and /healthz, with bounds on everything that asks."""

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from skysift.core.errors import OutputError, SkysiftError
from skysift.serve.exposition import CONTENT_TYPE
from skysift.serve.health import health
from skysift.serve.journal import log
from skysift.serve.metrics import metrics_text

__all__ = ["Listener"]

_SECONDS = 5.0
"""Longest wait for the next byte, and half of what a whole exchange may take [s]."""
_AT_ONCE = 8  # exchanges
_JSON = "application/json; charset=utf-8"

Answer = tuple[HTTPStatus, str, str]


def _metrics(sink: Path) -> Answer:
    return HTTPStatus.OK, CONTENT_TYPE, metrics_text(sink)


def _verdict(sink: Path, *, live_only: bool) -> Answer:
    found = health(sink)
    good = found.alive if live_only else found.is_ready
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, _JSON, json.dumps(found.to_dict(), indent=1) + "\n"


_PATHS: dict[str, Callable[[Path], Answer]] = {
    "/metrics": _metrics,
    "/healthz": lambda sink: _verdict(sink, live_only=False),
    "/livez": lambda sink: _verdict(sink, live_only=True),
}


class Listener:
    """Answers in a thread of its own, for as long as its block lasts.

    Parameters
    ----------
    address : tuple of str and int
        Numbers of address and port; port 0 is any free one.
    sink : Path
        Of the service that is asked about.

    Raises
    ------
    OutputError
        If it cannot listen there.

    Notes
    -----
    Only GET and HEAD, without a body, of the paths that it knows. On a loopback address it answers
    those alone who call it so: a page in somebody's browser that has a name of its own lead here
    is refused.
    """

    def __init__(self, address: tuple[str, int], sink: Path) -> None:
        host, port = address
        try:
            self._server = _Server(host, port, sink)
        except OSError as error:
            raise OutputError(
                f"Cannot listen at {host} port {port}: {error.strerror}.",
                "Choose another address for operations.listen.",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="listener"
        )

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        host = self._server.host
        self._thread.start()
        log(logging.INFO, "listening", address=host, port=self.port, loopback=self._server.loopback)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an exchange that hangs ends by its own limit
    request_queue_size = 16

    def __init__(self, host: str, port: int, sink: Path) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host = host
        self.loopback = ipaddress.ip_address(host).is_loopback
        self.sink = sink
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the base would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a new thread, unless there are as many as may be."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and end an exchange that takes too long, however many bytes it drips."""

        def end() -> None:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(2 * _SECONDS, end)
        timer.daemon = True
        timer.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            timer.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of an asker who has gone away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS
    server_version = "skysift"
    sys_version = ""

    def do_GET(self) -> None:  # the name that the base calls
        """Answer."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:  # the name that the base calls
        """Answer without the body."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base names it so
        """Say nothing: who asks each second would fill the log."""

    def _answer(self, *, with_body: bool) -> None:
        status, kind, text = self._found()
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _found(self) -> Answer:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            return _refusal(HTTPStatus.BAD_REQUEST, "no body is taken")
        if self.server.loopback and not _is_here(self.headers.get("Host", "localhost")):
            return _refusal(HTTPStatus.FORBIDDEN, "this is answered on this machine alone")
        wanted = _PATHS.get(self.path.partition("?")[0])
        if wanted is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"there is {', '.join(_PATHS)}")
        try:
            return wanted(self.server.sink)
        except SkysiftError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _is_here(host: str) -> bool:
    """Tell whether a caller used an address of this machine, or the name of itself."""
    bracketed = host.startswith("[")
    name = host[1:].partition("]")[0] if bracketed else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refusal(status: HTTPStatus, problem: str) -> Answer:
    return status, _JSON, json.dumps({"problem": problem}) + "\n"
