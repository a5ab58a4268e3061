"""A labelled sample of made-up cutouts, read as those of an observer are."""

import numpy as np

from skysift.data.contract import Checked
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.stamp import Stamp, assemble
from skysift.data.table import FeatureTable
from skysift.tasks.star_galaxy.reader import Cutouts
from skysift.tasks.star_galaxy.synth import fits_bytes, synthetic_cutouts

__all__ = ["made_up_cutouts"]


def made_up_cutouts(n: int, rng: np.random.Generator) -> Cutouts:
    """Make n labelled cutouts of Moffat stars and Sersic galaxies."""
    pixels, facts, is_galaxy = synthetic_cutouts(n, rng)
    names = [f"cutout-{number}" for number in range(n)]
    stamps = [
        stamp
        for image, known, name in zip(pixels, facts, names, strict=True)
        for stamp in read_fits_stamps(fits_bytes(image, known, name), name, "")
        if isinstance(stamp, Stamp)
    ]
    images = assemble(stamps)  # through the reader, as those of an observer
    table = FeatureTable.from_columns({"identifier": np.array(names, dtype=np.str_)})
    return Cutouts(
        images=images,
        is_galaxy=is_galaxy,
        groups=np.arange(n),
        checked=Checked(table, np.ones(n, dtype=bool)),
        name="synthetic cutouts",
        split="all cutouts",
    )
