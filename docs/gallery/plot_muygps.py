"""A Gaussian process on neighbours
================================

A hundred and fifty noisy points, and the posterior of MuyGPs in one dimension: each prediction
rests on its forty nearest points alone. Beyond the points the band opens.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np

from skysift.models.muygps import Matern, MuyGPsRegressor
from skysift.report.plots import style

rng = np.random.default_rng(7)
x = np.sort(np.concatenate([rng.uniform(-3, 0, 80), rng.uniform(0.6, 3, 70)]))
y = np.sin(3 * x) * np.exp(-(x**2) / 8) + 0.15 * rng.normal(size=150)
model = MuyGPsRegressor(Matern(2.5), n_neighbours=40, engine="numpy").fit(x[:, None], y)
places = np.linspace(-3.6, 3.6, 500)
mean, deviation = model.predict(places[:, None], return_std=True)
with style():
    _, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    ax.plot(x, y, ".", ms=3, color="grey")
    ax.plot(places, mean)
    ax.fill_between(places, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25)
    ax.set(xlabel="x", ylabel="y")
