"""Progress of the long jobs, for people who watch or read a log."""

import sys

__all__ = ["TellStages"]


class TellStages:
    """Write a line on stderr for each tenth of a job and each thing that is begun."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, done: float, what: str) -> None:
        """Tell the fraction done, in tenths, and what is being done, if that is news."""
        line = f"{10 * int(10 * done):>3} % {what}"
        if line != self._last:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            self._last = line
