"""Each figure shows what it was given: data, intervals, names, units."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from skysift.core.errors import InputError, UnknownNameError
from skysift.core.results import Metric
from skysift.report import plots
from skysift.report.plots.labels import _spread
from skysift.report.plots.style import (
    BACKGROUND,
    PALETTE,
    SERIES,
    SIGNAL,
    log_axis,
    new_axes,
    plain,
    strokes,
)

GAMMA_HADRON = ("gamma", "hadron")


@pytest.fixture
def curves():
    acceptance = np.linspace(0, 1, 1001)
    return {
        "good": SimpleNamespace(acceptance=acceptance, efficiency=acceptance**0.2),
        "poor": SimpleNamespace(acceptance=acceptance, efficiency=acceptance**0.6),
    }


def line(axes: Axes, label: str):
    (found,) = [entry for entry in axes.get_lines() if entry.get_label().split(",")[0] == label]
    return found


def legend_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def all_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def draw(axes: Axes) -> Figure:
    """Render once: warnings are errors, so that a layout that does not fit fails here."""
    figure = axes.get_figure(root=True)
    figure.draw_without_rendering()
    return figure


def test_import_neither_loads_pyplot_nor_chooses_a_backend():
    code = (
        "import matplotlib as m, sys; before = m.rcParams._get_backend_or_none();"
        "import skysift.report, skysift.report.plots;"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        "assert m.rcParams._get_backend_or_none() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_given_axes_are_drawn_on_and_returned(curves):
    axes = Figure().add_subplot()
    assert plots.plot_roc(curves, ax=axes) is axes
    assert line(axes, "good")


def test_roc_draws_the_curves_and_marks_the_step_efficiency(curves):
    axes = plots.plot_roc(curves, notes={"good": "AUC 0.833"}, classes=GAMMA_HADRON)
    drawn = line(axes, "good")
    np.testing.assert_array_equal(drawn.get_xdata(), curves["good"].acceptance)
    np.testing.assert_array_equal(drawn.get_ydata(), curves["good"].efficiency)
    marks = [m for m in axes.get_lines() if m.get_linestyle() == "None"]
    np.testing.assert_allclose(marks[0].get_xdata(), [0.01, 0.02, 0.05, 0.1, 0.2])
    np.testing.assert_allclose(marks[0].get_ydata(), np.array([0.01, 0.02, 0.05, 0.1, 0.2]) ** 0.2)
    assert legend_texts(axes) == ["good, AUC 0.833", "poor"]
    assert axes.get_xlabel() == "Hadron acceptance (fraction kept)"
    assert axes.get_ylabel() == "Gamma efficiency (fraction kept)"
    draw(axes)


def test_roc_marks_never_interpolate_between_two_cuts():
    coarse = SimpleNamespace(acceptance=[0.0, 0.04, 0.06, 1.0], efficiency=[0.0, 0.3, 0.7, 1.0])
    axes = plots.plot_roc({"tree": coarse}, marks=[0.05])
    (mark,) = [m for m in axes.get_lines() if m.get_linestyle() == "None"]
    assert mark.get_ydata() == [0.3]


def test_logarithmic_roc_shows_the_band_and_labels_the_marks(curves):
    x = np.array([0.01, 0.1])
    band = plots.Series(x, x**0.2, low=[0.3, 0.5], high=[0.5, 0.8])
    axes = plots.plot_roc(curves, log=True, bands={"good": band})
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == (0.001, 1.0)
    (filled,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
    corners = filled.get_paths()[0].vertices
    assert {(0.01, 0.3), (0.01, 0.5), (0.1, 0.5), (0.1, 0.8)} <= {tuple(c) for c in corners}
    draw(axes)
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["0.001", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]


def test_ratio_and_difference_are_taken_at_equal_acceptance(curves):
    ratio = line(plots.plot_efficiency_ratio(curves, "poor"), "good")
    difference = line(plots.plot_efficiency_ratio(curves, "poor", difference=True), "good")
    np.testing.assert_allclose(ratio.get_ydata()[-1], 1.0)
    np.testing.assert_allclose(difference.get_ydata()[-1], 0.0)
    at = int(np.argmin(np.abs(ratio.get_xdata() - 0.1)))
    np.testing.assert_allclose(ratio.get_ydata()[at], 0.1**-0.4, rtol=0.02)
    np.testing.assert_allclose(difference.get_ydata()[at], 100 * (0.1**0.2 - 0.1**0.6), rtol=0.02)


def test_ratio_names_its_reference_and_its_unit(curves):
    axes = plots.plot_efficiency_ratio(curves, "poor", difference=True)
    assert axes.get_ylabel() == "Efficiency gain over poor [percentage points]"
    assert legend_texts(axes) == ["good", "poor"]
    with pytest.raises(UnknownNameError, match="Did you mean 'poor'"):
        plots.plot_efficiency_ratio(curves, "por")


def test_reliability_shows_intervals_and_counts_and_skips_empty_bins():
    curve = SimpleNamespace(
        predicted=[0.1, np.nan, 0.9],
        observed=[0.2, np.nan, 0.8],
        low=[0.1, np.nan, 0.7],
        high=[0.4, np.nan, 0.85],
        count=[100, 0, 40],
    )
    axes = plots.plot_reliability({"calibrated": curve}, classes=GAMMA_HADRON)
    (bars,) = axes.containers
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), [0.2, 0.8])
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose(segments, [[[0.1, 0.1], [0.1, 0.4]], [[0.9, 0.7], [0.9, 0.85]]])
    below = axes.child_axes[0]
    np.testing.assert_array_equal(below.get_lines()[0].get_ydata(), [100, 40])
    assert below.get_xlabel() == "Predicted probability of gamma"
    draw(axes)
    tops = [label.get_text() for label in below.get_yticklabels()]
    assert "100" in tops


def test_reliability_labels_stay_inside_the_figure():
    x = np.linspace(0.05, 0.95, 10)
    curve = SimpleNamespace(predicted=x, observed=x, low=x, high=x, count=np.arange(5, 5000, 500))
    axes = plots.plot_reliability({"model": curve})
    figure = draw(axes)
    box = axes.child_axes[0].xaxis.label.get_window_extent()
    assert box.y0 >= 0
    assert box.y1 <= figure.bbox.height


def test_score_distribution_counts_each_class_in_its_own_colour(rng):
    score = np.concatenate([rng.beta(2, 5, 400), rng.beta(5, 2, 700)])
    is_signal = np.repeat([False, True], [400, 700])
    axes = plots.plot_score_distribution(
        score, is_signal, bins=10, threshold=0.8, label="Gammaness", classes=GAMMA_HADRON
    )
    steps = {patch.get_label(): patch for patch in axes.patches}
    for name, mask, color in (("gamma", is_signal, SIGNAL), ("hadron", ~is_signal, BACKGROUND)):
        expected, edges = np.histogram(score[mask], np.histogram_bin_edges(score, 10))
        np.testing.assert_array_equal(steps[name].get_data().values, expected)
        np.testing.assert_array_equal(steps[name].get_data().edges, edges)
        assert to_hex(steps[name].get_edgecolor()) == color
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "Gammaness"
    assert axes.get_ylabel() == "Events per bin"
    assert "cut 0.8" in all_texts(axes)
    draw(axes)


def test_weighted_scores_sum_to_the_weights():
    axes = plots.plot_score_distribution(
        [0.1, 0.2, 0.9], [False, False, True], weight=[2.0, 3.0, 0.5], bins=[0, 0.5, 1]
    )
    steps = {patch.get_label(): patch.get_data().values for patch in axes.patches}
    np.testing.assert_allclose(steps["background"], [5.0, 0.0])
    np.testing.assert_allclose(steps["signal"], [0.0, 0.5])
    assert axes.get_ylabel() == "Weighted events per bin"


def test_scores_without_classes_are_refused():
    with pytest.raises(InputError, match="one score and one class"):
        plots.plot_score_distribution([0.1, 0.2], [True])


def test_confusion_writes_counts_and_shares_of_the_true_class():
    axes = plots.plot_confusion([[900, 100], [3000, 9000]], ["hadron", "gamma"])
    assert {"90.0%", "10.0%", "25.0%", "75.0%", "900", "3,000", "9,000"} <= set(all_texts(axes))
    assert axes.get_ylabel() == "True class"
    with pytest.raises(InputError, match="square"):
        plots.plot_confusion([[1, 2]], ["hadron", "gamma"])


@pytest.mark.parametrize(("higher", "order"), [(True, ["b", "c", "a"]), (False, ["a", "c", "b"])])
def test_comparison_is_sorted_best_first(higher, order):
    values = {"a": Metric("auc", 0.8), "b": Metric("auc", 0.95), "c": Metric("auc", 0.9)}
    axes = plots.plot_comparison(values, label="AUC", higher_is_better=higher)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == order
    assert axes.yaxis_inverted()


def test_intervals_are_solid_however_many_models_there_are():
    values = {f"model {i}": Metric("auc", i / 10, i / 10 - 0.02, i / 10 + 0.02) for i in range(9)}
    axes = plots.plot_comparison(values, label="AUC")
    assert {entry.get_linestyle() for entry in axes.get_lines()} == {"-"}


def test_comparison_draws_value_interval_reference_and_target():
    values = {"trees": Metric("auc", 0.95, 0.94, 0.96), "cuts": Metric("auc", 0.82)}
    axes = plots.plot_comparison(
        values, label="Area under the ROC curve", reference="cuts", target=(0.93, "published")
    )
    drawn = [np.asarray(entry.get_xdata()).tolist() for entry in axes.get_lines()]
    assert [0.94, 0.96] in drawn
    assert [0.95] in drawn
    assert [0.82, 0.82] in drawn
    assert [0.93, 0.93] in drawn
    assert "0.9500  [0.9400, 0.9600]" in all_texts(axes)
    assert "0.8200" in all_texts(axes)
    assert "published" in all_texts(axes)
    with pytest.raises(UnknownNameError):
        plots.plot_comparison(values, label="AUC", reference="kNN")


@pytest.mark.parametrize(
    ("function", "label"),
    [
        (plots.plot_quality_factor, "Quality factor (efficiency / √acceptance)"),
        (
            plots.plot_significance_against_cut,
            "Significance of the excess [\N{GREEK SMALL LETTER SIGMA}]",
        ),
    ],
)
def test_cut_curves_mark_their_maximum_and_ignore_what_is_not_finite(function, label):
    curve = plots.Series([0.0, 0.5, 0.9, 1.0], [1.0, 2.5, 4.25, np.nan])
    axes = function({"trees": curve}, label="Cut on gammaness")
    peak = [entry for entry in axes.get_lines() if entry.get_marker() == "o"]
    assert [(p.get_xdata()[0], p.get_ydata()[0]) for p in peak] == [(0.9, 4.25)]
    assert "4.25 at 0.9" in all_texts(axes)
    assert axes.get_xlabel() == "Cut on gammaness"
    assert axes.get_ylabel() == label
    draw(axes)
    with pytest.raises(InputError, match="no finite value"):
        function({"trees": plots.Series([0.0, 1.0], [np.nan, np.inf])})


def test_operating_points_of_all_models_stand_in_the_slot_of_their_acceptance():
    points = {
        "a": plots.Series([0.01, 0.1], [0.5, 0.8], [0.4, 0.7], [0.6, 0.9]),
        "b": plots.Series([0.1], [0.6]),
    }
    axes = plots.plot_operating_points(points, classes=GAMMA_HADRON)
    first, second = (container.lines[0] for container in axes.containers)
    assert np.round(first.get_xdata()).tolist() == [0, 1]
    assert np.round(second.get_xdata()).tolist() == [1]
    assert first.get_xdata()[1] < second.get_xdata()[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.01", "0.1"]


def test_efficiency_by_bin_puts_each_value_inside_its_bin():
    edges = np.array([60.0, 100.0, 1000.0, 5000.0])
    curves = {
        name: plots.Series([0, 1, 2], [0.2, 0.6, 0.9], [0.1, 0.5, 0.8], [0.3, 0.7, 1.0])
        for name in "abc"
    }
    axes = plots.plot_efficiency_by_bin(edges, curves)
    for container in axes.containers:
        x = np.asarray(container.lines[0].get_xdata())
        assert (edges[:-1] < x).all()
        assert (x < edges[1:]).all()
        np.testing.assert_array_equal(container.lines[0].get_ydata(), [0.2, 0.6, 0.9])
    assert axes.get_xlabel() == "SIZE [photoelectrons]"
    draw(axes)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["60", "100", "1,000", "5,000"]
    with pytest.raises(InputError, match="2 values for 3 bins"):
        plots.plot_efficiency_by_bin(edges, {"a": plots.Series([0, 1], [0.2, 0.6])})


def test_learning_curve_names_each_line_at_its_end():
    n = [100, 1000, 10000]
    curves = {"a": plots.Series(n, [0.7, 0.8, 0.85]), "b": plots.Series(n, [0.7, 0.8, 0.851])}
    axes = plots.plot_learning_curve(curves)
    names = {text.get_text(): text.xyann[1] for text in axes.texts}
    assert names["b"] - names["a"] > 0.03  # pushed apart although the lines all but touch
    np.testing.assert_array_equal(line(axes, "a").get_ydata(), [0.7, 0.8, 0.85])
    draw(axes)


def test_purity_states_the_fraction_of_signal_that_it_holds_for():
    axes = plots.plot_purity(
        {"trees": plots.Series([0.2, 1.0], [0.9, 0.05])}, signal_fraction=0.05, classes=GAMMA_HADRON
    )
    assert "no cut\n0.05" in all_texts(axes)
    assert axes.get_ylabel() == "Purity (fraction that is gamma)"
    np.testing.assert_array_equal(line(axes, "trees").get_ydata(), [0.9, 0.05])


def test_curves_against_the_prior_lie_on_decades_and_marks_are_named():
    prior = np.array([2e-4, 0.01, 0.5])
    axes = plots.plot_against_prior(
        {"0.9": plots.Series(prior, [0.1, 0.4, 0.9], [0.0, 0.3, 0.8], [0.2, 0.5, 1.0])},
        value="Probability of a gamma",
        marks={"nature": 1e-3},
        classes=GAMMA_HADRON,
    )
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == pytest.approx((1e-4, 1.0))
    assert axes.get_xlabel() == "Share of gammas among all events"
    assert axes.get_ylabel() == "Probability of a gamma"
    np.testing.assert_array_equal(line(axes, "0.9").get_ydata(), [0.1, 0.4, 0.9])
    assert len(axes.collections) == 1  # the band
    assert "nature" in all_texts(axes)
    assert any(list(one.get_xdata()) == [1e-3, 1e-3] for one in axes.get_lines())


@pytest.mark.parametrize(
    "function",
    [
        plots.plot_roc,
        plots.plot_purity,
        plots.plot_against_prior,
        plots.plot_reliability,
        plots.plot_quality_factor,
        plots.plot_significance_against_cut,
        plots.plot_operating_points,
        plots.plot_learning_curve,
    ],
)
def test_nothing_to_plot_is_an_error(function):
    with pytest.raises(InputError, match="Pass at least one"):
        function({})


def test_series_refuses_arrays_that_do_not_belong_together():
    with pytest.raises(InputError, match="one shape"):
        plots.Series([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="one side"):
        plots.Series([1], [1], low=[0])


def test_models_keep_their_colours_and_change_line_when_the_hues_are_used_up():
    names = [f"model {i}" for i in range(8)]
    given = strokes(names)
    assert given["model 0"].color == given["model 6"].color == SERIES[0]
    assert given["model 0"].linestyle != given["model 6"].linestyle
    assert strokes(["model 3"], {"model 3": given["model 3"].color})["model 3"].color == SERIES[3]
    assert not {SIGNAL, BACKGROUND} & set(SERIES)


def test_text_colours_have_the_contrast_of_wcag_aa():
    for mode in ("light", "dark"):
        paper = getattr(PALETTE["paper"], mode)
        for name in ("ink", "muted", "signal"):
            assert contrast(getattr(PALETTE[name], mode), paper) >= 4.5, (name, mode)
        for name in ("background", "green", "indigo"):
            assert contrast(getattr(PALETTE[name], mode), paper) >= 3.0, (name, mode)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2, section 1.4.3."""

    def luminance(color: str) -> float:
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_spread_keeps_order_and_gap_and_leaves_what_is_apart():
    placed = _spread([0.5, 0.1, 0.51, 0.9], gap=0.1)
    assert placed[1] == 0.1
    assert placed[3] == 0.9
    assert placed[2] - placed[0] == pytest.approx(0.1)
    assert (placed[0] + placed[2]) / 2 == pytest.approx(0.505)


def test_legend_goes_beside_the_axes_when_no_corner_is_free():
    x = np.linspace(0, 1, 50)
    series = {f"model with a long name {i}": plots.Series(x, x * i) for i in range(6)}
    crowded = plots.plot_purity(series | {"back": plots.Series(x, 5 - 5 * x)})
    crowded.set_ylim(0, 5)
    draw(crowded)
    assert crowded.get_legend().get_window_extent().x0 >= crowded.get_window_extent().x1 - 1


def test_plain_numbers_on_logarithmic_axes():
    axes = new_axes()
    axes.plot([0.02, 40], [30, 4000])
    log_axis(axes, "x")
    log_axis(axes, "y", decades=True)
    draw(axes)
    assert "0.05" in [tick.get_text() for tick in axes.get_xticklabels()]
    assert axes.get_ylim() == (10, 10000)
    assert plain(1e6) == "1,000,000"


def test_style_is_left_as_it_was_found():
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["axes.grid"]
    plots.new_axes()
    assert dict(mpl.rcParams) == before
