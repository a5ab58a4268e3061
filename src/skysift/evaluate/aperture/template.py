"""Background of a given shape, whose level is measured away from the source."""

import numpy as np

from skysift.core.errors import InputError
from skysift.data.sky.counts_map import CountsMap
from skysift.evaluate.aperture.exclusion import Circle, Exclusion
from skysift.evaluate.aperture.on_off import OnOff
from skysift.evaluate.inputs import BoolArray, FloatArray

__all__ = ["field_background", "template_background"]


def template_background(
    counts: CountsMap, template: FloatArray, on: Circle, exclusion: Exclusion | None = None
) -> OnOff | None:
    """Take as off counts other events at the same place, e.g. those that look like hadrons.

    Parameters
    ----------
    counts : CountsMap
        Gamma-like events; all bands are added.
    template : array, shape (n_bands, n_y, n_x) or (n_y, n_x)
        Counts of the other kind of events on the same grid.
    on : Circle
        The on region. It does not take part in the normalisation.
    exclusion : Exclusion, optional
        Further parts that do not.

    Returns
    -------
    OnOff or None
        n_off is the template in the on region and alpha the ratio of gamma-like to template counts
        over the rest of the map. None if there are no template counts to normalise by.

    References
    ----------
    Rowell (2003), A&A 410, 389.
    """
    image, shape = _images(counts, template)
    inside, outside = _regions(counts, on, exclusion)
    other, gamma_like = float(shape[outside].sum()), float(image[outside].sum())
    if not (other > 0 and gamma_like > 0):
        return None
    return OnOff(float(image[inside].sum()), float(shape[inside].sum()), gamma_like / other)


def field_background(
    counts: CountsMap, model: FloatArray, on: Circle, exclusion: Exclusion | None = None
) -> OnOff | None:
    """Scale a smooth model of the background to the rest of the field of view.

    Parameters are those of :func:`template_background`, but that the model holds expectations,
    which do not fluctuate: the off region is then the rest of the field, and alpha the model in the
    on region over that outside.

    Returns
    -------
    OnOff or None
        None if the model is zero in the on region or outside.
    """
    image, shape = _images(counts, model)
    inside, outside = _regions(counts, on, exclusion)
    within, beyond = float(shape[inside].sum()), float(shape[outside].sum())
    if not (within > 0 and beyond > 0):
        return None
    return OnOff(float(image[inside].sum()), float(image[outside].sum()), within / beyond)


def _images(counts: CountsMap, template: FloatArray) -> tuple[FloatArray, FloatArray]:
    shape = np.asarray(template, dtype=np.float64)
    if shape.shape not in {counts.counts.shape, counts.grid.shape}:
        raise InputError(
            f"A template of shape {shape.shape} does not fit counts of {counts.counts.shape}.",
            "Put both on the same grid.",
        )
    if not (np.isfinite(shape).all() and (shape >= 0).all()):
        raise InputError("The template holds negative or undefined values.", "Give values >= 0.")
    if shape.shape == counts.counts.shape:
        shape = shape.sum(axis=0)
    return counts.counts.sum(axis=0, dtype=np.float64), shape


def _regions(
    counts: CountsMap, on: Circle, exclusion: Exclusion | None
) -> tuple[BoolArray, BoolArray]:
    sky = counts.grid.from_plane(*np.meshgrid(*counts.grid.pixel_centres()))
    inside = on.contains(*sky)
    outside = ~inside if exclusion is None else ~inside & ~exclusion.excludes(*sky)
    return inside, outside
