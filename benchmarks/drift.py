"""How often drift alarms without a change, and how many rows it takes to find one.

Windows of simulated rows are compared with simulated references, as a service does it::

    python benchmarks/drift.py --out benchmarks/drift.json

Rows are independent, or come in blocks with a mean of their own ("likeness", in standard
deviations), as cutouts of one exposure do. A rate of false alarms is given as the number of windows
with a probability below a level, over the number that the level stands for: at most 1 is as stated.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
from scipy.stats import norm

from skysift import __version__
from skysift.evaluate.intervals import wilson_interval
from skysift.serve.drift.profile import count_values
from skysift.serve.drift.statistics import Comparison, compare_counts

EDGES = tuple(norm.ppf(np.arange(1, 20) / 20).tolist())
BLOCKS = 20
LEVELS = (0.05, 0.01, 0.001)
ALARM = 1e-6
"""Of a quantity in a look: about what a budget of one a month leaves of some tens of them."""
SHIFTS = (0.1, 0.2, 0.3, 0.5, 1.0)
ROWS = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


def window(
    rng: np.random.Generator, rows: int, *, shift: float = 0.0, likeness: float = 0.0
) -> list[np.ndarray]:
    """Return the counts of the blocks of a window."""
    return [
        count_values(rng.normal(shift + rng.normal(0, likeness), 1, rows // BLOCKS), EDGES)
        for _ in range(BLOCKS)
    ]


def compared(rng: np.random.Generator, rows: int, reference: int, **given: float) -> Comparison:
    """Compare a window with a reference of its own."""
    width = np.hypot(1, given.get("likeness", 0.0))
    drawn = count_values(rng.normal(0, width, reference), EDGES)
    return compare_counts(drawn, window(rng, rows, **given))


def false_alarms(
    rng: np.random.Generator, rows: int, reference: int, likeness: float, windows: int
) -> dict[str, object]:
    """Return the rates at all levels, in units of what is stated, with 95 % intervals."""
    p = np.array([compared(rng, rows, reference, likeness=likeness).p for _ in range(windows)])
    rates = {}
    for level in LEVELS:
        found = wilson_interval(int((p < level).sum()), windows)
        rates[str(level)] = [
            round(value / level, 3) for value in (found.value, found.low or 0, found.high or 0)
        ]
    return {"rows": rows, "reference": reference, "likeness": likeness, "over_stated": rates}


def rows_to_find(
    rng: np.random.Generator, shift: float, likeness: float, windows: int
) -> dict[str, object]:
    """Return the shortest window in which nine of ten shifts are found."""
    for rows in ROWS:
        found = [
            compared(rng, rows, 20_000, shift=shift, likeness=likeness).p < ALARM
            for _ in range(windows)
        ]
        if np.mean(found) >= 0.9:
            return {"shift": shift, "likeness": likeness, "rows": rows}
    return {"shift": shift, "likeness": likeness, "rows": None}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    begun = time.monotonic()
    result = {
        "false_alarms": [
            false_alarms(rng, rows, reference, likeness, given.windows)
            for rows, reference, likeness in (
                (500, 20_000, 0.0),
                (5000, 20_000, 0.0),
                (5000, 1195, 0.0),
                (5000, 20_000, 0.1),
                (5000, 20_000, 0.3),
            )
        ],
        "found_at": ALARM,
        "found": [
            rows_to_find(rng, shift, likeness, 50) for likeness in (0.0, 0.1) for shift in SHIFTS
        ],
        "windows": given.windows,
        "seed": given.seed,
        "seconds": round(time.monotonic() - begun, 1),
        "skysift": __version__,
        "python": platform.python_version(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
