"""Forecasts of flares
===================

From the stored comparison: the true skill statistic of forecasts of class C or stronger on later
rows, with 95 % intervals that draw whole regions. The image adds nothing to the history that
these rows could tell.
"""  # noqa: D205, D400 the title of a page

import json
from importlib.resources import files

import matplotlib.pyplot as plt

from skysift.evaluate.intervals import Interval
from skysift.report.plots import plot_comparison, style

stored = json.loads((files("skysift.tasks.flare") / "results" / "temporal.json").read_text())
estimates = {
    row["forecast"]: Interval(row["tss"]["value"], row["tss"]["low"], row["tss"]["high"])
    for row in stored["comparison"]["standings"]
    if row["level"] == "C"
}
with style():
    _, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
    plot_comparison(estimates, label="TSS, class C or stronger within 24 h", digits=2, ax=ax)
