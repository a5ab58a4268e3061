"""Figures: Axes in, Axes out.

Every function takes plain arrays, or small objects with a few named arrays, and draws on the Axes
that it is given or on a new figure in the house style. None shows anything or touches pyplot.
"""

from skysift.report.plots.calibration import plot_confusion, plot_reliability
from skysift.report.plots.compare import (
    plot_comparison,
    plot_efficiency_by_bin,
    plot_learning_curve,
    plot_operating_points,
)
from skysift.report.plots.curves import plot_efficiency_ratio, plot_purity, plot_roc
from skysift.report.plots.cuts import (
    plot_quality_factor,
    plot_score_distribution,
    plot_significance_against_cut,
)
from skysift.report.plots.prior import plot_against_prior
from skysift.report.plots.series import Series
from skysift.report.plots.style import drawing, new_axes, strokes, style

__all__ = [
    "Series",
    "drawing",
    "new_axes",
    "plot_against_prior",
    "plot_comparison",
    "plot_confusion",
    "plot_efficiency_by_bin",
    "plot_efficiency_ratio",
    "plot_learning_curve",
    "plot_operating_points",
    "plot_purity",
    "plot_quality_factor",
    "plot_reliability",
    "plot_roc",
    "plot_score_distribution",
    "plot_significance_against_cut",
    "strokes",
    "style",
]
