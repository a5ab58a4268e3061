"""The errors that skysift raises, one small tree.

SkysiftError
├── UsageError            exit code 2: the command or the configuration is wrong
│   ├── ConfigError           an unknown key, a value of the wrong type
│   └── UnknownNameError      a task, option, data set or model that does not exist
├── InputError            exit code 2: a file or a table cannot be used
│   ├── NothingAnsweredError  no row could be used; the table with the reasons is written
│   ├── ReadError             a file that is missing, truncated or of another format
│   └── ContractError         a readable table that breaks the input contract of its task
├── DataUnavailableError  exit code 1: a data set could not be had from any mirror
│   └── AuthenticationError   the archive wants another user, or a user at all
├── BundleError           exit code 1: a model bundle that is damaged or not allowed
├── OutputError           exit code 1: a place that cannot be written
├── RefusedError          exit code 1: a new model that is worse than the old one
└── MissingExtraError     exit code 1: an optional part that is not installed

Every error says what was wrong, where (file, row), and what to do about it.
"""

from collections.abc import Iterable
from pathlib import Path

from skysift.core.suggest import did_you_mean

__all__ = [
    "AuthenticationError",
    "BundleError",
    "ConfigError",
    "ContractError",
    "DataUnavailableError",
    "InputError",
    "MissingExtraError",
    "NothingAnsweredError",
    "OutputError",
    "ReadError",
    "RefusedError",
    "SkysiftError",
    "UnknownNameError",
    "UsageError",
    "nobody_foresaw",
]


class SkysiftError(Exception):
    """Base of all errors that skysift raises on purpose.

    Parameters
    ----------
    problem : str
        What was wrong, in plain words.
    remedy : str, optional
        What the reader can do about it.
    path : path-like, optional
        The file concerned.
    row : int, optional
        The 0-based row concerned.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        path: str | Path | None = None,
        row: int | None = None,
    ) -> None:
        self.problem = problem
        self.remedy = remedy
        self.path = None if path is None else Path(path)
        self.row = row
        super().__init__(problem)

    def __str__(self) -> str:
        where = "" if self.path is None else f"{self.path}: "
        if self.row is not None:
            where += f"row {self.row}: "
        if not self.remedy:
            return f"{where}{self.problem}"
        # After a list, the remedy would read as the end of its last line.
        separator = "\n" if "\n" in self.problem else " "
        return f"{where}{self.problem.rstrip()}{separator}{self.remedy}"


class UsageError(SkysiftError):
    """The command or the configuration is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration holds an unknown key or a value that does not fit."""


class UnknownNameError(UsageError):
    """A name that is not registered; the message names the nearest one that is.

    Examples
    --------
    >>> print(UnknownNameError("task", "gama-hadron", ["gamma-hadron", "flare"]))
    There is no task 'gama-hadron'. Did you mean 'gamma-hadron'? Known: flare, gamma-hadron.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        listing = f"Known: {', '.join(known)}." if known else ""
        super().__init__(
            f"There is no {kind} '{name}'.", f"{did_you_mean(name, known)}{listing}".strip()
        )


class InputError(SkysiftError):
    """An input cannot be used as it is."""

    exit_code = 2


class NothingAnsweredError(InputError):
    """A prediction was written, and all that it says is why no input could be used."""


class ReadError(InputError):
    """A file is missing, truncated, or not of the format that was expected."""


class ContractError(InputError):
    """A readable table breaks the input contract of its task."""


class DataUnavailableError(SkysiftError):
    """A registered data set could not be had, intact, from any mirror."""


class AuthenticationError(DataUnavailableError):
    """An archive does not let this user see what was asked for; the data may well exist."""


class BundleError(SkysiftError):
    """A model bundle is damaged, of another schema, or holds what is not allowed."""


class OutputError(SkysiftError):
    """A result cannot be written where it was asked for."""


class RefusedError(SkysiftError):
    """A new model is not written, for it is worse than the old one at what that could do."""


class MissingExtraError(SkysiftError):
    """A command needs an optional part that is not installed.

    Examples
    --------
    >>> print(MissingExtraError("torch", extra="train"))
    This needs 'torch', which is not installed. Run: pip install "skysift[train]"
    """

    def __init__(self, module: str, *, extra: str) -> None:
        super().__init__(
            f"This needs '{module}', which is not installed.",
            f'Run: pip install "skysift[{extra}]"',
        )


def nobody_foresaw(error: Exception, what: str = "It cannot be read") -> str:
    """Say in plain words that something failed by a fault that no code of ours knows of.

    Parameters
    ----------
    error : Exception
        The fault.
    what : str
        What failed, a sentence without its end.

    Examples
    --------
    >>> nobody_foresaw(KeyError("PSF"))
    "It cannot be read, for a reason that nobody foresaw: 'PSF'."
    """
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{what}, for a reason that nobody foresaw{f': {text}' if text else ''}."
