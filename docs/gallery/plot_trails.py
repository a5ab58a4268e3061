"""Trails with their fitted lines
==============================

Simulated asteroid trails on made-up skies, and the length and angle that the fit finds in each.
The line has the fitted angle.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np

from skysift.core.registry import bundle_folder, load_task
from skysift.report.plots import style

task = load_task("streak")
stamps = task.synth(80, np.random.default_rng(6))
answer = task.predict(stamps, task.load(bundle_folder("streak", "default")))
asteroids = np.flatnonzero(answer["class"] == "asteroid")
trails = asteroids[np.argsort(-answer["trail_significance"][asteroids])]
with style():
    _, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
    for ax, row in zip(axes, trails, strict=False):
        pixels = stamps.images.pixels[row]
        rows, columns = np.nonzero(np.isfinite(pixels))
        pixels = pixels[: rows.max() + 1, : columns.max() + 1]
        bright = np.argwhere(pixels > np.nanpercentile(pixels, 95)).mean(axis=0)[::-1]
        angle = np.radians(answer["angle_pixel"][row])
        ends = bright + np.array([[-1], [1]]) * 9 * np.array([np.cos(angle), np.sin(angle)])
        ax.imshow(pixels, cmap="gray", origin="lower", vmax=np.nanpercentile(pixels, 99.7))
        ax.plot(*ends.T, color="C1", lw=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{answer['length'][row]:.1f} ± {answer['length_err'][row]:.1f} arcsec")
