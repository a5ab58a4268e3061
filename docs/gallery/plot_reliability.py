"""Is eight in ten eight in ten?
=============================

Probabilities that are too sure, and the same after beta calibration on other rows. Points on the
diagonal keep their promise.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np

from skysift.evaluate.probability import reliability_curve
from skysift.models.calibration import BetaCalibration
from skysift.report.plots import plot_reliability, style

rng = np.random.default_rng(2)
truth = rng.integers(0, 2, 8000)
evidence = rng.normal(1.4 * truth - 0.7)
too_sure = 1 / (1 + np.exp(-4 * evidence))
learn, judge = slice(0, 4000), slice(4000, None)
calibration = BetaCalibration.fit(too_sure[learn], truth[learn])

with style():
    _, ax = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
    curves = {
        "as it is": reliability_curve(truth[judge], too_sure[judge]),
        "calibrated": reliability_curve(truth[judge], calibration(too_sure[judge])),
    }
    plot_reliability(curves, ax=ax)
