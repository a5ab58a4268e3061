"""From files to labelled cutouts: read, checked, joined with a catalogue, grouped by object."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import ContractError, InputError, ReadError
from skysift.core.files import sha256_of_file
from skysift.data.column_names import column_among
from skysift.data.contract import Checked
from skysift.data.images.alerts import Cutout
from skysift.data.images.groups import exposure_groups, object_groups
from skysift.data.images.image_set import ImageSet
from skysift.data.images.object_names import NAME_COLUMNS, names_of
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.data.registry import list_datasets
from skysift.data.table import FeatureTable
from skysift.preprocess.images.rescale import resampled_to_seeing
from skysift.preprocess.images.seeing_estimate import with_estimated_seeing
from skysift.tasks.star_galaxy.options import ReadOptions

__all__ = ["CLASSES", "Catalogue", "Cutouts", "as_models_know", "cutout_of", "read_cutouts"]

CLASSES = ("star", "galaxy")
"""Background and signal, in the order of the model's outputs."""

_WORST_SEEING = 1.85
"""Of the images that the ZTF cutouts were chosen from [pixel]; models have seen no worse."""

_COMMON_SEEING = 1.735
"""That of half of them, which worse ones are brought to [pixel]."""

_FILE = "file"
_KEYS = (_FILE, *NAME_COLUMNS)
_SHARED = (_FILE, "ra", "dec")
"""Columns that mean the same in a catalogue and in an answer."""

_PREFIX = "catalogue_"
_LABEL = "label"
_TABLES = (".csv", ".ecsv", ".vot", ".xml")


class Catalogue:
    """A table with one row for each object, found by the names of their cutouts.

    Parameters
    ----------
    table : FeatureTable
        With a column ``file``, or one of
        :data:`~skysift.data.images.object_names.NAME_COLUMNS`, in any case of letters. Columns of
        bytes, such as the pixels in a table of cutouts, are left out. A row without a name is of
        no cutout.

    Raises
    ------
    ContractError
        If there is no such column, or two rows have the same name.
    """

    def __init__(self, table: FeatureTable) -> None:
        key = column_among(table.columns, _KEYS)
        if key is None:
            raise ContractError(
                f"The catalogue has no column {', '.join(_KEYS[:-1])} or {_KEYS[-1]}.",
                "Add one with the names of the cutouts, or rename yours.",
            )
        kinds = table.arrow.schema.types
        plain = [
            name for name, kind in zip(table.columns, kinds, strict=True) if not _is_bytes(kind)
        ]
        self.table = _with_plain_file(table.select(plain))
        names = names_of(table, key)
        named = np.flatnonzero(names.known).tolist()
        self._row = {_stem(str(names.texts[row])): row for row in named}
        if len(self._row) < len(named):
            raise ContractError(
                f"Two rows of the catalogue have the same {key}.", "Give each cutout one row."
            )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table file; a Parquet table of cutouts may be its own catalogue."""
        return cls(read_table(path))

    def rows(self, identifiers: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each cutout, -1 for one that the catalogue does not know.

        Cutouts that skysift made are named OBJECT@IMAGE, where an object lies on several images.
        """
        found = []
        for name in identifiers:
            stem = _stem(str(name))
            of_object = self._row.get(_stem(stem.partition("@")[0]), -1)
            found.append(self._row.get(stem, of_object))
        return np.array(found, dtype=np.int64)

    def columns(self, identifiers: Sequence[str], taken: Sequence[str] = ()) -> FeatureTable:
        """Return the columns for these cutouts, null where the catalogue does not know one.

        Parameters
        ----------
        identifiers : sequence of str
            Of the cutouts.
        taken : sequence of str
            Names that the columns must not have: :meth:`renamed` tells what they are called.
        """
        rows = self.rows(identifiers)
        found = self.table.arrow.take(pa.array(rows, mask=rows < 0))
        names = self.renamed(taken)
        return FeatureTable(
            found.rename_columns([names.get(name, name) for name in self.table.columns])
        )

    def renamed(self, taken: Sequence[str]) -> dict[str, str]:
        """Return what columns are called whose names are taken: ``catalogue_`` and the name.

        The position and the name of the file are no other thing in an answer, and keep theirs.
        """
        used, found = {*taken, *self.table.columns}, dict[str, str]()
        for name in self.table.columns:
            if name in taken and name not in _SHARED:
                new = f"{_PREFIX}{name}"
                while new in used:
                    new = f"{_PREFIX}{new}"
                used.add(new)
                found[name] = new
        return found


@dataclass(frozen=True)
class Cutouts:
    """Labelled cutouts after their input contract, in memory.

    Parameters
    ----------
    images : ImageSet
        The cutouts.
    is_galaxy : array of bool, shape (n,)
        The truth.
    groups : array of int, shape (n,)
        Equal for cutouts of one object, e.g. duplicates.
    checked : Checked
        All that was read, and what was found.
    name : str
        Name of the data.
    split : str
        Which of them these are.
    """

    images: ImageSet
    is_galaxy: NDArray[np.bool_]
    groups: NDArray[np.int64]
    checked: Checked
    name: str
    split: str

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[Any], split: str) -> Self:
        """Return some of the cutouts, chosen by a mask or by numbers."""
        return replace(
            self,
            images=self.images.take(rows),
            is_galaxy=self.is_galaxy[rows],
            groups=self.groups[rows],
            split=split,
        )

    def distinct(self) -> Self:
        """Return each object once: the first of its cutouts."""
        _, first = np.unique(self.groups, return_index=True)
        return self.take(np.sort(first), f"{self.split}, distinct")

    def exposures(self) -> NDArray[np.int64]:
        """Return groups of objects that share an exposure, shape (n,)."""
        return exposure_groups(self.images, by="image")


def as_models_know(images: ImageSet) -> ImageSet:
    """Return cutouts as those that models are trained on: of known seeing, and none worse.

    The seeing of cutouts that do not state it, such as those of alerts, is estimated from what is
    seen; those of worse seeing or smaller pixels are resampled. Both are flagged, and the cutouts
    of the training data stay as they are.
    """
    known = with_estimated_seeing(images)
    return resampled_to_seeing(known, worst=_WORST_SEEING, wanted=_COMMON_SEEING)


def cutout_of(options: ReadOptions) -> Cutout:
    """Return which cutout of an alert is asked for."""
    return Cutout.TEMPLATE if options.cutout == "template" else Cutout.SCIENCE


def read_cutouts(paths: Sequence[Path], options: ReadOptions) -> Cutouts:
    """Read labelled cutouts into memory.

    The label of each comes from the catalogue; without one, from a table among the paths, from a
    column ``label`` of a Parquet table of cutouts, or from file names that begin with ``star`` or
    ``galaxy``.

    Parameters
    ----------
    paths : sequence of Path
        FITS files, tar archives of them, Avro, Parquet; also a table with the labels.
    options : ReadOptions
        The catalogue, and which cutout of an alert.

    Raises
    ------
    InputError
        If nothing can be read, a label is missing or unknown, or only one class is there.
    """
    tables = [path for path in paths if path.name.lower().endswith(_TABLES)]
    files = [path for path in paths if path not in tables]
    if not files:
        raise InputError(
            "This is a table of labels, without the cutouts.",
            "Give both: --data CUTOUTS --catalog TABLE.",
            path=tables[0] if tables else None,
        )
    if options.catalog is not None:
        tables = [Path(options.catalog)]
    read = read_images(files, cutout=cutout_of(options))
    images = as_models_know(read.images)
    is_galaxy = _labels(images, files, tables)
    if len(set(is_galaxy.tolist())) < len(CLASSES):
        raise InputError("All cutouts are of one class.", "Give stars and galaxies.", path=paths[0])
    return Cutouts(
        images=images,
        is_galaxy=is_galaxy,
        groups=object_groups(images),
        checked=read.checked,
        name=_name(files),
        split="all cutouts",
    )


def _labels(images: ImageSet, files: Sequence[Path], tables: Sequence[Path]) -> NDArray[np.bool_]:
    names = [str(name) for name in images.identifiers]
    known: dict[str, str] = {}
    for path in tables or [path for path in files if path.suffix.lower() == ".parquet"]:
        catalogue = Catalogue.read(path)
        column = column_among(catalogue.table.columns, (_LABEL,))
        if column is None:
            if path in tables:
                raise ContractError(
                    f"The catalogue has no column {_LABEL}.",
                    "Add one that says star or galaxy.",
                    path=path,
                )
            continue
        labels = catalogue.table[column]
        rows = catalogue.rows(names)
        known |= {
            name: str(labels[row]).strip().lower()
            for name, row in zip(names, rows, strict=True)
            if row >= 0
        }
    given = [known.get(name, "" if tables else _class_in(name)) for name in names]
    return np.array([_is_galaxy(label, name) for label, name in zip(given, names, strict=True)])


def _class_in(name: str) -> str:
    return next((word for word in CLASSES if _stem(name).lower().startswith(word)), "")


def _is_galaxy(label: str, name: str) -> bool:
    if label not in CLASSES:
        found = f"the label '{label}'" if label else "no label"
        raise ReadError(
            f"The cutout {name} has {found}.",
            "Give --catalog with a column label, star or galaxy, for each cutout.",
        )
    return label == CLASSES[1]


def _with_plain_file(table: FeatureTable) -> FeatureTable:
    """Return a catalogue whose column of files has the name that it has in an answer."""
    column = column_among(table.columns, (_FILE,))
    if column in (None, _FILE):
        return table
    names = [_FILE if name == column else name for name in table.columns]
    return FeatureTable(table.arrow.rename_columns(names), table.meta)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _stem(name: str) -> str:
    """Return a name without folder and without the suffixes of files of cutouts."""
    stem = PurePosixPath(name).name
    for suffix in (".gz", ".fz", ".fits", ".fit"):
        stem = stem.removesuffix(suffix)
    return stem


def _name(files: Sequence[Path]) -> str:
    """Return the name of registered data whose bytes these are, else the names of the files."""
    known = {
        file.sha256: info.title.partition(":")[0]
        for info in list_datasets()
        if "star-galaxy" in info.tasks
        for file in info.files
    }
    sizes = {
        file.bytes for info in list_datasets() if "star-galaxy" in info.tasks for file in info.files
    }
    for path in files:
        if path.is_file() and path.stat().st_size in sizes:
            title = known.get(sha256_of_file(path))
            if title is not None:
                return title
    return " + ".join(path.name for path in files)
