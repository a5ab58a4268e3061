"""The options of gamma-hadron. This module imports nothing heavy: the command line reads it."""

from typing import Literal

from pydantic import Field, field_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption

__all__ = [
    "FAST",
    "MODELS",
    "NOTEBOOK_MODELS",
    "QUICK_MODELS",
    "STRONG_MODELS",
    "CompareOptions",
    "Mode",
    "PredictOptions",
    "ReadOptions",
    "TrainOptions",
]

Mode = Literal["source-dependent", "source-independent"]

NOTEBOOK_MODELS = ("knn", "logistic-regression", "decision-tree", "xgboost", "neural-network")
STRONG_MODELS = (
    "random-forest",
    "extra-trees",
    "hist-gradient-boosting",
    "boosted-scaled",
    "mlp-ensemble",
    "blend",
)
MODELS = (*NOTEBOOK_MODELS, *STRONG_MODELS)
FAST = "fast"
"""Not a model of its own: a blend is trained, then distilled."""
QUICK_MODELS = (*NOTEBOOK_MODELS, "random-forest", "hist-gradient-boosting")
"""Those that train in seconds without PyTorch."""
_TRAINABLE = (*MODELS, FAST)


class ReadOptions(Config):
    """How a table is read."""

    columns: str | None = Field(
        None,
        description="A column map: a TOML file, or a shipped one (uci-magic, keel-magic, fact, "
        "ctapipe-dl1, lstchain-dl1b); found from the column names if left out.",
    )
    background: tuple[str, ...] = Field(
        (),
        description="Those of the files that hold background only; the others then hold gammas "
        "only. Needed where no column tells the class; repeatable.",
    )
    rows: Literal["auto", "all", "train", "test"] = Field(
        "auto",
        description="Which rows of the MAGIC table: its fixed test rows, the others, or all. "
        "'auto': the test rows to evaluate, the others to train, all to explore; any other "
        "table is always read whole.",
    )


class TrainOptions(Config):
    """What is trained, on what, and how it is checked."""

    model: str = Field(
        "random-forest",
        description=f"One of: {', '.join(MODELS)}; or fast: one small network that copies a blend.",
    )
    mode: Mode = Field(
        "source-dependent",
        description="source-dependent models know where the source is (alpha, dist); "
        "source-independent ones do not.",
    )
    extra_features: tuple[str, ...] = Field(
        (), description="Further columns of the table to train on, by name; repeatable."
    )
    folds: int = Field(5, ge=2, le=20, description="Cross-fitted members of the model.")
    tune: bool = Field(False, description="Search the model's grid by cross-validation first.")
    quick: bool = Field(False, description="The small grid, for a first look.")

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        return known_name("model", value, _TRAINABLE)


class PredictOptions(CoverageOption):
    """What a prediction can be asked for."""

    prior: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of gammas among the events of this sample; gammaness is corrected from "
        "the share in the training data to this one.",
    )
    batch_rows: int = Field(
        131_072, ge=1, description="Rows in memory at a time; more is not faster."
    )


class CompareOptions(Config):
    """Which models are compared, and how."""

    models: tuple[str, ...] = Field(
        MODELS, description=f"Models to train: {', '.join(MODELS)}, fast; repeatable."
    )
    mode: Mode = Field("source-dependent", description="With or without alpha and dist.")
    bundles: tuple[str, ...] = Field(
        ("default", "fast", "source-independent"),
        description="Shipped bundles to score beside them, where they fit the data; repeatable.",
    )
    extra_features: tuple[str, ...] = Field(
        (), description="Further columns of the table to train on, by name; repeatable."
    )
    tune: bool = Field(True, description="Search the grids of the notebook's five models.")
    notebook: bool = Field(
        True, description="Also train the five exactly as the notebook did, where its columns are."
    )
    cv: bool = Field(False, description="Also score by five-fold cross-validation.")
    learning_curve: bool = Field(
        False, description="Also train on parts of the events, to see whether more would help."
    )
    quick: bool = Field(False, description="Small grids and no PyTorch: minutes, not an hour.")

    @field_validator("models")
    @classmethod
    def _known_models(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("model", value, _TRAINABLE) for value in values)
