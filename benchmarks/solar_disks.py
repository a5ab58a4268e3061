"""Active regions on disks: time of a disk from file to table, memory, beside a plain pipeline.

Two disks: a browse picture of 512 x 512 pixels, whose limb is fitted and which the network
searches, and a magnetogram of 4096 x 4096 pixels as HMI's are, read from FITS. Where SKYSIFT_MIRROR
is set, the picture is a real one of SDO/AIA; the magnetogram is made up, since no real one of that
size is free to store here. The peer does the same classically with the plainest means: astropy or
Pillow to read, sunpy's map for the coordinates where it is installed, means over blocks of 8 x 8
pixels of the large image, a Gaussian filter, a threshold, labels and boxes. It corrects for no
limb, finds no disk in a picture, and gives no longitudes.

One process, one thread; each call timed after a first that is not counted.

Run: SKYSIFT_MIRROR=DIR python benchmarks/solar_disks.py
"""

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from PIL import Image
from scipy import ndimage

from measure import extra_memory, in_own_process, seconds_per_call
from skysift.core.registry import bundle_folder
from skysift.data.solar.readers import read_solar_image
from skysift.tasks.active_region.disks import disk_map
from skysift.tasks.active_region.made_up import made_up_disks, write_disks
from skysift.tasks.active_region.model import load_bundle
from skysift.tasks.active_region.options import PredictOptions
from skysift.tasks.active_region.prediction import regions_of

REPEATS = 5
SHRINK = 8  # of the peer, to the size of the browse picture
SIDE = 4096
RADIUS = 1900.0
ARCSEC = 0.504


def main() -> None:
    """Measure, print and optionally store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        picture, kind = browse_picture(Path(folder))
        magnetogram = write_magnetogram(Path(folder) / "hmi.made_up.magnetogram.fits")
        rows = []
        for name, path in ((f"512 x 512, {kind}", picture), ("4096 x 4096, made up", magnetogram)):
            for peer in (False, True):
                result = in_own_process(measured, str(path), peer, threads=1)
                rows.append(
                    {"disk": name, "pipeline": "plain peer" if peer else "skysift"} | result
                )
    for row in rows:
        memory = "" if row["MB"] is None else f", {row['MB']:.0f} MB more"
        print(
            f"{row['disk']:28} {row['pipeline']:12} {1e3 * row['median']:8.1f} ms "
            f"(fastest {1e3 * row['fastest']:.1f}){memory}, {row['regions']} regions"
        )
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        ratio = first["median"] / second["median"]
        print(f"{first['disk']}: skysift takes {ratio:.2f} of the time of the plain peer")
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(path: str, peer: bool) -> dict[str, Any]:  # noqa: FBT001  # sent to a process
    """Return seconds, memory and the number of regions of one pipeline on one file."""
    search = plain_search if peer else skysift_search()
    found = search(path)
    memory = extra_memory(lambda: search(path))
    seconds = seconds_per_call(lambda: search(path), REPEATS)
    return {
        "median": float(np.median(seconds)),
        "fastest": min(seconds),
        "MB": memory,
        "regions": found,
    }


def skysift_search() -> Callable[[str], int]:
    """Return what the command does with one file, the bundle being loaded."""
    model = load_bundle(bundle_folder("active-region"))
    options = PredictOptions()

    def search(path: str) -> int:
        return len(regions_of(disk_map(read_solar_image(path)), model, options))

    return search


def plain_search(path: str) -> int:
    """Read, smooth, threshold, label and box: what a script would do."""
    if path.endswith(".fits"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            field = np.nan_to_num(_magnetogram_of(path))
        blocks = field.reshape(field.shape[0] // SHRINK, SHRINK, field.shape[1] // SHRINK, SHRINK)
        strength = np.abs(blocks.mean(axis=(1, 3)))
        width, least = 5.0, 40.0
    else:
        strength = np.asarray(Image.open(path).convert("L"), dtype=np.float64)
        width, least = 6.0, 150.0
    smooth = ndimage.gaussian_filter(strength, width)
    labels, number = ndimage.label(smooth > least)
    ndimage.find_objects(labels)
    ndimage.center_of_mass(smooth, labels, range(1, number + 1))
    return number


def _magnetogram_of(path: str) -> np.ndarray[Any, Any]:
    if find_spec("sunpy") is None:
        return np.asarray(fits.getdata(path), dtype=np.float64)
    return np.asarray(import_module("sunpy.map").Map(path).data, dtype=np.float64)


def browse_picture(folder: Path) -> tuple[Path, str]:
    """Return a browse picture: a real one of the mirror, or a made-up one."""
    mirror = os.environ.get("SKYSIFT_MIRROR")
    if mirror:
        real = sorted((Path(mirror) / "solar" / "aia211_fulldisk").glob("2015*.jpg"))
        if real:
            return real[0].resolve(), "SDO/AIA 211 A"
    write_disks(made_up_disks(1, np.random.default_rng(1)), folder / "disk")
    return next((folder / "disk").glob("*.png")), "made up"


def write_magnetogram(path: Path) -> Path:
    """Write noise and six bipolar regions with the header of an HMI magnetogram."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[:SIDE, :SIDE]
    middle = (SIDE - 1) / 2
    field = 10 * rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    half = 200  # pixels about a pole that its field reaches
    near = np.arange(-half, half + 1)
    pole = 800 * np.exp(-(near**2 + near[:, None] ** 2) / (2 * 40.0**2)).astype(np.float32)
    for angle in np.arange(6) * np.pi / 3 + 0.2:
        row = round(middle + 700 * np.sin(angle))
        for offset, sign in ((-60, 1), (60, -1)):
            column = round(middle + 900 * np.cos(angle)) + offset
            field[row - half : row + half + 1, column - half : column + half + 1] += sign * pole
    field[(x - middle) ** 2 + (y - middle) ** 2 > RADIUS**2] = np.nan
    header = fits.Header()
    header.update(
        TELESCOP="SDO/HMI", INSTRUME="HMI_FRONT2", CONTENT="MAGNETOGRAM", BUNIT="Gauss",
        WAVELNTH=6173.0, CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN", CUNIT1="arcsec", CUNIT2="arcsec",
        CRPIX1=middle + 1, CRPIX2=middle + 1, CRVAL1=0.0, CRVAL2=0.0, CDELT1=ARCSEC, CDELT2=ARCSEC,
        CROTA2=0.0, CRLN_OBS=120.0, CRLT_OBS=5.0, HGLN_OBS=0.0, HGLT_OBS=5.0, DSUN_OBS=1.496e11,
        RSUN_OBS=RADIUS * ARCSEC,
    )  # fmt: skip
    header["DATE-OBS"] = "2014-08-01T00:00:00"
    fits.PrimaryHDU(field, header).writeto(path)
    return path


if __name__ == "__main__":
    main()
