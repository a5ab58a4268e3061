"""The demo: real disks where they can be had, made-up ones where not, searched by the bundle."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.images.stamp import Rejected
from skysift.data.solar.readers import iter_solar_images
from skysift.data.solar.solar_image import ImageKind
from skysift.report.run_folder import RunRecord, write_run
from skysift.tasks.active_region.detection import Found
from skysift.tasks.active_region.disks import DiskMap, disk_map
from skysift.tasks.active_region.evaluation import score
from skysift.tasks.active_region.made_up import made_up_disks
from skysift.tasks.active_region.model import F1_POINT, TASK, ActiveRegionModel, load_bundle
from skysift.tasks.active_region.pages.build import draw
from skysift.tasks.active_region.pictures import picture_of

__all__ = ["demonstrate"]

_MADE_UP = 3
_OF_EACH = 3
_FOLDERS = ("aia211_fulldisk", "hmi2026_fulldisk", "fulldisk_fits")
_SUNPY = ("resampled_hmi.fits",)
_LATER = "20140701"  # what the bundle was not trained on


def demonstrate(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Search disks, write the report, and return what was found on each."""
    provenance = Provenance.start(command, seed=seed)
    model = load_bundle(bundle_folder(TASK))
    rows, pictures = [], []
    paths = _real()
    for number, item in enumerate(iter_solar_images(paths)):
        progress(0.8 * number / max(len(paths), 1), "search disks")
        if isinstance(item, Rejected):
            rows.append(_row(item.source.rpartition("/")[2], "not read: " + item.reason, None))
            continue
        one = disk_map(item)
        found = _shown(one, model)
        rows.append(_row(one.file, _what(one), found))
        pictures.append(picture_of(one, found, _what(one)))
    made_up = made_up_disks(_MADE_UP, np.random.default_rng(seed))
    for one in made_up.maps:
        found = _shown(one, model)
        rows.append(_row(one.file, "MADE UP", found))
        pictures.append(picture_of(one, found, "MADE UP"))
    scores = score(made_up, model)
    facts: dict[str, Any] = {
        "title": f"Active regions on {len(paths)} real and {len(made_up)} made-up disks",
        "rows": rows,
        "pictures": pictures,
        "notes": _notes(paths),
    }
    record = RunRecord.finished(folder, TASK, "demo", facts, provenance)
    write_run(record, scores.tables())
    page = draw(record).write(folder / "report.html")
    return Run(facts["title"], rows, tuple(facts["notes"]), page)


def _shown(one: DiskMap, model: ActiveRegionModel) -> Found:
    found = model.find(one)
    least = 0.0 if not one.has_network else model.threshold(F1_POINT)
    return found.take(found.score >= least)


def _what(one: DiskMap) -> str:
    name = one.image.instrument or "disk"
    when = "" if one.image.time is None else f", {str(one.image.time)[:10]}"
    is_euv = one.image.kind is ImageKind.EUV and np.isfinite(one.image.wavelength)
    shown = f"{one.image.wavelength:g} A" if is_euv else one.image.kind.value
    return f"{name} {shown}{when}"


def _row(file: str, what: str, found: Found | None) -> dict[str, Any]:
    best = None if found is None or not len(found) else float(found.score.max())
    return {
        "file": file,
        "shows": what,
        "regions": 0 if found is None else len(found),
        "highest_score": best,
    }


def _real() -> list[Path]:
    """Return real disks: of the mirror, and of sunpy where it is installed."""
    return [*_of_mirror(), *_of_sunpy()]


def _of_mirror() -> Iterator[Path]:
    mirror = environ.get("SKYSIFT_MIRROR")
    if not mirror:
        return
    for name in _FOLDERS:
        inside = sorted((Path(mirror) / "solar" / name).glob("*.*"))
        later = [path for path in inside if not path.name[:8].isdigit() or path.name > _LATER]
        step = max(len(later) // _OF_EACH, 1)
        yield from later[::step][:_OF_EACH]


def _of_sunpy() -> Iterator[Path]:
    if find_spec("sunpy") is None:
        return
    for name in _SUNPY:
        path = Path(str(files("sunpy").joinpath("data", "test", name)))
        if path.is_file():
            yield path


def _notes(paths: list[Path]) -> list[str]:
    if paths:
        return [
            "Magnetograms are searched by flux, the continuum for spots, both without learning."
        ]
    missing = (
        "No real disk is here: set SKYSIFT_MIRROR, or install sunpy for its HMI test image. What "
        "was searched is MADE UP, and says nothing about the Sun."
    )
    return [missing]
