"""How long the stages of a search take."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from skysift.report.plots.series import require_some
from skysift.report.plots.style import INK, MUTED, SERIES, drawing

__all__ = ["plot_stage_times"]


def plot_stage_times(
    stages: Mapping[str, Mapping[str, float]],
    *,
    limit: tuple[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the milliseconds that each stage takes, as stacked bars.

    Parameters
    ----------
    stages : mapping of str to mapping of str to float
        By method and stage, in their order [ms].
    limit : (float, str), optional
        A time to stay below and its name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(stages, "method")
    names = list(dict.fromkeys(stage for times in stages.values() for stage in times))
    with drawing(ax, width=8.0, height=1.5 + 0.5 * len(stages)) as axes:
        for row, times in enumerate(stages.values()):
            start = 0.0
            for i, stage in enumerate(names):
                spent = times.get(stage, 0.0)
                axes.barh(
                    row,
                    spent,
                    left=start,
                    height=0.55,
                    color=SERIES[i % len(SERIES)],
                    label=stage if row == 0 else None,
                )
                start += spent
            axes.annotate(
                f"{start:.1f} ms", (start, row), (6, 0), textcoords="offset points", va="center",
                color=INK, fontsize=9,
            )  # fmt: skip
        if limit is not None:
            axes.axvline(limit[0], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                limit[1], (limit[0], 1.0), (3, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=MUTED, fontsize=8.5,
            )  # fmt: skip
        axes.set_yticks(range(len(stages)), list(stages))
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.margins(x=0.14)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("Median time per field [ms]")
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.45, -0.32), ncols=len(names), fontsize=9,
            handlelength=1.0, columnspacing=1.2,
        )  # fmt: skip
    return axes
