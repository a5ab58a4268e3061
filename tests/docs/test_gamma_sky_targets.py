"""What was asked of gamma-sky, beside what is stored: the verdicts are those of the numbers."""

import json
import re
from pathlib import Path

import pytest

from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STORED = json.loads((BENCHMARKS / "gamma_sky_targets.json").read_text(encoding="utf-8"))


@pytest.fixture
def targets(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gamma_sky_targets  # noqa: PLC0415  # a script beside the package

    return gamma_sky_targets


def test_verdicts_are_those_of_the_stored_numbers(targets):
    again = json.loads(json.dumps(targets.rounded(targets.verdicts(STORED))))
    assert again == STORED["targets"]


@pytest.mark.parametrize(
    ("low", "value", "high", "met"),
    [
        (0.1, 0.2, 0.3, "yes"),
        (0.1, 0.2, 0.6, "likely"),
        (0.4, 0.6, 0.7, "unlikely"),
        (0.6, 0.7, 0.8, "no"),
    ],
)
def test_a_verdict_looks_at_the_interval(targets, low, value, high, met):
    measured = {"low": low, "value": value, "high": high, "n": 7}
    assert targets._row("x", "one", measured, high=0.5)["met"] == met


def test_every_number_has_an_interval_and_the_fields_it_rests_on():
    for row in STORED["targets"]:
        found = row["measured"]
        assert found["low"] <= found["value"] <= found["high"], row["target"]
        assert found["n"] > 0
    by_target = {row["target"]: row["measured"]["n"] for row in STORED["targets"]}
    assert by_target["found, 0.1 Crab"] == 2000
    assert by_target["beyond 0.2 deg, 1 Crab"] == 2000
    assert by_target["empty fields with a candidate, background x 0.6"] == 10_000


def test_no_path_of_a_machine_is_stored():
    commands = [STORED["command"], *STORED["made_by"].values()]
    assert not [word for text in commands for word in text.split() if word.startswith("/")]


def test_what_is_said_of_other_instruments_is_what_is_stored():
    stored = json.loads((BENCHMARKS / "counts_without_response.json").read_text(encoding="utf-8"))
    page = (BENCHMARKS.parent / "docs/tasks/gamma-sky-measured.md").read_text(encoding="utf-8")
    told = " ".join(page.split())
    for method in (KNOWN, FREE):
        for row in stored["bias"][method]:
            value, low, high = (100 * row[name] for name in ("value", "low", "high"))
            digits = 1 if abs(value) < 1 else 0
            interval = f"[{low:.{digits}f}, {high:.{digits}f}]"
            assert re.search(rf"{value:.{digits}f} % {re.escape(interval)}", told), interval
