"""The highest pixel of smoothed counts, as the published pipeline has it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

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
    """

    setup: "FieldSetup"
    width: float = _SMOOTHING

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Return the one candidate; nothing is known of its errors or of its chance."""
        del photons  # it sees pixels only
        smooth = gaussian_filter(counts.sum(axis=0), self.width, mode="constant")
        row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
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
