"""Whether a service lives and is fit to serve, as named checks, from any process.

Alive means that its loop comes round; if not, restart it. Ready means that it answers what arrives
in time, with a bundle that is not too old; if not, look at it.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysift.core.errors import SkysiftError
from skysift.serve.clock import iso_time
from skysift.serve.ledger import ledger_of
from skysift.serve.service_state import ServiceState, read_state

__all__ = ["Check", "Health", "health"]

DAY = 86_400.0  # s
_PROCESSES = Path("/proc")  # where Linux tells of them


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        Stable name, e.g. ``disk``.
    ok : bool
        Whether it is as it should be.
    about : str
        What was found, in plain words.
    """

    name: str
    ok: bool
    about: str


@dataclass(frozen=True, slots=True)
class Health:
    """All that was looked at.

    Parameters
    ----------
    live : tuple of Check
        Without these, it has to be restarted.
    ready : tuple of Check
        Without these, it lives but does not serve as it should.
    """

    live: tuple[Check, ...]
    ready: tuple[Check, ...]

    @property
    def alive(self) -> bool:
        """Whether all checks of life are met."""
        return all(check.ok for check in self.live)

    @property
    def is_ready(self) -> bool:
        """Whether all checks are met."""
        return self.alive and all(check.ok for check in self.ready)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: two verdicts, and the checks by name."""
        return {
            "live": self.alive,
            "ready": self.is_ready,
            "checks": {
                check.name: {"ok": check.ok, "about": check.about, "of": kind}
                for kind, checks in (("life", self.live), ("readiness", self.ready))
                for check in checks
            },
        }


def health(sink: Path, *, now: float | None = None) -> Health:
    """Look at a service; nothing is changed, and no error raised: what fails is a failed check.

    Parameters
    ----------
    sink : Path
        Where it writes to.
    now : float, optional
        Unix time [s].
    """
    moment = time.time() if now is None else now
    try:
        state = read_state(sink)
    except SkysiftError as error:
        return Health((Check("service", ok=False, about=str(error)),), ())
    if state is None:
        about = "No service has noted itself here."
        return Health((Check("service", ok=False, about=about),), ())
    return Health(
        (_service(state), _loop(state, moment)),
        (
            _worker(state),
            _disk(sink, state),
            _backlog(sink, state, moment),
            _bundle(state, moment),
        ),
    )


def is_running(process: int, parent: int | None = None) -> bool:
    """Tell whether there is a process of that number that is not a mere remainder of one.

    Parameters
    ----------
    process : int
        Its number, which may have gone to another since.
    parent : int, optional
        What must have started it, where the system tells.
    """
    if _PROCESSES.joinpath("self", "stat").exists():
        try:
            text = (_PROCESSES / str(process) / "stat").read_text("utf-8", errors="replace")
        except OSError:
            return False
        state, its_parent = text.rpartition(")")[2].split()[:2]  # the name may hold anything
        return state not in {"Z", "X"} and parent in {None, int(its_parent)}
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _service(state: ServiceState) -> Check:
    if state.stopped is not None:
        return Check("service", ok=False, about=f"It was stopped at {iso_time(state.stopped)}.")
    alive = is_running(state.process)
    about = "runs" if alive else "is gone without a word: it was killed"
    return Check("service", ok=alive, about=f"Process {state.process} {about}.")


def _loop(state: ServiceState, now: float) -> Check:
    age = now - state.beat
    limit = state.options.stall
    about = f"It last came round {age:.1f} s ago; the limit is {limit:g} s."
    return Check("loop", ok=age <= limit, about=about)


def _worker(state: ServiceState) -> Check:
    alive = [process for process in state.workers if is_running(process, state.process)]
    about = "None runs; one is started for the next record."
    if state.stopped is not None:
        about = "None runs: the service was stopped."
    elif "info started" not in state.events:
        about = "None runs yet: the model is being loaded."
    if alive:
        about = f"Running: {', '.join(f'process {process}' for process in alive)}."
    return Check("worker", ok=bool(alive), about=about)


def _disk(sink: Path, state: ServiceState) -> Check:
    try:
        free = shutil.disk_usage(sink).free
    except OSError as error:
        return Check("disk", ok=False, about=f"It cannot be asked: {error.strerror}.")
    about = f"{free:,} bytes are free; {state.options.room:,} have to be."
    return Check("disk", ok=free >= state.options.room, about=about)


def _backlog(sink: Path, state: ServiceState, now: float) -> Check:
    try:
        with ledger_of(sink) as ledger:
            oldest = ledger.oldest_pending()
    except SkysiftError as error:
        return Check("backlog", ok=False, about=str(error))
    if oldest is None:
        return Check("backlog", ok=True, about="Nothing is pending.")
    age, limit = now - oldest, state.options.oldest
    about = f"The oldest pending record arrived {age:.1f} s ago; the limit is {limit:g} s."
    return Check("backlog", ok=age <= limit, about=about)


def _bundle(state: ServiceState, now: float) -> Check:
    bundle, limit = state.bundle, state.options.stale_after
    days = (now - bundle.created.timestamp()) / DAY
    about = f"{bundle.name} was made {days:.1f} days ago"
    about += "; it may be any age." if limit is None else f"; the limit is {limit:g}."
    return Check("bundle", ok=limit is None or days <= limit, about=about)
