"""A real HTTP server that misbehaves to order: each path has a script of answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class FlakyServer:
    """What the server is to do, and what it was asked."""

    port: int
    scripts: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def answers(self, path: str, *answers: Answer) -> str:
        """Set the answers of a path, in order; the last one is repeated. Return its URL."""
        self.scripts[f"/{path}"] = list(answers)
        return self.url(path)

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of each request for a path, in order."""
        return [asked for name, asked in self.requests if name == f"/{path}"]


class Handler(BaseHTTPRequestHandler):
    flaky: FlakyServer

    def do_GET(self) -> None:
        self.flaky.requests.append((self.path, self.headers.get("Range")))
        script = self.flaky.scripts.get(self.path, [status(404)])
        answer = script.pop(0) if len(script) > 1 else script[0]
        # Some tests want the client to cut us off.
        with suppress(BrokenPipeError, ConnectionResetError):
            answer(self)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Keep the test output clean."""

    def start(self) -> int:
        """First byte that was asked for."""
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def head(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def whole(body: bytes, *, drop_after: int | None = None) -> Answer:
    """Serve well, with ranges; or break the connection off after so many bytes."""

    def answer(handler: Handler) -> None:
        start = handler.start()
        if start >= len(body):
            handler.head(416, Content_Length=0)
            return
        rest = body[start:]
        if start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.head(206, Content_Length=len(rest), Content_Range=span)
        else:
            handler.head(200, Content_Length=len(rest))
        handler.wfile.write(rest[:drop_after])

    return answer


def rangeless(body: bytes) -> Answer:
    """Serve the whole, whatever was asked for."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(body))
        handler.wfile.write(body)

    return answer


def shifted(body: bytes, by: int) -> Answer:
    """Answer a range with another range."""

    def answer(handler: Handler) -> None:
        start = handler.start() + by
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.head(206, Content_Length=len(body) - start, Content_Range=span)
        handler.wfile.write(body[start:])

    return answer


def claiming(body: bytes, length: int) -> Answer:
    """Send a body under a wrong Content-Length."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=length)
        handler.wfile.write(body)

    return answer


def status(code: int, **headers: object) -> Answer:
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def silent() -> Answer:
    """Say nothing until the server closes."""
    return lambda handler: handler.flaky.closing.wait(30) and None


def endless(sent: list[int]) -> Answer:
    """Send until the client hangs up; count the bytes."""

    def answer(handler: Handler) -> None:
        handler.head(200)
        while not handler.flaky.closing.is_set():
            sent.append(handler.wfile.write(bytes(1 << 16)))

    return answer


def slow(body: bytes, seconds: float) -> Answer:
    """Serve well, but take a while."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(body))
        handler.wfile.write(body[: len(body) // 2])
        time.sleep(seconds)
        handler.wfile.write(body[len(body) // 2 :])

    return answer


@contextmanager
def running() -> Iterator[FlakyServer]:
    class Bound(Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        Bound.flaky = FlakyServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Bound.flaky
        finally:
            Bound.flaky.closing.set()
            server.shutdown()
            thread.join()
