"""The verb ``audit`` for a data set of its own: a table of images, folders of them, a table.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Seed
from skysift.cli.console import Console
from skysift.cli.job import generator
from skysift.core.errors import InputError, ReadError, UnknownNameError, UsageError
from skysift.core.registry import list_tasks

if TYPE_CHECKING:
    import numpy as np

    from skysift.data.image_files import ImageFile
    from skysift.data.table import FeatureTable
    from skysift.evaluate.audit import AuditReport

__all__ = ["audit_dataset", "names_a_dataset"]

_NAMES_SHOWN = 10
_NO_GROUP = frozenset({"0", "0.0", "", "None", "nan"})


def names_a_dataset(arguments: Sequence[str]) -> bool:
    """Tell whether the arguments ask for the audit of a file or folder instead of a task's."""
    if not arguments or arguments[0] != "audit":
        return False
    words = [word for word in arguments[1:] if not word.startswith("-")]
    tasks = {item.name for item in list_tasks()}
    if not words or words[0] in tasks:
        return False
    looks_like_a_file = bool(Path(words[0]).suffix) or "/" in words[0]
    return looks_like_a_file or Path(words[0]).exists()


def audit_dataset(
    dataset: Annotated[
        Path, typer.Argument(help="A table, or a folder with a folder of images for each class.")
    ],
    *,
    images: Annotated[Path | None, typer.Option(help="Folder of the images of a table.")] = None,
    file_column: Annotated[str, typer.Option("--file", help="Column with their names.")] = "file",
    side: Annotated[
        int | None,
        typer.Option(min=8, help="Cut squares of this side about the columns x and y [pixel]."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column with the class.")] = None,
    positive: Annotated[
        list[str] | None, typer.Option(help="Value of the class that is sought; repeatable.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column with the time.")] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column with what rows belong together, '11424,11427' with both; 0 and empty are "
            "alone."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column with the part of each row.")] = None,
    split_at: Annotated[
        str | None, typer.Option(help="Time at which the test begins, in place of --split.")
    ] = None,
    purge: Annotated[
        float, typer.Option(min=0.0, help="Gap that a split in time needs [h].")
    ] = 24.0,
    drop: Annotated[
        list[str] | None, typer.Option(help="Column to leave out, e.g. another label; repeatable.")
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Search a labelled data set for leaks: copies, times, headers and files that know the class.

    Copies of images may be mirrored or turned by quarters. Not found are those that are shifted by
    a few pixels, turned by other angles, or negatives.

    Example: skysift audit images.csv --images frames --label flare_C --time time --split-at 2014-07
    """
    import numpy as np

    from skysift.evaluate.audit import audit
    from skysift.evaluate.audit.images import audit_images

    console = Console(as_json=json)
    asked = Asked(label, tuple(positive or ()), time, group, split, split_at, tuple(drop or ()))
    rng = generator(seed)
    gap = np.timedelta64(round(3600 * purge), "s")
    with console.progress("audit") as progress:
        progress(0.0, "read")
        if dataset.is_dir():
            table, y, classes, paths = _of_folders(dataset)
        else:
            table, y, classes = _of_table(dataset, asked)
            folder = images or dataset.parent
            named = file_column in table and file_column not in asked.drop
            paths = [folder / str(name) for name in table[file_column]] if named else []
        if not paths:
            seen = asked.seen(table)
            report = audit(
                seen, y, features=asked.features(seen), rng=rng, classes=classes,
                **asked.layout(table, gap),
            )  # fmt: skip
            rejected: list[dict[str, str]] = []
        else:
            files, rejected = _read_all(paths, progress)
            if side is not None:
                files = _cut(files, table, side)
            kept = np.array([one is not None for one in files])
            good = [one for one in files if one is not None]
            for name, own in zip(classes, (y, ~y), strict=True):
                if own.any() and not (own & kept).any():
                    raise _nothing_read(name, rejected, "" if dataset.is_dir() else file_column)
            rows, facts = _facts(table.take(kept), asked, good)
            report = audit_images(
                (one.pixels for one in good), y[kept], table=rows, files=facts, rng=rng,
                classes=classes, **asked.layout(table.take(kept), gap),
            )  # fmt: skip
    _tell(console, dataset, report, rejected, classes)


def _nothing_read(name: str, rejected: Sequence[dict[str, str]], column: str) -> InputError:
    if not rejected:
        return InputError(f"No place of {name} lies on its image.", "Correct x and y [pixel].")
    return InputError(
        f"No image of {name} can be read. Of {len(rejected):,} that cannot, the first, "
        f"{rejected[0]['file']}: {rejected[0]['reason']}",
        f"Name their folder with --images, or examine the table alone with --drop {column}."
        if column
        else "Put images of both classes there.",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Which columns mean what."""

    label: str | None = None
    positive: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    split: str | None = None
    split_at: str | None = None
    drop: tuple[str, ...] = field(default=())

    def seen(self, table: "FeatureTable") -> "FeatureTable":
        """Return the columns that are examined."""
        hidden = {self.label, self.split, *self.drop}
        return table.select([name for name in table if name not in hidden])

    def features(self, table: "FeatureTable") -> list[str]:
        """Return the columns of a table without images that a model would see."""
        apart = {self.time, self.group}
        return [name for name in table if name not in apart and table[name].dtype.kind in "biuf"]

    def layout(self, table: "FeatureTable", gap: "np.timedelta64") -> dict[str, Any]:
        """Return split, groups and times of the rows, as far as they are known."""
        from skysift.data.chronological import chronological_split, linked_groups
        from skysift.data.times import as_times

        known: dict[str, Any] = {"purge": gap}
        if self.time is not None:
            path = table.meta.get("path")
            known["times"] = as_times(table[self.time], path=path, column=self.time)
        if self.group is not None:
            members = [_members(str(value)) for value in table[self.group].tolist()]
            known["groups"] = linked_groups(members)
        if self.split is not None:
            known["split"] = table[self.split].astype(str)
        elif self.split_at is not None:
            if self.time is None:
                raise UsageError("--split-at needs the times.", "Name their column: --time.")
            known["split"] = chronological_split(
                known["times"], [as_times([self.split_at], column="--split-at")[0]]
            )
        return known


def _members(cell: str) -> list[str]:
    """Return the groups of a row: of '11424,11427' both numbers, of 0 and empty none."""
    parts = [one.strip() for one in cell.split(",")]
    if len(parts) == 1 or not all(one.isdecimal() for one in parts):
        parts = [cell]
    return [one for one in parts if one not in _NO_GROUP]


def _of_table(
    path: Path, asked: Asked
) -> "tuple[FeatureTable, np.ndarray[Any, Any], tuple[str, str]]":
    import numpy as np

    from skysift.data.io import read_table

    table = read_table(path)
    for name in (asked.label, asked.time, asked.group, asked.split, *asked.drop):
        if name is not None and name not in table:
            raise UnknownNameError("column", name, list(table))
    if asked.label is None:
        raise UsageError("The column with the class is not named.", "Add --label COLUMN.")
    values = table[asked.label]
    texts = np.array([str(value) for value in values.tolist()])
    if asked.positive:
        return table, np.isin(texts, asked.positive), ("+".join(asked.positive), "other")
    if values.dtype.kind not in "biuf":
        known = ", ".join(sorted(set(texts.tolist()))[:_NAMES_SHOWN])
        raise UsageError(
            f"It is not said which '{asked.label}' is sought: {known}.", "Add --positive VALUE."
        )
    return table, np.asarray(values > 0), (asked.label, f"not {asked.label}")


def _of_folders(
    folder: Path,
) -> "tuple[FeatureTable, np.ndarray[Any, Any], tuple[str, str], list[Path]]":
    import numpy as np

    from skysift.data.image_files import find_pictures
    from skysift.data.table import FeatureTable

    classes = [one for one in sorted(folder.iterdir()) if one.is_dir()]
    if len(classes) != 2:  # noqa: PLR2004 - an audit compares two classes
        raise UsageError(
            f"{folder} has {len(classes)} folders.",
            "Give one with a folder for each of two classes.",
        )
    found = [(path, k == 0) for k, one in enumerate(classes) for path in find_pictures(one)]
    # Each file lies there once; the same name in both folders is the usual layout.
    table = FeatureTable.from_columns(
        {"file": np.array([path.name for path, _ in found])}, meta={"bare_names": ("file",)}
    )
    y = np.array([signal for _, signal in found], dtype=bool)
    return table, y, (classes[0].name, classes[1].name), [path for path, _ in found]


def _read_all(
    paths: Sequence[Path], progress: Any
) -> "tuple[list[ImageFile | None], list[dict[str, str]]]":
    from skysift.data.image_files import read_image_file

    read: dict[Path, ImageFile | None] = {}
    rejected = []
    for k, path in enumerate(paths):
        progress(0.7 * k / len(paths), "read")
        if path in read:
            continue
        try:
            read[path] = read_image_file(path)
        except ReadError as error:
            read[path] = None
            rejected.append({"file": str(path), "reason": error.problem})
    return [read[path] for path in paths], rejected


def _cut(
    files: "Sequence[ImageFile | None]", table: "FeatureTable", side: int
) -> "list[ImageFile | None]":
    """Return the squares about the positions of a table; beyond the image is zero."""
    from dataclasses import replace

    import numpy as np

    squares: list[ImageFile | None] = []
    for file, x, y in zip(files, table["x"].tolist(), table["y"].tolist(), strict=True):
        if file is None or not np.isfinite(x + y):
            squares.append(None)
            continue
        row, column = round(y), round(x)
        padded = np.pad(file.pixels, side)
        inside = -side < row < file.pixels.shape[0] and -side < column < file.pixels.shape[1]
        corner = (row + side - side // 2, column + side - side // 2)
        square = padded[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
        squares.append(replace(file, pixels=square.copy()) if inside else None)
    return squares


def _facts(
    table: "FeatureTable", asked: Asked, files: "Sequence[ImageFile]"
) -> "tuple[FeatureTable, FeatureTable]":
    """Return what no model sees of each image, header cards with it; and how its file was made."""
    from skysift.data.image_files import facts_table

    rows = asked.seen(table)
    headers = [one.header for one in files]
    if any(headers):
        cards = facts_table(headers, prefix="header ")
        rows = rows.with_columns({name: cards[name] for name in cards})
    return rows, facts_table([one.facts for one in files])


def _tell(
    console: Console,
    dataset: Path,
    report: "AuditReport",
    rejected: Sequence[dict[str, str]],
    classes: tuple[str, str],
) -> None:
    rows = [
        {
            "severity": finding.severity.value,
            "finding": finding.title,
            classes[0]: finding.n_signal,
            classes[1]: finding.n_background,
            "advice": finding.advice,
        }
        for finding in report.findings
    ]
    signal, background = classes
    title = (
        f"Audit of {dataset}: {report.n_signal:,} {signal}, {report.n_background:,} {background}"
    )
    console.table(rows, title=title)
    console.table(rejected[:_NAMES_SHOWN], title=f"Files that cannot be read: {len(rejected):,}")
    lines = [*report.notes] if report.findings else ["Nothing was found.", *report.notes]
    console.result({"dataset": str(dataset), **report.to_dict(), "rejected": list(rejected)}, lines)
