"""Draw the learning curves from the stored results: python -m benchmarks.learn_on.figures."""

import json
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skysift.report.plots import style

HERE = Path(__file__).parent
IMAGE = HERE.parents[1] / "docs" / "images" / "learn-on.png"
STUDIES = {
    "gamma_sky": ("sky network: simulations to H.E.S.S. OFF runs", "new runs"),
    "star_galaxy": ("star-galaxy: ZTF cutouts to alert stamps", "new stamps"),
    "flare": ("flare: 2010-13 to 2014-15", "new rows"),
}
WAYS = {
    "scratch": ("from scratch", "C7", "s"),
    "retrained": ("trained afresh on old and new", "C4", "D"),
    "frozen": ("going on, frozen body", "C0", "o"),
    "free": ("going on, free body", "C3", "^"),
}


def main() -> None:
    """Write docs/images/learn-on.png."""
    found = {name: HERE / f"{name}.json" for name in STUDIES}
    shown = {name: json.loads(path.read_text()) for name, path in found.items() if path.is_file()}
    with style():
        figure = Figure(figsize=(4.3 * len(shown), 3.8), layout="constrained")
        for place, (name, study) in enumerate(shown.items()):
            title, axis = STUDIES[name]
            axes = figure.add_subplot(1, len(shown), place + 1)
            axes.axhline(0.0, color="k", lw=1)
            sizes = sorted({point["n"] for point in study["points"] if point["n"]})
            step = 0.012 * (sizes[-1] - sizes[0] or 1)
            for number, (way, (label, colour, marker)) in enumerate(WAYS.items()):
                points = [one for one in study["points"] if one["way"] == way]
                if not points:
                    continue
                x = [one["n"] + step * (number - 1.5) for one in points]
                y = [one["against_parent"] for one in points]
                reach = [
                    [one["against_parent"] - one["against_low"] for one in points],
                    [one["against_high"] - one["against_parent"] for one in points],
                ]
                axes.errorbar(
                    x, y, reach, color=colour, marker=marker, ms=5, lw=1, capsize=2, label=label
                )
            axes.set_xlabel(axis)
            axes.set_title(title, fontsize=10)
            if place == 0:
                axes.set_ylabel("loss on later or other rows, minus the parent's")
            axes.legend(fontsize=7, frameon=False)
        FigureCanvasAgg(figure).figure.savefig(IMAGE, dpi=130)


if __name__ == "__main__":
    main()
