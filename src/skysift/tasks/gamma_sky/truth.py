"""What a search finds of sources whose positions are known."""

import numpy as np

from skysift.core.errors import InputError
from skysift.core.results import Evaluation
from skysift.data.sky.tangent import separation
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.localisation import error_quantile
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.observations import Observations
from skysift.tasks.gamma_sky.options import PredictOptions
from skysift.tasks.gamma_sky.pipeline import search_observation

__all__ = ["evaluate_truth"]

_FOUND = 0.2  # deg


def evaluate_truth(
    data: Observations, model: GammaSkyModel, *, split: str, device: str = "auto"
) -> Evaluation:
    """Search observations and compare the candidates with the true positions.

    Parameters
    ----------
    data : Observations
        With truth.
    model : GammaSkyModel
        The calibration.
    split : str
        Name of these observations.
    device : {"auto", "cpu", "cuda"}
        Where networks run.

    Returns
    -------
    Evaluation
        ``efficiency`` (sources with a candidate within 0.2 deg), ``error68`` [deg] and ``error50``
        of those, ``coverage68`` and ``coverage95`` of their ellipses where the method states some,
        ``false_candidates`` per field.

    Raises
    ------
    InputError
        If no observation has a truth.
    """
    # A bundle of networks is measured with what asks them, its main method.
    methods = {"method": model.asking[-1]} if model.asking else {}
    chosen = {"photometry": False, "device": device, **methods}
    options = PredictOptions.model_validate(chosen)
    away: list[float] = []
    radii: list[tuple[float, float]] = []
    false_candidates, fields = 0, 0
    for item in data.items:
        if item.truth is None:
            continue
        fields += 1
        for searched in search_observation(
            item, data.options, options, model.trials, networks=model.networks
        ):
            table = searched.table
            ra, dec = table["ra"], table["dec"]
            for place in item.truth:
                distance = separation(ra, dec, *place)
                nearest = int(np.argmin(distance)) if len(distance) else -1
                found = nearest >= 0 and distance[nearest] < _FOUND
                away.append(float(distance[nearest]) if found else np.inf)
                if found:
                    radii.append((float(table["err68"][nearest]), float(table["err95"][nearest])))
            matched = [
                bool((separation(a, d, item.truth[:, 0], item.truth[:, 1]) < _FOUND).any())
                for a, d in zip(ra, dec, strict=True)
            ]
            false_candidates += len(matched) - sum(matched)
    if fields == 0:
        raise InputError(
            "No observation says where its sources are.",
            "Evaluate on simulations: skysift simulate gamma-sky --out FOLDER.",
        )
    distances = np.array(away)
    found_ones = np.isfinite(distances)
    good, limits = distances[found_ones], np.array(radii).reshape(-1, 2)
    n = max(len(distances), 1)
    metrics = [
        wilson_interval(int(found_ones.sum()), n).metric("efficiency", n=n, split=split),
        wilson_interval(min(false_candidates, fields), fields).metric(
            "false_candidates", n=fields, split=split
        ),
    ]
    if len(good):
        metrics += [
            error_quantile(good, level).metric(f"error{level:.0%}"[:-1], n=n, split=split)
            for level in (0.5, 0.68)
        ]
    stated = np.isfinite(limits).all(axis=1)  # published networks know no ellipse
    if stated.any():
        metrics += [
            wilson_interval(
                int((good[stated] <= limits[stated, column]).sum()), int(stated.sum())
            ).metric(name, n=int(stated.sum()), split=split)
            for column, name in enumerate(("coverage68", "coverage95"))
        ]
    return Evaluation(model.name, "photon lists with known sources", split, tuple(metrics))
