"""The page as a server: made of its parts, started, stopped."""

import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from skysift.core.errors import OutputError, SkysiftError, UnknownNameError
from skysift.serve.journal import log
from skysift.serve.page.access import Access, AccessDeniedError
from skysift.serve.page.changes import Changes, Watcher
from skysift.serve.page.changing import changing
from skysift.serve.page.guard import Guard
from skysift.serve.page.options import PageOptions
from skysift.serve.page.rendering import Rendering
from skysift.serve.page.showing import showing
from skysift.serve.page.sources import Sources

__all__ = ["PageServer", "create_app", "open_socket"]

_GRACE = 2  # s that answers in the making are waited for at the end
_BACKLOG = 128


def create_app(
    options: PageOptions, token: str | None = None, changes: Changes | None = None
) -> FastAPI:
    """Return the page as an ASGI application, which follows the sink while it is started.

    Parameters
    ----------
    options : PageOptions
        What to show.
    token : str, optional
        What proves the right to change something.
    changes : Changes, optional
        Who tells the open pages; made if left out.
    """
    sources = Sources(options.sink, options.deadline)
    told = changes or Changes()
    access = Access(token, on_loopback=options.on_loopback)
    rendering = Rendering(sources, access)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        told.attach()
        watcher = Watcher(sources.poll, told, sources.close)
        watcher.start()
        try:
            yield
        finally:
            watcher.stop()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(showing(sources, told, rendering))
    app.include_router(changing(sources, told, rendering, access))
    _explain_errors(app, rendering)
    names = (*options.names, options.host, socket.gethostname())
    app.add_middleware(Guard, names=names)
    return app


def _explain_errors(app: FastAPI, rendering: Rendering) -> None:
    """Answer errors in words: as a page to people who navigate, as text to what asks for parts."""

    def answer(request: Request, status: int, reason: str) -> Response:
        if request.method == "GET" and request.headers.get("sec-fetch-dest") == "document":
            title = {404: "Not found"}.get(status, "It did not work")
            return rendering.page("gone", request, {"title": title, "reason": reason}, status)
        return PlainTextResponse(reason, status)

    @app.exception_handler(AccessDeniedError)
    async def denied(request: Request, error: AccessDeniedError) -> Response:
        return answer(request, error.status, error.reason)

    @app.exception_handler(SkysiftError)
    async def ours(request: Request, error: SkysiftError) -> Response:
        status = 404 if isinstance(error, UnknownNameError) else 400 + 100 * (error.exit_code == 1)
        return answer(request, status, f"{error.problem} {error.remedy}".strip())

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return answer(request, error.status_code, str(error.detail))


class PageServer(uvicorn.Server):
    """Serves the page until it is told to stop.

    Parameters
    ----------
    options : PageOptions
        What to show and where to listen.
    token : str, optional
        What proves the right to change something.
    """

    def __init__(self, options: PageOptions, token: str | None = None) -> None:
        self._changes = Changes()
        self._options = options
        config = uvicorn.Config(
            create_app(options, token, self._changes),
            access_log=False,
            log_level=logging.WARNING,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            limit_concurrency=1000,
            h11_max_incomplete_event_size=16 * 1024,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, cleanly; unlike uvicorn's, which raises them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal: open pages are let go first, as they would stay for ever."""
        self._changes.close()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Ask the server to stop, from any thread."""
        self._changes.close()
        self.should_exit = True

    def serve_on(self, listening: Sequence[socket.socket]) -> None:
        """Serve until told to stop.

        Parameters
        ----------
        listening : sequence of socket
            See :func:`open_socket`.
        """
        log(logging.INFO, "page-started", addresses=[_address(one) for one in listening])
        self.run(sockets=list(listening))
        log(logging.INFO, "page-stopped")


def open_socket(options: PageOptions) -> socket.socket:
    """Listen where the options say, so that what is wrong with it is known at once.

    Raises
    ------
    OutputError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OutputError(
            f"Cannot listen on {options.host}, port {options.port}: {error.strerror or error}.",
            "Choose another with --port, or stop what listens there.",
        ) from error
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
