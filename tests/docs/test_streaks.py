"""What pages say of streaks is what benchmarks/streaks.py stored."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORED = json.loads((ROOT / "benchmarks/streaks.json").read_text(encoding="utf-8"))
TRAILED = STORED["real"]["trailed"]
PAGE = " ".join((ROOT / "docs/tasks/streak.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("measured", "scale", "digits", "unit"),
    [
        (TRAILED["|angle difference| [deg]"], 1, 1, "deg"),
        (TRAILED["length less Rubin's [arcsec]"], 1, 2, "arcsec"),
        (TRAILED["called asteroid"], 100, 0, "%"),
        (STORED["real"]["not trailed, called star"], 100, 0, "%"),
    ],
)
def test_what_is_said_of_real_trails_is_what_is_stored(measured, scale, digits, unit):
    value, low, high = (f"{scale * measured[name]:.{digits}f}" for name in ("value", "low", "high"))
    assert f"{value} {unit} [{low}, {high}]" in PAGE


def test_counts_of_real_trails_are_those_of_the_stored_rows():
    rubin, ztf, _ = STORED["real"]["checks"]
    called = [row["class"] for row in rubin["rows"]]
    assert len(called) == TRAILED["called asteroid"]["n"] == 10
    assert f"{called.count('asteroid')} of the 10 are called asteroid" in PAGE
    assert (called.count("star"), called.count("artefact"), called.count("galaxy")) == (3, 1, 1)
    still = [row["class"] for row in ztf["rows"]]
    told = f"Of the {len(still)} known asteroids in ZTF alerts, which do not trail, "
    assert f"{told}{still.count('star')} are called star" in PAGE


def test_the_command_and_the_split_are_stored_and_told():
    assert STORED["command"] in PAGE
    assert STORED["split"]


def test_what_is_said_of_bogus_alerts_is_what_is_stored():
    comparison = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
    told = []
    for name in ("cuts", "trees"):
        right = STORED[name]["not in training"]["bogus"]["right"]
        value, low, high = (f"{100 * right[limit]:.0f}" for limit in ("value", "low", "high"))
        told.append(f"{value} % [{low}, {high}]")
    assert f"{' and '.join(told)} of {right['n']}" in comparison


@pytest.mark.parametrize("card", ["card.md", "bundles/default/card.md"])
def test_what_the_card_says_of_bad_subtractions_is_what_is_stored(card):
    told = (ROOT / "src/skysift/tasks/streak" / card).read_text(encoding="utf-8")
    stored = json.loads((ROOT / "benchmarks/streaks_bogus.json").read_text(encoding="utf-8"))
    assert stored["bad subtractions"] == {"without": 0.0, "with": 0.1}
    words = " ".join(told.split())
    assert stored["command"].partition(" --out")[0] in words

    def shown(part, training, scale, digits, unit):
        limits = [scale * stored[part][training][name] for name in ("value", "low", "high")]
        value, low, high = (f"{limit:.{digits}f}" for limit in limits)
        return f"{value}{unit} [{low}, {high}]"

    for part, digits, of in (("bogus", 0, "28 bogus ZTF alerts"), ("real", 1, "320 real ones")):
        place = f"{part} called artefacts"
        assert str(stored[place]["with"]["n"]) == of.split()[0]
        assert f"{shown(place, 'with', 100, digits, ' %')} of {of}" in words
        assert f"in place of {shown(place, 'without', 100, digits, ' %')}" in words
    area = "AUC of P(artefact)"
    told_area = f"{shown(area, 'with', 1, 2, '')} in place of {shown(area, 'without', 1, 2, '')}"
    assert f"AUC {told_area}" in words
