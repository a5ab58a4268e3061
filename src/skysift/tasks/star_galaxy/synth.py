"""Made-up cutouts that look like those of ZTF: Moffat stars, Sersic galaxies, sky and noise.

Seeing, pixel scale, zero point, gain and read noise are those of ZTF science images in i (Masci et
al. 2019, PASP 131, 018003); brightness and size of galaxies follow simple distributions. For tests
and where no real cutout is at hand: no number made on it says anything about the sky.
"""

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.facts import APERTURE_CORRECTIONS, APERTURE_DIAMETERS, FactValues

__all__ = ["SYNTH_SIDE", "fits_bytes", "synthetic_cutouts"]

Floats = NDArray[np.float64]

SYNTH_SIDE = 20
_OVERSAMPLING = 3
_BETA = 3.0  # of the Moffat profile of the PSF
_PIXEL_SCALE = 1.012
_ZERO_POINT = 25.6
_GAIN = 6.2
_READ_NOISE = 10.0
_SKY = 300.0
_SATURATION = 50_000.0
_PER_EXPOSURE = 20
_DIGITS = 6  # of a position [deg]
_GALAXIES = 0.5
_LARGEST_SERSIC = 2.5


def synthetic_cutouts(
    n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[FactValues], NDArray[np.bool_]]:
    """Draw cutouts of stars and galaxies, half of each, shuffled.

    Parameters
    ----------
    n : int
        Number of cutouts.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pixels : array, shape (n, 20, 20)
        Data numbers.
    facts : list of mapping
        What the header of each image would tell.
    is_galaxy : array of bool, shape (n,)
        The truth.
    """
    is_galaxy = rng.random(n) < _GALAXIES
    n_exposures = -(-n // _PER_EXPOSURE)
    exposure = rng.integers(n_exposures, size=n)
    seeing = rng.uniform(1.4, 1.85, n_exposures)[exposure]
    magnitude = np.where(is_galaxy, rng.normal(18.3, 0.7, n), rng.uniform(14.0, 19.5, n))
    magnitude = np.clip(magnitude, 13.8, 19.5)
    pixels = np.empty((n, SYNTH_SIDE, SYNTH_SIDE), dtype=np.float32)
    facts: list[FactValues] = []
    for k in range(n):
        flux = 10 ** (-0.4 * (magnitude[k] - _ZERO_POINT))
        profile = (_galaxy if is_galaxy[k] else _star)(float(seeing[k]), rng)
        expected = _SKY + flux * profile
        noise = np.sqrt(expected / _GAIN + (_READ_NOISE / _GAIN) ** 2)
        pixels[k] = expected + noise * rng.normal(size=profile.shape)
        place: FactValues = {"ra": float(rng.uniform(5, 10)), "dec": float(rng.uniform(-5, 0))}
        facts.append(_facts(int(exposure[k]), float(seeing[k])) | place)
    return pixels, facts, is_galaxy


def fits_bytes(pixels: NDArray[np.float32], facts: FactValues, name: str) -> bytes:
    """Return a cutout as the bytes of a FITS file with the cards of a ZTF science image."""
    cards: dict[str, bool | float | str] = {
        "SIMPLE": True,
        "BITPIX": -32,
        "NAXIS": 2,
        "NAXIS1": SYNTH_SIDE,
        "NAXIS2": SYNTH_SIDE,
        "OBJNAME": name,
        "EXPID": facts["exposure"],
        "FILENAME": facts["image"],
        "FILTER": facts["band"],
        "SEEING": facts["seeing"],
        "PIXSCALE": facts["pixel_scale"],
        "MAGZP": facts["zero_point"],
        "SATURATE": facts["saturation"],
        "GAIN": facts["gain"],
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRPIX1": (SYNTH_SIDE + 1) / 2,
        "CRPIX2": (SYNTH_SIDE + 1) / 2,
        "CRVAL1": round(float(facts["ra"]), _DIGITS),
        "CRVAL2": round(float(facts["dec"]), _DIGITS),
        "CD1_1": -_PIXEL_SCALE / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": _PIXEL_SCALE / 3600,
        **{column.upper(): facts[column] for column in APERTURE_CORRECTIONS},
    }
    lines = [_card(keyword, value) for keyword, value in cards.items()]
    header = "".join([*lines, "END".ljust(80)]).ljust(2880).encode("ascii")
    return header + _padded(pixels.astype(">f4").tobytes())


def _card(keyword: str, value: bool | float | str) -> str:  # noqa: FBT001  # as FITS has it
    """Return a card of a FITS header, 80 characters (FITS Standard 4.0, section 4.2)."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:<8}'"
    else:
        text = f"{value!r:>20}".replace("e", "E")
    return f"{keyword:<8}= {text}".ljust(80)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 2880)


def _star(seeing: float, rng: np.random.Generator) -> Floats:
    """Return an image of unit flux, shape (20, 20), with the target near the middle."""
    y, x = _places(rng)
    image = _moffat(np.hypot(y, x), seeing)
    return _binned(image / image.sum())


def _galaxy(seeing: float, rng: np.random.Generator) -> Floats:
    """Return a Sersic profile seen through the PSF; shape and flux as of a star."""
    y, x = _places(rng)
    image = _sersic(y, x, rng)
    middle_y, middle_x = _fine_grid()
    psf = np.fft.ifftshift(_moffat(np.hypot(middle_y, middle_x), seeing))
    # The middle of an even array lies between pixels: half a fine pixel, 0.17 pixel, is no matter.
    transform = np.fft.rfft2(image / image.sum()) * np.fft.rfft2(psf / psf.sum())
    return _binned(np.fft.irfft2(transform, s=image.shape))


def _places(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return offsets from a target that lies within half a pixel of the middle [fine pixel]."""
    shift_y, shift_x = rng.uniform(-0.5, 0.5, 2) * _OVERSAMPLING
    y, x = _fine_grid()
    return y - shift_y, x - shift_x


def _fine_grid() -> tuple[Floats, Floats]:
    fine = SYNTH_SIDE * _OVERSAMPLING
    y, x = np.mgrid[:fine, :fine] - (fine - 1) / 2
    return y, x


def _moffat(radius: Floats, seeing: float) -> Floats:
    width = seeing * _OVERSAMPLING / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    return np.asarray((1 + (radius / width) ** 2) ** -_BETA)


def _sersic(y: Floats, x: Floats, rng: np.random.Generator) -> Floats:
    """Return a Sersic profile; its index and size are drawn."""
    index = rng.uniform(0.8, _LARGEST_SERSIC)
    radius = np.clip(rng.lognormal(np.log(1.6), 0.45), 0.6, 5.0) / _PIXEL_SCALE * _OVERSAMPLING
    ratio, angle = rng.uniform(0.4, 1.0), rng.uniform(0, np.pi)
    along = y * np.sin(angle) + x * np.cos(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / ratio
    # Ciotti & Bertin 1999, A&A 352, 447, eq. 18.
    b = 2 * index - 1 / 3 + 4 / (405 * index)
    return np.asarray(
        np.exp(-b * (np.hypot(along, across) / (radius * np.sqrt(ratio))) ** (1 / index))
    )


def _binned(fine: Floats) -> Floats:
    shape = (SYNTH_SIDE, _OVERSAMPLING, SYNTH_SIDE, _OVERSAMPLING)
    return np.asarray(fine.reshape(shape).sum(axis=(1, 3)))


def _facts(exposure: int, seeing: float) -> FactValues:
    """Return what a header tells; aperture corrections are those of the Moffat profile."""
    width = seeing / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
    inside = 1 - (1 + (np.array(APERTURE_DIAMETERS) / 2 / width) ** 2) ** (1 - _BETA)
    corrections = 2.5 * np.log10(inside)
    return {
        "exposure": f"{exposure}",
        "image": f"synthetic_{exposure:05d}.fits",
        "band": "ZTF_i",
        "seeing": seeing,
        "pixel_scale": _PIXEL_SCALE,
        "zero_point": _ZERO_POINT,
        "saturation": _SATURATION,
        "gain": _GAIN,
        **{
            name: float(value)
            for name, value in zip(APERTURE_CORRECTIONS, corrections, strict=True)
        },
    }
