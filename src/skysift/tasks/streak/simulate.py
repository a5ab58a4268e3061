"""Write labelled stamps for training and for tests, split by the object under them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.files import staged_folder, write_atomic
from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.data.images.alerts import Cutout
from skysift.data.images.facts import PIXEL_MATRIX
from skysift.data.images.readers import read_images
from skysift.models.images.streaks.injection import Survey
from skysift.tasks.streak.made_up import MADE_UP, as_stamps, write_stamps
from skysift.tasks.streak.options import SimulateOptions
from skysift.tasks.streak.simulation import Made, made_up_skies, real_skies, stamp_on
from skysift.tasks.streak.stamps import CLASSES, SIMULATED

__all__ = ["simulate"]

_STILL = ("star", "galaxy")


def simulate(
    out: Path, options: SimulateOptions, *, seed: int, command: str, progress: Progress
) -> Run:
    """Write ``train.parquet`` and ``test.parquet``, which share no object, into a new folder.

    Raises
    ------
    InputError
        If the base stamps have no free sky, or a file cannot be read.
    """
    rng = np.random.default_rng(seed)
    inputs = [Path(path) for path in (*options.base, *options.sources)]
    provenance = Provenance.start(
        command, inputs=inputs, config=options.model_dump(mode="json"), seed=seed
    )
    survey = Survey.rubin() if options.survey == "rubin" else Survey.ztf()
    progress(0.0, "put streaks on skies")
    if options.base:
        base = read_images(list(options.base), cutout=Cutout.DIFFERENCE).images
        skies = real_skies(base, options.corners, rng)
    else:
        skies = made_up_skies(options.stamps, rng, scale=survey.optics.pixel_scale)
    made = [stamp_on(sky, survey, rng, bad_subtractions=options.bad_subtractions) for sky in skies]
    real = list(_real_sources([Path(path) for path in options.sources]))
    made += _some_of_each(real, options.most_sources // 2, rng)
    is_test = _held_out(made, options.test_share, rng)
    name = "streaks on real skies" if options.base else MADE_UP
    rows = []
    with staged_folder(out) as folder:
        for number, (split, chosen) in enumerate((("train", ~is_test), ("test", is_test))):
            progress(0.5 + 0.25 * number, f"write {split}")
            some = [made[row] for row in np.flatnonzero(chosen)]
            stamps = as_stamps(some, name, split)
            write_stamps(stamps, folder / f"{split}.parquet")
            counts = {one: int((stamps.label == one).sum()) for one in CLASSES}
            objects = len(np.unique(stamps.group))
            rows.append({"file": f"{split}.parquet", "objects": objects, **counts})
        write_atomic(folder / "provenance.json", provenance.finish().to_json() + "\n")
    return Run(f"{name}: {len(made):,} stamps in {out}", rows, _told(options))


def _held_out(made: Sequence[Made], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the objects of the test file; whatever lies on one goes with it."""
    groups, which = np.unique([one.group for one in made], return_inverse=True)
    if len(groups) < 2:  # noqa: PLR2004 - one for each side
        raise InputError("There is one object alone.", "Give stamps of several.")
    held = rng.permutation(len(groups)) < min(max(round(share * len(groups)), 1), len(groups) - 1)
    return np.asarray(held[which])


def _real_sources(paths: Sequence[Path]) -> Iterator[Made]:
    """Give stars and galaxies by their names; those of an exposure are one group."""
    if not paths:
        return
    images = read_images(paths).images
    for row in range(len(images)):
        name = str(images.identifiers[row])
        label = next((one for one in _STILL if name.lower().startswith(one)), None)
        if label is None:
            raise InputError(
                f"The name {name} begins neither with star nor with galaxy.",
                "Give files that are named so, e.g. star_12.fits.",
            )
        known = {
            fact: float(images.facts[fact][row])
            for fact in ("ra", "dec", "pixel_scale", "seeing", *PIXEL_MATRIX)
            if np.isfinite(images.facts[fact][row])
        }
        group = str(images.facts["image"][row]) or name
        ny, nx = images.sizes[row]
        pixels = images.pixels[row, :ny, :nx]
        yield Made(pixels, label, f"real {label}", group, {**known, "object": group})


def _some_of_each(real: Sequence[Made], most: int, rng: np.random.Generator) -> list[Made]:
    """Draw no more than a number of stars and as many galaxies, in their order."""
    label = np.array([one.label for one in real])
    chosen = [rng.permutation(np.flatnonzero(label == one))[:most] for one in _STILL]
    return [real[row] for row in np.sort(np.concatenate(chosen))]


def _told(options: SimulateOptions) -> tuple[str, ...]:
    skies = (
        "The skies are corners of real difference stamps; no object lies in both files."
        if options.base
        else "The skies are MADE UP: no number measured on these stamps is about the sky."
    )
    return (
        SIMULATED,
        skies,
    )
