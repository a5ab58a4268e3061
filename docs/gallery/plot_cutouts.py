"""Stars, galaxies, and what cannot be told
========================================

Made-up cutouts of 20 pixels, from the surest star to the surest galaxy, with P(galaxy). What is
ambiguous has a frame.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np

from skysift.core.registry import bundle_folder, load_task
from skysift.report.plots import style

task = load_task("star-galaxy")
cutouts = task.synth(200, np.random.default_rng(5))
answer = task.predict(cutouts, task.load(bundle_folder("star-galaxy", "default")))
order = np.argsort(answer["p_galaxy"])
chosen = order[np.linspace(0, len(order) - 1, 16).round().astype(int)]
with style():
    _, axes = plt.subplots(2, 8, figsize=(11, 3.4), layout="constrained")
    for ax, row in zip(axes.flat, chosen, strict=True):
        pixels = cutouts.images.pixels[row]
        low, high = np.percentile(pixels, [5, 99.5])
        ax.imshow(np.arcsinh((pixels - low) / (high - low) * 5), cmap="gray", origin="lower")
        ax.set(xticks=[], yticks=[], title=f"{answer['p_galaxy'][row]:.2f}")
        for spine in ax.spines.values():
            spine.set(visible=bool(answer["ambiguous"][row]), color="C1", linewidth=3)
