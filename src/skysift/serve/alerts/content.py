"""What an alert says, before it is put into a format."""

from dataclasses import dataclass
from typing import Literal

from skysift.serve.alerts.options import AlertOptions, Tense
from skysift.serve.alerts.rows import Row

__all__ = ["Content", "Kind", "ivorn"]

Kind = Literal["initial", "update", "retraction"]


@dataclass(frozen=True, slots=True)
class Content:
    """One revision of an alert.

    Parameters
    ----------
    id : str
        Of the alert.
    revision : int
        From 1.
    kind : str
        ``initial``, ``update`` or ``retraction``.
    tense : str
        ``live``, ``test`` or ``injection``.
    row : Row
        What it is about.
    decided : float
        When it was decided, Unix time [s].
    reason : str
        Why it is retracted.
    trigger : float or None
        When the data of the first revision begin, Unix time [s]; of the first, that of the row.
    """

    id: str
    revision: int
    kind: Kind
    tense: Tense
    row: Row
    decided: float
    reason: str = ""
    trigger: float | None = None

    @property
    def trigger_time(self) -> float:
        """When the data of the first revision begin, Unix time [s]."""
        known = (self.trigger, self.row.begun, self.decided)
        return next(moment for moment in known if moment is not None)

    @property
    def sentence(self) -> str:
        """The alert in words."""
        row = self.row
        if self.kind == "retraction":
            return f"Retracted: {self.reason}"
        words = [f"From {row.input}."] if row.input else []
        if row.start is None:
            words.append("The time is that of the arrival of the data.")
        if row.flags:
            words.append(f"Flags: {', '.join(row.flags)}.")
        if self.tense == "test":
            words.append("A test: please ignore it.")
        elif self.tense == "injection":
            words.append("A signal that was put into the data.")
        return " ".join([*words, f"Model {row.bundle[:16]}."])


def ivorn(options: AlertOptions, alert: str, revision: int) -> str:
    """Return the IVOA identifier of a revision: its stream, and its name there.

    Examples
    --------
    >>> ivorn(AlertOptions(authority="org.example", name="gamma"), "20261121-5eed", 2)
    'ivo://org.example/gamma#20261121-5eed-2'
    """
    return f"ivo://{options.authority}/{options.name}#{alert}-{revision}"
