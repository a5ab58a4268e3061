"""What each fault of the published networks costs, on the test maps of their own data set.

``python -m skysift.tasks.gamma_sky.baseline.study NETWORKS OUT.json`` asks the trained networks of
a folder, and the methods that they are held against, for the source of each of 2,000 test maps.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.files import write_atomic
from skysift.core.progress import Progress, silent
from skysift.models.sky.baseline.store import DESCRIPTION
from skysift.models.sky.baseline.variants import COMPACT, Variant, ablation
from skysift.tasks.gamma_sky.baseline.asking import ask
from skysift.tasks.gamma_sky.baseline.bundle import networks_of, weights_hash
from skysift.tasks.gamma_sky.baseline.contestants import Answering, Network, classical
from skysift.tasks.gamma_sky.baseline.costs import cost_rows
from skysift.tasks.gamma_sky.baseline.maps import MapSettings
from skysift.tasks.gamma_sky.baseline.table import markdown_of, put_into
from skysift.tasks.gamma_sky.baseline.telling import TellStages
from skysift.tasks.gamma_sky.baseline.training import (
    FULL,
    REGRESSOR,
    budget_of,
    folder_of,
    training_command,
)
from skysift.tasks.gamma_sky.simulation.original import SIZES

__all__ = ["fault_costs", "main"]


def fault_costs(
    networks: Path,
    n: int,
    *,
    command: str,
    seed: int = 1,
    keep: Path | None = None,
    progress: Progress = silent,
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
    keep : Path, optional
        Folder for the answers, so that a study that was stopped goes on; see `ask`.
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
    answers, zenith = ask(
        methods,
        settings,
        keep=keep,
        identity={variant.name: weights_hash(networks, variant) for variant in chosen},
        progress=progress,
    )
    rows = cost_rows(answers, zenith, np.random.default_rng([seed, n]), reference=chosen[0].name)
    names = {variant.name for variant in chosen}
    return {
        "command": command,
        "split": f"{n} test maps of the recipe, drawn apart from those of training and validation",
        "seed": seed,
        "maps": n,
        "response": settings.response().name,
        "budget": budget.model_dump(mode="json"),
        "published": FULL.model_dump(mode="json"),
        "rows": [
            {**row, "group": "network" if row["method"] in names else "classical"} for row in rows
        ],
    }


def _trained(networks: Path) -> list[Variant]:
    return [
        variant
        for variant in (*ablation(), COMPACT)
        if (folder_of(networks, REGRESSOR, variant) / DESCRIPTION).exists()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what each fault costs and write it as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("networks", type=Path, help="folder that the training filled")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--maps", type=int, default=SIZES["test"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the answers, to go on later")
    parser.add_argument("--docs", type=Path, help="page to put the tables into")
    given = parser.parse_args(arguments)
    module = "skysift.tasks.gamma_sky.baseline"
    command = (
        f"{training_command(budget_of(given.networks))} && python -m {module}.study NETWORKS "
        f"OUT.json --maps {given.maps} --seed {given.seed}"
    )
    facts = fault_costs(
        given.networks,
        given.maps,
        command=command,
        seed=given.seed,
        keep=given.keep,
        progress=TellStages(),
    )
    write_atomic(given.out, json.dumps(facts, indent=1) + "\n")
    if given.docs is not None:
        put_into(given.docs, markdown_of(facts))
    for row in facts["rows"]:
        error, kept = row["error68"], row["kept"]
        told = "" if kept is None else f", counts kept {kept['value']:.3f}"
        sys.stdout.write(
            f"{row['method']:36s} {error['value']:.4f} [{error['low']:.4f}, {error['high']:.4f}] "
            f"deg, outliers {row['outliers']['value']:.3f}{told}\n"
        )


if __name__ == "__main__":
    main()
