"""Alerts in numbers, from their ledger."""

from collections.abc import Iterator
from pathlib import Path

from skysift.serve.alerts.database import LedgerDatabase, ledger_path
from skysift.serve.exposition import Family, Sample

__all__ = ["alert_families"]


class _Alerts(LedgerDatabase):
    """The ledger with the questions of operations."""

    def counts(self) -> list[tuple[str, str, int]]:
        """Return tense, state and number of alerts."""
        return [
            (str(tense), "retracted" if retracted else "active", int(count))
            for tense, retracted, count in self._rows(
                "SELECT tense, retracted, count(*) FROM alerts GROUP BY tense, retracted"
            )
        ]

    def deliveries(self) -> list[tuple[str, str, int]]:
        """Return destination, state and number of deliveries."""
        return [
            (str(destination), str(state), int(count))
            for destination, state, count in self._rows(
                "SELECT destination, state, count(*) FROM deliveries GROUP BY destination, state"
            )
        ]

    def decisions(self) -> list[tuple[str, int]]:
        """Return verdicts and how often each was come to."""
        return [
            (str(verdict), int(times))
            for verdict, times in self._rows(
                "SELECT verdict, sum(times) FROM decisions GROUP BY verdict"
            )
        ]


def alert_families(sink: Path) -> Iterator[Family]:
    """Yield the metrics of alerts; none where no service has sent any."""
    path = ledger_path(sink)
    if not path.is_file():
        return
    with _Alerts(path, create=False) as alerts:
        counts, deliveries, decisions = alerts.counts(), alerts.deliveries(), alerts.decisions()
    yield Family(
        "skysift_alerts",
        "gauge",
        "Alerts by tense and state.",
        [Sample(count, {"tense": tense, "state": state}) for tense, state, count in counts],
    )
    yield Family(
        "skysift_alert_deliveries",
        "gauge",
        "Deliveries of alerts by destination and state.",
        [
            Sample(count, {"destination": destination, "state": state})
            for destination, state, count in deliveries
        ],
    )
    yield Family(
        "skysift_alert_decisions",
        "gauge",
        "What was decided of candidates, as far as it is remembered.",
        [Sample(times, {"verdict": verdict}) for verdict, times in decisions],
    )
