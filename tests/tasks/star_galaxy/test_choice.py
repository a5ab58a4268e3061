"""The parts of the blend are chosen by rows that are left out, and predict as they were trained."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skysift.core.errors import BundleError
from skysift.evaluate.probability import log_losses
from skysift.models.images.part_graphs import export_pipeline
from skysift.tasks.star_galaxy.blend import Blend
from skysift.tasks.star_galaxy.catalogue import CATALOGUE
from skysift.tasks.star_galaxy.choice import BlendRecipe, ChosenBlend
from skysift.tasks.star_galaxy.parts import OUTPUT, GraphPart, ProcessPart

RECIPE = CATALOGUE["blend"].build()
SHAPES = [name for name in RECIPE.parts if name != "network"]


def two_classes(rng, n=400, columns=28, noise=1.0):
    """Shapes of which two tell the class, with gaps and a wild number."""
    x = rng.normal(size=(n, columns))
    y = x[:, 0] + x[:, 1] ** 2 + noise * rng.normal(size=n) > 1.0
    x[::11, 3] = np.nan
    x[5, 4] = 1e12
    return x, y


@pytest.mark.parametrize("name", SHAPES)
def test_a_stored_part_answers_as_the_trained_one(name, rng):
    x, y = two_classes(rng)
    x[5, 4] = 20.0
    trained = clone(RECIPE.parts[name][0]).fit(x[:300], y[:300])
    if name == "GP":
        plain, arrays = ProcessPart.of(trained).to_state()
        part = ProcessPart.from_state(plain, arrays)
    else:
        part = GraphPart(GraphPart(export_pipeline(trained, OUTPUT)).data)
    np.testing.assert_allclose(
        part.predict_proba(x[300:]), trained.predict_proba(x[300:]), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("name", SHAPES)
def test_an_absurd_shape_gives_a_probability(name, rng):
    x, y = two_classes(rng)
    trained = clone(RECIPE.parts[name][0]).fit(x, y)
    part = ProcessPart.of(trained) if name == "GP" else GraphPart(export_pipeline(trained, OUTPUT))
    wild = x[:4].copy()
    wild[0, 2], wild[1, 2], wild[2], wild[3] = 1e300, -1e300, np.nan, 1e30
    said = part.predict_proba(wild)
    assert np.all((said >= 0) & (said <= 1))


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_value_on_a_split_goes_the_way_it_goes_in_the_forest(kind, rng):
    x = rng.integers(0, 6, size=(300, 4)) / 3.0  # thirds are no single-precision numbers
    y = x[:, 0] + rng.normal(size=300) > 1.0
    forest = make_pipeline(clone(RECIPE.parts["GP"][0][0]), kind(20, random_state=0)).fit(x, y)
    splits = np.concatenate([tree.tree_.threshold for tree in forest[-1].estimators_])
    on = np.repeat(splits[splits > -1][:50, None], 4, axis=1)
    part = GraphPart(export_pipeline(forest, OUTPUT))
    np.testing.assert_allclose(
        part.predict_proba(on), forest.predict_proba(on.astype(np.float32)), rtol=0, atol=1e-6
    )


def test_what_has_no_graph_is_refused(rng):
    x, y = two_classes(rng)
    x[5, 4] = 0.0
    with pytest.raises(BundleError, match="DummyClassifier"):
        export_pipeline(make_pipeline(RECIPE.parts["GP"][0][0], DummyClassifier()).fit(x, y), "p")


def test_a_process_with_arrays_that_do_not_fit_is_refused(rng):
    x, y = two_classes(rng)
    part = ProcessPart.of(clone(RECIPE.parts["GP"][0]).fit(x, y))
    plain, arrays = part.to_state()
    for name, value in (("scaling", arrays["scaling"][:4]), ("calibration", np.ones(4))):
        with pytest.raises(BundleError, match="not the state"):
            ProcessPart.from_state(plain, {**arrays, name: value})
    with pytest.raises(BundleError, match="lacks 'scaling'"):
        ProcessPart.from_state(plain, {k: v for k, v in arrays.items() if k != "scaling"})


def _recipe():
    """A part that sees what tells the class, one that sees noise, and two candidates."""
    steps = RECIPE.parts["logistic regression"][0][:-1]
    good, useless = (make_pipeline(*(s for _, s in steps.steps), LogisticRegression()),) * 2
    return BlendRecipe(
        {"good": (good, (0, 2)), "useless": (useless, (2, 4))},
        {"useless": ("useless",), "both": ("useless", "good"), "good": ("good",)},
    )


def test_the_candidate_of_the_least_log_loss_out_of_fold_is_taken(rng):
    x = rng.normal(size=(600, 4))
    y = x[:, 0] + 0.3 * rng.normal(size=600) > 0
    found = ChosenBlend.fit(_recipe(), x, y, np.arange(600), rng, folds=3)
    assert found.chosen == "good"
    assert found.log_loss["good"] == min(found.log_loss.values())
    assert found.log_loss["useless"] > 0.6
    assert log_losses(y, found.out_of_fold).mean() == pytest.approx(found.log_loss["good"])
    assert all(len(member.parts) == 1 for member in found.fitted.members)
    fresh = rng.normal(size=(600, 4))
    probability, error = found.predict_with_error(fresh)
    assert np.mean((probability > 0.5) == (fresh[:, 0] > 0)) > 0.95
    assert np.all(error >= 0)


def test_the_choice_does_not_see_what_is_evaluated(rng):
    """Labels of other rows cannot change it: it is made of the training rows alone."""
    x = rng.normal(size=(400, 4))
    y = rng.random(400) < 0.5  # nothing to learn: every choice is as good
    losses = ChosenBlend.fit(_recipe(), x, y, np.arange(400), rng, folds=4).log_loss
    assert min(losses.values()) > 0.66


def test_no_part_decides_alone():
    sure = Blend([_Says(1.0), _Says(1e-9)], [(0, 1), (0, 1)])
    assert sure.predict_proba(np.zeros((1, 1)))[0, 1] == pytest.approx(0.5)


class _Says:
    """A part that always says the same."""

    def __init__(self, probability):
        self.probability = probability

    def predict_proba(self, columns):
        return np.tile([1 - self.probability, self.probability], (len(columns), 1))


def test_the_candidates_grow_by_one_part_each():
    names = list(RECIPE.candidates.values())
    for smaller, larger in pairwise(names):
        assert larger[: len(smaller)] == smaller
        assert len(larger) == len(smaller) + 1
    assert set(names[-1]) == set(RECIPE.parts)


SCRIPT = """
import sys
import numpy as np
from skysift.core.registry import bundle_folder
from skysift.tasks.star_galaxy.task import StarGalaxy
task = StarGalaxy()
model = task.load(bundle_folder("star-galaxy", "default"))
table = task.predict(task.synth(3, np.random.default_rng(1)), model)
assert np.isfinite(table["p_galaxy"]).all()
slow = ("sklearn", "skops", "torch", "matplotlib", "scipy.optimize", "scipy.stats")
print([name for name in slow if name in sys.modules])
"""


def test_the_shipped_bundle_predicts_without_what_only_training_needs():
    done = subprocess.run(  # our own interpreter
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
