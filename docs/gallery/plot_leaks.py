"""What a random split promises
============================

Sixty families of eight images, whose labels are a coin toss: there is nothing to learn. The more
alike the images of a family are, the better a random split looks. Whole families never do.
"""  # noqa: D205, D400 the title of a page

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from skysift.data.splits import stratified_group_folds
from skysift.report.plots import style

rng = np.random.default_rng(8)
family = np.repeat(np.arange(60), 8)
spreads = np.geomspace(0.1, 5, 9)
random, whole = [], []
for spread in spreads:
    label = rng.integers(0, 2, 60)[family]
    image = rng.normal(size=(60, 20))[family] + spread * rng.normal(size=(480, 20))
    fold = stratified_group_folds(label, family, n_splits=5, rng=rng)
    model = KNeighborsClassifier(3)
    drawn = KFold(5, shuffle=True, random_state=1)
    apart = [(fold != k, fold == k) for k in range(5)]
    random.append(cross_val_score(model, image, label, cv=drawn).mean())
    whole.append(cross_val_score(model, image, label, cv=apart).mean())
with style():
    _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    ax.plot(spreads, random, "o-", label="random split")
    ax.plot(spreads, whole, "s-", label="whole families")
    ax.axhline(0.5, color="grey", lw=1)
    ax.set(xscale="log", ylim=(0, 1.05), ylabel="accuracy")
    ax.set_xlabel("spread within a family over that between families")
    ax.legend()
