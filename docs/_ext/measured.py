"""Tables of measured numbers, filled in from the stored results so that they cannot drift apart.

A page holds them between the lines ``<!-- measured: NAME -->`` and ``<!-- end of NAME -->``. The
site fills them each time it is built; a test asserts that the files say the same, and

    python docs/_ext/measured.py

writes them.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a test reads this where Sphinx is not
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
TASKS = DOCS.parent / "src" / "skysift" / "tasks"
Row = Sequence[str]
MARK = re.compile(
    r"^<!-- measured: (?P<name>.+?) -->\n(?:.*?^(?P<end><!-- end of (?P=name) -->)$)?",
    re.DOTALL | re.MULTILINE,
)


# --- where numbers come from ---------------------------------------------------------------------


def stored(path: str) -> Any:
    """Return ``TASK/results/NAME.json`` of the package, or a result stored with the pages."""
    folder = DOCS if path.startswith("measured/") else TASKS
    return json.loads((folder / path).read_text(encoding="utf-8"))


def quoted(page: str, first: str, *columns: int) -> tuple[str, ...]:
    """Return cells of the row of a table on another page, by what its first cell says."""
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] == first and len(cells) > max(columns):
            return tuple(cells[column] for column in columns)
    raise LookupError(f"{page} has no row {first!r}")


def row_of(rows: Sequence[Mapping[str, Any]], **wanted: str) -> Mapping[str, Any]:
    """Return the one row that has these values."""
    found = [row for row in rows if wanted.items() <= row.items()]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows have {wanted}")
    return found[0]


def listed(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    names: Mapping[str, str],
    cells: Callable[[Mapping[str, Any]], Row],
) -> list[Row]:
    """Write the row of each name: what it is called here, then its cells."""
    return [(shown, *cells(row_of(rows, **{key: name}))) for name, shown in names.items()]


def cited(page: str, names: Sequence[str], *columns: int) -> list[Row]:
    """Quote a row of another page for each name."""
    return [(name, *quoted(page, name, *columns)) for name in names]


# --- how they are written ------------------------------------------------------------------------


def interval(value: Mapping[str, Any], digits: int = 2) -> str:
    """Write a number with its 95 % interval, on one line."""
    middle, low, high = (f"{value[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{middle} [{low}, {high}]".replace(" ", "\N{NO-BREAK SPACE}")


def named(row: Mapping[str, Any], name: str, digits: int = 4) -> str:
    """Write a number whose bounds stand beside it under ``_low`` and ``_high``."""
    bounds = {"low": row.get(f"{name}_low"), "high": row.get(f"{name}_high")}
    if bounds["low"] is None:
        return f"{row[name]:.{digits}f}"
    return interval({"value": row[name], **bounds}, digits)


def table(head: Row, rows: Sequence[Row]) -> str:
    """Write a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(head: Row, rows: Sequence[Row], command: str, split: str) -> str:
    """Write a table, and below it where its numbers come from."""
    source = f"*{split[:1].upper()}{split[1:]}.* Command: `{command}`"
    return f"{table(head, rows)}\n\n{source}"


# --- the tables ----------------------------------------------------------------------------------


def gamma_hadron() -> str:
    """Show each model of the notebook: its claim, and all in the same folds."""
    found = stored("gamma_hadron/results/cross_validation.json")
    claims = {
        "XGBoost": "0.921",
        "neural network 64-32-1": "0.906",
        "k nearest neighbours": "0.880",
        "decision tree": "0.879",
        "logistic regression": "0.820 (0.790 in its table)",
    }
    names = {
        "blend of MLPs and trees": "**skysift, default**",
        "fast network, copied from the blend": "**skysift, fast**",
    }
    others = ("XGBoost", "random forest", *list(claims)[1:])
    names |= dict(zip(others, others, strict=True))

    def cells(row: Mapping[str, Any]) -> Row:
        return claims.get(row["model"], ""), named(row, "auc"), f"{row['efficiency@0.01']:.3f}"

    head = ("model", "AUC claimed", "AUC measured", "gammas kept at 1 % of the hadrons")
    rows = listed(found["rows"], "model", names, cells)
    return told(head, rows, found["command"], found["split"])


def notebook() -> str:
    """Show the models of the notebook as the notebook trained them, on the fixed test rows."""
    found = stored("measured/notebook.json")
    names = ("XGBoost", "neural network 64-32-1", "k nearest neighbours", "decision tree")
    shown = {"skysift default": "**skysift, default**"}
    shown |= {f"{name}, as in the notebook": name for name in (*names, "logistic regression")}

    def cells(row: Mapping[str, Any]) -> Row:
        return named(row, "auc"), f"{row['efficiency@0.01']:.3f}"

    head = ("as in the notebook", "AUC", "gammas kept at 1 % of the hadrons")
    rows = listed(found["rows"], "model", shown, cells)
    return told(head, rows, found["command"], found["split"])


def flare() -> str:
    """Show the published network of cutouts beside everybody's forecasts."""
    found = stored("flare/results/temporal.json")
    names = {
        "image and history": "**skysift, default**",
        "history only": "history alone",
        "McIntosh-Poisson": "McIntosh-Poisson",
        "persistence": "persistence",
        "image only": "image alone",
        "our network on the image": "a network of ours on the image",
        "the published network": "the published network",
    }

    def cells(row: Mapping[str, Any]) -> Row:
        return [interval(row[score]) for score in ("tss", "bss", "auc", "accuracy")]

    split = "trained before July 2014, judged on 365 later rows, 99 of them with a flare"
    head = ("forecast of class C or stronger in 24 h", "TSS", "BSS", "AUC", "accuracy")
    of_class = [row for row in found["comparison"]["standings"] if row["level"] == "C"]
    rows = listed(of_class, "forecast", names, cells)
    return told(head, rows, found["comparison"]["command"], split)


def flare_protocol() -> str:
    """Show the published network of cutouts by its own protocol."""
    found = stored("flare/results/temporal.json")["comparison"]["protocol"]
    count = len(found["random"])

    def spread(name: str) -> str:
        values = found[name]
        return f"{sum(values) / count:.3f} ({min(values):.3f} to {max(values):.3f})"

    rows = [
        [
            "ten random splits of its 131 cutouts",
            "0.956 to 0.958",
            spread("random"),
            f"{found['majority']:.3f}",
        ],
        ["the same ten, on later years", "", spread("later"), f"{found['majority_later']:.3f}"],
    ]
    return table(("accuracy", "claimed", "measured, mean (range)", 'of "never"'), rows)


def active_region() -> str:
    """Show what skysift reaches on later disks, and its classical rival."""
    names = (
        "region or quiet patch, TSS",
        "accuracy",
        "regions with spots found within 32 px, F1, whole disk",
        "F1 of a brightness threshold, whole disk",
    )
    rows = cited("tasks/active-region.md", names, 1, 2)
    return table(("question", "76 later disks", "cross-validation in the years before"), rows)


def gamma_sky_published() -> str:
    """Show the published networks and what replaces them, on the same photons."""
    found = stored("gamma_sky/results/published_networks.json")
    names = {
        "original": "CNN-cleaner and CNN-regressor, as published",
        "corrected": "the same, four faults mended",
        "smoothed maximum": "brightest pixel of the smoothed map",
        "gammapy": "gammapy, given the true background",
        "likelihood filter, IRF-free": "skysift, filter alone",
        "refined likelihood, IRF-free": "**skysift, default**",
    }
    claims = {"original": "0.068", "gammapy": "0.044"}

    def cells(row: Mapping[str, Any]) -> Row:
        kept = interval(row["kept"]) if row.get("kept") else ""
        claim = claims.get(row["method"], "")
        return claim, interval(row["error68"], 4), interval(row["outliers"], 3), kept

    measured = ("measured [deg]", "beyond 0.2 deg", "counts kept of one")
    head = ("method", "68 % error claimed [deg]", *measured)
    rows = listed(found["rows"], "method", names, cells)
    return told(head, rows, found["command"], found["split"])


def gamma_sky_gammapy() -> str:
    """Show the blind search of gammapy beside ours on prod5 fields."""
    names = (
        "likelihood ratio, response known",
        "likelihood ratio, no response",
        "maximum of smoothed counts",
        "gammapy, ExcessMapEstimator and find_peaks",
        "Cramer-Rao bound of these fields",
    )
    rows = cited("tasks/gamma-sky.md", names, 1, 2, 3)
    return table(("method", "68 % error, 1 Crab [deg]", "0.3 Crab", "found at 0.1 Crab"), rows)


def gamma_sky_speed() -> str:
    """Show times of the search beside gammapy's."""
    names = ("fit, no response", "fit, response", "gammapy", "gammapy + background")
    rows = cited("benchmarks.md", names, 5, 10)
    return table(("photons to candidates", "processor time, median [ms]", "68 % error [deg]"), rows)


def cleaner_speed() -> str:
    """Show maps per second of the published cleaner's layers."""
    names = ("skysift", "ONNX Runtime, extended level", "ONNX Runtime", "torch eager")
    rows = cited("benchmarks.md", names, 3, 5)
    return table(("runtime", "maps per second, one core", "two cores"), rows)


def star_galaxy() -> str:
    """Show the original's process, plain rivals and the default in the same folds."""
    by_object = stored("star_galaxy/results/cross_validation.json")
    by_exposure = stored("star_galaxy/results/cross_validation_by_exposure.json")
    names = {
        "blend": "**skysift, default**",
        "gp-shapes": "skysift, GP on shapes",
        "random-forest": "random forest on shapes",
        "svm": "support vector machine on shapes",
        "fwhm-cut": "cut on FWHM over seeing",
        "gp-norm-2": "the original's GP, its second normalisation",
        "gp-norm-5": "its fifth",
        "gp-norm-4": "its fourth",
        "gp-norm-1": "its first",
        "gp-norm-3": "its third",
        "gp-raw": "on raw pixels",
        "magnitude": "magnitude alone",
    }

    def cells(row: Mapping[str, Any]) -> Row:
        other = row_of(by_exposure["rows"], name=row["name"])
        measured = (named(row, "accuracy", 3), named(row, "auc"), named(row, "log_loss", 3))
        return *measured, named(other, "accuracy", 3)

    head = ("model", "accuracy", "AUC", "log loss", "accuracy by exposure")
    rows = listed(by_object["rows"], "name", names, cells)
    shown = told(head, rows, by_object["command"], by_object["split"])
    return f"{shown}; by exposure: `{by_exposure['command']}`"


def ambiguous() -> str:
    """Show what is left when the model may pass."""
    found = stored("star_galaxy/results/cross_validation.json")
    names = {"blend": "**skysift, default**", "fwhm-cut": "cut on FWHM over seeing"}

    def cells(row: Mapping[str, Any]) -> Row:
        scores = ("ambiguous", "unambiguous", "matched_accuracy", "matched_auc")
        return [named(row, score, 3) for score in scores]

    head = ("model", "called ambiguous", "accuracy of the rest", "accuracy, equally bright", "AUC")
    rows = listed(found["rows"], "name", names, cells)
    return told(head, rows, found["command"], found["split"])


def muygps_speed() -> str:
    """Show rows per second beside MuyGPyS."""
    names = ("MuyGPyS, nu = 3/2", "numpy", "compiled", "compiled, single precision")
    rows = cited("benchmarks.md", names, 1, 3)
    return table(("engine", "rows per second, one core", "largest difference"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "gamma-hadron": gamma_hadron,
    "notebook": notebook,
    "flare": flare,
    "flare by its own protocol": flare_protocol,
    "active-region": active_region,
    "published networks": gamma_sky_published,
    "gammapy": gamma_sky_gammapy,
    "search speed": gamma_sky_speed,
    "cleaner speed": cleaner_speed,
    "star-galaxy": star_galaxy,
    "ambiguous": ambiguous,
    "muygps speed": muygps_speed,
}


# --- into the pages ------------------------------------------------------------------------------


def filled(text: str) -> str:
    """Return a page with its tables as they are now.

    Raises
    ------
    LookupError
        If a table is not known, or a mark lacks its end.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in TABLES or not found["end"]:
            raise LookupError(f"no table {name!r}, or no end of it")
        return f"<!-- measured: {name} -->\n\n{TABLES[name]()}\n\n{found['end']}"

    return MARK.sub(fill, text)


def fill_source(_app: "Sphinx", _page: str, source: list[str]) -> None:
    """Fill the tables of a page that is being built."""
    source[0] = filled(source[0])


def setup(app: "Sphinx") -> dict[str, bool]:
    """Tell Sphinx when."""
    app.connect("source-read", fill_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main() -> None:
    """Write the tables into the files."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            path.write_text(now, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
