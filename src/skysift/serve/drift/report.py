"""What a person or a page sees of drift: what is compared, how far apart it is, what is alarmed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skysift.serve.clock import iso_time
from skysift.serve.config import state_folder
from skysift.serve.drift.ledger import DRIFT, DriftLedger
from skysift.serve.exposition import Family, Sample

__all__ = ["DriftReport", "drift_families", "drift_report"]

_NEVER = "No service has watched for drift here."


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What is known of drift.

    Parameters
    ----------
    about : str
        What is compared with what, or why nothing is.
    rows : tuple of dict
        One for each window and quantity: ``window``, ``quantity``, ``rows``, ``psi``, ``distance``,
        ``missing``, ``dispersion``, ``p``, ``level`` (the probability below which it is an alarm)
        and ``alarm``.
    histograms : dict
        By quantity: ``edges`` of the bins, shares of the ``reference`` in them, and shares of each
        window; a last share is of rows without a value.
    alarms : tuple of dict
        The latest, newest first: ``number``, ``window``, ``quantity``, ``begun``, ``ended``,
        ``found``.
    calibration : dict or None
        How probabilities compare with labels, see :mod:`skysift.serve.drift.calibration`.
    """

    about: str
    rows: tuple[dict[str, Any], ...] = ()
    histograms: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    alarms: tuple[dict[str, Any], ...] = ()
    calibration: dict[str, Any] | None = None

    @property
    def alarmed(self) -> bool:
        """Whether an alarm is on."""
        return any(row["alarm"] for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {**asdict(self), "alarmed": self.alarmed}

    def to_text(self) -> str:
        """Return a table for people, alarms first."""
        lines = [self.about]
        if self.rows:
            names = ("window", "quantity", "rows", "psi", "distance", "missing", "p", "alarm")
            ordered = sorted(self.rows, key=lambda row: (not row["alarm"], row["p"], -row["psi"]))
            cells = [names, *([_cell(row[name]) for name in names] for row in ordered)]
            widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
            lines += [
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
                for row in cells
            ]
        for alarm in self.alarms[:10]:
            ended = "goes on" if alarm["ended"] is None else "is over"
            lines.append(
                f"{iso_time(alarm['begun'])}  {alarm['quantity']} ({alarm['window']}) {ended}"
            )
        if self.calibration is not None:
            lines.append(str(self.calibration["about"]))
        return "\n".join(lines)


def drift_report(sink: Path) -> DriftReport:
    """Return what is known of the drift of a service.

    Parameters
    ----------
    sink : Path
        Where it writes to.

    Raises
    ------
    SkysiftError
        If the ledger of drift cannot be read.
    """
    if not (state_folder(sink) / DRIFT).is_file():
        return DriftReport(_NEVER)
    with DriftLedger.of(sink) as ledger:
        reference, looks = ledger.reference(), ledger.looks()
        alarmed, alarms = ledger.alarmed(), tuple(ledger.alarms())
        about, calibration = ledger.fact("about"), ledger.calibration()
    rows: list[dict[str, Any]] = []
    histograms: dict[str, dict[str, list[float]]] = {}
    for window, (_, look) in sorted(looks.items()):
        for name, found in look["quantities"].items():
            counts = found["counts"]
            facts = {key: value for key, value in found.items() if key != "counts"}
            alarm = (window, name) in alarmed
            rows.append(
                {
                    "window": window,
                    "quantity": name,
                    **facts,
                    "level": look["level"],
                    "alarm": alarm,
                }
            )
            quantity = None if reference is None else reference.quantities.get(name)
            if quantity is not None:
                drawn = histograms.setdefault(
                    name,
                    {"edges": list(quantity.edges), "reference": _shares(quantity.counts)},
                )
                drawn[window] = _shares(counts)
    return DriftReport(about, tuple(rows), histograms, alarms, calibration)


def drift_families(sink: Path) -> Iterator[Family]:
    """Yield the metrics of drift, see :func:`skysift.serve.metrics.metrics_text`."""
    report = drift_report(sink)
    labels = [{"quantity": row["quantity"], "window": row["window"]} for row in report.rows]
    for name, key, about in (
        ("skysift_drift_psi", "psi", "Population stability index, less what chance gives."),
        ("skysift_drift_distance", "distance", "Kolmogorov-Smirnov distance from the reference."),
        ("skysift_drift_missing", "missing", "Share of rows without a value."),
        ("skysift_drift_alarm", "alarm", "Whether an alarm is on."),
    ):
        samples = [
            Sample(float(row[key]), label) for row, label in zip(report.rows, labels, strict=True)
        ]
        yield Family(name, "gauge", about, samples)
    count = max((int(alarm["number"]) for alarm in report.alarms), default=0)
    yield Family(
        "skysift_drift_alarms_total", "counter", "Alarms of drift so far.", [Sample(count)]
    )
    found = report.calibration
    if found is not None and found.get("error") is not None:
        about = "Expected calibration error of the labelled answers."
        yield Family("skysift_calibration_error", "gauge", about, [Sample(found["error"])])
        about = "Labelled answers."
        yield Family("skysift_labelled_answers", "gauge", about, [Sample(found["rows"])])


def _shares(counts: Any) -> list[float]:
    total = sum(counts)
    return [float(f"{count / total:.6g}") if total else 0.0 for count in counts]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "ALARM" if value else ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
