"""Tables of stars and galaxies, from stored results."""

from collections.abc import Mapping
from typing import Any

from measured_rows import Row, listed, named, row_of, stored, table, told

__all__ = ["STAR_TABLES"]


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


def star_galaxy_all() -> str:
    """Show every model in the same folds by object, and by exposure."""
    by_object = stored("star_galaxy/results/cross_validation.json")
    by_exposure = stored("star_galaxy/results/cross_validation_by_exposure.json")
    rows: list[Row] = []
    for row in by_object["rows"]:
        other = row_of(by_exposure["rows"], name=row["name"])
        rows.append(
            (
                row["model"],
                named(row, "accuracy"),
                named(row, "auc"),
                named(row, "log_loss"),
                f"{row['ece']:.3f}",
                f"{row['unambiguous']:.4f} ({row['ambiguous']:.1%})",
                f"{row['faint_error']:.1%}",
                f"{row['matched_log_loss']:.3f}",
                f"{other['accuracy']:.4f}, {other['log_loss']:.4f}",
            )
        )
    head = (
        f"five-fold, {by_object['n']:,} objects",
        *("accuracy", "AUC", "log loss", "calibration error", "accuracy, unambiguous (flagged)"),
        *("error, i > 18.5", "log loss, equally bright", "by exposure: accuracy, log loss"),
    )
    return told(head, rows, by_object["command"], by_object["split"])


def star_galaxy_draws() -> str:
    """Show what other partitions into folds change."""
    found = stored("benchmarks/star_galaxy_limit.json")
    names = {
        "random-forest": "random forest",
        "extra-trees": "extra trees",
        "gp-shapes": "GP on shapes",
        "svm": "support vector machine",
        "mean of four": "mean log-odds of these four",
        "fwhm-cut": "FWHM cut",
        "blend": "**the default**",
    }
    rows: list[Row] = []
    for part in ("folds", "default"):
        by = {(row["model"], row["measure"]): row for row in found[part]["measures"]}
        first, last = found[part]["seeds"]
        for model in dict.fromkeys(model for model, _ in by):
            cells = [names[model], f"{first} to {last}"]
            for measure in ("accuracy", "auc", "unambiguous"):
                cells += _drawn(by.get((model, measure)))
            rows.append((*cells, _drawn(by[model, "log_loss"])[0]))
    head = (
        *("model", "partitions", "accuracy: mean, sd", "reach 0.990", "AUC", "reach 0.997"),
        *("accuracy, unambiguous", "reach 0.995", "log loss"),
    )
    commands = "`python benchmarks/star_galaxy_limit.py folds`, then `default --seeds 6`"
    note = "for the GP the accuracy that is asked for is 0.987"
    return f"{table(head, rows)}\n\n*Five-fold by object; {note}.* Commands: {commands}"


def _drawn(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """Write mean and standard deviation, and how often the aim was reached."""
    if row is None:
        return "", ""
    return f"{row['mean']:.4f} ± {row['sd']:.4f}", f"{row['reached']} of {row['of']}"


def star_galaxy_short() -> str:
    """Show the default beside the two cuts that anybody makes, and the best published input."""
    found = stored("star_galaxy/results/cross_validation.json")
    names = {
        "blend": "default",
        "fwhm-cut": "cut on FWHM over seeing",
        "gp-norm-2": "the original's Gaussian process, the best of its inputs",
        "magnitude": "magnitude alone",
    }

    def cells(row: Mapping[str, Any]) -> Row:
        return tuple(named(row, *one) for one in (("accuracy", 3), ("auc",), ("log_loss", 3)))

    rows = listed(found["rows"], "name", names, cells)
    return told(("model", "accuracy", "AUC", "log loss"), rows, found["command"], found["split"])


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


def star_galaxy_processes() -> str:
    """Show what other forms of the process on shapes have inside the training parts."""
    found = stored("benchmarks/star_galaxy_processes.json")
    rows: list[Row] = [
        (
            one["form"],
            " ".join(f"{loss:.4f}" for loss in one["by_part"]),
            f"{one['log_loss']:.4f}",
            f"{one['less_shipped']:+.4f} ± {one['error']:.4f}" if one["error"] else "",
            f"{one['accuracy']:.4f}",
        )
        for one in found["forms"]
    ]
    head = ("form", "log loss in each part", "mean", "less that which ships", "accuracy")
    return told(head, rows, found["command"], found["split"])


STAR_TABLES = {
    "star-galaxy": star_galaxy,
    "star-galaxy, every model": star_galaxy_all,
    "star-galaxy draws": star_galaxy_draws,
    "star-galaxy in short": star_galaxy_short,
    "star-galaxy processes": star_galaxy_processes,
    "ambiguous": ambiguous,
}
