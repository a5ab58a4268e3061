"""What the trained classifier of any task says of itself: the part of a bundle that is not its own.

A task's model is a subclass with what it sees and how it answers. To a bundle it goes through
:meth:`Classifier.spec`; back it comes through :func:`stored`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import (
    BundleSpec,
    DataLicence,
    Distribution,
    InputColumn,
    Lineage,
    ModelEntry,
    OperatingPoint,
    Training,
)
from skysift.core.conformal import (
    CONFORMAL_FILE,
    Promise,
    promise_of,
    promises_of,
    promises_to_bytes,
)
from skysift.core.errors import BundleError
from skysift.core.provenance import package_versions
from skysift.core.results import Metric

__all__ = ["REPLAY_FILE", "Classifier", "Stored", "stored"]

REPLAY_FILE = "replay.safetensors"
"""Of a bundle: the rows of its training data that an update replays."""


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A model of two classes, and all that a user of its numbers must know.

    Parameters
    ----------
    name : str
        Name of the bundle.
    family : str
        What it is, e.g. ``random forest``.
    prior : float
        Share of the positive class in the training data, which the probability assumes.
    training : Training
        Data, rows, split, seed, command.
    data_licence : DataLicence
        Of the training data.
    operating_points : tuple of OperatingPoint
        Thresholds, chosen on rows that the scoring members had not seen.
    metrics : tuple of Metric
        What was measured, and on which rows.
    parameters : mapping
        Hyper-parameters.
    reference : mapping of str to Distribution
        Quantiles of what is seen and of the probability on the training rows.
    bundle : Bundle or None
        Where the model was loaded from.
    lineage : Lineage or None
        The model that it goes on from.
    replay : bytes or None
        Rows of its training data, kept so that an update can learn them again; see
        :meth:`skysift.core.continuation.Continuation.remembered`.
    promises : tuple of Promise
        What sets and bounds of stated coverage rest on; empty if nothing is promised.
    """

    name: str
    family: str
    prior: float
    training: Training
    data_licence: DataLicence
    operating_points: tuple[OperatingPoint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Distribution] = field(default_factory=dict)
    bundle: Bundle | None = None
    lineage: Lineage | None = None
    replay: bytes | None = field(default=None, repr=False)
    promises: tuple[Promise, ...] = field(default=(), repr=False)

    @property
    def kept(self) -> dict[str, bytes]:
        """Files of its bundle beside those of the trained part."""
        replay = {} if self.replay is None else {REPLAY_FILE: self.replay}
        promised = {CONFORMAL_FILE: promises_to_bytes(self.promises)} if self.promises else {}
        return {**replay, **promised}

    def promise(self, name: str) -> Promise:
        """Return one of the promises by its name.

        Raises
        ------
        UsageError
            If the bundle does not make it.
        """
        return promise_of(self.promises, name, self.name)

    def warnings_on(self, data: str) -> tuple[str, ...]:
        """Warn where data of this name trained the model: numbers measured on them flatter it."""
        if data != self.training.data:
            return ()
        warning = (
            "Warning: data of this name trained the bundle, so these numbers flatter it. For "
            "honest ones see skysift compare, which cross-validates."
        )
        return (warning,)

    def spec(
        self,
        task: str,
        summary: str,
        entry: ModelEntry,
        *,
        preprocessing: Mapping[str, Any],
        inputs: Sequence[InputColumn],
        features: Sequence[str],
        classes: tuple[str, str],
    ) -> BundleSpec:
        """Return the description of a bundle that is made of this model now.

        Parameters
        ----------
        task : str
            Whose model it is.
        summary : str
            One line on what it does.
        entry : ModelEntry
            The files of the trained part.
        preprocessing : mapping
            Steps before the model, JSON-ready.
        inputs : sequence of InputColumn
            What is read.
        features : sequence of str
            Columns of the model's matrix.
        classes : tuple of str
            The negative and the positive class.
        """
        return BundleSpec(
            name=self.name,
            task=task,
            created=datetime.now(UTC).replace(microsecond=0),
            summary=summary,
            model=entry,
            preprocessing=dict(preprocessing),
            inputs=tuple(inputs),
            features=tuple(features),
            classes=classes,
            positive_class=classes[1],
            prior=self.prior,
            operating_points=self.operating_points,
            metrics=self.metrics,
            training=self.training,
            reference=dict(self.reference),
            packages=package_versions(),
            data_licence=self.data_licence,
            lineage=self.lineage,
        )


class Stored(TypedDict):
    """The parameters of a :class:`Classifier` that a bundle holds, by name."""

    name: str
    family: str
    prior: float
    training: Training
    data_licence: DataLicence
    operating_points: tuple[OperatingPoint, ...]
    metrics: tuple[Metric, ...]
    parameters: Mapping[str, Any]
    reference: Mapping[str, Distribution]
    bundle: Bundle
    lineage: Lineage | None
    replay: bytes | None
    promises: tuple[Promise, ...]


def stored(bundle: Bundle, positive_class: str) -> Stored:
    """Return what a bundle says of its classifier.

    Raises
    ------
    BundleError
        If its positive class is another, or it has no prior.
    """
    manifest = bundle.manifest
    if manifest.positive_class != positive_class or manifest.prior is None:
        raise BundleError(
            f"The positive class must be '{positive_class}', and the prior given.",
            "Train the bundle again.",
            path=bundle.folder,
        )
    return Stored(
        name=manifest.name,
        family=manifest.model.family,
        prior=manifest.prior,
        training=manifest.training,
        data_licence=manifest.data_licence,
        operating_points=manifest.operating_points,
        metrics=manifest.metrics,
        parameters=manifest.model.parameters,
        reference=manifest.reference,
        promises=promises_of(bundle),
        bundle=bundle,
        lineage=manifest.lineage,
        replay=bundle.read_bytes(REPLAY_FILE) if REPLAY_FILE in manifest.files else None,
    )
