"""The highest pixel of smoothed counts, as the published pipeline has it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skysift.core.errors import UsageError
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filtered import RatioMap
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult
from skysift.preprocess.sky_background import BackgroundFit
from skysift.preprocess.sky_surface import MapSurface

if TYPE_CHECKING:
    from skysift.tasks.gamma_sky.field_setup import FieldSetup

__all__ = ["SmoothedMaximum"]

_SMOOTHING = 5.0  # pixels, as in the published pipeline


@dataclass(frozen=True)
class SmoothedMaximum:
    """The highest pixel of counts smoothed by a Gaussian: the simplest of all answers.

    Parameters
    ----------
    setup : FieldSetup
        The field.
    width : float
        Standard deviation of the Gaussian in pixels.
    radius : float [deg]
        Offset from the pointing up to which pixels are looked at; all are by default, as in the
        published pipeline.
    """

    setup: "FieldSetup"
    width: float = _SMOOTHING
    radius: float = np.inf

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Return the one candidate; nothing is known of its errors or of its chance.

        Raises
        ------
        UsageError
            If no pixel is within the radius.
        """
        del photons  # it sees pixels only
        smooth = gaussian_filter(counts.sum(axis=0), self.width, mode="constant")
        looked_at = (
            np.where(self._searched(), smooth, -np.inf) if np.isfinite(self.radius) else smooth
        )
        row, column = np.unravel_index(int(np.argmax(looked_at)), smooth.shape)
        xi, eta = self.setup.grid.pixel_to_plane(float(column), float(row))
        unknown = np.full(len(counts), np.nan)
        candidate = Candidate(
            float(xi),
            float(eta),
            np.full((2, 2), np.nan),
            float("nan"),
            float("nan"),
            float("nan"),
            float("nan"),
            1.0,  # every field has a highest pixel
            unknown,
        )
        nothing = BackgroundFit(MapSurface(np.zeros_like(counts)), unknown, unknown, np.zeros(2), 0)
        return SearchResult((candidate,), nothing, float("nan"), RatioMap(smooth))

    def _searched(self) -> NDArray[np.bool_]:
        """Return which pixels are within the radius, shape (n_y, n_x)."""
        grid, pointing = self.setup.grid, self.setup.pointing
        rows, columns = np.indices(grid.shape)
        xi, eta = grid.pixel_to_plane(columns, rows)
        middle = grid.to_plane(pointing.ra, pointing.dec)
        searched = np.asarray(np.hypot(xi - middle[0], eta - middle[1]) <= self.radius)
        if not searched.any():
            raise UsageError(
                "No pixel of the map lies within the search radius of the pointing.",
                "Centre the map near the pointing, or widen the radius.",
            )
        return searched
