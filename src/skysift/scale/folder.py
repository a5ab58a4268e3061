"""The folder of a run: Parquet files that anyone reads, and beside them what the run must know.

::

    OUT/part-000017-3fa2b1c9....parquet    rows of partition 17, with their provenance
    OUT/_skysift/parts/3fa2b1c9....json    what became of it: counts of rows, seconds, memory
    OUT/_skysift/quarantine/77e0....json   a file that cannot be used, and why
    OUT/_skysift/unfinished/               what is being written
    OUT/_skysift/run.json                  the last run

The name of a part ends with the key of its content, so that whether it is there says whether it is
done. It is renamed into place when its record is written: that rename is the moment it counts.
"""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import ValidationError

from skysift.core.errors import OutputError
from skysift.core.files import write_atomic
from skysift.scale.partitions import Outcome, Refusal

__all__ = ["RunFolder"]

_STATE = "_skysift"
_PART = re.compile(r"part-(\d{6,})-([0-9a-f]+)\.parquet")


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path
        Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / _STATE

    def open(self, task: str) -> None:
        """Make what is missing, and refuse a folder of something else.

        Raises
        ------
        OutputError
            If it holds other things than a run of this task, or cannot be written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError("This is a file.", "Name a folder.", path=self.path)
        if not self._state.is_dir() and self.path.is_dir() and any(self.path.iterdir()):
            raise OutputError(
                "The folder holds other things than partitions of a run.",
                "Choose another for --out.",
                path=self.path,
            )
        marker = self._state / "task"
        try:
            for inner in ("parts", "quarantine", "unfinished"):
                (self._state / inner).mkdir(parents=True, exist_ok=True)
            if not marker.exists():
                write_atomic(marker, task)
            before = marker.read_text(encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"Cannot write here: {error.strerror}.", "Choose another for --out.", path=self.path
            ) from error
        if before != task:
            raise OutputError(
                f"The folder holds a run of {before}.", "Choose another for --out.", path=self.path
            )

    # --- parts ----------------------------------------------------------------------------------

    def part(self, number: int, key: str) -> Path:
        """Return where a part goes."""
        return self.path / f"part-{number:06}-{key}.parquet"

    def parts(self) -> Iterator[tuple[Path, int, str]]:
        """Yield path, number and key of each part that is there."""
        for entry in self.path.iterdir():
            if match := _PART.fullmatch(entry.name):
                yield entry, int(match[1]), match[2]

    def work(self, number: int, key: str) -> Path:
        """Return where a part is written, cleared of what a writer that was killed left there."""
        target = self._state / "unfinished" / self.part(number, key).name
        for left in target.parent.glob(f".{target.name}.*"):
            left.unlink(missing_ok=True)
        return target

    def commit(self, work: Path, key: str, outcome: Outcome) -> Path:
        """Write the record of a part, then let it appear."""
        write_atomic(self._record(key), outcome.model_dump_json(exclude_defaults=True))
        target = self.part(outcome.number, key)
        work.replace(target)
        return target

    def record(self, number: int, key: str) -> Outcome | None:
        """Return what became of a partition; None if it is not done, or its record is damaged."""
        part = self.part(number, key)
        if not part.is_file():
            return None
        try:
            stored = Outcome.model_validate_json(self._record(key).read_bytes())
        except (OSError, ValidationError):
            return None
        return stored.model_copy(update={"number": number, "state": "kept", "name": part.name})

    def settle(self, keys: dict[int, str], total: int, mine: Collection[int]) -> None:
        """Bring parts of earlier runs to the numbers of this one, and remove what none is of.

        Parameters
        ----------
        keys : mapping of int to str
            Number and key of the partitions that this process works on, as far as they are known.
        total : int
            Number of all partitions.
        mine : collection of int
            The numbers that this process works on: it leaves those of others alone.
        """
        number_of = {key: number for number, key in keys.items()}
        there = {(number, key) for _, number, key in self.parts()}
        for path, number, key in list(self.parts()):
            if keys.get(number) == key:
                continue
            wanted = number_of.get(key)
            if wanted is not None and (wanted, key) not in there:
                path.replace(self.part(wanted, key))  # a file was added or taken away before it
                there.add((wanted, key))
            elif number in mine or number >= total:
                path.unlink(missing_ok=True)

    def _record(self, key: str) -> Path:
        return self._state / "parts" / f"{key}.json"

    # --- quarantine -----------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Write down why a piece cannot be used."""
        path = self.quarantine / f"{refusal.key}.json"
        write_atomic(path, refusal.model_dump_json(indent=2) + "\n")

    def refusal(self, key: str) -> Refusal | None:
        """Return why a piece could not be used; None if it was not refused."""
        try:
            return Refusal.model_validate_json((self.quarantine / f"{key}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def forgive(self) -> None:
        """Empty the quarantine, so that all is tried again."""
        for path in self.quarantine.glob("*.json"):
            path.unlink(missing_ok=True)

    @property
    def quarantine(self) -> Path:
        """Where the reasons are."""
        return self._state / "quarantine"

    def finish(self, name: str, document: dict[str, object]) -> Path:
        """Write down what a run was and what came of it."""
        path = self._state / name
        write_atomic(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return path
