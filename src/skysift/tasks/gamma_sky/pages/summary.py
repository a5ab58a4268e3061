"""Every method in one table, and the verdict on each target."""

from collections.abc import Sequence
from typing import Any

from skysift.tasks.gamma_sky.pages.reading import Facts, estimate, only

__all__ = ["methods_of", "result_rows"]


def methods_of(facts: Facts) -> list[str]:
    """Return the methods of the comparison, in their order, without the oracle."""
    return list(facts["localisation"]["thresholds"])


def result_rows(facts: Facts) -> list[dict[str, Any]]:
    """Return a row for each method: errors, efficiency, containment, time.

    Parameters
    ----------
    facts : mapping
        Of a run. Without a comparison of methods there is no row.
    """
    if "localisation" not in facts:
        return []
    study = facts["localisation"]
    times = {row["method"]: row for row in facts.get("method_timing", {}).get("methods", [])}
    rows = []
    for name in methods_of(facts):
        row: dict[str, Any] = {"method": name}
        for flux in _fluxes(study):
            found = only(study["localisation"], method=name, flux=flux)[0]
            row[f"error68@{flux:g}"] = estimate(found["error68"])
            efficiency = only(study["efficiency"], method=name, flux=flux)[0]
            row[f"efficiency@{flux:g}"] = estimate(efficiency)
            row[f"containment68@{flux:g}"] = estimate(found["containment68"])
        spent = times.get(name)
        row["ms"] = None if spent is None else spent["value"]
        rows.append(row)
    return rows


def _fluxes(study: Facts) -> Sequence[float]:
    return sorted({row["flux"] for row in study["localisation"]})
