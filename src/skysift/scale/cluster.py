"""Dask clusters: local processes, or one that is there already."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skysift.core.errors import SkysiftError, UsageError
from skysift.core.extras import import_extra
from skysift.core.threads import ONE_THREAD

__all__ = ["open_client"]

_EXTRA = "dask"
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,  # none waits beside one that ends its process
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # parts may hold images
    "distributed.worker.memory.target": False,  # nothing is kept in a worker that could be spilled
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # one part at a time: to wait would not free anything
    "distributed.worker.memory.terminate": 0.95,
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": "65536", **ONE_THREAD},
}


@contextmanager
def open_client(
    *, workers: int | None = None, address: str | None = None, memory: str = "auto"
) -> Iterator[Any]:
    """Give a ``distributed.Client``: of so many processes of this machine, or of a cluster.

    Parameters
    ----------
    workers : int, optional
        Processes to start here, with one thread each. They end with the block.
    address : str, optional
        Of the scheduler of a cluster, e.g. ``tcp://10.0.0.1:8786``, or a file that it wrote
        (``--scheduler-file``). It stays as it is.
    memory : str
        Most memory of a process that is started here, e.g. ``1.5GB``; one that takes more is
        ended. ``auto`` is its share of the machine.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    UsageError
        If the memory is no size.
    SkysiftError
        If there is no cluster at the address.
    """
    distributed = import_extra("distributed", extra=_EXTRA)
    dask = import_extra("dask", extra=_EXTRA)
    with dask.config.set(_SETTINGS):
        if address is not None:
            with _silent(), _connected(distributed, address) as client:
                yield client
            return
        limit = memory if memory == "auto" else _bytes(dask, memory)
        with (
            distributed.LocalCluster(
                n_workers=workers or 1,
                threads_per_worker=1,
                processes=True,
                memory_limit=limit,
                dashboard_address="127.0.0.1:0",  # its health pages, for this machine alone
                scheduler_kwargs={"dashboard": False},
                silence_logs="CRITICAL",  # a worker that dies is told of in the summary
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what Dask logs of a lost scheduler off the screen: an error says it in a line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _connected(distributed: Any, address: str) -> Any:
    from_file = address.endswith(".json")
    try:
        if from_file:
            return distributed.Client(scheduler_file=address)
        return distributed.Client(address)
    except (OSError, ValueError) as error:  # OSError also where nobody answers in time
        raise SkysiftError(
            f"There is no Dask scheduler at '{address}' ({error}).",
            "Check the address; it is printed by the command dask scheduler.",
        ) from error


def _bytes(dask: Any, text: str) -> int:
    try:
        found = int(dask.utils.parse_bytes(text))
    except ValueError as error:
        raise UsageError(f"'{text}' is no size of memory.", "Write e.g. 1.5GB.") from error
    if found <= 0:
        raise UsageError(f"'{text}' is no memory at all.", "Write e.g. 1.5GB.")
    return found
