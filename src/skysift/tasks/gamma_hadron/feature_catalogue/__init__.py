"""What models may see: image parameters and combinations of them, each with its reason.

The Hillas parameters are those of Hillas (1985, Proc. 19th ICRC 3, 445). The combinations are those
that analysts of imaging telescopes form from them: Fegan (1997, J. Phys. G 23, 1013) on shapes and
orientation, Lessard et al. (2001, Astropart. Phys. 15, 1) on the displacement from elongation,
Albert et al. (2008, NIM A 588, 424) on separation by SIZE, DIST and shape. All are free of the unit
of length, so that they hold for a camera in mm and one in degrees.
"""

from skysift.tasks.gamma_hadron.feature_catalogue.feature import Array, Feature
from skysift.tasks.gamma_hadron.feature_catalogue.image import (
    OF_OTHER_TELESCOPES,
    PROFILES,
    SHAPES,
)
from skysift.tasks.gamma_hadron.feature_catalogue.scaling import scaling_targets
from skysift.tasks.gamma_hadron.feature_catalogue.source import TOWARDS_THE_SOURCE

__all__ = ["FEATURES", "Array", "Feature", "scaling_targets"]

FEATURES: tuple[Feature, ...] = (
    *SHAPES,
    *PROFILES,
    *TOWARDS_THE_SOURCE,
    *OF_OTHER_TELESCOPES,
)
"""Every feature, in the order in which models see them."""
