"""Significance without a source
=============================

A million empty regions of three expected counts. The formula of Li and Ma (1983, eq. 17) follows
the normal distribution. The excess over its error (their eq. 5) falls far below it: who goes by it
misses sources.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from skysift.evaluate.counts import li_ma_significance, significance_eq5
from skysift.report.plots import style

rng = np.random.default_rng(4)
alpha = 0.1
on, off = rng.poisson(3.0, 1_000_000), rng.poisson(3.0 / alpha, 1_000_000)
thresholds = np.linspace(0, 5, 101)
with style():
    _, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, formula in (("Li & Ma, eq. 17", li_ma_significance), ("eq. 5", significance_eq5)):
        ordered = np.sort(formula(on, off, alpha))
        share = 1 - np.searchsorted(ordered, thresholds) / len(ordered)
        ax.step(thresholds, share, label=name)
    ax.plot(thresholds, norm.sf(thresholds), "--", color="grey", label="normal")
    ax.set(yscale="log", ylim=(1e-7, 1), xlabel="threshold [sigma]", ylabel="share above")
    ax.legend()
