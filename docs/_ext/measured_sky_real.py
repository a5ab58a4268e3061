"""Tables of gamma-sky on real runs, from stored results."""

from collections.abc import Mapping
from typing import Any

from measured_rows import Row, interval, stored, told

__all__ = ["REAL_SKY_TABLES"]

_SOURCES = {23523: "Crab", 23559: "Crab"}
_OTHER = "PKS 2155-304"
_SHOWN = {"likelihood-ratio": "response known", "likelihood-ratio, IRF-free": "no response"}


def _found() -> Any:
    return stored("benchmarks/gamma_sky_hess.json")


def steady() -> str:
    """Show each run of a steady source, beside gammapy's significance and fit, and a centroid."""
    found = _found()
    rows: list[Row] = []
    for run in found["steady"]:
        source = _SOURCES.get(run["run"], _OTHER)
        rows.append(
            (
                f"{source}, {run['run']}",
                f"{run['gammapy_li_ma']:.1f}",
                *(f"{run[f'{way}_significance']:.1f}" for way in ("known", "free")),
                *(
                    f"{run[f'{way}_distance']:.3f} ({run[f'{way}_err68']:.3f})"
                    for way in ("known", "free")
                ),
                *(
                    f"{run[f'{way}_distance']:.3f} ± {run[f'{way}_error']:.3f}"
                    for way in ("gammapy_fit", "centroid")
                ),
            )
        )
    head = (
        "run",
        "gammapy's Li & Ma",
        "response known [sigma]",
        "no response [sigma]",
        "off, known (stated 68 %) [deg]",
        "off, no response",
        "gammapy's own fit",
        "centroid of the photons",
    )
    return told(head, rows, found["command"], f"whole runs above {found['lowest']:g} TeV")


def flare() -> str:
    """Show the windows of the flare of PKS 2155-304, by energy and choice of runs."""
    found = _found()
    rows = [_flare(one) for one in found["flare"]]
    head = (
        "windows",
        "search",
        "found [%]",
        "68 % error [deg]",
        "bound",
        "in 68 % ellipses [%]",
        "in 95 % ellipses [%]",
    )
    split = f"windows of {found['window']:g} s; Wilson intervals, of errors by the binomial"
    return told(head, rows, found["command"], split)


def _flare(one: Mapping[str, Any]) -> Row:
    shares = {
        name: interval({key: 100 * one[name][key] for key in ("value", "low", "high")}, 1)
        for name in ("found", "containment68", "containment95")
    }
    return (
        f"{one['windows']} in runs {one['runs']}, above {one['lowest']:g} TeV".replace(
            "in runs whole night", "of the whole night"
        ),
        _SHOWN[one["method"]],
        shares["found"],
        interval(one["error68"], 4),
        f"{one['bound68']:.4f}",
        shares["containment68"],
        shares["containment95"],
    )


REAL_SKY_TABLES = {"gamma-sky steady": steady, "gamma-sky flare": flare}
