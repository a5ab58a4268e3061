"""What each fault of the published networks costs, on the test maps of their own data set.

``python -m skysift.tasks.gamma_sky.baseline.study NETWORKS OUT.json`` asks the trained networks of
a folder, and the methods that they are held against, for the source of each of 2,000 test maps.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.models.sky.baseline.store import DESCRIPTION
from skysift.models.sky.baseline.variants import Variant
from skysift.tasks.gamma_sky.baseline.bundle import networks_of
from skysift.tasks.gamma_sky.baseline.contestants import (
    Answer,
    Answering,
    Network,
    Scene,
    classical,
)
from skysift.tasks.gamma_sky.baseline.costs import Answers, cost_rows
from skysift.tasks.gamma_sky.baseline.maps import (
    GRIDS,
    MapSettings,
    part_generator,
    pixel_size_of,
    plain_recipes,
)
from skysift.tasks.gamma_sky.baseline.training import (
    FULL,
    REGRESSOR,
    budget_of,
    folder_of,
    trained_variants,
)
from skysift.tasks.gamma_sky.simulation.original import SIZES, original_datasets

__all__ = ["fault_costs", "main", "scenes"]

Progress = Callable[[float, str], None]

_BATCH = 50


def fault_costs(
    networks: Path,
    n: int,
    *,
    command: str,
    seed: int = 1,
    progress: Progress = lambda _done, _what: None,
) -> dict[str, Any]:
    """Ask every method for the source of each test map, and say what each fault costs.

    Parameters
    ----------
    networks : Path
        Folder that the training filled; variants that are not there yet are left out.
    n : int
        Test maps.
    command : str
        For the record.
    seed : int
        Of the test maps and of the bootstrap; training has other random numbers of the same seed.
    progress : callable
        Called with the share done and what is being done.

    Returns
    -------
    dict
        JSON-ready: how it was made, and a row for each method.

    Raises
    ------
    ReadError
        If nothing was trained in the folder.
    """
    budget = budget_of(networks)
    chosen = _trained(networks)
    methods: dict[str, Answering] = {
        variant.name: Network(networks_of(networks, variant)) for variant in chosen
    }
    methods |= classical()
    settings = MapSettings(
        part="test", maps=n, seed=seed, array=budget.array, irf=budget.irf, pixels=budget.pixels
    )
    kept: dict[str, list[Answer]] = {name: [] for name in methods}
    truth = _Truth([], {grid: [] for grid in GRIDS})
    for number, scene in enumerate(scenes(settings)):
        for name, method in methods.items():
            kept[name].append(method(scene))
        truth.add(scene)
        progress((number + 1) / n, "test maps")
    rows = cost_rows(
        {
            name: Answers.of(answers, truth.counts(methods[name].grid))
            for name, answers in kept.items()
        },
        np.array(truth.zenith),
        np.random.default_rng([seed, n]),
        reference=chosen[0].name,
    )
    return {
        "command": command,
        "split": f"{n} test maps of the recipe, drawn apart from those of training and validation",
        "seed": seed,
        "maps": n,
        "response": settings.response().name,
        "budget": budget.model_dump(mode="json"),
        "published": FULL.model_dump(mode="json"),
        "rows": [
            {**row, "group": "network" if row["method"] in names_of(chosen) else "classical"}
            for row in rows
        ],
    }


def scenes(settings: MapSettings) -> Iterator[Scene]:
    """Simulate test maps, on both grids, with their photons."""
    batches = original_datasets(
        settings.part,
        settings.maps,
        part_generator(settings),
        settings.response(),
        plain_recipes(settings.pixels),
        batch_size=_BATCH,
    )
    for batch in batches:
        for number, (field, events) in enumerate(
            zip(batch[0].fields, batch[0].events, strict=True)
        ):
            pairs = dict(zip(GRIDS, batch, strict=True))
            yield Scene(
                field,
                events,
                {grid: one.noisy[number] for grid, one in pairs.items()},
                {grid: one.clean[number] for grid, one in pairs.items()},
                {grid: one.positions[number] for grid, one in pairs.items()},
                pixel_size_of(settings.pixels),
            )


def names_of(variants: Sequence[Variant]) -> set[str]:
    """Return the names of variants."""
    return {variant.name for variant in variants}


def _trained(networks: Path) -> list[Variant]:
    return [
        variant
        for variant in trained_variants()
        if (folder_of(networks, REGRESSOR, variant) / DESCRIPTION).exists()
    ]


@dataclass(frozen=True)
class _Truth:
    """What the answers are compared with, map by map."""

    zenith: list[float]
    clean: Mapping[str, list[float]]

    def add(self, scene: Scene) -> None:
        self.zenith.append(scene.field.zenith)
        for grid in GRIDS:
            self.clean[grid].append(scene.aperture_counts(scene.clean[grid], grid))

    def counts(self, grid: str) -> NDArray[np.float64]:
        return np.array(self.clean[grid])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what each fault costs and write it as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("networks", type=Path, help="folder that the training filled")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--maps", type=int, default=SIZES["test"])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    last = ""

    def show(done: float, what: str) -> None:
        nonlocal last
        line = f"{10 * int(10 * done):>3} % {what}"
        if line != last:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            last = line

    module = "skysift.tasks.gamma_sky.baseline"
    command = (
        f"python -m {module}.training NETWORKS && python -m {module}.study NETWORKS OUT.json "
        f"--maps {given.maps} --seed {given.seed}"
    )
    facts = fault_costs(given.networks, given.maps, command=command, seed=given.seed, progress=show)
    write_atomic(given.out, json.dumps(facts, indent=1) + "\n")
    for row in facts["rows"]:
        error, kept = row["error68"], row["kept"]
        told = "" if kept is None else f", counts kept {kept['value']:.3f}"
        sys.stdout.write(
            f"{row['method']:36s} {error['value']:.4f} [{error['low']:.4f}, {error['high']:.4f}] "
            f"deg, outliers {row['outliers']['value']:.3f}{told}\n"
        )


if __name__ == "__main__":
    main()
