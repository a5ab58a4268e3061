"""Staged files become visible: each by one rename, and after a kill by whoever starts next."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from skysift.core.errors import OutputError
from skysift.serve.config import SinkOptions, state_folder
from skysift.serve.disk import flush_folder
from skysift.serve.journal import log
from skysift.serve.messages import StagedFile
from skysift.serve.records import OutputFile, Record, night_of
from skysift.serve.spool import Spool

__all__ = ["Publisher"]

_DIGITS = 16  # of the hash that names a file


class Publisher:
    """The visible part of a sink: ``night=DATE/part-SEQUENCE-HASH.parquet`` or ``.jsonl``.

    Parameters
    ----------
    options : SinkOptions
        Where, and where on Earth.

    Notes
    -----
    The name of a file is made of the ids of the records in it, so that no two files hold the same
    answers under different names.
    """

    def __init__(self, options: SinkOptions) -> None:
        self._options = options
        self.staging = state_folder(options.folder) / "staging"

    def night(self, record: Record) -> str:
        """Return the folder of the night in which a record arrived."""
        return f"night={night_of(record.arrived, self._options.longitude).isoformat()}"

    def planned(self, night: str, first: int, staged: Sequence[StagedFile]) -> list[OutputFile]:
        """Return what staged files will be called.

        Parameters
        ----------
        night : str
            Their folder.
        first : int
            Sequence of the first record of the batch.
        staged : sequence of StagedFile
            The files.
        """
        folder = self._options.folder
        planned: list[OutputFile] = []
        stems: list[str] = []
        for file in staged:
            digest = hashlib.sha256("\n".join(file.ids).encode()).hexdigest()[:_DIGITS]
            stem = f"part-{first:010}-{digest}"
            table = stems.count(stem)  # the same records may be answered with several tables
            stems.append(stem)
            final = f"{night}/{stem}{f'-{table}' if table else ''}{file.path.suffix}"
            staged_name = file.path.relative_to(folder).as_posix()
            planned.append(OutputFile(staged=staged_name, final=final))
        return planned

    def publish(self, files: Sequence[OutputFile]) -> bool:
        """Rename files into place; those that are there already are left as they are.

        Returns
        -------
        bool
            Whether all are in place: False if one was not staged any more.

        Raises
        ------
        OutputError
            If it cannot be renamed.
        """
        folder = self._options.folder
        for file in files:
            final = folder / file.final
            try:
                final.parent.mkdir(exist_ok=True)
                (folder / file.staged).replace(final)
                flush_folder(final.parent)
                flush_folder(folder)
            except FileNotFoundError:
                if not final.is_file():
                    return False
            except OSError as error:
                raise OutputError(
                    f"Cannot write here: {error.strerror}.",
                    "Check that you may write there and that the disk has room.",
                    path=final,
                ) from error
        return True

    def discard(self, stem: Path) -> None:
        """Remove what a worker had staged under a name before it died."""
        for leftover in self.staging.glob(f"{stem.name}*"):
            leftover.unlink(missing_ok=True)

    def recover(self, spool: Spool) -> None:
        """Complete what a killed service had prepared, and clear away what it had not.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        for number, files in spool.prepared():
            if self.publish(files):
                spool.publish(number)
                log(logging.INFO, "recovered", batch=number, files=[file.final for file in files])
            else:
                # Somebody has removed answers that were safe. They are made anew, all of them.
                for file in files:
                    (self._options.folder / file.final).unlink(missing_ok=True)
                spool.withdraw(number)
                log(logging.WARNING, "withdrawn", batch=number)
        self._clear()

    def _clear(self) -> None:
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
            for leftover in self.staging.iterdir():
                leftover.unlink()
        except OSError as error:
            raise OutputError(
                f"Cannot write here: {error.strerror}.",
                "Choose a folder that you may write to.",
                path=self.staging,
            ) from error
