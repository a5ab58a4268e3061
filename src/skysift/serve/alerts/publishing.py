"""The files of an alert, ``_alerts/ID/REVISION.json``, ``.xml`` and ``.reg`` in the sink."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from skysift.core.errors import OutputError
from skysift.core.files import write_atomic
from skysift.serve.alerts.delivery import Courier, Sender
from skysift.serve.alerts.kafka import KafkaTopic
from skysift.serve.alerts.ledger import AlertLedger, Revision
from skysift.serve.alerts.options import AlertOptions, KafkaOptions, WebhookOptions
from skysift.serve.alerts.webhook import Webhook
from skysift.serve.disk import flush_folder
from skysift.serve.journal import log

__all__ = ["alert_folder", "couriers_of", "issue"]


def alert_folder(sink: Path, alert: str = "") -> Path:
    """Return where the files of an alert are, or those of all."""
    folder = sink / "_alerts"  # readers of a folder of tables pass over such names
    return folder / alert if alert else folder


def issue(ledger: AlertLedger, sink: Path) -> int:
    """Write the files of what was decided and note that they are there; return how many revisions.

    To be called again after a kill: the files are the same.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    revisions = ledger.to_issue()
    for revision in revisions:
        _write(revision, alert_folder(sink, revision.alert))
        ledger.issued(revision.alert, revision.revision)
        log(
            logging.INFO,
            "alert-issued",
            alert=revision.alert,
            revision=revision.revision,
            kind=revision.kind,
        )
    return len(revisions)


def _write(revision: Revision, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder: {error.strerror}.",
            "Check that you may write there and that the disk has room.",
            path=folder,
        ) from error
    documents = revision.documents
    parts = (("reg", documents.reg), ("xml", documents.xml), ("json", documents.json))
    for suffix, content in parts:  # who sees the notice finds the others
        write_atomic(folder / f"{revision.revision}.{suffix}", content)
    flush_folder(folder.parent)
    flush_folder(folder.parent.parent)


def couriers_of(options: AlertOptions, ledger: Path, clock: Callable[[], float]) -> list[Courier]:
    """Return who brings messages to the destinations."""
    destinations: Mapping[str, WebhookOptions | KafkaOptions] = options.destinations
    return [
        Courier(name, destination, _sender(destination, clock), ledger, clock)
        for name, destination in destinations.items()
    ]


def _sender(options: WebhookOptions | KafkaOptions, clock: Callable[[], float]) -> Sender:
    if isinstance(options, WebhookOptions):
        return Webhook(options, clock)
    return KafkaTopic(options)
