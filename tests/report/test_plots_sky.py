"""Pictures of the sky and of localisation: what lies where."""

import numpy as np
import pytest
from matplotlib.patches import Ellipse

from skysift.core.errors import InputError
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.ellipse import ellipse_scale
from skysift.report.plots import Series
from skysift.report.plots.counts import plot_bias, plot_pulls
from skysift.report.plots.detection import plot_detection, plot_false_alarms
from skysift.report.plots.localisation import (
    plot_containment,
    plot_error_distribution,
    plot_position_error,
)
from skysift.report.plots.sky import SkyEllipse, SkyImage, plot_sky_map
from skysift.report.plots.timing import plot_stage_times

GRID = TangentGrid(0.3, 40.0, 100, 100, 0.05)
CURVE = Series([0.1, 1.0], [0.04, 0.01], [0.03, 0.009], [0.05, 0.011])


def labels(axis):
    return [label.get_text().replace("\N{MINUS SIGN}", "-") for label in axis.get_ticklabels()]


def test_right_ascension_grows_to_the_left_across_zero():
    axes = plot_sky_map(SkyImage(np.zeros(GRID.shape), GRID), label="counts")
    shown = [float(text) for text in labels(axes.xaxis)]
    places = axes.get_xticks()
    unwrapped = (np.array(shown) + 180) % 360 - 180
    assert np.all(np.diff(unwrapped) * np.diff(places) < 0)
    assert min(shown) < 10
    assert max(shown) > 350
    for ra, x in zip(shown, places, strict=True):
        below = GRID.to_sky(x, axes.get_ylim()[0])[0]
        assert abs((float(below) - ra + 180) % 360 - 180) < 0.02


def test_close_ups_name_angles_so_that_they_differ():
    axes = plot_sky_map(
        SkyImage(np.zeros(GRID.shape), GRID), label="counts", centre=(0.5, 40.2), width=0.4
    )
    for axis in (axes.xaxis, axes.yaxis):
        assert len(set(labels(axis))) == len(labels(axis)) > 1
    assert np.diff(axes.get_xlim()) * GRID.pixel_size == pytest.approx(0.4)


def test_an_ellipse_has_its_axes_and_its_angle():
    to_the_east = SkyEllipse(0.3, 40.0, 0.2, 0.1, 90.0)
    axes = plot_sky_map(
        SkyImage(np.zeros(GRID.shape), GRID), label="counts", ellipses=[to_the_east]
    )
    shapes = [patch for patch in axes.patches if isinstance(patch, Ellipse)]
    inner = shapes[0]
    assert inner.width == pytest.approx(2 * ellipse_scale(0.68) * 0.2 / 0.05)
    assert inner.height == pytest.approx(inner.width / 2)
    # East is to the left: an ellipse along it lies along x.
    assert abs(np.cos(np.radians(inner.angle))) == pytest.approx(1.0, abs=1e-3)
    assert inner.center == pytest.approx(tuple(float(v) for v in GRID.to_pixel(0.3, 40.0)))


def test_an_ellipse_too_small_to_be_seen_gets_a_ring():
    small = SkyEllipse(0.3, 40.0, 0.002, 0.002, 0.0)
    axes = plot_sky_map(SkyImage(np.zeros(GRID.shape), GRID), label="counts", ellipses=[small])
    assert not axes.patches
    assert any(line.get_marker() == "o" for line in axes.get_lines())


def test_the_truth_is_marked_where_it_is():
    axes = plot_sky_map(SkyImage(np.zeros(GRID.shape), GRID), label="c", truth=[(359.9, 40.5)])
    cross = next(line for line in axes.get_lines() if line.get_marker() == "+")
    x, y = GRID.to_pixel(359.9, 40.5)
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == pytest.approx((float(x), float(y)))


def test_a_difference_is_white_at_zero():
    values = np.zeros(GRID.shape)
    values[3, 4] = -7.0
    axes = plot_sky_map(SkyImage(values, GRID), label="counts", scale="difference")
    assert axes.get_images()[0].get_clim() == (-7.0, 7.0)


def test_an_image_that_does_not_fit_its_grid_is_refused():
    with pytest.raises(InputError, match="does not fit a grid"):
        SkyImage(np.zeros((3, 3)), GRID)


def test_a_blank_map_can_be_drawn():
    blank = SkyImage(np.full(GRID.shape, np.nan), GRID)
    axes = plot_sky_map(blank, label="counts", scale="significance")
    assert axes.get_images()[0].get_clim() == (0.0, 1.0)


def test_the_bound_is_drawn_below_the_errors_and_all_lie_within_the_axes():
    bound = Series([0.1, 1.0], [0.035, 0.009])
    axes = plot_position_error({"search": CURVE}, bound=bound)
    low, high = axes.get_ylim()
    assert low < 0.009
    assert high > 0.05
    names = {text.get_text() for text in axes.get_legend().get_texts()}
    assert names == {"Cramer-Rao bound", "search"}


def test_containment_marks_what_is_stated():
    points = {"search": {0.68: Series([1.0], [0.7]), 0.95: Series([1.0], [0.9])}}
    axes = plot_containment(points)
    texts = {text.get_text() for text in axes.texts}
    assert {"68 %", "95 %"} <= texts
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["search"]


def test_a_bias_is_drawn_in_per_cent_about_zero():
    axes = plot_bias({"search": Series([0, 1], [0.01, -0.05])}, ["0", "60"], label="Zenith")
    low, high = axes.get_ylim()
    assert low == -high
    assert high >= 5
    assert labels(axes.xaxis) == ["0", "60"]


def test_pulls_are_densities():
    axes = plot_pulls({"search": np.random.default_rng(1).normal(size=4000)})
    stairs = axes.patches[-1].get_data()
    width = np.diff(stairs.edges)
    assert np.sum(stairs.values * width) == pytest.approx(1.0)


def test_stage_times_add_up_to_what_is_written():
    axes = plot_stage_times({"search": {"fit": 2.0, "filter": 3.5}}, limit=(10.0, "10 ms"))
    assert "5.5 ms" in {text.get_text() for text in axes.texts}


def test_the_line_of_honest_false_alarms_is_the_diagonal():
    axes = plot_false_alarms({"x 1": Series([0.01, 0.1], [0.012, 0.09])})
    line = axes.get_lines()[0]
    assert np.array_equal(line.get_xdata(), line.get_ydata())


def test_what_was_not_found_keeps_the_distribution_below_one():
    axes = plot_error_distribution({"search": [0.01, 0.02, np.nan, 0.04]})
    curve = axes.get_lines()[0]
    assert curve.get_ydata()[-1] == 0.75
    assert "3 of 4 found" in axes.get_legend().get_texts()[0].get_text()


@pytest.mark.parametrize(
    "plot", [plot_position_error, plot_detection, plot_containment, plot_pulls, plot_false_alarms]
)
def test_nothing_to_draw_is_an_error(plot):
    with pytest.raises(InputError, match="to plot"):
        plot({})
