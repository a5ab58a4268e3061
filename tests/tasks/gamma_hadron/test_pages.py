"""The report says what the stored scores say, and no cut is measured where it was chosen."""

import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skysift.core.errors import UnknownNameError
from skysift.core.results import Metric
from skysift.data.table import FeatureTable
from skysift.evaluate.audit.runner import audit
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.gamma_hadron.features import select
from skysift.tasks.gamma_hadron.pages import (
    compare_page,
    evaluate_page,
    explore_page,
    result_rows,
    study_of,
)
from skysift.tasks.gamma_hadron.pages.opening import background_rejection, verdict
from skysift.tasks.gamma_hadron.pages.size import choose_by_size
from skysift.tasks.gamma_hadron.pages.sky import best_significance
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.pages.thresholds import halves, main_point, rows_of
from skysift.tasks.gamma_hadron.pages.words import PValue, joined, percent, span
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored
from skysift.tasks.gamma_hadron.synth import synthetic_events

N = 2000
FEW = ("length", "width", "alpha")
FACT_LIKE = ("length", "width", "log_size", "concentration_two_pixel", "m3_long", "asymmetry")
PROVENANCE = {
    "command": "skysift compare gamma-hadron --data made.csv",
    "started": "2026-01-02T03:04:05.678901Z",
    "seeds": {"seed": 7},
    "inputs": [{"path": "made.csv", "sha256": "ab" * 32}],
    "packages": {"numpy": "2.4"},
}
POINT = {
    "name": "acceptance-0.01",
    "threshold": 0.93,
    "acceptance": 0.01,
    "efficiency": 0.3,
    "chosen_on": "made, train rows, out of fold",
    "method": "background acceptance <= 0.01",
    "low": 0.28,
    "high": 0.32,
}


def made_events(seed: int = 1) -> tuple[FeatureTable, np.ndarray]:
    table, is_gamma = synthetic_events(N, np.random.default_rng(seed))
    one = np.array(table["concentration_one_pixel"])
    spoilt = np.flatnonzero(~is_gamma)[:90]
    one[spoilt] = 0.4 * table["concentration_two_pixel"][spoilt]
    return table.with_columns({"concentration_one_pixel": one}), is_gamma


def gammaness(columns: tuple[str, ...]) -> np.ndarray:
    train, y = made_events(2)
    test, _ = made_events()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(np.log1p(np.abs(train.matrix(columns))), y)
    return model.predict_proba(np.log1p(np.abs(test.matrix(columns))))[:, 1]


def made_scores(mode: str = "source-dependent") -> Scored:
    table, is_gamma = made_events()
    two, one = table["concentration_two_pixel"], table["concentration_one_pixel"]
    scored = Scored(
        is_gamma, table["log_size"], one < 0.4985 * two, {}, {}, {}, "made", "test rows"
    )
    models = {
        "default": (FACT_LIKE + (("alpha", "dist") if mode == "source-dependent" else ()), "blend"),
        "random-forest": (FEW, "random forest"),
        "xgboost": (FEW[:2], "XGBoost"),
        "notebook-xgboost": (FEW[1:], "XGBoost"),
    }
    for name, (columns, title) in models.items():
        recipe = name.startswith("notebook")
        scored = scored.add(
            Contestant(
                name,
                title,
                "the notebook's recipe" if recipe else "trained in this run",
                mode,
                len(columns),
                operating_points=(POINT,) if name == "default" else (),
            ),
            gammaness(columns),
        )
    return scored


@pytest.fixture(scope="module")
def scored() -> Scored:
    return made_scores()


@pytest.fixture(scope="module")
def study(scored) -> Study:
    return Study.of(scored, "default")


def stored(folder: Path, kind: str, facts: dict, tables: dict[str, FeatureTable]) -> RunRecord:
    write_run(RunRecord(folder, "gamma-hadron", kind, facts, PROVENANCE), tables)
    return read_run(folder)


def labelled_events() -> FeatureTable:
    table, is_gamma = made_events()
    return table.with_columns({"is_gamma": is_gamma})


@pytest.fixture(scope="module")
def full_run(scored, tmp_path_factory) -> RunRecord:
    table, is_gamma = made_events()
    rows = result_rows(Study.of(scored, "default"))
    independent = made_scores("source-independent").only(["default", "xgboost"])
    facts = {
        "scores": scored.to_facts(),
        "scores_independent": independent.to_facts(),
        "reference": "default",
        "audit": audit(table, is_gamma, rng=np.random.default_rng(3)).to_dict(),
        "cross_validation": {
            "command": "skysift compare gamma-hadron --cv",
            "split": "5-fold CV, distinct rows",
            "rows": rows[:2],
            "learning_curve": {
                "n": [100, 1000],
                "models": {"blend": {"auc": [0.8, 0.9], "low": [0.7, 0.88], "high": [0.9, 0.92]}},
            },
        },
        "notes": ["Made-up events: no number here says anything about a telescope."],
    }
    tables = {
        "scores": scored.to_table(),
        "scores_independent": independent.to_table(),
        "events": labelled_events(),
    }
    return stored(tmp_path_factory.mktemp("full"), "compare", facts, tables)


@pytest.fixture(scope="module")
def full_page(full_run) -> str:
    return compare_page(full_run, study_of(full_run)).to_html()


def headings(page: str) -> list[str]:
    return re.findall(r'<h[23] id="[^"]*">(.*?) <a', page)


def key_numbers(page: str) -> list[str]:
    return re.findall(r'<dd class="value">(.*?)</dd>', page)


def best_efficiency(y, score, acceptance) -> float:
    kept = [np.mean(score[y] >= cut) for cut in score if np.mean(score[~y] >= cut) <= acceptance]
    return max(kept)


def test_all_sections_of_a_comparison_are_told_in_order(full_page):
    assert headings(full_page) == [
        "The data",
        "The comparison",
        "Calibration",
        "Operating points",
        "By SIZE",
        "On the sky",
        "Artefacts",
        "Without the source position",
        "The long comparison",
        "What the models see",
        "How to repeat this",
    ]
    for said in (PROVENANCE["command"], "Made-up events", "skysift compare gamma-hadron --cv"):
        assert said in full_page
    assert "2026-01-02 03:04:05 UTC" in full_page


def test_sections_of_absent_parts_are_left_out(scored, tmp_path):
    two = scored.only(["default", "xgboost"])
    record = stored(tmp_path, "compare", {"scores": two.to_facts()}, {"scores": two.to_table()})
    page = compare_page(record, study_of(record)).to_html()
    for absent in ("The data", "Without the source position", "The long comparison"):
        assert absent not in headings(page)
    assert "The comparison" in headings(page)


def test_the_key_numbers_are_those_of_the_scores(full_page, scored):
    y, score = scored.is_gamma, scored.gammaness["default"]
    above_median = int(np.sum(score[~y] >= np.median(score[y])))
    assert key_numbers(full_page) == [
        f"{roc_auc_score(y, score):.4f}",
        f"{100 * best_efficiency(y, score, 0.01):.1f} %",
        f"1 in {np.sum(~y) / above_median:,.0f}",
        f"{log_loss(y, score):.4f}",
    ]


def test_models_of_equal_title_are_told_apart(study, full_page):
    assert study.labels["xgboost"] == "XGBoost (xgboost)"
    assert study.labels["default"] == "blend"
    assert study.origin("notebook-xgboost") == "notebook"
    assert study.origin("xgboost") == "like notebook"
    assert "XGBoost (notebook-xgboost)" in full_page


def test_a_rival_of_few_columns_is_beaten_and_a_twin_is_not(scored, study):
    difference = study.difference("xgboost", "auc")
    assert difference is not None
    assert difference.difference.value < 0
    assert difference.p_holm < 0.05
    assert "It **beats** XGBoost (xgboost) (AUC +0." in verdict(study, ["xgboost"])

    twin = dataclasses.replace(scored.contestants["default"], name="twin", title="twin")
    same = scored.only(["default", "xgboost"]).add(twin, scored.gammaness["default"])
    assert "cannot tell it** from twin" in verdict(Study.of(same, "default"), ["twin"])
    assert "**beaten by** twin" in verdict(Study.of(same, "xgboost"), ["twin"])


def test_stored_thresholds_are_measured_on_the_scored_rows(study, full_page):
    point = main_point(study)
    y, kept = study.scored.is_gamma, study.gammaness >= POINT["threshold"]
    assert point is not None
    assert point.chosen_on == POINT["chosen_on"]
    assert point.measured_on == "test rows"
    assert rows_of(study, point).all()
    assert point.efficiency.value == pytest.approx(kept[y].mean())
    assert point.acceptance.value == pytest.approx(kept[~y].mean())
    assert f"{kept[~y].mean():.2%}" in full_page
    assert html.escape(POINT["chosen_on"]) in full_page


def test_the_halves_are_disjoint_stratified_and_keep_duplicates_together(scored):
    rows = np.append(np.arange(N), np.arange(200))  # the first 200 events twice
    doubled = dataclasses.replace(
        scored,
        is_gamma=scored.is_gamma[rows],
        log_size=scored.log_size[rows],
        impossible=scored.impossible[rows],
        gammaness={name: score[rows] for name, score in scored.gammaness.items()},
        error={name: error[rows] for name, error in scored.error.items()},
    )
    parts = halves(Study(doubled, "default", {}, ()))
    assert not np.any(parts.choose & parts.measure)
    assert np.all(parts.choose | parts.measure)
    np.testing.assert_array_equal(parts.choose[:200], parts.choose[N:])
    share = doubled.is_gamma.mean()
    assert doubled.is_gamma[parts.choose].mean() == pytest.approx(share, abs=0.01)


def disturbed(study: Study, rows: np.ndarray) -> Study:
    """Swap the truth of some rows: cuts that were chosen on them would change."""
    changed = np.where(rows, ~study.scored.is_gamma, study.scored.is_gamma)
    return dataclasses.replace(study, scored=dataclasses.replace(study.scored, is_gamma=changed))


@pytest.fixture
def fixed_halves(study, monkeypatch):
    parts = halves(study)
    for module in ("size", "sky", "thresholds"):
        monkeypatch.setattr(f"skysift.tasks.gamma_hadron.pages.{module}.halves", lambda _: parts)
    return parts


def test_cuts_by_size_are_chosen_on_one_half_and_measured_on_the_other(study, fixed_halves):
    found = choose_by_size(study)
    other = choose_by_size(disturbed(study, fixed_halves.measure))
    assert found is not None
    assert other is not None
    np.testing.assert_array_equal(found.by_size.thresholds, other.by_size.thresholds)
    assert found.everywhere[0].threshold == other.everywhere[0].threshold
    assert found.one != other.one

    here, score = fixed_halves.measure, study.gammaness
    y = study.scored.is_gamma
    kept = score[here & y] >= found.everywhere[0].threshold
    assert found.one[0].value == pytest.approx(kept.mean())
    assert sum(point.confusion.n for point in found.by_size.points) == here.sum()
    changed = choose_by_size(disturbed(study, fixed_halves.choose))
    assert changed is not None
    assert changed.everywhere[0].threshold != found.everywhere[0].threshold


def test_the_cut_of_largest_significance_is_measured_where_it_was_not_chosen(study, fixed_halves):
    found = best_significance(study)
    other = best_significance(disturbed(study, fixed_halves.measure))
    assert found is not None
    assert other is not None
    assert found.point.threshold == other.point.threshold
    here, y = fixed_halves.measure, study.scored.is_gamma
    kept = study.gammaness >= found.point.threshold
    on = 0.1 * 5 * 3600 * kept[here & y].mean()
    behind = 100 * 5 * 3600 * kept[here & ~y].mean()
    # Far from zero counts, Li & Ma's eq. 9 and eq. 17 agree for a small excess.
    assert found.significance.value == pytest.approx(on / np.sqrt(4 / 3 * behind), rel=0.03)
    assert found.significance.low < found.significance.value < found.significance.high


def test_a_model_without_thresholds_gets_one_from_half_of_the_rows(scored):
    study = Study.of(scored.only(["xgboost"]))
    point = main_point(study)
    assert point is not None
    np.testing.assert_array_equal(rows_of(study, point), halves(study).measure)
    assert (point.chosen_on, point.measured_on) == ("one half of the scored rows", "the other half")
    assert point.confusion.n == pytest.approx(N / 2, abs=2)


def test_background_rejection_is_that_at_the_median_gamma(study):
    found = background_rejection(study)
    y = study.scored.is_gamma
    passing = np.mean(study.gammaness[~y] >= np.median(study.gammaness[y]))
    assert found.value == pytest.approx(1 / passing)
    assert found.low < found.value < found.high


def test_result_rows_agree_with_scikit_learn(scored):
    rows = result_rows(Study.of(scored, "default"))
    y, possible = scored.is_gamma, ~scored.impossible
    assert [row["auc"] for row in rows] == sorted((row["auc"] for row in rows), reverse=True)
    by_auc = {round(row["auc"], 12): row for row in rows}
    for name, score in scored.gammaness.items():
        row = by_auc[round(roc_auc_score(y, score), 12)]
        assert row["model"] == scored.contestants[name].title
        assert row["auc_low"] < row["auc"] < row["auc_high"]
        assert row["auc_possible"] == pytest.approx(roc_auc_score(y[possible], score[possible]))
        assert row["log_loss"] == pytest.approx(log_loss(y, score))
        kept = best_efficiency(y, score, 0.1)
        assert row["efficiency@0.1"] == pytest.approx(kept)
        assert row["efficiency@0.1_low"] < kept < row["efficiency@0.1_high"]
        assert (row["p_value"] is None) == (name == "default")


def test_a_study_wants_a_reference_that_is_there(scored):
    with pytest.raises(UnknownNameError, match="defualt"):
        Study.of(scored, "defualt")


def test_one_model_is_evaluated_by_itself(scored, tmp_path):
    one = scored.only(["default"])
    facts = {"scores": one.to_facts(), "reference": "default"}
    record = stored(tmp_path, "evaluate", facts, {"scores": one.to_table()})
    page = evaluate_page(record, study_of(record)).to_html()
    again = read_run(tmp_path)
    assert evaluate_page(again, study_of(again)).to_html() == page  # a run gives one page
    assert "The result" in headings(page)
    assert "The comparison" not in headings(page)
    assert key_numbers(page)[0] == f"{roc_auc_score(one.is_gamma, one.gammaness['default']):.4f}"


def test_a_telescope_without_alpha_and_few_events_is_shown_too(scored, tmp_path):
    few = np.arange(150)
    small = Scored(
        scored.is_gamma[few],
        scored.log_size[few],
        np.zeros(150, dtype=bool),
        {"xgboost": scored.gammaness["xgboost"][few]},
        {"xgboost": scored.error["xgboost"][few]},
        {"xgboost": scored.contestants["xgboost"]},
        "FACT",
        "all rows",
    )
    events = labelled_events().select([*FACT_LIKE, "is_gamma"])
    record = stored(
        tmp_path,
        "evaluate",
        {"scores": small.to_facts()},
        {"scores": small.to_table(), "events": events},
    )
    page = evaluate_page(record, study_of(record)).to_html()
    assert "Artefacts" not in headings(page)
    assert "alpha does most of the work" not in page
    features = select(FACT_LIKE, "source-dependent")
    assert f"All {len(features)} features" in page


def test_the_exploration_counts_classes_and_names_the_gravest_finding(full_run, tmp_path):
    facts = {"audit": full_run.facts["audit"]}
    record = stored(tmp_path, "explore", facts, {"events": labelled_events()})
    page = explore_page(record).to_html()
    _, is_gamma = made_events()
    assert key_numbers(page)[:2] == [f"{is_gamma.sum():,}", f"{(~is_gamma).sum():,}"]
    assert html.escape(facts["audit"]["findings"][0]["title"]) in page
    assert "90 hadrons and 0 gammas" in page


def test_numbers_in_words():
    assert f"{PValue(0.0004)}" == "< 0.001"
    assert f"{PValue(0.25)}" == "0.250"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined(["a"]) == "a"
    assert percent(Metric("efficiency", 0.5412, 0.519, 0.56)) == "54.1 % (51.9 to 56.0)"
    assert percent(Metric("efficiency", 0.5412)) == "54.1 %"
    assert span(Metric("change", 0.0, -0.1, 0.1), ".1f") == "\N{MINUS SIGN}0.1 to 0.1"
