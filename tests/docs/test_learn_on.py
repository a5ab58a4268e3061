"""What the page on going on from a bundle says is what its studies stored."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "benchmarks" / "learn_on"
PAGE = (ROOT / "docs" / "learn-on.md").read_text(encoding="utf-8")
NUMBERS = {
    float(text)
    for text in re.findall(r"(?<![\w.])[+-]?\d+\.\d+", PAGE.replace("\N{MINUS SIGN}", "-"))
}

# Study, what is told of it, decimals on the page.
TOLD = [
    ("forgetting", {"way": "plain"}, 3),
    ("forgetting", {"way": "replay"}, 3),
    ("sky_replay", {"way": "plain"}, 2),
    ("sky_replay", {"way": "replay", "rows": "simulated"}, 2),
    ("sky_replay", {"way": "replay", "rows": "runs"}, 3),
    ("sky_replay_six", {"way": "plain", "rows": "runs"}, 3),
    ("gamma_sky", {"way": "free"}, 3),
    ("gamma_sky", {"way": "frozen"}, 3),
    ("gamma_sky", {"way": "scratch", "n": 16}, 2),
    ("gamma_sky_cnn", {"way": "regressor, free"}, 3),
    ("gamma_sky_cnn", {"way": "cleaner, frozen"}, {"regressor": 3, "cleaner": 5}),
    ("gamma_sky_cnn", {"way": "cleaner, free"}, {"regressor": 3, "cleaner": 5}),
    ("star_galaxy", {"way": "free", "n": 80}, 3),
    ("star_galaxy", {"way": "frozen", "n": 80}, 3),
    ("star_galaxy", {"way": "scratch", "n": 80}, 2),
    ("star_galaxy", {"way": "scratch", "n": 40}, 2),
    ("flare", {"way": "free", "n": 60}, 3),
    ("flare", {"way": "frozen", "n": 60}, 3),
    ("flare", {"way": "free", "n": 240}, 3),
    ("flare", {"way": "frozen", "n": 240}, 3),
    ("flare", {"way": "retrained", "n": 240}, 3),
    ("flare", {"way": "scratch", "n": 240}, 3),
    ("active_region", {"way": "free"}, 3),
    ("active_region", {"way": "frozen"}, 3),
    ("active_region", {"way": "scratch"}, 2),
]


@pytest.mark.parametrize(("study", "wanted", "decimals"), TOLD)
def test_differences_from_the_parent_are_those_that_are_stored(study, wanted, decimals):
    points = json.loads((STUDIES / f"{study}.json").read_text(encoding="utf-8"))["points"]
    chosen = [one for one in points if wanted.items() <= one.items()]
    assert chosen
    for point in chosen:
        places = decimals if isinstance(decimals, int) else decimals[point["loss_of"]]
        for name in ("against_parent", "against_low", "against_high"):
            step = 10.0**-places
            near = min(abs(number - point[name]) for number in NUMBERS)
            assert near <= 0.501 * step, f"{point['way']}: {name} = {point[name]}"
