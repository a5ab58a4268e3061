"""Go on from the published networks with maps of empty runs that have one injected source.

Cleaner and regressor are two parts, each with its published loss: that of the cleaned map, and the
error of the place. The regressor sees maps that the cleaner has cleaned, so that a regressor goes
on after its cleaner, if both are to.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import DataLicence, Lineage, Training
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import UnknownNameError, UsageError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.irf.analytic import AnalyticResponse
from skysift.evaluate.updating import gain, with_judgement
from skysift.models.fine_tuning import TuningOptions, what_moved
from skysift.models.lessons import Mixed, grouped, mix
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.layers import Weights, parameter_count
from skysift.models.sky.baseline.networks import PublishedNetworks
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.tuning import Tunable, tunable_cleaner, tunable_regressor
from skysift.models.sky.baseline.unfolding import weights_of_cleaner, weights_of_layers
from skysift.models.sky.baseline.variants import Variant
from skysift.tasks.gamma_sky.baseline.bundle import published_graphs, write_published
from skysift.tasks.gamma_sky.baseline.loading import (
    CLEANER_FILE,
    MODULE,
    PublishedSettings,
    read_published,
    ready_networks,
)
from skysift.tasks.gamma_sky.baseline.maps import GRIDS, plain_recipes
from skysift.tasks.gamma_sky.baseline.off_fields import OneSource, one_source_maps
from skysift.tasks.gamma_sky.model import REGRESSOR_FILE
from skysift.tasks.gamma_sky.observations import Observations
from skysift.tasks.gamma_sky.off_maps import Maps
from skysift.tasks.gamma_sky.simulation.original import original_dataset

__all__ = [
    "PARTS",
    "Part",
    "PublishedContinuation",
    "PublishedModel",
    "continuation_of_part",
    "load_published_parent",
]

Part = Literal["regressor", "cleaner"]
PARTS: tuple[Part, ...] = ("regressor", "cleaner")

_RATE = 1e-4  # a tenth of that of the training
_BATCH = 8
_SIMULATED = 128  # maps of a reference
_LOSSES: dict[Part, str] = {"regressor": "new place error [deg]", "cleaner": "new loss of a pixel"}
_PLACE_MARGIN = 0.0025  # deg: 4 % of the error of a place, as the next is of the loss of a pixel
_PIXEL_MARGINS = {"own": 0.0075, "expectation": 0.00025}
_LICENCE = DataLicence(licence="not stated", citation="not stated")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PublishedModel:
    """Published networks that can go on.

    Parameters
    ----------
    settings : PublishedSettings
        Which maps they take.
    shape : (int, int)
        Rows and columns of these.
    cleaner, regressor : mapping of str to array
        Weights.
    graphs : mapping of str to bytes
        The same as they run, by the names of their files.
    metrics : tuple of Metric
        What was measured.
    bundle : Bundle or None
        Where they were loaded from.
    record : Training or None
        Of children, what they learned from.
    options : ContinueOptions or None
        Of children, how.
    origin : Origin or None
        Of children, where they come from.
    """

    settings: PublishedSettings
    shape: tuple[int, int]
    cleaner: Weights
    regressor: Weights
    graphs: dict[str, bytes]
    metrics: tuple[Metric, ...] = ()
    bundle: Bundle | None = None
    record: Training | None = None
    options: ContinueOptions | None = None
    origin: Origin | None = None

    @property
    def replay(self) -> bytes | None:
        """No maps are kept: they are large."""
        return None

    @property
    def lineage(self) -> Lineage | None:
        """The networks that they go on from."""
        return None if self.origin is None else self.origin.lineage

    @property
    def training(self) -> Training | None:
        """What they learned from."""
        return self.record if self.bundle is None else self.bundle.manifest.training

    @property
    def data_licence(self) -> DataLicence | None:
        """Of what they learned from."""
        return None if self.bundle is None else self.bundle.manifest.data_licence

    @cached_property
    def networks(self) -> PublishedNetworks:
        """Ready to run."""
        return ready_networks(self.graphs, self.settings)

    def with_weights(self, part: "Part", weights: Weights) -> "PublishedModel":
        """Return networks of which one has other weights; the other stays byte by byte."""
        cleaner = weights if part == "cleaner" else self.cleaner
        regressor = weights if part == "regressor" else self.regressor
        graphs = published_graphs(self.settings.variant, cleaner, regressor, self.shape)
        file = CLEANER_FILE if part == "cleaner" else REGRESSOR_FILE
        changed = {**self.graphs, file: graphs[file]}
        return replace(self, cleaner=cleaner, regressor=regressor, graphs=changed)

    def save(self, folder: Path) -> Bundle:
        """Write networks that have gone on as a bundle.

        Raises
        ------
        UsageError
            If they have not.
        """
        if self.record is None or self.options is None or self.origin is None:
            raise UsageError(
                "These networks have not gone on.", "Copy the bundle that they came from."
            )
        variant = self.settings.variant
        return write_published(
            folder,
            self.settings,
            self.graphs,
            parameters={
                "cleaner_parameters": parameter_count(CnnCleaner(variant).layers),
                "regressor_parameters": parameter_count(
                    CnnRegressor(variant, shape=self.shape).layers
                ),
                **self.options.model_dump(mode="json", exclude_none=True),
            },
            metrics=self.metrics,
            training=self.record,
            origin=self.origin,
        )


def load_published_parent(folder: Path) -> PublishedModel:
    """Load published networks to go on from.

    Raises
    ------
    BundleError
        If the bundle is damaged, or holds no such networks.
    MissingExtraError
        If onnx is not installed.
    """
    bundle, settings, graphs = read_published(folder)
    shape = ready_networks(graphs, settings).shape
    return PublishedModel(
        settings,
        shape,
        weights_of_cleaner(graphs[CLEANER_FILE], settings.variant),
        weights_of_layers(
            graphs[REGRESSOR_FILE], CnnRegressor(settings.variant, shape=shape).layers
        ),
        graphs,
        bundle.manifest.metrics,
        bundle,
    )


def continuation_of_part(model: PublishedModel, part: str | None) -> "PublishedContinuation":
    """Return how a part of published networks goes on, the regressor if none is named.

    Raises
    ------
    UnknownNameError
        If there is no such part.
    """
    for known in PARTS:
        if part in (None, known):
            return PublishedContinuation(known, model.settings.variant)
    raise UnknownNameError("part of the published networks", str(part), PARTS)


class PublishedContinuation:
    """How one of the published networks goes on; see :class:`Continuation`.

    Parameters
    ----------
    part : {"regressor", "cleaner"}
        Which.
    variant : Variant
        Of the networks: what a cleaner learns says how large its loss is.
    """

    MOST_KEPT: int = 0

    def __init__(self, part: Part, variant: Variant) -> None:
        self._part = part
        self.MARGIN = _PLACE_MARGIN if part == "regressor" else _PIXEL_MARGINS[variant.target]

    def lessons(self, data: Observations, parent: PublishedModel, /) -> Maps:
        """Return maps of runs, each with one source: the same ones for the same runs.

        Raises
        ------
        UsageError
            If the networks see bins that depend on the photons.
        """
        settings = parent.settings
        if settings.variant.grid != "fixed":
            raise UsageError(
                f"Networks of the variant '{settings.variant.name}' see bins between the extremes "
                "of each map's photons; such maps are not made of real runs.",
                f"Train them anew: python -m {MODULE}.training --help; or go on from the bundle "
                "'cnn'.",
            )
        times = [item.events.time[:1].tobytes() for item in data.items]
        seed = int.from_bytes(hashlib.sha256(b"".join(times)).digest()[:8], "big")
        wanted = OneSource(
            parent.shape,
            settings.pixel_size,
            settings.energies,
            settings.radius,
            settings.exposure,
        )
        return one_source_maps(data, wanted, np.random.default_rng(seed))

    def origin_of(self, data: Observations, /) -> tuple[str, DataLicence]:
        """Return the name of the data, and their licence: photon lists do not state one."""
        return f"{len(data)} photon lists with one injected source a map", _LICENCE

    def losses(self, lessons: Maps, model: PublishedModel, /) -> Floats:
        """Return the loss of each map, shape (n,): of a pixel, or of the place [deg]."""
        return self._tunable(model, lessons).losses(self._weights(model))

    def go_on(
        self,
        parent: PublishedModel,
        lessons: Maps,
        replay: Maps | None,
        options: ContinueOptions,
        rng: np.random.Generator,
        /,
        *,
        origin: Origin,
        progress: Progress,
    ) -> PublishedModel:
        """Return networks of which one goes on."""
        old = None if replay is None else grouped(replay.group)
        mixed = mix(grouped(lessons.group), old, held_out=options.held_out, rng=rng)
        maps = lessons if replay is None else lessons.followed_by(replay)
        frozen = options.body == "frozen"
        found = self._tunable(parent, maps).tuned(
            self._weights(parent),
            mixed,
            TuningOptions.of(options, _RATE, batch_size=_BATCH),
            rng,
            frozen=frozen,
            progress=lambda fraction: progress(fraction, f"{self._part} goes on"),
        )
        child = parent.with_weights(self._part, found.weights) if found.best else parent
        judged, split = lessons.take(mixed.judge), f"{origin.data}, held out"
        moved = "the last layer" if frozen else "all weights"
        method = what_moved(f"{moved} of the {self._part}", found.best)
        gained = self._gained(parent, child, judged, split)
        lineage = with_judgement(origin.lineage, gained[0], method=method)
        for one in gained[1:]:
            lineage = with_judgement(lineage, one)
        return replace(
            child,
            bundle=None,
            metrics=gained,
            record=_record(mixed, lessons, origin),
            options=options,
            origin=replace(origin, lineage=lineage),
        )

    def simulated(self, model: PublishedModel, rng: np.random.Generator, /) -> Maps | None:
        """Return maps drawn anew by the published recipe; None where more than it was learned."""
        settings = model.settings
        known = settings.analytic and settings.variant.grid == "fixed"
        if model.bundle is None or model.bundle.manifest.lineage is not None or not known:
            return None
        recipe = plain_recipes(model.shape[0])[GRIDS.index("fixed")]
        response = AnalyticResponse(array=settings.array)
        drawn = original_dataset("train", _SIMULATED, rng, response, recipe=recipe)
        pairs = list(drawn)
        arrays = {
            name: np.concatenate([getattr(one, of_pair) for one in pairs])
            for name, of_pair in (
                ("counts", "noisy"),
                ("clean", "clean"),
                ("expected", "expected"),
                ("positions", "positions"),
            )
        }
        return Maps(arrays, np.arange(_SIMULATED))

    def remembered(self, lessons: Maps, /) -> bytes:
        """Raise UsageError: maps are not kept in a bundle."""
        del lessons
        raise UsageError(
            "Sky maps are not kept in a bundle.",
            "Leave --keep out; give --reference to an update.",
        )

    def recalled(self, data: bytes, model: PublishedModel, /) -> Maps:
        """Raise UsageError: maps are not kept in a bundle."""
        del data, model
        raise UsageError("Sky maps are not kept in a bundle.", "Give them with --reference.")

    def remembering(
        self, model: PublishedModel, replay: bytes, lineage: Lineage, /
    ) -> PublishedModel:
        """Return networks with what was judged."""
        del replay
        if model.origin is None:
            return model
        return replace(model, origin=replace(model.origin, lineage=lineage))

    def _weights(self, model: PublishedModel) -> Weights:
        return model.cleaner if self._part == "cleaner" else model.regressor

    def _tunable(self, model: PublishedModel, maps: Maps) -> Tunable:
        """Return the network with maps as it sees them."""
        variant, arrays = model.settings.variant, maps.arrays
        if self._part == "cleaner":
            cleaner = CnnCleaner(variant)
            wanted = arrays["clean" if variant.target == "own" else "expected"]
            return tunable_cleaner(cleaner, cleaner.samples(arrays["counts"], wanted))
        plain = replace(variant, smoothing=0.0)  # a cleaned map is not smoothed again
        regressor = CnnRegressor(plain, shape=model.shape)
        cleaned = model.networks.clean(arrays["counts"])
        width = model.shape[0] * model.settings.pixel_size
        return tunable_regressor(regressor, regressor.samples(cleaned, arrays["positions"]), width)

    def _gained(
        self, parent: PublishedModel, child: PublishedModel, judged: Maps, split: str
    ) -> tuple[Metric, ...]:
        """Return how the loss changes; of a cleaner also what it does to the place."""
        parts: tuple[Part, ...] = PARTS[:1] if self._part == "regressor" else PARTS[::-1]
        found = []
        for part in parts:
            ways = PublishedContinuation(part, parent.settings.variant)
            change = ways.losses(judged, child) - ways.losses(judged, parent)
            found.append(gain(change, judged.group, split=split, name=_LOSSES[part]))
        return tuple(found)


def _record(mixed: Mixed, maps: Maps, origin: Origin) -> Training:
    return Training(
        data=origin.data,
        sha256=maps.sha256(),
        n_rows=len(mixed.fit),
        split=f"{len(mixed.stop)} maps to stop on, {len(mixed.judge)} to measure",
        seed=origin.seed,
        command=origin.command,
    )
