"""A download over http(s) that resumes, retries, and never takes more than was declared."""

import random
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

import skysift
from skysift.core.errors import DataUnavailableError
from skysift.data.fetch_patience import Patience

__all__ = ["download"]

_CHUNK = 1 << 16
_LONGEST_PAUSE = 20.0  # seconds, also where the server asks for more
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _PassingError(Exception):
    """Something that another try may cure."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    part: Path,
    *,
    size: int,
    exact: bool,
    patience: Patience,
    report: Callable[[int], None],
    session: requests.Session | None = None,
    judge: Callable[[requests.Response], None] | None = None,
) -> None:
    """Download to `part`, going on from what an earlier try left there.

    Parameters
    ----------
    url : str
        http or https address.
    part : Path
        The file to write. It stays after a failure that may pass, and is deleted where its
        bytes are known to be wrong.
    size : int
        Size of the whole, in bytes: exact, or else the upper limit. A server that sends more
        is cut off.
    exact : bool
        Whether `size` is exact.
    patience : Patience
        Timeouts and retries.
    report : callable
        Called with the number of bytes that are there.
    session : requests.Session, optional
        Carries cookies and credentials; it is the caller's and stays open.
    judge : callable, optional
        Called with the head of each answer, before anything else is made of it; it raises to
        refuse the answer.

    Raises
    ------
    DataUnavailableError
        If the whole could not be had; its problem is one line.
    """
    reason = ""
    with requests.Session() if session is None else nullcontext(session) as used:
        one = _Download(used, url, part, size, exact, patience, report, judge)
        for attempt in range(1, patience.attempts + 1):
            try:
                one.try_once()
            except _PassingError as error:
                reason = str(error)
                if attempt < patience.attempts:
                    time.sleep(_pause(patience, attempt, error.wait))
            else:
                return
    raise DataUnavailableError(f"{reason} ({patience.attempts} attempts)")


@dataclass(frozen=True, slots=True)
class _Download:
    """One download; the fields are the parameters of :func:`download`."""

    session: requests.Session
    url: str
    part: Path
    size: int
    exact: bool
    patience: Patience
    report: Callable[[int], None]
    judge: Callable[[requests.Response], None] | None

    def try_once(self) -> None:
        start = self.part.stat().st_size if self.part.exists() else 0
        if self.exact and start == self.size:
            return
        if start >= self.size:  # no beginning of this file
            start = 0
        # Ranges count bytes as they are sent, so nothing may be packed on the way.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"skysift/{skysift.__version__}"}
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout = (self.patience.connect, self.patience.read)
        try:
            with self.session.get(
                self.url, headers=headers, stream=True, timeout=timeout
            ) as response:
                start = self._accepted_start(response, start)
                received = self._copy(response, start)
        except requests.RequestException as error:
            raise self._classified(error) from error
        if self.exact and received < self.size:
            raise _PassingError(f"the server closed after {received:,} of {self.size:,} bytes")

    def _accepted_start(self, response: requests.Response, start: int) -> int:
        """Judge the head of the answer; return the position at which its body begins."""
        if self.judge is not None:
            self.judge(response)
        status = response.status_code
        if status in _PASSING:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdecimal() else 0.0
            raise _PassingError(f"HTTP {status} {response.reason}", seconds)
        if start and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.part.unlink(missing_ok=True)
            raise _PassingError("the server's file is shorter than the part that was here")
        if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise DataUnavailableError(f"HTTP {status} {response.reason}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DataUnavailableError("the server sent an encoded body that was not asked for")
        if status == HTTPStatus.PARTIAL_CONTENT:
            self._check_range(response, start)
        else:
            start = 0
        length = response.headers.get("Content-Length", "")
        if length.isdecimal():
            self._check_length(start + int(length))
        return start

    def _check_range(self, response: requests.Response, start: int) -> None:
        answer = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(answer)
        if match is None or int(match[1]) != start:
            self.part.unlink(missing_ok=True)  # the next try asks for the whole
            raise _PassingError(f"asked for bytes from {start:,}, the server sent '{answer}'")
        if match[2] != "*":
            self._check_length(int(match[2]))

    def _check_length(self, offered: int) -> None:
        if offered > self.size or (self.exact and offered < self.size):
            expected = f"{self.size:,}" if self.exact else f"{self.size:,} at most"
            raise DataUnavailableError(f"the server offers {offered:,} bytes, not {expected}")

    def _copy(self, response: requests.Response, start: int) -> int:
        received = start
        with self.part.open("r+b" if start else "wb") as sink:
            sink.seek(start)
            for chunk in response.iter_content(_CHUNK):
                received += len(chunk)
                if received > self.size:
                    break
                sink.write(chunk)
                self.report(received)
        if received > self.size:
            self.part.unlink()
            raise DataUnavailableError(f"the server sent more than the {self.size:,} bytes allowed")
        return received

    def _classified(self, error: requests.RequestException) -> DataUnavailableError | _PassingError:
        """Tell what another try may cure from what it cannot, in one line each."""
        cause = error.args[0] if error.args else None
        host = urlsplit(self.url).netloc
        if isinstance(error, requests.ConnectTimeout):
            reason = f"no connection to {host} within {self.patience.connect:g} s"
        elif isinstance(error, requests.exceptions.SSLError):
            reason = f"no secure connection to {host}: check certificates and clock"
        elif isinstance(error, requests.exceptions.ProxyError):
            reason = f"the proxy gives no connection to {host}"
        elif isinstance(getattr(cause, "reason", None), NewConnectionError):
            reason = f"cannot connect to {host}"
        elif isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            return _PassingError(f"{host} sent nothing for {self.patience.read:g} s")
        elif isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            return _PassingError(f"{host} broke the connection off")
        else:
            reason = f"the request failed ({type(error).__name__})"
        return DataUnavailableError(reason)


def _pause(patience: Patience, attempt: int, asked: float) -> float:
    """Return the wait before the next try, in seconds: exponential, with jitter."""
    # Jitter keeps many clients apart; it is neither science nor a secret.
    jitter = random.uniform(0.5, 1.5)  # noqa: S311
    return min(_LONGEST_PAUSE, max(asked, patience.pause * 2.0 ** (attempt - 1) * jitter))
