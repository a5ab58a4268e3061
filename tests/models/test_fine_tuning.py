"""Fine-tuning stops where held-out rows say so, and moves what it may."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from skysift.core.errors import UsageError
from skysift.models.fine_tuning import TuningOptions, fine_tune

N = 400


class Line:
    """Logistic regression of two columns, whose solution is known."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.rows = rng.normal(size=(N, 2)).astype(np.float32)
        odds = 2.0 * self.rows[:, 0] - 1.0 * self.rows[:, 1] + 0.5
        self.truth = (rng.random(N) < 1 / (1 + np.exp(-odds))).astype(np.float32)

    def losses(self, live, index):
        odds = torch.from_numpy(self.rows[index]) @ live["line"] + live["offset"]
        return torch.nn.functional.binary_cross_entropy_with_logits(
            odds, torch.from_numpy(self.truth[index]), reduction="none"
        )

    def tuned(self, start=(0.0, 0.0), *, seed=0, moving=None, rate=0.05, **options):
        return fine_tune(
            {"line": np.array(start, np.float32), "offset": np.zeros(1, np.float32)},
            self.losses,
            fit=np.arange(300),
            stop=np.arange(300, N),
            weight=np.ones(N),
            options=TuningOptions(rate, batch_size=100, **options),
            rng=np.random.default_rng(seed),
            moving=moving,
        )


def test_it_finds_what_maximum_likelihood_finds():
    line = Line()
    found = line.tuned(rounds=80, patience=80)
    peer = LogisticRegression(C=1e6).fit(line.rows[:300], line.truth[:300])
    losses = np.array(found.losses)
    assert found.best == losses.argmin()
    assert losses[found.best] < losses[0] - 0.1
    np.testing.assert_allclose(found.weights["line"], peer.coef_[0], atol=0.4)


def test_held_out_rows_that_contradict_leave_the_parent_as_it_is():
    line = Line()
    line.truth[300:] = 1 - line.truth[300:]
    start = (-2.0, 1.0)  # what the held-out rows want
    found = line.tuned(start, patience=3)
    assert found.best == 0
    assert len(found.losses) == 4
    np.testing.assert_array_equal(found.weights["line"], np.array(start, np.float32))


def test_what_is_frozen_does_not_move():
    found = Line().tuned((0.3, 0.1), moving={"offset"})
    np.testing.assert_array_equal(found.weights["line"], np.array([0.3, 0.1], np.float32))
    assert found.weights["offset"][0] != 0


def test_same_seed_same_weights():
    one, again, other = (Line().tuned(seed=seed, rounds=3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.weights["line"], again.weights["line"])
    assert (one.weights["line"] != other.weights["line"]).any()


def test_rows_count_by_their_weight():
    line = Line()
    weight = np.ones(N)
    line.truth[:150] = 1 - line.truth[:150]
    weight[:150] = 0.0  # what is wrong does not count
    found = fine_tune(
        {"line": np.zeros(2, np.float32), "offset": np.zeros(1, np.float32)},
        line.losses,
        fit=np.arange(300),
        stop=np.arange(300, N),
        weight=weight,
        options=TuningOptions(0.05, batch_size=100),
        rng=np.random.default_rng(0),
    )
    assert found.weights["line"][0] > 1
    assert found.weights["line"][1] < 0


def test_a_rate_that_bursts_is_told():
    with pytest.raises(UsageError, match="not finite"):
        Line().tuned((np.inf, 0.0))
