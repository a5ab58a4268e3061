"""Which tables of a file are those of one observation: its events, good time and pointing."""

from collections.abc import Collection, Mapping

import numpy as np

from skysift.core.errors import ReadError
from skysift.data.contract import Verdict
from skysift.data.sky.fits_stream import FitsStream
from skysift.data.sky.fits_table import FitsHdu, walk_hdus
from skysift.data.sky.gadf_findings import Findings

__all__ = ["ObservationParts"]

_ROLES = ("EVENTS", "GTI", "POINTING")
_MOVING_MODES = {"DRIFT", "RASTER", "SCAN", "SLEW"}


class ObservationParts:
    """The tables of one observation, which lie in front of the responses.

    A file may hold several observations. Those that an index names are found by their name. Of
    the others the first EVENTS is taken, and the first of each kind in front of the next EVENTS.
    The search ends at the first other table behind what is wanted, unless the header does not say
    where the telescope looked.

    Parameters
    ----------
    stream : FitsStream
        The file.
    named : mapping of str to str
        EXTNAME by role (EVENTS, GTI, POINTING), as far as it is known.

    Attributes
    ----------
    tables : dict of str to FitsHdu
        What was found, by role.

    Raises
    ------
    ReadError
        If there is no table of events, or none of a name.
    """

    def __init__(self, stream: FitsStream, named: Mapping[str, str]) -> None:
        self._stream = stream
        self._named = {role: name.upper() for role, name in named.items() if name}
        self._found: dict[str, FitsHdu] = {}  # by its name
        self._seen: list[tuple[str, FitsHdu]] = []  # by what it says of itself
        names: list[str] = []
        last = None
        for last in walk_hdus(stream):
            names.append(last.name)
            role = self._take(last)
            if (not role or self._is_next(role, last)) and self._is_complete():
                break
        self._require_named(names)
        self.tables = self._chosen()
        if "EVENTS" not in self.tables:
            raise ReadError(
                "The file has no EVENTS table.",
                "Give a GADF DL3 event list; files of responses are read elsewhere.",
                path=stream.path,
            )
        if last is not None and "EVENTS" not in self._named:
            self._look_behind(last)

    def note_left_out(self, roles: Collection[str], findings: Findings) -> None:
        """Note the tables of some roles that no name chose among, and that are not read."""
        chosen = {hdu.number for hdu in self.tables.values()}
        seen = self._seen if "EVENTS" not in self._named else self._group(self.tables["EVENTS"])
        left = [
            f"{hdu.name or role} (HDU {hdu.number}, {hdu.cards.number('NAXIS2'):,.0f} rows)"
            for role, hdu in seen
            if role in roles and role not in self._named and hdu.number not in chosen
        ]
        if left:
            findings.add(
                "tables-left-out",
                Verdict.NOTED,
                f"The file holds more than one table of a kind: left out are {', '.join(left)}. "
                "To read them, name them in an index (hdu-index.fits) or split the file.",
            )

    def _take(self, hdu: FitsHdu) -> str:
        """Return the role of a part of the file, and keep it; empty if it has none."""
        if not hdu.is_table:
            return ""
        role = next((role for role, name in self._named.items() if name == hdu.name), "")
        if role:
            self._found.setdefault(role, hdu)
        role = role or _role(hdu)
        if role:
            self._seen.append((role, hdu))
        return role

    def _is_next(self, role: str, hdu: FitsHdu) -> bool:
        """Tell whether a part is the events of another observation than the one that is named."""
        return role == "EVENTS" and hdu is not self._found.get(role, hdu)

    def _is_complete(self) -> bool:
        if not self._named.keys() <= self._found.keys():
            return False
        chosen = self._chosen()
        if not {"EVENTS", "GTI"} <= chosen.keys():
            return False
        return "POINTING" in self._named or _has_fixed_pointing(chosen["EVENTS"])

    def _chosen(self) -> dict[str, FitsHdu]:
        chosen = dict(self._found)
        if "EVENTS" not in self._named:
            chosen |= _first(self._seen, "EVENTS")
        if "EVENTS" not in chosen:
            return chosen
        events = chosen["EVENTS"]
        group = self._group(events)
        for role in _ROLES[1:]:
            if role not in self._named:
                chosen |= _first(group, role) or self._shared(role, events)
        return chosen

    def _group(self, events: FitsHdu) -> list[tuple[str, FitsHdu]]:
        """Return the tables behind those events and in front of the next, with their roles."""
        numbers = [hdu.number for role, hdu in self._seen if role == "EVENTS"]
        after = [number for number in numbers if number > events.number]
        low = 0 if events.number == min(numbers) else events.number
        high = min(after, default=float("inf"))
        return [(role, hdu) for role, hdu in self._seen if low <= hdu.number < high]

    def _shared(self, role: str, events: FitsHdu) -> dict[str, FitsHdu]:
        """Return the first table of a role, for the first events, unless it is of another run."""
        shared = _first(self._seen, role)
        if not shared or _first(self._seen, "EVENTS")["EVENTS"] is not events:
            return {}
        theirs, ours = (hdu.cards.text("OBS_ID") for hdu in (shared[role], events))
        return {} if theirs and ours and theirs != ours else shared

    def _require_named(self, names: list[str]) -> None:
        for role, name in self._named.items():
            if role not in self._found:
                raise ReadError(
                    f"The index names the extension '{name}' for {role}, which the file does not "
                    "have.",
                    f"It holds: {', '.join(names)}. Correct HDU_NAME in hdu-index.fits.",
                    path=self._stream.path,
                )

    def _look_behind(self, last: FitsHdu) -> None:
        """Look for further tables behind the responses, where it costs no unpacking."""
        try:
            while self._stream.has_at_hand((end := last.end) + 1):
                last = FitsHdu(self._stream, last.number + 1, end)
                self._take(last)
        except ReadError:
            return  # the end of the file, or damage behind what was asked for, which is whole


def _first(tables: list[tuple[str, FitsHdu]], role: str) -> dict[str, FitsHdu]:
    return next(({role: hdu} for found, hdu in tables if found == role), {})


def _role(hdu: FitsHdu) -> str:
    declared = hdu.cards.text("HDUCLAS1").upper()
    return next((role for role in _ROLES if role in {hdu.name, declared}), "")


def _has_fixed_pointing(events: FitsHdu) -> bool:
    moving = events.cards.text("OBS_MODE").upper() in _MOVING_MODES
    return not moving and bool(np.isfinite(events.cards.number("RA_PNT")))
