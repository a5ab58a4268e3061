"""What ``bundle.json`` says: a closed, typed description of a trained model."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, field_validator, model_validator

from skysift.core.config import Config
from skysift.core.results import Metric

__all__ = [
    "SCHEMA_VERSION",
    "BundleManifest",
    "BundleSpec",
    "DataLicence",
    "Distribution",
    "InputColumn",
    "Lineage",
    "ModelEntry",
    "ModelFormat",
    "OperatingPoint",
    "StoredFile",
    "Training",
]

SCHEMA_VERSION: Final = 1

ModelFormat = Literal["onnx", "safetensors", "skops", "xgboost"]

MEMBER_SUFFIXES = (".json", ".onnx", ".safetensors", ".skops")
"""The kinds of file that a bundle may hold beside its description and card; none holds code."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,16}){1,3}")
_WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)\..*")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Part(Config):
    """A part of the description: closed, immutable, and without NaN or infinity."""

    model_config = ConfigDict(allow_inf_nan=False)


class ModelEntry(_Part):
    """The fitted model and what it returns.

    Parameters
    ----------
    format : {"onnx", "safetensors", "skops", "xgboost"}
        How the model is stored.
    file : str
        Name of its file in the bundle.
    family : str
        What it is, e.g. ``random forest``.
    parameters : mapping
        Hyper-parameters or architecture, as resolved at training.
    outputs : tuple of str
        What the model returns, in order: the probability of the positive class and, where it
        has one, the uncertainty of that. For ONNX these are the names of the graph's outputs.
    """

    format: ModelFormat
    file: str
    family: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    outputs: tuple[str, ...] = ("probability",)


class InputColumn(_Part):
    """One column that the model wants to read.

    Parameters
    ----------
    name, unit, dtype, description : str
        As in the table; the unit in the form of astropy, empty if there is none.
    low, high : float, optional
        Range of the training data, in that unit; outside it a prediction is an extrapolation.
    """

    name: str
    unit: str = ""
    dtype: str = "float64"
    description: str = ""
    low: float | None = None
    high: float | None = None


class OperatingPoint(_Part):
    """A threshold on the score, chosen for a rate and never for looks.

    Parameters
    ----------
    name : str
        Stable identifier, e.g. ``acceptance-0.01``.
    threshold : float
        A score at or above it counts as signal.
    acceptance : float
        Fraction of the background that passes.
    efficiency : float
        Fraction of the signal that passes.
    chosen_on : str
        The rows on which the threshold was chosen.
    method : str
        How it was chosen.
    low, high : float, optional
        Limits of the 95 % confidence interval of `efficiency`.
    """

    name: str
    threshold: float
    acceptance: Fraction
    efficiency: Fraction
    chosen_on: str
    method: str
    low: Fraction | None = None
    high: Fraction | None = None


class Training(_Part):
    """What the model was trained on and how to do it again.

    Parameters
    ----------
    data : str
        Name of the data set.
    sha256 : str
        SHA-256 of the training data as read.
    n_rows : int
        Number of rows that were fitted.
    split : str
        How rows were held out.
    seed : int
        Seed of the random generator.
    command : str
        The command that trained the model.
    """

    data: str
    sha256: Sha256
    n_rows: int = Field(ge=0)
    split: str
    seed: int
    command: str


class Distribution(_Part):
    """A distribution by its quantiles, against which later data are compared.

    Parameters
    ----------
    levels : tuple of float
        Cumulative probabilities, rising.
    values : tuple of float
        The quantiles at these levels, never falling.
    """

    levels: tuple[Fraction, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if len(self.levels) != len(self.values):
            raise ValueError("there must be as many values as levels")
        if any(b <= a for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("the levels must rise")
        if any(b < a for a, b in zip(self.values, self.values[1:], strict=False)):
            raise ValueError("quantiles must not fall")
        return self


class DataLicence(_Part):
    """Licence and citation of the training data."""

    licence: str
    citation: str


class Lineage(_Part):
    """The model that this one goes on from.

    Parameters
    ----------
    parent : str
        Name of its bundle.
    parent_hash : str
        Hash of its bundle, see :attr:`skysift.core.bundle.Bundle.hash`.
    verb : {"train", "update"}
        Whether it learned for other data, or more of the same with old rows replayed.
    method : str
        What of the parent was moved, and how.
    generation : int
        How many models came one out of the other; 1 for the child of one that was trained afresh.
    replayed : int
        Rows of the parent's reference set that were learned again.
    judged : tuple of Metric
        Differences from the parent, child minus parent, on rows that neither step had seen.
    """

    parent: str
    parent_hash: Sha256
    verb: Literal["train", "update"]
    method: str
    generation: int = Field(1, ge=1)
    replayed: int = Field(0, ge=0)
    judged: tuple[Metric, ...] = ()


class StoredFile(_Part):
    """Size in bytes and SHA-256 of one file of the bundle."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class BundleSpec(_Part):
    """What the maker of a bundle says of it.

    Parameters
    ----------
    name, task, summary : str
        Name of the bundle, of its task, and one line on what it does.
    created : datetime
        When it was made, with its time zone.
    model : ModelEntry
        The fitted model.
    preprocessing : mapping
        Resolved configuration of the steps before the model; the task owns its meaning.
    inputs : tuple of InputColumn
        Columns to be read.
    features : tuple of str
        Columns of the model's matrix, in order.
    classes : tuple of str
        Names of the classes in the order of the model's outputs: background, signal.
    positive_class : str
        The one of them whose probability is the score.
    prior : float, optional
        Fraction of the positive class in training.
    operating_points : tuple of OperatingPoint
        Thresholds.
    metrics : tuple of Metric
        What was measured, with intervals.
    training : Training
        Data, split, seed, command.
    reference : mapping of str to Distribution
        Quantiles of features and score on the training data.
    packages : mapping of str to str
        Versions of the packages at training.
    data_licence : DataLicence
        Licence and citation of the training data.
    lineage : Lineage, optional
        The model that it goes on from.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)
    task: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=100)
    created: AwareDatetime
    summary: str
    model: ModelEntry
    preprocessing: dict[str, JsonValue] = Field(default_factory=dict)
    inputs: tuple[InputColumn, ...] = ()
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ("background", "signal")
    positive_class: str = "signal"
    prior: Fraction | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    training: Training
    reference: dict[str, Distribution] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    data_licence: DataLicence
    lineage: Lineage | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.positive_class not in self.classes:
            raise ValueError(f"positive_class '{self.positive_class}' is none of the classes")
        for what, names in (
            ("inputs", [column.name for column in self.inputs]),
            ("features", self.features),
            ("classes", self.classes),
            ("operating_points", [point.name for point in self.operating_points]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"a name occurs twice in {what}")
        return self

    def operating_point(self, name: str) -> OperatingPoint:
        """Return the operating point of that name; KeyError if there is none."""
        for point in self.operating_points:
            if point.name == name:
                return point
        raise KeyError(name)


class BundleManifest(BundleSpec):
    """All of ``bundle.json``: the specification and the files that belong to it."""

    schema_version: Literal[1] = SCHEMA_VERSION
    files: dict[str, StoredFile]

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, StoredFile]) -> dict[str, StoredFile]:
        for name in files:
            check_file_name(name)
        if len({name.casefold() for name in files}) != len(files):
            raise ValueError("two file names differ only in case")
        return files

    @model_validator(mode="after")
    def _model_is_there(self) -> Self:
        for name in (self.model.file, "card.md"):
            if name not in self.files:
                raise ValueError(f"'{name}' is not among the files")
        return self


def check_file_name(name: str) -> None:
    """Raise ValueError unless a name is plain on every system and of a kind that holds no code.

    Examples
    --------
    >>> check_file_name("model.onnx")
    >>> check_file_name("../model.onnx")
    Traceback (most recent call last):
    ...
    ValueError: '../model.onnx' is not a plain file name
    """
    if not _PLAIN_NAME.fullmatch(name) or _WINDOWS_DEVICE.fullmatch(name):
        raise ValueError(f"'{name}' is not a plain file name")
    if name == "bundle.json" or (name != "card.md" and not name.endswith(MEMBER_SUFFIXES)):
        raise ValueError(f"'{name}' is not a kind of file that a bundle may hold")
