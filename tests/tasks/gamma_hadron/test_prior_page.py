"""What a gammaness and a cut are worth at another share of gammas, as the report draws it."""

import numpy as np
import pytest

from skysift.report import Page
from skysift.tasks.gamma_hadron.pages.prior import add_prior, purity_curves, shifted_curves
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored

CUT = 0.7


@pytest.fixture
def measured_study():
    rng = np.random.default_rng(4)
    y = rng.random(4000) < 0.6
    score = 1 / (1 + np.exp(-(1.5 * rng.normal(size=4000) + 3 * y - 1.5)))
    points = [
        {
            "name": name,
            "threshold": cut,
            "acceptance": 0.05,
            "efficiency": 0.5,
            "chosen_on": "train rows",
            "method": "background acceptance <= 0.05",
        }
        for name, cut in (("acceptance-0.05", CUT), ("acceptance-0.01", 2.0))
    ]
    model = Contestant("default", "blend", "bundle", "source-dependent", 5, None, {}, tuple(points))
    nothing = np.zeros(4000, dtype=bool)
    scored = Scored(y, np.ones(4000), nothing, {}, {}, {}, "made", "test rows").add(model, score)
    return Study.of(scored, "default")


def test_a_shifted_gammaness_is_bayes_rule_and_returns_at_the_prior_of_the_rows():
    curves = shifted_curves(0.6)
    assert list(curves) == ["gammaness 0.5", "gammaness 0.9", "gammaness 0.99", "gammaness 0.999"]
    curve = curves["gammaness 0.9"]
    prior = np.asarray(curve.x)
    odds = 0.9 / 0.1 * (0.4 / 0.6) * prior / (1 - prior)
    np.testing.assert_allclose(curve.y, odds / (1 + odds), rtol=1e-12)
    assert np.interp(0.6, prior, curve.y) == pytest.approx(0.9, abs=1e-3)


def test_purity_is_that_of_the_rows_at_their_own_share_of_gammas(measured_study):
    scored = measured_study.scored
    kept = scored.gammaness["default"] >= CUT
    curves = purity_curves(measured_study)
    assert list(curves) == ["acceptance 0.05"]  # the other keeps no hadron
    curve = curves["acceptance 0.05"]
    here = np.interp(scored.is_gamma.mean(), curve.x, curve.y)
    assert here == pytest.approx(scored.is_gamma[kept].mean(), abs=2e-3)
    assert np.all(np.asarray(curve.low) < curve.y)
    assert np.all(np.asarray(curve.y) < curve.high)
    assert np.all(np.diff(curve.y) > 0)


def test_the_page_shows_both_figures(measured_study):
    page = Page(title="x")
    add_prior(page.section("On the sky"), measured_study)
    text = page.to_html()
    assert "What a gammaness becomes" in text
    assert "Purity of the stored cuts" in text
    assert "1 : 1,000" in text
