"""False sources of empty streams against the rate that is stated for them.

    python benchmarks/live_false_alarms.py --nights 5 --out benchmarks/live_false_alarms.json

Nights without sources are searched in five windows at once, photon by photon, by the code of the
service; every source that comes out is false. Counted are those whose lowest far is below a rate,
and beside it stands that rate times the time.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.registry import bundle_folder
from skysift.evaluate.localisation import poisson_interval
from skysift.tasks.gamma_sky.live.night import START, Night, night_events
from skysift.tasks.gamma_sky.live.records import SkyRecord
from skysift.tasks.gamma_sky.live.stream import WindowStream
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.simulation.field import DeadSector

LENGTHS = (1.0, 10.0, 100.0, 600.0, 1800.0)
HOUR, CHUNK = 3600.0, 30.0
ASKED = 100.0  # false alarms per hour: candidates well below are all seen
RATES = (40.0, 20.0, 10.0, 5.0)  # per hour
NIGHTS = {
    "quiet": Night().quiet(),
    "step and dead sector": Night(
        steady=(),
        flares=(),
        step=(600.0, 1.5),
        dead=(1200.0, DeadSector(120.0, 60.0, inner=0.3)),
        unreadable=(),
    ),
}


def main() -> None:
    """Search empty nights, write after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nights", type=int, default=2, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3600.0, help="length of a night")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    far: dict[str, list[dict[str, float]]] = {kind: [] for kind in NIGHTS}
    done: dict[str, float] = dict.fromkeys(NIGHTS, 0.0)
    for number in range(options.nights):
        for kind, night in NIGHTS.items():
            rng = np.random.default_rng([options.seed, number, list(NIGHTS).index(kind)])
            far[kind] += _sources(night, rng, options.seconds)
            done[kind] += options.seconds / HOUR
            record = {
                "command": f"python {' '.join(sys.argv)}",
                "seed": options.seed,
                "windows": LENGTHS,
                "nights": {
                    name: {"hours": round(done[name], 3), "rates": _compared(far[name], done[name])}
                    for name in NIGHTS
                    if done[name]
                },
            }
            options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            print(kind, number, json.dumps(record["nights"]), flush=True)


def _sources(night: Night, rng: np.random.Generator, seconds: float) -> list[dict[str, float]]:
    """Return the lowest far [Hz] of each false source, and the window it is of."""
    asked = PredictOptions(
        windows=LENGTHS, per="hour", false_alarms=ASKED, light_curve=0.0, photometry=False
    )
    stream = WindowStream(ReadOptions(), asked, load_bundle(bundle_folder("gamma-sky")).trials)
    lowest: dict[str, dict[str, float]] = {}
    for events in night_events(rng, seconds=seconds, chunk=CHUNK, night=night, start=START):
        found = stream.take(SkyRecord(events)).candidates
        if found is None:
            continue
        for name, far, window in zip(
            found["source_id"], found["far"], found["window"], strict=True
        ):
            known = lowest.setdefault(str(name), {"far": np.inf, "window": 0.0})
            if far < known["far"]:
                known.update(far=float(far), window=float(window))
    return list(lowest.values())


def _compared(sources: list[dict[str, float]], hours: float) -> list[dict[str, Any]]:
    rows = []
    for rate in RATES:
        strong = [one for one in sources if one["far"] <= rate / HOUR]
        interval = poisson_interval(len(strong))
        by_window = {
            f"{length:g} s": sum(one["window"] == length for one in strong) for length in LENGTHS
        }
        rows.append(
            {
                "stated_per_hour": rate,
                "stated": round(rate * hours, 2),
                "found": len(strong),
                "low95": round(interval.low, 2),
                "high95": round(interval.high, 2),
                "by_window": by_window,
            }
        )
    return rows


if __name__ == "__main__":
    main()
