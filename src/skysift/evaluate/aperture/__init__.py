"""On/off photometry of sources, on event lists and on counts maps."""

from skysift.evaluate.aperture.acceptance import RadialAcceptance
from skysift.evaluate.aperture.excess import excess_interval, excess_upper_limit
from skysift.evaluate.aperture.exclusion import Circle, Exclusion, MaskImage
from skysift.evaluate.aperture.maps import SignificanceMap, significance_map
from skysift.evaluate.aperture.on_off import OnOff, stack
from skysift.evaluate.aperture.rad_max import rad_max_on_off
from skysift.evaluate.aperture.reflected import (
    reflected_on_off,
    reflected_regions,
    wobble_regions,
)
from skysift.evaluate.aperture.ring import ring_background
from skysift.evaluate.aperture.template import field_background, template_background

__all__ = [
    "Circle",
    "Exclusion",
    "MaskImage",
    "OnOff",
    "RadialAcceptance",
    "SignificanceMap",
    "excess_interval",
    "excess_upper_limit",
    "field_background",
    "rad_max_on_off",
    "reflected_on_off",
    "reflected_regions",
    "ring_background",
    "significance_map",
    "stack",
    "template_background",
    "wobble_regions",
]
