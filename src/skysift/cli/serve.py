"""``skysift serve``: the live page of a service, in a process of its own."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skysift.cli.arguments import Sink
from skysift.cli.console import logged_to
from skysift.core.extras import import_extra

if TYPE_CHECKING:
    from skysift.serve.page.options import PageOptions

__all__ = [
    "Deadline",
    "Host",
    "Port",
    "TokenFile",
    "address_of",
    "serve",
    "warn_of_others",
]

Host = Annotated[
    str, typer.Option("--host", help="Address to listen on; by default this machine alone.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with the token that is needed to change something; else $SKYSIFT_PAGE_TOKEN.",
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        "--deadline", help="What latencies are compared with [s]. [default: the service's, or 20]"
    ),
]


def serve(
    folder: Sink,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8137,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name that browsers use for this machine; repeatable."),
    ] = None,
    token_file: TokenFile = None,
    deadline: Deadline = None,
) -> None:
    """Show in a browser what a service sees and does, for as long as it is left running.

    The page changes nothing of the answers. With a token, and without one on this machine alone, it
    can acknowledge and retract candidates and try quarantined records again.

    Example: skysift serve candidates
    """
    for module in ("fastapi", "uvicorn"):
        import_extra(module, extra="serve")
    from skysift.serve.page.options import PageOptions, read_token
    from skysift.serve.page.server import PageServer, open_socket

    options = PageOptions(
        sink=folder, host=host, port=port, names=tuple(names or ()), deadline=deadline
    )
    token = read_token(token_file)
    warn_of_others(options, token)
    with open_socket(options) as listening, logged_to(logging.StreamHandler(sys.stderr)):
        sys.stdout.write(f"{folder}: {address_of(options, listening.getsockname()[1])}\n")
        sys.stdout.flush()
        PageServer(options, token).serve_on([listening])


def address_of(options: "PageOptions", port: int) -> str:
    """Return what people type into a browser."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{port}/"


def warn_of_others(options: "PageOptions", token: str | None) -> None:
    """Say what it means that others can reach the page."""
    if options.on_loopback:
        return
    sys.stderr.write(
        f"skysift: everybody who reaches {options.host} can read this page, unencrypted; put a "
        "server with TLS before it.\n"
    )
    if token is None:
        sys.stderr.write("skysift: without --token-file nothing can be changed on it.\n")
