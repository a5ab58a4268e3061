"""Pictures of stamps in reports: what stands above one does not run into what stands beside it."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from skysift.tasks.star_galaxy import gallery as star_galaxy
from skysift.tasks.streak import gallery as streak

PIXELS = np.arange(9).reshape(3, 3).tolist()


def errors() -> Figure:
    name = "galaxy_241.fits@ztf_20190922290868_000397_zi_c12_o_q1_sciimg"
    error = {"file": name, "label": "galaxy", "ambiguous": True, "magnitude": 18.3, "p_galaxy": 0.2}
    return star_galaxy.plot_gallery([error | {"pixels": PIXELS}] * 14)


def stamps() -> Figure:
    kind = "simulated hot-pixels, seeing untold"
    return streak.plot_gallery(
        [{"kind": kind, "class": "artefact", "p": 0.9, "pixels": PIXELS}] * 14
    )


@pytest.mark.parametrize("draw", [errors, stamps])
def test_titles_keep_apart_from_each_other_and_from_pictures(draw) -> None:
    figure = draw()
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.get_title()]
    boxes = [axes.title.get_window_extent() for axes in shown]
    boxes += [axes.get_window_extent() for axes in shown]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
