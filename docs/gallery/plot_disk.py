"""Regions on a disk
=================

A made-up disk at 211 Angstrom, and the boxes that the network finds, with the probability that a
region with sunspots is there.
"""  # noqa: D205, D400 the title of a page

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from skysift.core.registry import bundle_folder, load_task
from skysift.report.plots import style

task = load_task("active-region")
disks = task.synth(3, np.random.default_rng(1))
answer = task.predict(disks, task.load(bundle_folder("active-region", "default")))
with TemporaryDirectory() as folder, style():
    task.write_synth(disks, Path(folder))
    name = answer["file"][np.nanargmax(answer["score"])]
    _, ax = plt.subplots(figsize=(6, 6), layout="constrained")
    ax.imshow(np.asarray(Image.open(Path(folder) / name).convert("L")), cmap="magma")
    for row in np.flatnonzero((answer["file"] == name) & np.isfinite(answer["x"])):
        width, height = answer["width"][row], answer["height"][row]
        corner = answer["box_x"][row] - width / 2, answer["box_y"][row] - height / 2
        ax.add_patch(Rectangle(corner, width, height, fill=False, color="white"))
        ax.text(*corner, f"{answer['score'][row]:.2f}", color="white", va="bottom")
    ax.set(xticks=[], yticks=[])
