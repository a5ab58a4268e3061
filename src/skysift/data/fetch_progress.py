"""A progress bar on stderr for a download that takes a while, where somebody is watching."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]

_WORTH_SHOWING = 4_000_000  # bytes: less than that is there before the bar is read


@contextmanager
def progress_bar(
    label: str, total: int, *, show: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many bytes are there.

    Parameters
    ----------
    label : str
        What is being fetched.
    total : int
        Size in bytes.
    show : bool, optional
        Show or hide the bar; without it, the bar is shown if `total` is a few MB or more. Where
        stderr is no terminal there is none.
    """
    if show is None:
        show = total >= _WORTH_SHOWING
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    # rich is only needed, and only paid for, where a bar is shown.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda received: progress.update(task, completed=received)
