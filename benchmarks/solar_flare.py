"""From a SHARP map in a FITS file to the probability of a flare, on one core.

Two ways in: by the keywords of the header, and by flux and R value measured on the pixels, for maps
without keywords. Beside them the way that one would go with sunpy and scipy: open the map, take its
pixels, measure flux and R value by their definitions, and ask the same regressions. Reading is
part of all; files are in the page cache.

Run: SKYSIFT_MIRROR=DIR python benchmarks/solar_flare.py --out solar_flare.json
"""

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from measure import extra_memory, in_own_process, mirror_folder, seconds_per_call
from skysift.core.registry import bundle_folder
from skysift.data.solar.readers import read_solar_image
from skysift.tasks.flare.magnetograms import features_of
from skysift.tasks.flare.model import FlareModel, load_bundle

_FOLDER = "solar/sharp_cea_fits"
_REPEATS = 5
_PIXEL_CM = 0.03 * np.pi / 180 * 6.96e10  # side of a pixel
_MDI = 4  # pixels of a map to one of MDI


def main() -> None:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=_REPEATS)
    given = parser.parse_args()
    folder = mirror_folder() / _FOLDER
    found = in_own_process(measured, str(folder), given.repeats, threads=1)
    for name, row in found["ways"].items():
        print(
            f"{name:24s} median {1e3 * row['median']:7.1f} ms, "
            f"slowest map {1e3 * row['slowest']:7.1f} ms, memory {row['memory']:.0f} MB"
        )
    print(f"sunpy and scipy take {found['ratio']:.2f} times as long as the same by pixels")
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(folder: str, repeats: int) -> dict[str, Any]:
    """Return the seconds of each way over all maps of a folder."""
    model = load_bundle(bundle_folder("flare"))
    paths = sorted(Path(folder).glob("*.magnetogram.fits"))
    ways: dict[str, Callable[[Path], float]] = {
        "keywords": lambda path: by_keywords(path, model),
        "pixels": lambda path: by_pixels(path, model),
        "pixels, sunpy and scipy": lambda path: by_sunpy(path, model),
    }
    rows: dict[str, dict[str, float]] = {}
    for name, way in ways.items():
        seconds = [
            float(np.median(seconds_per_call(lambda path=path, way=way: way(path), repeats)))
            for path in paths
        ]
        largest = paths[int(np.argmax(seconds))]
        memory = extra_memory(lambda path=largest, way=way: way(path))
        rows[name] = {
            "median": float(np.median(seconds)),
            "slowest": max(seconds),
            "memory": float("nan") if memory is None else memory,
        }
    ratio = rows["pixels, sunpy and scipy"]["median"] / rows["pixels"]["median"]
    return {"maps": len(paths), "repeats": repeats, "ways": rows, "ratio": ratio}


def by_keywords(path: Path, model: FlareModel) -> float:
    """Return the probability by the keywords of the header."""
    kind, features = features_of(read_solar_image(path))
    return float(model.magnetograms[kind].probability(features[None])[0])


def by_pixels(path: Path, model: FlareModel) -> float:
    """Return the probability by flux and R value of the pixels, as if there were no keywords."""
    image = replace(read_solar_image(path), header={})
    kind, features = features_of(image)
    return float(model.magnetograms[kind].probability(features[None])[0])


def by_sunpy(path: Path, model: FlareModel) -> float:
    """Return the same by sunpy's map and the definitions written down."""
    import sunpy.map  # noqa: PLC0415  # the peer, not needed otherwise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded: Any = sunpy.map.Map(str(path))
    field = np.nan_to_num(np.asarray((loaded[-1] if isinstance(loaded, list) else loaded).data))
    active = np.abs(field) > 50
    flux = float(np.abs(field[active]).sum()) * _PIXEL_CM**2
    coarse = field[::_MDI, ::_MDI]
    near = [ndimage.maximum_filter(one, 3) for one in (coarse > 150, coarse < -150)]
    weight = ndimage.gaussian_filter((near[0] & near[1]).astype(float), 10 / 2.355)
    r_sum = float((weight * np.abs(coarse)).sum())
    features = np.array([[flux, np.log10(r_sum) if r_sum > 1 else 0.0]])
    return float(model.magnetograms["sharp-field"].probability(features)[0])


if __name__ == "__main__":
    main()
