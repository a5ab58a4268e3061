"""The page's end of the painter: started when a picture is wanted, watched, replaced if it dies."""

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Literal

from skysift.core.config import Config
from skysift.serve.messages import Item

__all__ = ["Drawing", "Easel", "Wish"]

_COMMAND = (sys.executable, "-m", "skysift.serve.page.painter")
_SECONDS = 30.0  # the painter's own limit, and the time that it takes to start
_KEPT = 300  # drawings
_MOST_BYTES = 256 * 2**20  # of a file or a message that is opened for a picture


class Wish(Config):
    """What is to be drawn.

    Parameters
    ----------
    kind : {"stamp", "disk"}
    name : str
        Which of those in the record.
    item : Item
        The record: a file, or a message in a pack.
    schemas : Path or None
        Avro schemas of messages that come without theirs.
    """

    kind: Literal["stamp", "disk"]
    name: str
    item: Item
    schemas: Path | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a file.

    Parameters
    ----------
    png : bytes
    width, height : int
        Of what it shows [pixel].
    about : mapping
        What else the painter said.
    """

    png: bytes
    width: int
    height: int
    about: Mapping[str, Any]


class Easel:
    """Has pictures drawn, one at a time, and keeps the last.

    Parameters
    ----------
    command : sequence of str
        What to start as the painter.
    """

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._scratch: TemporaryDirectory[str] | None = None  # outlives a painter that dies
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, str], Drawing | None] = OrderedDict()

    def draw(self, wish: Wish) -> Drawing | None:
        """Return a picture, None if there is none to be had; from any thread."""
        key = (wish.kind, wish.item.id, wish.name)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._painted(wish)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def close(self) -> None:
        """End the painter."""
        with self._lock:
            self._stop()

    def _painted(self, wish: Wish) -> Drawing | None:
        item = wish.item
        try:
            whole = item.path.stat().st_size
            if (whole if item.start is None else item.size) > _MOST_BYTES:
                return None
            answer = self._asked(wish)
            if not answer:
                return None
            png = base64.b64decode(answer.pop("png"))
            return Drawing(png, int(answer["width"]), int(answer["height"]), answer)
        except (OSError, queue.Empty, ValueError, KeyError):
            self._stop()  # it died of the file, or takes too long
            return None

    def _asked(self, wish: Wish) -> dict[str, Any]:
        process = self._started()
        if process.stdin is None:
            return {}
        process.stdin.write(wish.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(self._answers.get(timeout=_SECONDS))
        return answer if isinstance(answer, dict) else {}

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._scratch = TemporaryDirectory(prefix="skysift-page-")
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "TMPDIR": self._scratch.name},
                start_new_session=True,  # an interrupt at the terminal is for the page
            )
            self._answers = queue.SimpleQueue()
            threading.Thread(
                target=_read, args=(self._process.stdout, self._answers), daemon=True
            ).start()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if self._scratch is not None:
            self._scratch.cleanup()


def _read(answers: IO[bytes] | None, to: queue.SimpleQueue[bytes]) -> None:
    """Pass on lines; an empty one, which is no JSON, says that there are no more."""
    if answers is not None:
        with answers:
            for line in answers:
                to.put(line)
    to.put(b"")
