"""Follows the published answers, compares them with the reference, and says when they differ."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle
from skysift.core.errors import SkysiftError
from skysift.serve.drift.labels import LabelWatch
from skysift.serve.drift.ledger import DriftLedger
from skysift.serve.drift.options import DriftOptions
from skysift.serve.drift.profile import Profile
from skysift.serve.drift.reference import Quantity, Reference, find_reference
from skysift.serve.drift.statistics import Comparison, compare_counts
from skysift.serve.drift.windows import Window
from skysift.serve.journal import log
from skysift.serve.spool import Spool

__all__ = ["DriftFollower", "alarming", "look_at", "windows_of"]

HOUR, DAY = 3600.0, 86_400.0  # s
_BLOCKS = {"rows": 20, "hours": 30}
_REST = 10.0  # s between two looks at a window
_FORGET = 60.0  # s from one clearing of what was added up to the next
_BATCHES = 500  # batches that are added up at once
_CALM = 0.01  # an alarm is over when chance goes as far so often
NO_REFERENCE = "The bundle has no reference: nothing is compared."
"""What is said of a bundle of which nobody has kept how its training data looked."""


def windows_of(options: DriftOptions) -> tuple[Window, Window]:
    """Return the window of the latest rows and that of the latest hours, both empty."""
    by_rows, by_time = _BLOCKS["rows"], _BLOCKS["hours"]
    seconds = options.hours * HOUR / by_time
    return (
        Window("rows", options.rows / by_rows, float("inf"), by_rows),
        Window("hours", float("inf"), seconds, by_time),
    )


def look_at(window: Window, reference: Reference) -> dict[str, Comparison]:
    """Compare the complete blocks of a window with a reference, by quantity.

    Quantities that do not occur in the window are left out.
    """
    return {
        name: compare_counts(quantity.counts, blocks)
        for name, quantity in reference.quantities.items()
        if (blocks := _counts(window, name, quantity))
    }


def _counts(window: Window, name: str, quantity: Quantity) -> list[NDArray[np.int64]]:
    """Return the counts of a quantity in the complete blocks that have it in these bins."""
    return [
        row
        for block in window.complete
        if (row := block.profile.counts.get(name)) is not None and len(row) == len(quantity.counts)
    ]


def alarming(found: Comparison, level: float, least: float, *, before: bool) -> bool:
    """Tell whether what was found is an alarm.

    Parameters
    ----------
    found : Comparison
        Of one quantity.
    level : float
        Probability of a false alarm that this look may have for it.
    least : float
        Population stability index below which there is none.
    before : bool
        Whether it was one at the last look: it is over when chance alone goes as far in one of 100
        looks, or the index falls below half of `least`.
    """
    if before:
        return found.p < _CALM and found.psi >= least / 2
    return found.p < level and found.psi >= least


class DriftFollower:
    """Adds up the profiles of published batches and looks at them.

    Parameters
    ----------
    options : DriftOptions
        Windows, and the rate of false alarms.
    bundle : Bundle
        With the reference, if it has one.
    clock : callable
        Returns Unix time [s].

    Raises
    ------
    SkysiftError
        If the reference cannot be read, or is for another bundle.

    Notes
    -----
    The rate of false alarms is a budget for each day. A look may spend what has come in since the
    last look at its window, half of it for each of the two windows, in equal parts for each
    quantity. By Bonferroni's inequality the expected number of false alarms a day is then at most
    the budget, however often is looked and however much windows overlap.
    """

    name = "drift"

    def __init__(
        self, options: DriftOptions, bundle: Bundle, clock: Callable[[], float] = time.time
    ) -> None:
        self._options = options
        self._clock = clock
        self._reference = find_reference(bundle, options.reference) if options.watch else None
        self._labels = LabelWatch(options, bundle.manifest.model.outputs[0])
        self._windows = windows_of(options)
        self._looked: dict[str, float] = {}
        self._due: set[str] = set()
        self._forgot = 0.0
        self._batch = 0
        self._ledger: DriftLedger | None = None

    @property
    def edges(self) -> Mapping[str, tuple[float, ...]]:
        """Bins for the worker; empty if nothing is compared."""
        if self._reference is None:
            return {}
        return {name: quantity.edges for name, quantity in self._reference.quantities.items()}

    @contextmanager
    def watching(self, sink: Path) -> Iterator[None]:
        """Keep the ledger open for as long as the block lasts.

        Raises
        ------
        SkysiftError
            If it cannot be used.
        """
        with ExitStack() as stack:
            ledger = stack.enter_context(DriftLedger.of(sink, create=True))
            stack.callback(self._labels.close)
            about = _about(self._reference, watched=self._options.watch)
            ledger.begin(self._reference, about)
            self._batch = ledger.batch
            for window in self._windows:
                ledger.load(window)
                window.saved = window.blocks[-1].number if window.blocks else 0
            self._looked = {name: at for name, (at, _) in ledger.looks().items()}
            self._ledger = ledger
            log(
                logging.INFO,
                "drift-reference",
                about=about,
                quantities=0 if self._reference is None else len(self._reference.quantities),
            )
            try:
                yield
                self._look_where_due(ledger, rest=0.0)
            finally:
                self._ledger = None

    def follow(self, spool: Spool, folder: Path) -> None:
        """Add up what is new; look at windows that have a new block.

        Raises
        ------
        SkysiftError
            If the ledger cannot be used.
        """
        if self._ledger is None:
            return
        self._labels.step(folder, self._ledger)
        if self._reference is None:
            return
        now = self._clock()
        batches = spool.profiles(self._batch, _BATCHES)
        for number, text in batches:
            self._add(_profile(text), now)
            self._batch = number
        if not batches:
            self._add(Profile(), now)  # time goes on
        if batches or self._due:
            self._ledger.save(self._windows, self._batch)
        if now - self._forgot >= _FORGET:
            self._forgot = now
            spool.forget_profiles(self._batch)
        self._look_where_due(self._ledger, rest=_REST)

    def _look_where_due(self, ledger: DriftLedger, rest: float) -> None:
        now = self._clock()
        for window in self._windows:
            last = self._looked.get(window.name)
            if window.name in self._due and (last is None or now - last >= rest):
                self._look(window, ledger, now)
                self._due.discard(window.name)

    def _add(self, profile: Profile, now: float) -> None:
        for window in self._windows:
            if window.add(profile, now):
                self._due.add(window.name)

    def _look(self, window: Window, ledger: DriftLedger, now: float) -> None:
        reference = self._reference
        if reference is None:
            return
        found = look_at(window, reference)
        since = self._looked.get(window.name, window.blocks[0].begun)
        self._looked[window.name] = now
        if not found:
            return
        days = min(max(now - since, 0.0) / DAY, 1.0)
        level = self._options.false_alarms * days / len(self._windows) / len(found)
        before = {quantity for where, quantity in ledger.alarmed() if where == window.name}
        now_alarmed = {
            name
            for name, one in found.items()
            if alarming(one, level, self._options.least, before=name in before)
        }
        ledger.note_look(window.name, now, _noted(window, reference, found, level))
        for name in now_alarmed - before:
            ledger.begin_alarm(window.name, name, now, {**_rounded(found[name]), "level": level})
        for name in before - now_alarmed:
            ledger.end_alarm(window.name, name, now)
        if begun := _told(now_alarmed - before, found):
            log(logging.WARNING, "drift", window=window.name, quantities=begun)
        if over := _told(before - now_alarmed, found):
            log(logging.INFO, "drift-over", window=window.name, quantities=over)


def _told(names: set[str], found: Mapping[str, Comparison]) -> list[dict[str, Any]]:
    """Return what is to be logged of quantities, the least probable first."""
    ordered = sorted(names, key=lambda name: (found[name].p if name in found else 1.0, name))
    return [
        {"quantity": name, **(_rounded(found[name]) if name in found else {})} for name in ordered
    ]


def _about(reference: Reference | None, *, watched: bool) -> str:
    if not watched:
        return "Drift is not watched: drift.watch is off."
    if reference is None:
        return NO_REFERENCE
    return f"Compared with {reference.data}, by {reference.made_by}."


def _profile(text: str) -> Profile:
    """Return a profile; one that cannot be read is as good as none, and not worth a stop."""
    try:
        return Profile.from_json(text)
    except SkysiftError as error:
        log(logging.WARNING, "drift-unreadable", reason=str(error))
        return Profile()


def _rounded(found: Comparison) -> dict[str, Any]:
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in {**asdict(found), "p": found.p}.items()
    }


def _noted(
    window: Window, reference: Reference, found: Mapping[str, Comparison], level: float
) -> dict[str, Any]:
    """Return what a page shows of a look: numbers, and the counts that they are of."""
    return {
        "begun": window.blocks[0].begun,
        "level": level,
        "quantities": {
            name: {
                **_rounded(one),
                "counts": np.sum(
                    _counts(window, name, reference.quantities[name]), axis=0
                ).tolist(),
            }
            for name, one in found.items()
        },
    }
