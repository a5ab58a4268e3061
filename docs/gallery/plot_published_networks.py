"""What the published networks reach
=================================

From the stored study of CNN-cleaner and CNN-regressor: the radius that holds 68 % of the
positions, on the same photons of 2,000 maps, with its 95 % interval. The grey line is the default
of skysift.
"""  # noqa: D205, D400 the title of a page

import json
from importlib.resources import files

import matplotlib.pyplot as plt

from skysift.report.plots import style

study = json.loads(
    (files("skysift.tasks.gamma_sky") / "results" / "published_networks.json").read_text()
)
rows = sorted(study["rows"], key=lambda row: -row["error68"]["value"])
with style():
    _, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for place, row in enumerate(rows):
        error = row["error68"]
        ax.plot([error["low"], error["high"]], [place, place], color="C0", lw=3)
        ax.plot(error["value"], place, "o", color="C0")
    ax.axvline(rows[-1]["error68"]["value"], color="grey", lw=1)
    ax.set_yticks(range(len(rows)), [row["method"] for row in rows])
    ax.set(xlabel="68 % of the positions lie within [deg]", xlim=(0, None))
