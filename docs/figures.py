"""Draw the pictures of the README from a run: python docs/figures.py runs/demo/gamma-hadron."""

import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from skysift.evaluate.roc import roc_curve
from skysift.report.plots import new_axes, plot_roc, style
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_hadron.scoring import Scored

SHOWN = ("default", "fast", "xgboost", "random-forest", "notebook-xgboost")
IMAGES = Path(__file__).parent / "images"


def main(folder: Path) -> None:
    """Write docs/images/gamma-hadron-roc.png."""
    scored = Scored.from_run(read_run(folder))
    curves = {
        scored.contestants[name].title: roc_curve(scored.is_gamma, scored.gammaness[name])
        for name in SHOWN
        if name in scored.contestants
    }
    with style():
        axes = new_axes(8.0, 4.2)
        plot_roc(curves, log=True, classes=("gamma", "hadron"), ax=axes)
        canvas = FigureCanvasAgg(axes.figure)
        canvas.figure.savefig(IMAGES / "gamma-hadron-roc.png", dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
