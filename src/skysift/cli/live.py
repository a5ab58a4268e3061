"""``skysift live``: a service and its page on a simulated night, to see what both do."""

import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import Seed
from skysift.cli.console import logged_to
from skysift.cli.job import typed_command
from skysift.cli.paths import check_writable_folder
from skysift.cli.serve import Host, Port, TokenFile, address_of, warn_of_others
from skysift.core.extras import import_extra

if TYPE_CHECKING:
    from skysift.serve.config import WatchConfig
    from skysift.serve.page.server import PageServer
    from skysift.serve.service import Service
    from skysift.tasks.gamma_sky.live.night import Night

__all__ = ["live"]

_WINDOWS = ["1s", "10s", "100s", "600s"]
_CHUNK = 1.0  # s of photons in a file
_LATENCY = 0.2  # s that a batch may take
_DAY = 86400.0


def live(
    *,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the photons and the answers.")
    ] = Path("runs/live"),
    seconds: Annotated[
        float, typer.Option("--seconds", min=10.0, help="Length of the night [s].")
    ] = 1800.0,
    host: Host = "127.0.0.1",
    port: Port = 8137,
    token_file: TokenFile = None,
    seed: Seed = 0,
) -> None:
    """Watch a simulated night of gamma rays in a browser: a service, its page, and trouble.

    Photons arrive second by second, with a flare, a step in the rate of cosmic rays, a file that
    cannot be read and a dead sector of the camera. Ctrl-C ends it.

    Example: skysift live
    """
    for module in ("fastapi", "uvicorn"):
        import_extra(module, extra="serve")
    from skysift.serve.page.options import PageOptions, read_token
    from skysift.serve.page.server import PageServer, open_socket
    from skysift.serve.service import Service
    from skysift.tasks.gamma_sky.live.night import Night

    folder = out / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    incoming, sink = folder / "incoming", folder / "candidates"
    options = PageOptions(sink=sink, host=host, port=port)
    token = read_token(token_file)
    warn_of_others(options, token)
    check_writable_folder(sink)
    incoming.mkdir(parents=True)
    night = Night()
    with open_socket(options) as listening:
        service = Service(_config(incoming, sink), command=typed_command())
        server = PageServer(options, token)
        _tell(address_of(options, listening.getsockname()[1]), night, folder)
        with (
            logged_to(logging.FileHandler(folder / "service.log", encoding="utf-8")),
            _serving(service, server) as ready,
            _arriving(incoming, night, seconds, seed, ready),
        ):
            server.serve_on([listening])
    sys.stdout.write(f"Ended. The answers are in {sink}.\n")


def _config(incoming: Path, sink: Path) -> "WatchConfig":
    from skysift.core.config import build_config
    from skysift.serve.config import WatchConfig, state_folder

    values: dict[str, Any] = {
        "task": "gamma-sky",
        "source": {"folder": incoming, "pattern": "*.fits*", "settle": 0, "poll": 0.1},
        "sink": {"folder": sink},
        "engine": {"latency": _LATENCY},
        "predict": {"windows": _WINDOWS, "state_folder": str(state_folder(sink) / "live")},
        "alerts": {},  # of the tense 'test'
    }
    return build_config(WatchConfig, values)


def _tell(address: str, night: "Night", folder: Path) -> None:
    """Say where to look, and what there will be to see."""
    events = [
        (flare.start, f"a source flares at RA {flare.ra:.2f}, Dec {flare.dec:.2f}")
        for flare in night.flares
    ]
    events += [(number * _CHUNK, "a file cannot be read") for number in night.unreadable]
    if night.step is not None:
        events.append((night.step[0], f"{night.step[1]:g} times as many cosmic rays"))
    if night.dead is not None:
        events.append((night.dead[0], "a sector of the camera goes dead"))
    lines = [f"{moment:6.0f} s  {text}" for moment, text in sorted(events)]
    sys.stdout.write(
        "A simulated night of gamma rays, in real time. Open\n\n"
        f"    {address}\n\n"
        + "\n".join(lines)
        + f"\n\nEverything is in {folder}. Ctrl-C ends it.\n"
    )
    sys.stdout.flush()


@contextmanager
def _serving(service: "Service", server: "PageServer") -> Iterator[threading.Event]:
    """Let a service answer in a thread; what ends it ends the page, and is raised here.

    Yields
    ------
    threading.Event
        Set when the service has loaded its model.
    """
    from skysift.serve.journal import heard_by

    failures: list[BaseException] = []
    ready = threading.Event()

    def hear(_level: int, event: str, _fields: Mapping[str, Any]) -> None:
        if event == "started":
            ready.set()

    def answer() -> None:
        try:
            service.run()
        except BaseException as failure:  # noqa: BLE001  # for the thread that waits
            failures.append(failure)
            server.stop()

    thread = threading.Thread(target=answer, name="service")
    with heard_by(hear):
        thread.start()
        try:
            yield ready
        finally:
            service.stop()
            thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _arriving(
    incoming: Path, night: "Night", seconds: float, seed: int, ready: threading.Event
) -> Iterator[None]:
    """Let the photons of the night arrive in a thread, from when the service is ready."""
    stopping = threading.Event()

    def arrive() -> None:
        while not (ready.wait(_LATENCY) or stopping.is_set()):
            pass
        _feed(incoming, night, seconds, seed, stopping)

    thread = threading.Thread(target=arrive, name="night")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _feed(
    incoming: Path, night: "Night", seconds: float, seed: int, stopping: threading.Event
) -> None:
    """Write each second of the night when it is over, until it is morning or told to stop."""
    import numpy as np

    from skysift.core.files import write_atomic
    from skysift.data.sky.event_list import GADF_REFERENCE_MJD
    from skysift.serve.clock import to_mjd_tt
    from skysift.tasks.gamma_sky.live.night import night_chunks

    begun = time.time()
    start = round((to_mjd_tt(begun) - GADF_REFERENCE_MJD) * _DAY)
    chunks = night_chunks(
        np.random.default_rng(seed), seconds=seconds, chunk=_CHUNK, night=night, start=start
    )
    for due, name, data in chunks:
        if stopping.wait(max(0.0, begun + due - time.time())):
            return
        write_atomic(incoming / name, data)
