"""The published networks, trained, as a bundle: two ONNX graphs and what they are for.

``python -m skysift.tasks.gamma_sky.baseline.bundle NETWORKS FOLDER --variant "corrected, small"``
makes a bundle of networks that :mod:`skysift.tasks.gamma_sky.baseline.training` left in a folder.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import BundleSpec, DataLicence, InputColumn, ModelEntry, Training
from skysift.core.continuation import Origin
from skysift.core.errors import ReadError, UsageError
from skysift.core.provenance import package_versions
from skysift.core.results import Metric
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.export import export_folded_cleaner, export_layers
from skysift.models.sky.baseline.layers import Weights, parameter_count
from skysift.models.sky.baseline.networks import PublishedNetworks
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.store import load_baseline
from skysift.models.sky.baseline.variants import COMPACT, CORRECTED, Variant, find_variant
from skysift.tasks.gamma_sky.baseline.loading import (
    CLEANER_FILE,
    MODULE,
    SETTINGS_FILE,
    TASK,
    PublishedSettings,
    ready_networks,
)
from skysift.tasks.gamma_sky.baseline.maps import pixel_size_of
from skysift.tasks.gamma_sky.baseline.training import (
    CLEANER,
    REGRESSOR,
    Budget,
    budget_of,
    folder_of,
    training_command,
)
from skysift.tasks.gamma_sky.model import REGRESSOR_FILE

__all__ = [
    "networks_of",
    "published_graphs",
    "read_networks",
    "save_published",
    "settings_of",
    "weights_hash",
    "write_published",
]

_FAMILY = "convolutional autoencoder and regressor"
_OF_SIMULATIONS = DataLicence(
    licence="BSD-3-Clause", citation="simulated by skysift from analytic formulas"
)
_METRICS = {
    "error68@1 [deg]": "error68",
    "outliers@0.2 deg": "outliers",
    "error68 of the cleaned map's top [deg]": "peak68",
    "counts kept": "kept",
}


def settings_of(variant: Variant, budget: Budget) -> PublishedSettings:
    """Return the settings of networks that were trained on a budget."""
    return PublishedSettings(
        variant=variant,
        pixel_size=pixel_size_of(budget.pixels),
        array=budget.array,
        analytic=budget.irf is None,
    )


def read_networks(out: Path, variant: Variant) -> tuple[CnnCleaner, CnnRegressor]:
    """Return the trained cleaner and regressor of a variant.

    Raises
    ------
    ReadError
        If one is not there.
    UsageError
        If a folder holds another network.
    """
    owner = CORRECTED if variant == COMPACT else variant
    cleaner = load_baseline(folder_of(out, CLEANER, owner))
    regressor = load_baseline(folder_of(out, REGRESSOR, variant))
    if not (isinstance(cleaner, CnnCleaner) and isinstance(regressor, CnnRegressor)):
        raise UsageError(f"The folder {out} holds networks under wrong names.", "Train them again.")
    return cleaner, regressor


def networks_of(out: Path, variant: Variant) -> PublishedNetworks:
    """Return the trained networks of a variant, ready to run; errors as of `read_networks`."""
    graphs = _graphs(*read_networks(out, variant))
    settings = settings_of(variant, budget_of(out))
    return ready_networks(graphs, settings)


def weights_hash(out: Path, variant: Variant) -> str:
    """Return what tells the trained networks of a variant from others; errors as above."""
    return hashlib.sha256(b"".join(_graphs(*read_networks(out, variant)).values())).hexdigest()


def save_published(
    out: Path,
    variant: Variant,
    folder: Path,
    *,
    metrics: Sequence[Metric] = (),
    overwrite: bool = False,
) -> Bundle:
    """Write the trained networks of a variant as a bundle.

    Parameters
    ----------
    out : Path
        Where the training left its networks.
    variant : Variant
        Which of them.
    folder : Path
        The bundle to make.
    metrics : sequence of Metric
        What was measured.
    overwrite : bool
        Replace a bundle that is there.

    Raises
    ------
    ReadError
        If a network is not there.
    OutputError
        If the folder exists or cannot be written.
    """
    cleaner, regressor = read_networks(out, variant)
    budget = budget_of(out)
    settings = settings_of(variant, budget)
    return write_published(
        folder,
        settings,
        _graphs(cleaner, regressor),
        parameters={
            "cleaner_parameters": parameter_count(cleaner.layers),
            "regressor_parameters": parameter_count(regressor.layers),
            "cleaner_validation_loss": list(cleaner.history_.validation_loss),
            "regressor_validation_loss": list(regressor.history_.validation_loss),
        },
        metrics=metrics,
        training=_training(budget, settings),
        overwrite=overwrite,
    )


def write_published(
    folder: Path,
    settings: PublishedSettings,
    graphs: Mapping[str, bytes],
    *,
    parameters: dict[str, Any],
    metrics: Sequence[Metric],
    training: Training,
    origin: Origin | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write published networks as a bundle.

    Parameters
    ----------
    folder : Path
        The bundle to make.
    settings : PublishedSettings
        What maps they take.
    graphs : mapping of str to bytes
        Of :func:`published_graphs`.
    parameters : dict
        Of their training, for the record.
    metrics : sequence of Metric
        What was measured.
    training : Training
        What they learned from.
    origin : Origin, optional
        The networks that these go on from.
    overwrite : bool
        Replace a bundle that is there.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    name = settings.variant.name
    spec = BundleSpec(
        name=f"gamma-sky-cnn-{name.replace(',', '').replace(' ', '-')}",
        task=TASK,
        created=datetime.now(UTC).replace(microsecond=0),
        summary=f"CNN-cleaner and CNN-regressor of astroAI, variant '{name}'",
        model=ModelEntry(
            format="onnx",
            file=REGRESSOR_FILE,
            family=_FAMILY,
            parameters=parameters,
            outputs=("x", "y"),
        ),
        inputs=tuple(
            InputColumn(name=name, unit=unit, description=text)
            for name, unit, text in (
                ("RA", "deg", "reconstructed ICRS right ascension"),
                ("DEC", "deg", "reconstructed ICRS declination"),
                ("ENERGY", "TeV", "reconstructed energy, 0.04 to 1 TeV"),
            )
        ),
        classes=("background", "source"),
        positive_class="source",
        metrics=tuple(metrics),
        training=training,
        packages=package_versions(),
        data_licence=_OF_SIMULATIONS if origin is None else origin.licence,
        lineage=None if origin is None else origin.lineage,
    )
    body = Path(str(files(MODULE))) / "card.md"
    card = render_card(spec, body.read_text(encoding="utf-8"))
    members: dict[str, bytes | Path] = {
        **graphs,
        SETTINGS_FILE: (settings.model_dump_json(indent=2) + "\n").encode(),
    }
    return write_bundle(folder, spec, members, card, overwrite=overwrite)


def published_graphs(
    variant: Variant, cleaner: Weights, regressor: Weights, shape: tuple[int, int]
) -> dict[str, bytes]:
    """Return the graphs of networks of a variant, by the names of their files.

    Parameters
    ----------
    variant : Variant
        Which network.
    cleaner, regressor : mapping of str to array
        Weights.
    shape : (int, int)
        Rows and columns of a map.
    """
    layers = CnnRegressor(variant, shape=shape).layers
    return {
        CLEANER_FILE: export_folded_cleaner(variant, cleaner, shape),
        REGRESSOR_FILE: export_layers(layers, regressor, shape),
    }


def _graphs(cleaner: CnnCleaner, regressor: CnnRegressor) -> dict[str, bytes]:
    shape = regressor.shape
    return {
        CLEANER_FILE: export_folded_cleaner(cleaner.variant, cleaner.weights_, shape),
        REGRESSOR_FILE: export_layers(regressor.layers, regressor.weights_, shape),
    }


def _training(budget: Budget, settings: PublishedSettings) -> Training:
    digest = hashlib.sha256(budget.model_dump_json().encode()).hexdigest()
    return Training(
        data="the published recipe, simulated; the digest is that of the settings of training",
        sha256=digest,
        n_rows=budget.maps,
        split=f"{budget.validation_maps} maps drawn apart decide when to stop",
        seed=budget.seed,
        command=f"{training_command(budget)} && python -m {MODULE}.bundle NETWORKS "
        f'FOLDER --variant "{settings.variant.name}"',
    )


def _measured(path: Path, variant: Variant) -> tuple[Metric, ...]:
    """Return what a study measured of a variant."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        (row,) = [row for row in facts["rows"] if row["method"] == variant.name]
        return tuple(
            Metric(
                name,
                row[key]["value"],
                row[key]["low"],
                row[key]["high"],
                n=row[key]["n"],
                split="test maps",
                confidence=row[key]["confidence"],
                method=row[key]["interval"],
            )
            for name, key in _METRICS.items()
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(
            f"There is no study of '{variant.name}' in this file ({error}).",
            f"Make one: python -m {MODULE}.study NETWORKS {path}",
            path=path,
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a bundle of trained networks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("networks", type=Path, help="folder that the training filled")
    parser.add_argument("folder", type=Path, help="the bundle to make")
    parser.add_argument("--variant", default=COMPACT.name, help="name of a variant")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle that is there")
    parser.add_argument("--study", type=Path, help="JSON of the study, for what was measured")
    given = parser.parse_args(arguments)
    variant = find_variant(given.variant)
    metrics = () if given.study is None else _measured(given.study, variant)
    bundle = save_published(
        given.networks, variant, given.folder, metrics=metrics, overwrite=given.overwrite
    )
    size = sum(one.bytes for one in bundle.manifest.files.values())
    sys.stdout.write(f"{bundle.folder}: {size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
