"""``skysift status``: how a service does, from its folder alone."""

import typer

from skysift.cli.arguments import AsJson, Sink
from skysift.cli.console import Console

__all__ = ["status"]


def status(
    folder: Sink,
    *,
    json: AsJson = False,
) -> None:
    """Tell whether a service is healthy, how fast it answers, and whether its data drift.

    The exit code is 0 if it is alive and ready, and 1 otherwise.

    Example: skysift status candidates
    """
    from skysift.serve.drift.report import drift_report
    from skysift.serve.health import health
    from skysift.serve.metrics import latency

    found, summary, drift = health(folder), latency(folder), drift_report(folder)
    lines = [
        f"{'ok  ' if check.ok else 'FAIL'}  {check.name:8}  {check.about}"
        for check in (*found.live, *found.ready)
    ]
    if summary.p50 is not None:
        parts = {"p50": summary.p50, "p95": summary.p95, "p99": summary.p99}
        told = ", ".join(f"{name} {value:.3g} s" for name, value in parts.items())
        lines.append(f"Latency of the last {summary.records:,} records: {told}.")
    if summary.deadline is not None:
        lines.append(f"Later than {summary.deadline:g} s: {summary.missed:,} of them.")
    lines.append(drift.to_text())
    document = {
        **found.to_dict(),
        "latency": summary.to_dict(),
        "drift": {key: value for key, value in drift.to_dict().items() if key != "histograms"},
    }
    Console(as_json=json).result(document, lines)
    if not found.is_ready:
        raise typer.Exit(1)
