"""Figures of the features show the numbers that they were given."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from skysift.core.errors import InputError
from skysift.data.table import FeatureTable
from skysift.evaluate.explore import explore
from skysift.report.plots.explore import (
    plot_artefact,
    plot_correlation,
    plot_feature_distributions,
    plot_separation,
)
from skysift.report.plots.style import BACKGROUND, INK, PALETTE, SIGNAL


def luminance(rgb):
    return float(np.dot(np.asarray(rgb) ** 2.2, [0.2126, 0.7152, 0.0722]))


def same(one, other):
    return np.allclose(to_rgb(one), other[:3])


@pytest.fixture
def exploration(rng):
    y = rng.random(2000) < 0.4
    width = rng.normal(size=2000) + y
    table = FeatureTable.from_columns(
        {
            "width": width,
            "length": -width + 0.1 * rng.normal(size=2000),
            "noise": rng.normal(size=2000),
            "constant": np.ones(2000),
            "empty": np.full(2000, np.nan),
        },
        units={"width": "mm"},
    )
    return explore(table, y, rng=rng)


def steps(axes: Axes) -> list[StepPatch]:
    return [
        patch for patch in axes.patches if isinstance(patch, StepPatch) and not patch.get_fill()
    ]


def test_each_feature_has_a_panel_with_both_classes_normalised(exploration):
    figure = plot_feature_distributions(exploration, columns=3)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 5
    assert figure.axes[0].get_xlabel() == "width [mm]"
    assert figure.axes[1].get_xlabel() == "length"
    for axes in figure.axes[:4]:
        signal, background = steps(axes)
        assert to_hex(signal.get_edgecolor()) == SIGNAL
        assert to_hex(background.get_edgecolor()) == BACKGROUND
        for patch in (signal, background):
            density, edges, _ = patch.get_data()
            assert np.sum(density * np.diff(edges)) == pytest.approx(1)
    figure.canvas.draw()


def test_chosen_features_are_drawn_in_order(exploration):
    figure = plot_feature_distributions(exploration, features=["noise", "width"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["noise", "width [mm]"]
    with pytest.raises(InputError):
        plot_feature_distributions(exploration, features=["unknown"])


def test_signal_is_above_the_diagonal_and_numbers_are_legible(exploration):
    axes = plot_correlation(exploration, kind="pearson")
    matrices = exploration.correlations["pearson"]
    written = {text.get_position(): text for text in axes.texts}
    assert len(written) == 20
    for (column, row), text in written.items():
        value = matrices["signal" if column > row else "background"][row, column]
        if np.isnan(value):
            assert text.get_text() == "n/a"
        else:
            assert float(text.get_text().replace("\N{MINUS SIGN}", "-")) == round(value, 2)
    cells = {
        (round(cell.get_x() + 0.48), round(cell.get_y() + 0.48)): cell.get_facecolor()
        for cell in axes.patches
        if isinstance(cell, Rectangle)
    }
    for name in ("light", "dark"):
        paper, ink = (np.array(to_rgb(getattr(PALETTE[part], name))) for part in ("paper", "ink"))
        for place in written:
            *_, opacity = cells[place]
            shade = next(one for one in PALETTE.values() if same(one.light, cells[place]))
            cell = np.array(to_rgb(getattr(shade, name))) * opacity + paper * (1 - opacity)
            darker, brighter = sorted([luminance(cell), luminance(ink)])
            assert (brighter + 0.05) / (darker + 0.05) > 3.0  # WCAG 2.2, 1.4.11
    assert {text.get_color() for text in written.values()} == {INK}
    axes.figure.canvas.draw()


def test_an_unknown_correlation_is_refused(exploration):
    with pytest.raises(InputError, match="kendall"):
        plot_correlation(exploration, kind="kendall")


def test_the_best_feature_is_on_top_and_empty_ones_are_left_out(exploration):
    axes = plot_separation(exploration)
    names = [label.get_text() for label in axes.get_yticklabels()]
    known = [one for one in exploration.separations if one.feature != "empty"]
    best = sorted(known, key=lambda one: -one.power.value)
    assert names == [one.feature for one in best]
    low, high = axes.get_lines()[0].get_xdata()
    assert (low, high) == (best[0].power.low, best[0].power.high)
    axes.figure.canvas.draw()


def test_the_pure_region_is_counted_and_not_smeared_over_its_border(rng):
    values = np.concatenate([rng.uniform(0.5, 1, 1000), rng.uniform(0.4, 1, 1000), [np.nan]])
    y = np.repeat([True, False], [1000, 1001])
    axes = plot_artefact(values, y, high=0.5, classes=("gamma", "hadron"))
    n_inside = np.count_nonzero(values < 0.5)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"hadron: {n_inside} inside", "gamma: 0 inside"]
    _, signal = steps(axes)
    density, edges, _ = signal.get_data()
    assert np.abs(edges - 0.5).min() < 1e-12
    assert density[edges[:-1] < 0.5 - 1e-9].sum() == 0
    axes.figure.canvas.draw()


def test_a_region_between_two_limits_is_seen_close_up(rng):
    values = rng.uniform(0, 1000, 5000)
    axes = plot_artefact(values, rng.random(5000) < 0.5, low=400.0, high=420.0)
    assert axes.get_xlim() == (pytest.approx(340), pytest.approx(480))


def test_a_given_axes_is_drawn_on_and_returned():
    ax = Figure().add_subplot()
    assert plot_artefact([0.0, 1.0, 2.0], [True, False, False], high=0.5, ax=ax) is ax


@pytest.mark.parametrize(
    ("values", "signal", "message"),
    [([1.0, 2.0], [True], "shape"), ([1.0, 2.0], [True, False], "No value")],
)
def test_arrays_that_do_not_fit_are_refused(values, signal, message):
    with pytest.raises(InputError, match=message):
        plot_artefact(values, signal, high=0.0)
