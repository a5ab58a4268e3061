"""The verb ``build``: tables of labels from the catalogues of the Sun.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from skysift.cli.arguments import AsJson
from skysift.cli.console import Console
from skysift.cli.job import typed_command
from skysift.cli.paths import check_writable_folder, plain_path, readable
from skysift.core.errors import ContractError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from skysift.data.table import FeatureTable

__all__ = ["build"]

_DAY = 24.0
_SAID = {
    "skipped": "Lines and files of the summaries that could not be read: {:,}.",
    "repeated": "Regions that the summaries list again, alike: {:,}, taken once.",
    "contradicted": "Regions that the summaries list again, otherwise: {:,}; the last list counts.",
    "skipped_flares": "Lines of the flare lists without a start or a class: {:,}.",
    "repeated_flares": "Flares that are listed again: {:,}, taken once.",
}


def build(
    kind: Annotated[Literal["active-region", "flare"], typer.Argument(help="What to label.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Table to write.")],
    begin: Annotated[str | None, typer.Option("--from", help="First time, 2014-01-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Time to stop before.")] = None,
    cadence: Annotated[float, typer.Option(min=0.1, help="Step from --from to --to [h].")] = _DAY,
    times: Annotated[
        Path | None,
        typer.Option(help="A table with a column 'time', in place of --from; 'file' is kept."),
    ] = None,
    srs: Annotated[
        list[Path] | None,
        typer.Option(help="Region summaries: daily texts, a folder, a table; repeatable."),
    ] = None,
    flares: Annotated[
        list[Path] | None,
        typer.Option(help="Flare lists of SWPC, NCEI, HEK, LMSAL or alike; repeatable."),
    ] = None,
    fetch: Annotated[
        Path | None,
        typer.Option(help="Fetch what is not given, through sunpy, into this folder."),
    ] = None,
    horizon: Annotated[
        list[float] | None, typer.Option(help="Length of the window [h]; repeatable.")
    ] = None,
    sections: Annotated[
        list[str] | None, typer.Option(help="Sections of the summary; repeatable.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="TOML: unassociated, gaps, overlapping, positions, classes, ..."),
    ] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="One policy as key=value; repeatable.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Label times with the regions on the disk, or regions with the flares that they had next.

    Example: skysift build flare --from 2014-01-01 --to 2014-02-01 --srs SRS --flares events.csv
    --out labels.parquet
    """
    from skysift.core.config import load_config, parse_assignments
    from skysift.core.provenance import Provenance
    from skysift.data.io import check_writable, open_writer
    from skysift.data.solar.catalogs import (
        LabelPolicy,
        label_presence,
        label_regions,
        regions_at,
    )

    console = Console(as_json=json)
    rules = load_config(LabelPolicy, policy, parse_assignments(assign or []))
    given = [path for path in [*(srs or []), *(flares or []), times] if path is not None]
    inputs = [plain_path(readable(path)) for path in given if not path.is_dir()]
    check_writable(out, inputs=inputs)
    if fetch is not None:
        check_writable_folder(fetch)
    asked, files = _times(begin, end, cadence, times)
    provenance = Provenance.start(
        command=typed_command(),
        inputs=inputs,
        config={"kind": kind, **rules.model_dump(mode="json")},
    )
    lists = _Lists(asked, max(horizon or [_DAY]), fetch)
    events = None
    with console.progress("build") as progress:
        progress(0.1, "catalogues")
        regions = lists.regions(srs)
        wanted = tuple(sections or (("I",) if kind == "flare" else ("I", "IA")))
        if kind == "flare":
            at = regions_at(regions, asked, sections=wanted, policy=rules)
            hours = tuple(horizon or [_DAY])
            events = lists.flares(flares)
            table = label_regions(at, events, horizons=hours, policy=rules)
        else:
            table = label_presence(regions, asked, sections=wanted, policy=rules)
    if files is not None:
        table = table.with_columns({"file": files[table["image"]]})
    with open_writer(out, provenance=provenance.finish().to_dict()) as writer:
        writer.write(table)
    _tell(console, out, table, regions, events)


class _Lists:
    """The catalogues, from files or else from their archives."""

    def __init__(self, asked: "np.ndarray[Any, Any]", hours: float, folder: Path | None) -> None:
        import numpy as np

        margin = np.timedelta64(round(3600 * (hours + _DAY)), "s")
        self.folder = folder
        self.limits = (asked.min() - margin, asked.max() + margin)

    def regions(self, paths: list[Path] | None) -> "FeatureTable":
        from skysift.data.solar.catalogs import read_regions

        if paths:
            return read_regions(paths)
        from skysift.data.solar.catalogs.remote import fetch_regions

        return fetch_regions(*self.limits, self._allowed("--srs"))

    def flares(self, paths: list[Path] | None) -> "FeatureTable":
        from skysift.data.solar.catalogs import read_flares

        if paths:
            return read_flares(paths)
        from skysift.data.solar.catalogs.remote import fetch_flares

        self._allowed("--flares")
        return fetch_flares(*self.limits)

    def _allowed(self, option: str) -> Path:
        if self.folder is None:
            raise UsageError(
                f"There is no {option}, and nothing is fetched unasked.",
                f"Give {option}, or --fetch FOLDER.",
            )
        return self.folder


def _times(
    begin: str | None, end: str | None, cadence: float, path: Path | None
) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]":
    """Return the times to label, and the names of the files where a table has them."""
    import numpy as np

    from skysift.data.column_names import in_our_case
    from skysift.data.io import read_table
    from skysift.data.solar.catalogs.cells import check_none_missing
    from skysift.data.times import as_times

    if path is not None:
        if begin or end:
            raise UsageError("Both --times and --from or --to are given.", "Give one of them.")
        table = in_our_case(read_table(path), ("time", "file"))
        asked = as_times(table["time"], path=path)
        if not len(asked):
            raise ContractError("The table of times has no row.", "Give one at least.", path=path)
        check_none_missing(asked, column="time", path=path)
        names = [name for name in table if name == "file"]
        return asked, table[names[0]] if names else None
    if begin is None or end is None:
        raise UsageError("There are no times.", "Give --from and --to, or --times.")
    first, stop = as_times([begin, end], column="--from, --to")
    if not first < stop:
        raise UsageError(f"--from {begin} is not before --to {end}.", "Exchange them.")
    return np.arange(first, stop, np.timedelta64(round(3600 * cadence), "s")), None


def _tell(
    console: Console,
    out: Path,
    table: "FeatureTable",
    regions: "FeatureTable",
    flares: "FeatureTable | None",
) -> None:
    """Print how many rows there are of each class and status, and what became of the catalogues."""
    from collections import Counter

    letters = [str(text)[:1] or "none" for text in table["class"]]
    classes = letters if "flux_next" in table else [str(text) for text in table["class"]]
    counts = Counter(zip(table["horizon"].tolist(), classes, table["status"], strict=True))
    rows = [
        {"horizon": hours, "class": name, "status": str(status), "rows": number}
        for (hours, name, status), number in sorted(counts.items())
    ]
    without = len(table.meta.get("without_summary", ()))
    numbers = _numbers_of(regions, flares)
    console.table(rows, title="Labels")
    lines = [f"{out}: {len(table):,} rows"]
    if without:
        lines.append(f"Times without a region summary: {without:,}.")
    lines += [_SAID[name].format(number) for name, number in numbers.items() if number]
    console.result(
        {"out": str(out), "rows": len(table), "labels": rows, "without_summary": without,
         **numbers},
        lines,
    )  # fmt: skip


def _numbers_of(regions: "FeatureTable", flares: "FeatureTable | None") -> dict[str, int]:
    """Return how many rows of the catalogues were left out, by reason."""
    meta = {} if flares is None else flares.meta
    of_regions, of_flares = (one.get("repaired", {}) for one in (regions.meta, meta))
    return {
        "skipped": len(regions.meta.get("skipped", ())),
        "repeated": of_regions.get("repeated", 0),
        "contradicted": of_regions.get("contradicted", 0),
        "skipped_flares": len(meta.get("skipped", ())),
        "repeated_flares": of_flares.get("repeated", 0),
    }
