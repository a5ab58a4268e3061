"""What the training data looked like: for each quantity, how many rows in which bins.

A reference is found, in this order, in the file that the configuration names, in a file beside the
bundle (``NAME.reference.json`` beside the folder ``NAME``), and among the quantiles that the
bundle itself may hold. A file names the hash of the bundle that it is for, so that neither it nor
the bundle can change without notice. Where there is none, there is none: nothing is made up.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import Distribution
from skysift.core.config import Config
from skysift.core.errors import BundleError, ReadError

__all__ = ["Quantity", "Reference", "beside", "find_reference", "of_distribution"]

SUFFIX = ".reference.json"
MOST_BYTES = 16 * 2**20
MOST_QUANTITIES = 1000
MOST_BINS = 200

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Quantity(Config):
    """One quantity of the training data.

    Parameters
    ----------
    edges : tuple of float, length k
        Rising; bins are (-inf, e0], (e0, e1], ... (ek, inf).
    counts : tuple of float, length k + 2
        Rows in each bin; last, rows without a finite value.
    """

    edges: tuple[Finite, ...] = Field(min_length=1, max_length=MOST_BINS)
    counts: tuple[Count, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(after <= before for before, after in pairwise(self.edges)):
            raise ValueError("edges must rise")
        if len(self.counts) != len(self.edges) + 2:
            raise ValueError("there must be a count for each bin, and one for missing values")
        return self

    @property
    def rows(self) -> float:
        """Rows that it was made of."""
        return float(sum(self.counts))


class Reference(Config):
    """Quantities of the training data of a bundle.

    Parameters
    ----------
    task : str
        Of the bundle.
    bundle : str
        Hash of the bundle that it is for.
    data : str
        What the rows were, in plain words.
    made_by : str
        The command, or that they are the bundle's own quantiles.
    created : datetime, optional
        When.
    quantities : mapping of str to Quantity
        By name, as in the columns of the answers.
    """

    schema_version: Literal[1] = 1
    task: str
    bundle: str = Field(pattern=r"^[0-9a-f]{64}$")
    data: str
    made_by: str
    created: AwareDatetime | None = None
    quantities: dict[str, Quantity] = Field(max_length=MOST_QUANTITIES)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a reference.

        Raises
        ------
        ReadError
            If it cannot be read, or is none.
        """
        try:
            with path.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise ReadError(f"It is larger than {MOST_BYTES:,} bytes.", path=path)
            return cls.model_validate(json.loads(text))
        except OSError as error:
            raise ReadError(
                f"The reference cannot be read: {error.strerror}.",
                "Name a file that 'python -m skysift.serve.drift.make' has made.",
                path=path,
            ) from error
        except (ValueError, ValidationError, RecursionError) as error:
            raise ReadError(
                "This is no reference of a bundle.",
                "Make it with 'python -m skysift.serve.drift.make'.",
                path=path,
            ) from error

    def to_json(self) -> str:
        """Return the text of a file."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def beside(bundle: Path) -> Path:
    """Return where the reference of a bundle lies that is not within it.

    Examples
    --------
    >>> beside(Path("bundles/default")).as_posix()
    'bundles/default.reference.json'
    """
    return bundle.with_name(f"{bundle.name}{SUFFIX}")


def find_reference(bundle: Bundle, path: Path | None = None) -> Reference | None:
    """Return the reference of a bundle; None if it has none.

    Parameters
    ----------
    bundle : Bundle
        The model.
    path : Path, optional
        A file that goes before all others.

    Raises
    ------
    ReadError
        If the file cannot be read.
    BundleError
        If it is for another bundle.
    """
    file = path if path is not None else beside(bundle.folder)
    if path is None and not file.exists():
        return _within(bundle)
    found = Reference.read(file)
    if found.bundle != bundle.hash:
        raise BundleError(
            f"The reference is for a bundle with the hash {found.bundle[:16]}..., "
            f"not for {bundle.name}, {bundle.hash[:16]}....",
            "Make it again for this bundle, with 'python -m skysift.serve.drift.make'.",
            path=file,
        )
    return found


def _within(bundle: Bundle) -> Reference | None:
    manifest = bundle.manifest
    rows = manifest.training.n_rows
    quantities = {
        name: quantity
        for name, distribution in manifest.reference.items()
        if (quantity := of_distribution(distribution, rows)) is not None
    }
    if not quantities:
        return None
    return Reference(
        task=manifest.task,
        bundle=bundle.hash,
        data=f"{manifest.training.data}: {rows:,} rows of training",
        made_by="the quantiles in bundle.json",
        created=manifest.created,
        quantities=quantities,
    )


def of_distribution(distribution: Distribution, rows: int) -> Quantity | None:
    """Return the bins between quantiles; None if they tell of no two.

    Parameters
    ----------
    distribution : Distribution
        Quantiles, the least and the greatest value among them.
    rows : int
        That they were taken of.

    Notes
    -----
    Where a value occurs often, several quantiles are equal, and how many rows lie on it is not
    known: its bin is merged with both neighbours, whose outer edges are met by single values.

    Examples
    --------
    >>> quantiles = Distribution(levels=(0, 0.25, 0.5, 0.75, 1), values=(0, 0, 1, 2, 3))
    >>> of_distribution(quantiles, 100)
    Quantity(edges=(1.0, 2.0), counts=(50.0, 25.0, 25.0, 0.0))
    """
    values, levels = distribution.values, distribution.levels
    inner = [
        (values[place], levels[place])
        for place in range(1, len(values) - 1)
        if values.count(values[place]) == 1
    ]
    if not inner:
        return None
    edges, below = zip(*inner, strict=True)
    shares = np.diff([0.0, *below, 1.0])
    return Quantity(edges=edges, counts=(*(shares * rows).tolist(), 0.0))
