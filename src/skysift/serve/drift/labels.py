"""Has labels compared with answers, in a process of its own, whenever they have changed."""

import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from skysift.serve.drift.ledger import DriftLedger
from skysift.serve.drift.options import DriftOptions
from skysift.serve.journal import log

__all__ = ["LabelWatch"]

_AGAIN = 60.0  # s from one look at the file of labels to the next
_LONGEST = 600.0  # s that the comparison may take


class LabelWatch:
    """Looks at the file of labels each minute.

    Parameters
    ----------
    options : DriftOptions
        Where it is.
    score : str
        Column of the probability.
    """

    def __init__(self, options: DriftOptions, score: str) -> None:
        self._options = options
        self._score = options.score or score
        self._seen: tuple[int, int] | None = None
        self._next = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None
        self._latest = 0.0

    def step(self, sink: Path, ledger: DriftLedger) -> None:
        """Start a comparison if one is due; note what a finished one has found."""
        if self._process is not None:
            self._conclude(ledger)
            return
        path, now = self._options.labels, time.monotonic()
        if path is None or now < self._next:
            return
        self._next = now + _AGAIN
        try:
            facts = path.stat()
        except OSError:
            return  # there are none yet
        seen = (facts.st_size, facts.st_mtime_ns)
        if seen != self._seen:
            self._seen = seen
            self._latest = now + _LONGEST
            self._start(sink, path)

    def close(self) -> None:
        """End a comparison that is going on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._printed is not None:
            self._printed.close()
            self._printed = None

    def _start(self, sink: Path, path: Path) -> None:
        options = self._options
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        arguments = ["--labels", str(path), "--score", self._score]
        arguments += ["--on", options.labels_on, "--label", options.label]
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "skysift.serve.drift.calibration", str(sink), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
        )

    def _conclude(self, ledger: DriftLedger) -> None:
        process, printed = self._process, self._printed
        if process is None or printed is None:
            return
        if process.poll() is None and time.monotonic() < self._latest:
            return
        code = process.poll()
        printed.seek(0)
        text = printed.read(2**20).decode(errors="replace").strip()
        self.close()
        last = text.splitlines()[-1] if text else "no word"
        if code != 0:
            reason = last if code is not None else f"it took longer than {_LONGEST:g} s"
            log(logging.WARNING, "labels-unreadable", reason=reason)
            return
        found: dict[str, Any] = json.loads(last)
        ledger.note_calibration(found)
        if found["alarm"]:
            facts = {key: found[key] for key in ("rows", "error", "highest")}
            log(logging.WARNING, "calibration", **facts)
