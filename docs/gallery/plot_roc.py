"""Events by their gammaness
=========================

A model trained and judged on made-up showers. Cherenkov analyses live at the left of this figure,
where one hadron in a hundred or a thousand is kept; hence the logarithm.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np

from skysift.core.registry import load_options, load_task
from skysift.evaluate.roc import roc_curve
from skysift.report.plots import plot_roc, style

task = load_task("gamma-hadron")
rng = np.random.default_rng(1)
training, judged = task.synth(1500, rng), task.synth(3000, rng)
options = load_options("gamma-hadron", "TrainOptions")
curves = {}
for name, model in (("logistic regression", "logistic-regression"), ("extra trees", "extra-trees")):
    fitted = task.fit(training, options(model=model, folds=3), rng)
    curves[name] = roc_curve(judged.is_gamma, task.predict(judged.table, fitted)["gammaness"])

with style():
    _, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
    plot_roc(curves, log=True, classes=("gamma", "hadron"), ax=ax)
