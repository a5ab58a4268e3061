"""Labelled samples from what was made, through the files and readers of any other stamp."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skysift.data.contract import Checked
from skysift.data.images.facts import PIXEL_MATRIX, FactValues
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.image_set import ImageSet
from skysift.data.images.stamp import Stamp, assemble
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.injection import Survey
from skysift.tasks.streak.simulation import Made, made_up_skies, stamp_on
from skysift.tasks.streak.stamps import TRUTH, Stamps

__all__ = ["MADE_UP", "as_stamps", "made_up_stamps", "write_stamps"]

MADE_UP = "streaks on made-up skies"
"""Name of a sample that says nothing of the sky."""

_CARD, _BLOCK = 80, 2880


def made_up_stamps(n: int, rng: np.random.Generator) -> Stamps:
    """Make n labelled stamps on skies of noise, as ZTF would see them."""
    survey = Survey.ztf()
    skies = made_up_skies(n, rng, scale=survey.optics.pixel_scale)
    return as_stamps([stamp_on(sky, survey, rng) for sky in skies], MADE_UP)


def as_stamps(made: Sequence[Made], name: str, split: str = "all stamps") -> Stamps:
    """Return what was made as a reader would: through its FITS files."""
    names = [f"{name_of(one)}-{number}" for number, one in enumerate(made)]
    stamps = [
        stamp
        for one, identifier in zip(made, names, strict=True)
        for stamp in read_fits_stamps(_fits(one, identifier), identifier, "")
        if isinstance(stamp, Stamp)
    ]
    kept = {stamp.identifier for stamp in stamps}
    rows = [one for one, identifier in zip(made, names, strict=True) if identifier in kept]
    images = assemble(stamps)
    table = FeatureTable.from_columns({"identifier": images.identifiers})
    return Stamps(
        images=images,
        label=np.array([one.label for one in rows], dtype=np.str_),
        kind=np.array([one.kind for one in rows], dtype=np.str_),
        group=np.array([one.group for one in rows], dtype=np.str_),
        truth=FeatureTable.from_columns(
            {column: [one.truth.get(column, np.nan) for one in rows] for column in TRUTH},
            units=TRUTH,
        ),
        checked=Checked(table, np.ones(len(rows), dtype=bool)),
        name=name,
        split=split,
    )


def name_of(one: Made) -> str:
    """Return the beginning of the name of a stamp."""
    return one.kind.replace(",", "").replace(" ", "-")


def write_stamps(stamps: Stamps, path: Path) -> Path:
    """Write labelled stamps as a Parquet table of FITS files, with their truth."""
    images = stamps.images
    facts = images.facts.arrow.to_pylist()
    files = [
        _fits(Made(_own(images, row), "", "", "", known), str(name))
        for row, (name, known) in enumerate(zip(images.identifiers, facts, strict=True))
    ]
    table = FeatureTable.from_columns(
        {
            "identifier": images.identifiers,
            "label": stamps.label,
            "kind": stamps.kind,
            "group": stamps.group,
        }
    ).with_columns({name: stamps.truth[name] for name in TRUTH}, units=TRUTH)
    with open_writer(path, provenance={"name": stamps.name, "split": stamps.split}) as writer:
        writer.write(table.with_columns({"cutout": np.array(files, dtype=object)}))
    return path


def _own(images: ImageSet, row: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    ny, nx = images.sizes[row]
    return images.pixels[row, :ny, :nx]


def _fits(one: Made, name: str) -> bytes:
    """Return a stamp as the bytes of a FITS file (FITS Standard 4.0, section 4)."""
    ny, nx = one.pixels.shape
    facts = {key: value for key, value in one.facts.items() if _is_known(value)}
    cards: list[tuple[str, object]] = [
        ("SIMPLE", True),
        ("BITPIX", -32),
        ("NAXIS", 2),
        ("NAXIS1", nx),
        ("NAXIS2", ny),
        ("OBJNAME", name),
        ("OBJECTID", facts.get("object", "")),
    ]
    stated = {"SEEING": "seeing", "PIXSCALE": "pixel_scale", "RA_TARG": "ra", "DEC_TARG": "dec"}
    cards += [(keyword, facts[fact]) for keyword, fact in stated.items() if fact in facts]
    if all(fact in facts for fact in (*PIXEL_MATRIX, "ra", "dec")):
        cards += _coordinates(facts, ny, nx)
    header = "".join(_card(keyword, value) for keyword, value in cards) + "END".ljust(_CARD)
    data = one.pixels.astype(">f4").tobytes()
    padded = header.ljust(-(-len(header) // _BLOCK) * _BLOCK).encode("ascii", "replace")
    return padded + data + bytes(-len(data) % _BLOCK)


def _coordinates(facts: FactValues, ny: int, nx: int) -> list[tuple[str, object]]:
    keywords = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
    return [
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CRPIX1", (nx + 1) / 2),
        ("CRPIX2", (ny + 1) / 2),
        ("CRVAL1", facts["ra"]),
        ("CRVAL2", facts["dec"]),
        *((keyword, facts[fact]) for keyword, fact in zip(keywords, PIXEL_MATRIX, strict=True)),
    ]


def _is_known(value: object) -> bool:
    return bool(value) if isinstance(value, str) else bool(np.isfinite(value))  # type: ignore[call-overload]


def _card(keyword: str, value: object) -> str:
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:<8}'"
    else:
        text = f"{value if isinstance(value, int) else repr(float(str(value))):>20}".upper()
    return f"{keyword:<8}= {text}".ljust(_CARD)[:_CARD]
