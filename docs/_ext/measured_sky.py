"""Tables of gamma-sky and of the published cleaner's speed, from stored results."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from measured_rows import Row, interval, row_of, stored, table, told

__all__ = ["SKY_TABLES"]

_KNOWN, _FREE, _ORACLE = "likelihood-ratio", "likelihood-ratio, IRF-free", "oracle"
_METHODS = {
    _KNOWN: "likelihood ratio, response known",
    _FREE: "likelihood ratio, no response",
    "matched-filter, IRF-free": "matched filter, one band, no response",
    "smoothed-maximum": "maximum of smoothed counts",
    "gammapy": "gammapy, ExcessMapEstimator and find_peaks",
}
_BOUND = "Cramer-Rao bound of these fields"
_CRAB = (1.0, 0.3, 0.1)
_ASKED = 0.01  # false alarms per field, the default of a search
_SMALL = 0.03  # share, from which downwards another digit is told
_RUNTIMES = {
    "skysift, folded": "skysift",
    "ONNX Runtime, extended level": "ONNX Runtime, extended level",
    "ONNX Runtime": "ONNX Runtime",
    "torch eager": "torch eager",
    "Keras predict_on_batch (tensorflow)": "Keras `predict_on_batch`",
    "Keras predict (tensorflow)": "Keras `model.predict`",
}


def _targets() -> Any:
    return stored("benchmarks/gamma_sky_targets.json")


def _cleaner() -> Any:
    return stored("benchmarks/gamma_sky_cleaner.json")


def _percent(value: Mapping[str, Any], digits: int = 1) -> str:
    """Write a share in per cent with its interval."""
    scaled = {key: 100 * value[key] for key in ("value", "low", "high")}
    return interval(scaled, digits)


def _flux(found: Any, method: str, flux: float) -> Mapping[str, Any]:
    rows = [row for row in found["localisation"]["by_flux"] if row["flux"] == flux]
    return row_of(rows, method=method)


# --- the search -----------------------------------------------------------------------------------


def methods() -> str:
    """Show errors and efficiency of every method on the same fields, and the bound."""
    found = _targets()
    rows = [_method(found, name, shown) for name, shown in _METHODS.items()]
    bounds = [f"{_flux(found, _ORACLE, flux)['bound68_all']:.4f}" for flux in _CRAB]
    rows.append((_BOUND, *bounds, ""))
    head = ("method", *(f"68 % error, {flux:g} Crab [deg]" for flux in _CRAB))
    place = found["localisation"]
    split = (
        f"{place['n']:,} fields at each flux, {place['n_empty']:,} empty ones for the thresholds"
    )
    command = found["made_by"]["localisation"]
    return told((*head, "found at 0.1 Crab [%]"), rows, command, split)


def _method(found: Any, name: str, shown: str) -> Row:
    errors = [interval(_flux(found, name, flux)["error68"], 4) for flux in _CRAB]
    return (shown, *errors, _percent(_flux(found, name, 0.1)["efficiency"]))


def beside_gammapy() -> str:
    """Show the blind search of gammapy beside ours."""
    found = _targets()
    names = (_KNOWN, _FREE, "smoothed-maximum", "gammapy")
    rows = [_method(found, name, _METHODS[name]) for name in names]
    bounds = [f"{_flux(found, _ORACLE, flux)['bound68_all']:.4f}" for flux in _CRAB]
    head = ("method", *(f"68 % error, {flux:g} Crab [deg]" for flux in _CRAB))
    return table((*head, "found at 0.1 Crab [%]"), [*rows, (_BOUND, *bounds, "")])


def targets() -> str:
    """Show each number that was asked for beside what was measured."""
    found = _targets()
    every = [row for row in found["targets"] if not _of_a_bin(row["target"])]
    rows = []
    for target in dict.fromkeys(row["target"] for row in every):
        same = [row for row in every if row["target"] == target]
        by_method = {row["method"]: row for row in same}
        asked = "; ".join(dict.fromkeys(_asked(row) for row in same))
        shown = [_verdict(by_method.get(name)) for name in (_KNOWN, _FREE)]
        rows.append((_unit(target, same[0]["unit"]), asked, *shown))
    rows += _worst(found["targets"])
    split = f"fields simulated with {found['truth']}; 95 % intervals"
    head = ("what", "asked for", "response known", "no response")
    return told(head, rows, found["command"], split)


def _of_a_bin(target: str) -> int:
    """Return how many conditions a target is told by."""
    return sum(f", {by} " in target for by in ("zenith", "flux", "exposure"))


def _worst(every: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return what is furthest off under one condition, and under two at once."""
    rows: list[Row] = []
    for conditions, name in ((1, "one condition"), (2, "two conditions")):
        for what in ("bias of counts", "pull width of counts"):
            cells: list[str] = []
            for method in (_KNOWN, _FREE):
                mine = [
                    row
                    for row in every
                    if row["method"] == method
                    and row["target"].startswith(f"{what},")
                    and _of_a_bin(row["target"]) == conditions
                ]
                worst = max(mine, key=_off)
                cells.append(f"{_verdict(worst)} ({worst['target'].partition(', ')[2]})")
            of = f"{len(mine)} of {name}"
            target = _unit(f"{what}, the furthest off of {of}", worst["unit"])
            rows.append((target, _asked(worst), *cells))
    return rows


def _off(row: Mapping[str, Any]) -> float:
    return abs(row["measured"]["value"] - (row["asked"]["low"] + row["asked"]["high"]) / 2)


def _unit(target: str, unit: str) -> str:
    return f"{target} [{unit}]" if unit else target


def _scale(row: Mapping[str, Any]) -> float:
    return 100.0 if row["unit"] == "%" else 1.0


def _asked(row: Mapping[str, Any]) -> str:
    low, high = (row["asked"].get(key) for key in ("low", "high"))
    scale = _scale(row)
    if low is not None and high is not None:
        if low == high:
            return f"{scale * low:g}"
        return f"{scale * low:g} to {scale * high:g}"
    at = "known" if row["method"] == _KNOWN else "none"
    sign, limit = ("at least", low) if high is None else ("at most", high)
    return f"{sign} {scale * limit:g}" + ("" if "found, 0.1" not in row["target"] else f" ({at})")


def _verdict(row: Mapping[str, Any] | None) -> str:
    """Write what was measured, and whether it is what was asked for."""
    if row is None:
        return ""
    digits = {"deg": 4, "%": 1}.get(row["unit"], 2)
    if row["unit"] == "%" and row["asked"].get("high", 1.0) <= _SMALL:
        digits = 2
    scaled = {key: _scale(row) * row["measured"][key] for key in ("value", "low", "high")}
    number = interval(scaled, digits)
    return number if row["met"] in ("yes", "likely") else f"**missed**: {number}"


def offsets() -> str:
    """Show the errors over the bound by flux and offset."""
    found = _targets()["localisation"]["by_offset"]
    edges = sorted({row["low"] for row in found} | {row["high"] for row in found})
    rows = []
    for flux in _CRAB:
        for name in (_KNOWN, _FREE):
            here = [row for row in found if (row["flux"], row["method"]) == (flux, name)]
            by_low = {row["low"]: row["ratio"] for row in here}
            cells = [interval(by_low[low]) if by_low.get(low) else "" for low in edges[:-1]]
            rows.append((f"{flux:g} Crab, {_METHODS[name].partition(', ')[2]}", *cells))
    heads = [f"{low:g} to {high:g} deg" for low, high in pairwise(edges)]
    return table(("68 % error over the Cramer-Rao bound, by offset", *heads), rows)


def counts() -> str:
    """Show bias and pull width of the counts by each condition."""
    found = _targets()
    groups = found["counts"]["groups"]
    units = {"zenith": "deg", "exposure": "s", "flux": "Crab", "offset": "deg"}
    rows = []
    for by in ("all", *units):
        for at in dict.fromkeys(row.get("at") for row in groups if row["by"] == by):
            same = [row for row in groups if row["by"] == by and row.get("at") == at]
            name = "all" if by == "all" else f"{by} {at:g} {units[by]}"
            rows.append((name, *_bias_and_width(same)))
    head = ("sources", "bias, response known [%]", "pull width", "no response [%]", "pull width")
    return told((*head, "n"), rows, found["made_by"]["counts"], "counts at the true place")


def _bias_and_width(same: Sequence[Mapping[str, Any]]) -> Row:
    cells: list[str] = []
    for name in (_KNOWN, _FREE):
        row = row_of(same, method=name)
        cells += [_percent(row["bias"], 2), interval(row["pull_width"])]
    return (*cells, f"{row['bias']['n']:,}")


def cells() -> str:
    """Show the same by flux and exposure at once, beside the error of one source."""
    found = _targets()["counts"]["cells"]
    rows = []
    keys = dict.fromkeys((row["flux"], row["exposure"]) for row in found if "flux" in row)
    for flux, exposure in keys:
        same = [row for row in found if (row.get("flux"), row["exposure"]) == (flux, exposure)]
        error = f"{100 * row_of(same, method=_FREE)['relative_error']:.0f}"
        where = f"{flux:g} Crab, {exposure:g} s"
        rows.append((where, error, *_bias_and_width(same)))
    head = ("sources", "error of one [%]", "bias, response known [%]", "pull width")
    return table((*head, "no response [%]", "pull width", "n"), rows)


def faint() -> str:
    """Show the bias of the faintest and shortest, by offset, beside one who is told all else."""
    found = _targets()["faint"]
    names = {
        _ORACLE: "told all but the counts",
        _KNOWN: "response known",
        "likelihood-ratio, IRF-free but for its point spread function": "no response but its "
        "point spread function",
        _FREE: "no response",
    }
    rows = []
    for name, shown in names.items():
        mine = [row for row in found["groups"] if row["method"] == name]
        error = f"{100 * row_of(mine, by='all')['relative_error']:.0f}"
        rows.append((shown, error, *(_percent(row["bias"]) for row in mine)))
    offsets = [f"{row['at']:g} deg" for row in mine if row["by"] == "offset"]
    flux, exposure, zenith = (found[key][0] for key in ("fluxes", "exposures", "zeniths"))
    split = (
        f"{found['n']:,} sources of {flux:g} Crab in {exposure:g} s at zenith {zenith:g} deg, "
        f"seed {found['seed']}"
    )
    head = ("bias of the counts [%]", "error of one [%]", "all", *offsets)
    return told(head, rows, _targets()["command"], split)


def faults() -> str:
    """Show the tests of the two faults that are known of the published network."""
    found = _targets()["counts"]
    rows = []
    for name in (_KNOWN, _FREE):
        fault = found["faults"][name]
        rows.append(
            (
                _METHODS[name].partition(", ")[2],
                _percent(fault["loss_few"], 2),
                _percent(fault["loss_many"], 2),
                _percent(fault["unevenness"], 2),
                f"{fault['two_peaks_p']:.2f} ({fault['n']:,})",
                f"{fault['two_peaks_p_any_zenith']:.2f} ({fault['n_any_zenith']:,})",
            )
        )
    head = (
        *("search", "bias of the fainter half [%]", "of the brighter [%]", "difference [%]"),
        *("p of one peak, zenith 20 deg (sources)", "all zenith angles"),
    )
    return table(head, rows)


def alarms() -> str:
    """Show counted against stated false alarms."""
    found = _targets()
    study = found["false_alarms"]
    rows = []
    for stated in dict.fromkeys(row["stated"] for row in study["rates"]):
        for name in (_KNOWN, _FREE):
            same = [row for row in study["rates"] if row["stated"] == stated]
            scales = sorted({row["scale"] for row in same})
            mine = {row["scale"]: row for row in same if row["method"] == name}
            numbers = [_candidates(mine[scale], study["n"]) for scale in scales]
            shown = _METHODS[name].partition(", ")[2]
            rows.append((f"{stated * study['n']:,.0f}", shown, *numbers))
    heads = [f"background x {scale:g}" for scale in scales]
    split = f"{study['n']:,} empty fields at each background; exact Poisson intervals"
    return told(("stated", "search", *heads), rows, found["made_by"]["false-alarms"], split)


def _candidates(row: Mapping[str, Any], n: int) -> str:
    limits = {"value": row["candidates"], "low": n * row["low"], "high": n * row["high"]}
    number = interval(limits, 0)
    return number if row["within"] else f"**{number}**"


def long_alarms() -> str:
    """Show the candidates of empty fields of half an hour."""
    found = stored("benchmarks/false_alarms_long.json")
    rows: list[Row] = []
    for stated in dict.fromkeys(row["stated"] for row in found["rates"]):
        same = [row for row in found["rates"] if row["stated"] == stated]
        shown = [_candidates(row_of(same, method=name), found["n"]) for name in (_KNOWN, _FREE)]
        rows.append((f"{stated * found['n']:.0f}", *shown))
    split = f"{found['n']:,} empty fields of {found['seconds']:,.0f} s; exact Poisson intervals"
    head = ("stated", "response known", "no response")
    return told(head, rows, found["command"], split)


def instruments() -> str:
    """Show the candidates of empty fields through many instruments, with two priors."""
    found = stored("benchmarks/false_alarms_instruments.json")
    shapes = list(dict.fromkeys(row["shape"] for row in found["rates"]))
    rows: list[Row] = []
    for seconds in dict.fromkeys(row["seconds"] for row in found["rates"]):
        same = [row for row in found["rates"] if row["seconds"] == seconds]
        strict = [row for row in same if row["stated"] == _ASKED]
        by_shape = [row_of(strict, shape=shape) for shape in shapes]
        cells = [
            f"{row['candidates']:,} [{row['low']:,.0f}, {row['high']:,.0f}]" for row in by_shape
        ]
        most = ", ".join(str(n) for n in by_shape[0]["most_of_an_instrument"][::-1])
        rows.append(
            (f"{seconds:,.0f} s", f"{by_shape[0]['expected']:.0f}", cells[0], most, *cells[1:])
        )
    split = (
        f"{found['instruments']} drawn instruments, {found['fields']} empty fields of each, "
        "no response; exact Poisson intervals"
    )
    head = (
        "exposure",
        "stated",
        f"prior of {shapes[0]:g}, the default",
        "of these, the three worst instruments",
        *(f"prior of {shape:g}" for shape in shapes[1:]),
    )
    return told(head, rows, found["command"], split)


# --- the published cleaner ------------------------------------------------------------------------


def cleaner() -> str:
    """Show maps per second of the published cleaner's layers, and ratios to ours."""
    found = _cleaner()
    rows = [(shown, *_rates(found, name)) for name, shown in _RUNTIMES.items()]
    head = (
        *("maps a second", "1 thread, 1 map a call", "32", "1,000", "times as long as ours"),
        *("2 threads, 1", "32", "1,000", "times as long as ours"),
    )
    software = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    split = (
        f"{found['machine']}; {software}; load of the machine {min(found['load']):.1f} to "
        f"{max(found['load']):.1f}"
    )
    return told(head, rows, found["command"], split)


def _rates(found: Any, name: str) -> list[str]:
    cells = []
    for threads, which in ((1, "behind_processor"), (2, "behind")):
        mine = [row for row in found["results"] if row["threads"] == threads]
        by_size = {row["maps"]: row for row in mine if row["contender"] == name}
        cells += [f"{row['fastest']:,.0f}" for row in by_size.values()]
        ratio = by_size[max(by_size)][which]
        cells.append("1" if name == next(iter(_RUNTIMES)) else interval(ratio, 1))
    return cells


def cleaner_speed() -> str:
    """Show the same in bulk alone, and one by one."""
    found = _cleaner()
    rows = []
    for name, shown in _RUNTIMES.items():
        mine = [row for row in found["results"] if row["contender"] == name]
        rate = {(row["threads"], row["maps"]): f"{row['fastest']:,.0f}" for row in mine}
        rows.append((shown, rate[1, 1], rate[1, 1000], rate[2, 1000]))
    head = ("maps a second", "one core, one by one", "one core, 1,000 a call", "two cores, 1,000")
    return table(head, rows)


def cleaner_floor() -> str:
    """Show operations and bytes of a map, layer by layer, in half precision."""
    floor = _cleaner()["floor"]
    rows = [
        (
            f"{row['layer']} to {' x '.join(f'{length}' for length in row['shape'])}",
            f"{row['operations'] / 1e6:.2f}",
            f"{row['folded'] / 1e6:.2f}",
            f"{row['bytes'] / 1e3:,.0f}",
        )
        for row in floor["layers"]
    ]
    n = floor["maps"]
    sums = (floor["operations"], floor["operations_folded"], floor["bytes_layer_by_layer"])
    million, folded, bytes_ = (value / n for value in sums)
    rows.append(("all", f"{million / 1e6:.2f}", f"{folded / 1e6:.2f}", f"{bytes_ / 1e3:,.0f}"))
    return table(("layer", "million operations", "folded", "kB read and written"), rows)


SKY_TABLES = {
    "gammapy": beside_gammapy,
    "gamma-sky methods": methods,
    "gamma-sky targets": targets,
    "gamma-sky offsets": offsets,
    "gamma-sky counts": counts,
    "gamma-sky cells": cells,
    "gamma-sky faint": faint,
    "gamma-sky faults": faults,
    "gamma-sky alarms": alarms,
    "gamma-sky long": long_alarms,
    "gamma-sky instruments": instruments,
    "cleaner": cleaner,
    "cleaner speed": cleaner_speed,
    "cleaner floor": cleaner_floor,
}
