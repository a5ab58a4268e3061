"""A page that looks while the service makes its ledgers disturbs neither itself nor the service."""

import threading

from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.config import state_folder
from skysift.serve.drift.ledger import DriftLedger
from skysift.serve.journal import heard_by
from skysift.serve.page.sources import Sources
from skysift.serve.service import SPOOL
from skysift.serve.spool import Spool


def test_ledgers_may_be_opened_by_a_page_while_they_are_made(tmp_path):
    heard = []
    with heard_by(lambda _level, event, fields: heard.append((event, fields))):
        for number in range(60):
            sink = tmp_path / str(number)
            state_folder(sink).mkdir(parents=True)
            stop = threading.Event()
            pages = [threading.Thread(target=_look, args=(sink, stop)) for _ in range(2)]
            for page in pages:
                page.start()
            try:
                with (
                    Spool(state_folder(sink) / SPOOL) as spool,
                    AlertLedger(ledger_path(sink)),
                    DriftLedger.of(sink, create=True),
                ):
                    spool.check()
            finally:
                stop.set()
                for page in pages:
                    page.join()
    assert heard == []


def _look(sink, stop):
    sources = Sources(sink)
    while not stop.is_set():
        sources.poll()
        sources._next_drift = 0.0
    sources.close()
