"""The results of the study as Markdown, put into a page of the documentation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skysift.core.errors import UsageError
from skysift.core.files import write_atomic

__all__ = ["markdown_of", "put_into", "training_told"]

_START, _END = "<!-- results -->", "<!-- end of results -->"
_HEADER = (
    "Method",
    "68 % error [deg]",
    "over the original's",
    "median [deg]",
    "beyond 0.2 deg",
    "cleaned map's top [deg]",
    "counts kept",
    "spread [counts]",
)


def markdown_of(facts: Mapping[str, Any]) -> str:
    """Return tables of the facts of a study, and how they were made."""
    rows = facts["rows"]
    main = _table(_HEADER, [_row(row) for row in rows])
    bands = [f"{band['low']:.0f} to {band['high']:.0f} deg" for band in rows[0]["by_zenith"]]
    by_zenith = _table(
        ("Counts kept, by zenith angle", *bands),
        [
            (row["method"], *(_interval(band["kept"], 2) for band in row["by_zenith"]))
            for row in rows
            if row["kept"] is not None
        ],
    )
    residuals = _table(
        ("Residuals", "median across [deg]", "along [deg]", "centre over peak, across", "along"),
        [_residuals(row) for row in rows],
    )
    return "\n\n".join(
        (
            (
                f"{facts['maps']:,} test maps, seed {facts['seed']}, simulated with "
                f"'{facts['response']}'. Intervals: 95 %, from the same resampled maps for all."
            ),
            main,
            by_zenith,
            residuals,
            f"{training_told(facts)} Each was trained once.",
            f"Command: `{facts['command']}`",
        )
    )


def training_told(facts: Mapping[str, Any]) -> str:
    """Return in words how long the networks of a study were trained, beside what was published."""
    budget, published = facts["budget"], facts["published"]
    if budget == published:
        return (
            f"Trained as published: {budget['maps']:,} maps, at most {budget['cleaner_epochs']} "
            f"epochs, {budget['batch_size']} maps per step, stopped by "
            f"{budget['validation_maps']:,} other maps."
        )
    return (
        f"Trained on {budget['maps']:,} of {published['maps']:,} maps, cleaner for "
        f"{budget['cleaner_epochs']} and regressor for {budget['regressor_epochs']} of at "
        f"most {published['cleaner_epochs']} epochs, {budget['batch_size']} instead of "
        f"{published['batch_size']} maps per step, stopped by "
        f"{budget['validation_maps']:,} of {published['validation_maps']:,} other maps: the same "
        "for all variants."
    )


def put_into(path: Path, text: str) -> None:
    """Put text between the marks of a page.

    Raises
    ------
    UsageError
        If the page has no marks.
    """
    page = path.read_text(encoding="utf-8")
    before, start, rest = page.partition(_START)
    _, end, after = rest.partition(_END)
    if not (start and end):
        raise UsageError(
            f"The page has no place for results between {_START} and {_END}.",
            "Write both marks where they should go.",
        )
    write_atomic(path, f"{before}{_START}\n\n{text}\n\n{_END}{after}")


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    spread = row["spread"]
    return (
        row["method"],
        _interval(row["error68"], 4),
        _interval(row["ratio"], 2),
        f"{row['median']:.4f}",
        _interval(row["outliers"], 4),
        _interval(row["peak68"], 3),
        _interval(row["kept"], 2),
        "" if spread is None else f"{spread['mean']:+.0f} ± {spread['deviation']:.0f}",
    )


def _residuals(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row["residuals"]
    numbers = (
        (found["mean_across"], "+.4f"),
        (found["mean_along"], "+.4f"),
        (found["across_centre_over_peak"], ".2f"),
        (found["along_centre_over_peak"], ".2f"),
    )
    return (row["method"], *("" if n is None else format(n, form) for n, form in numbers))


def _interval(fact: Mapping[str, Any] | None, digits: int) -> str:
    if fact is None or fact["value"] is None:
        return ""
    return "{value:.{d}f} [{low:.{d}f}, {high:.{d}f}]".format(
        value=fact["value"], low=fact["low"], high=fact["high"], d=digits
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
