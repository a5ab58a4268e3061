"""Search photon lists file by file: candidates, and on request cleaned maps and DS9 regions."""

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from skysift.core.errors import UsageError
from skysift.core.jobs import Piece
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.stream import MeasuringPredictor, Note, RecordPredictor
from skysift.data.contract import Finding, Verdict
from skysift.data.io import check_target, check_writable
from skysift.tasks.gamma_sky.bounds import with_bounds
from skysift.tasks.gamma_sky.candidates import CandidateTable
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.observations import (
    MOVES,
    UNUSABLE,
    Observation,
    iter_observations,
    of_photons,
    photons_beyond,
)
from skysift.tasks.gamma_sky.options import CLEANING, UNCALIBRATED, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.photon_lists import (
    files_of,
    input_files,
    require_asked,
    tell_left_out,
)
from skysift.tasks.gamma_sky.pipeline import search_observation, threshold_of

__all__ = ["InputAccount", "pieces", "predict_files", "record_predictor"]

_TOLD = 5  # windows, or observations, of which a line each tells


@dataclass
class InputAccount:
    """What became of the photons, observation by observation, of files and of a stream alike.

    Parameters
    ----------
    reading : ReadOptions
        Pixels of the map.
    counts : dict of str to int
        Photons accepted, repaired and rejected.
    findings : list of dict
        What the input contract found, and in which file.
    without_response : list of str
        Observations that were searched without an instrument response.
    beyond_map : list of dict
        Observations most of whose photons no map holds.
    nothing_left : list of str
        Observations all of whose photons were rejected, each with what says why.
    """

    reading: ReadOptions
    counts: dict[str, int] = field(
        default_factory=lambda: {"accepted": 0, "repaired": 0, "rejected": 0}
    )
    findings: list[dict[str, Any]] = field(default_factory=list)
    without_response: list[str] = field(default_factory=list)
    beyond_map: list[dict[str, Any]] = field(default_factory=list)
    nothing_left: list[str] = field(default_factory=list)

    def add(self, item: Observation, *, responded: bool) -> None:
        """Take an observation into account, and whether a response was used for it."""
        repaired = sum(len(f.rows) for f in item.findings if f.verdict is Verdict.REPAIRED)
        self.counts["accepted"] += len(item.events) - repaired
        self.counts["repaired"] += repaired
        self.counts["rejected"] += item.n_rows - len(item.events)
        name = item.events.name or str(item.path)
        self.findings += [
            {"file": str(item.path), "observation": name, **finding.to_dict()}
            for finding in item.findings
        ]
        if not responded:
            self.without_response.append(name)
        if item.n_rows and not len(item.events):
            why = _gravest(item.findings)
            said = "" if why is None else f" {why.message}"
            self.nothing_left.append(f"{name}: no photon of {item.n_rows:,} is left.{said}")
        radius = self.reading.pixels * self.reading.pixel_size / math.sqrt(2)
        beyond = photons_beyond(item.events, radius)
        if beyond is not None:
            self.beyond_map.append(
                {
                    "observation": name,
                    "ra": item.events.pointing.ra,
                    "dec": item.events.pointing.dec,
                    "radius": radius,
                    "photons": len(item.events),
                    "beyond": beyond,
                }
            )

    def record(self) -> dict[str, Any]:
        """Return what is kept with the answers."""
        return {
            "without_response": self.without_response,
            "beyond_map": self.beyond_map,
            "input_contract": self.findings,
        }

    def tell(self, out: Path) -> None:
        """Write on stderr what makes answers poor, or leaves none."""
        _tell(self.nothing_left, "input_contract", out, of="observations")
        unusable = [
            f"{one['observation']}: {one['message']}"
            for one in self.findings
            if one["code"] == UNUSABLE
        ]
        _tell(unusable, "input_contract", out, of="observations")
        beyond = [
            f"{one['observation']}: {one['beyond']:,} of {one['photons']:,} photons are more than "
            f"{one['radius']:.1f} deg from the pointing ({one['ra']:.4f} {one['dec']:+.4f} deg), "
            "beyond the map: is the pointing right?"
            for one in self.beyond_map
        ]
        _tell(beyond, "beyond_map", out, of="observations")
        moving = [
            f"{one['observation']}: {one['message']} Flag '{MOVES}'."
            for one in self.findings
            if one["code"] == MOVES
        ]
        _tell(moving, "input_contract", out, of="observations")


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: GammaSkyModel,
    reading: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Search window by window; the output appears whole, or not at all.

    Returns
    -------
    mapping of str to int
        Numbers of photons accepted, repaired and rejected, of windows and of candidates.
    """
    _require_use_of_networks(model, options)
    options = _on_a_device(options)
    if options.windows:
        from skysift.tasks.gamma_sky.live.batch import predict_stream  # noqa: PLC0415 few need it

        return predict_stream(
            paths, out, model, reading, options, provenance=provenance, progress=progress
        )
    inputs = input_files(paths, reading)
    _check_outputs(out, options, inputs)
    account, windows = InputAccount(reading), 0
    tables = [CandidateTable.empty(threshold_of(options))]
    total = len(files_of(paths, reading))
    tell_left_out(paths)
    unconfirmed: list[dict[str, object]] = []
    narrowed: list[dict[str, object]] = []
    for number, item in enumerate(iter_observations(paths, reading)):
        progress(number / total, f"{item.events.name or item.path}")
        account.add(item, responded=item.response is not None)
        for searched in search_observation(
            item, reading, options, model.trials, networks=model.networks
        ):
            tables.append(searched.table)
            if (place := searched.unconfirmed()) is not None:
                unconfirmed.append(place)
            if (narrow := searched.narrowed()) is not None:
                narrowed.append(narrow)
            if options.clean is not None:
                target = _numbered(Path(options.clean), windows)
                check_target(target, inputs=inputs)
                searched.cleaned().write(target, provenance.finish().to_dict())
            windows += 1
    table = _bounded(CandidateTable.concatenate(tables), model, options)
    record = {
        **provenance.finish().to_dict(),
        "device": options.device,
        "coverage": options.coverage,
        "unconfirmed": unconfirmed,
        "narrowed": narrowed,
        **account.record(),
    }
    table.write(out, record)
    if options.regions is not None:
        table.write(options.regions)
    _tell(_without_threshold(options.method, len(table)), "candidates", out)
    _tell(_why_unconfirmed(options.method, unconfirmed), "unconfirmed", out)
    _tell(_how_narrow(narrowed), "narrowed", out)
    account.tell(out)
    return {**account.counts, "windows": windows, "candidates": len(table)}


def pieces(paths: Sequence[Path], reading: ReadOptions, options: PredictOptions) -> list[Piece]:
    """Return the photon lists, each of which can be searched by itself.

    Raises
    ------
    ReadError
        If there is none, or an index cannot be read.
    UsageError
        If the options ask for sliding windows, which are of all files together, or for further
        files, which would have one name.
    """
    if options.windows or options.clean is not None or options.regions is not None:
        raise UsageError(
            "Sliding windows, cleaned maps and regions are made in one process.",
            "Leave out --windows, --clean and --regions, or --workers, --dask and --part.",
        )
    found = []
    sources = files_of(paths, reading)
    tell_left_out(paths)
    for source in sources:
        if source.folder is None or source.obs_id is None:  # a file, of what is asked for
            found.append(Piece(source.path, read={"obs_id": []} if reading.obs_id else {}))
            continue
        found.append(Piece(source.folder, source.files, {"obs_id": [source.obs_id]}))
    return found


def record_predictor(
    model: GammaSkyModel, reading: ReadOptions, options: PredictOptions
) -> RecordPredictor:
    """Return what searches one photon list after the other, or sliding windows of all of them.

    Raises
    ------
    UsageError
        If the options ask for files beside the candidates, or a method that the bundle is not for.
    """
    if options.clean is not None or options.regions is not None:
        raise UsageError(
            "Cleaned maps and regions are not written of a stream.",
            "Leave out --clean and --regions; write them with skysift predict gamma-sky.",
        )
    _require_use_of_networks(model, options)
    options = _on_a_device(options)
    if options.windows:
        from skysift.tasks.gamma_sky.live.predictor import LivePredictor  # noqa: PLC0415 few need it

        return LivePredictor(model.trials, reading, options)

    def predict(path: Path, note: Note) -> Iterator[pa.Table]:
        for item in iter_observations([path], require_asked(path, reading)):
            note(of_photons(item.events, reading))
            for searched in search_observation(
                item, reading, options, model.trials, networks=model.networks
            ):
                yield _bounded(searched.table, model, options).table.arrow

    return MeasuringPredictor(predict)


def _bounded(
    table: CandidateTable, model: GammaSkyModel, options: PredictOptions
) -> CandidateTable:
    """Return candidates with regions and bounds, if a coverage is asked for."""
    if options.coverage is None:
        return table
    bounded = with_bounds(table.table, model.promises, options.coverage, model.name)
    return CandidateTable(bounded, table.setting)


def _require_use_of_networks(model: GammaSkyModel, options: PredictOptions) -> None:
    if model.asking and options.method not in model.asking:
        raise UsageError(
            f"The bundle {model.name} holds networks that '{options.method}' does not ask.",
            f"Use --method {' or '.join(model.asking)}, or leave out --bundle.",
        )


def _on_a_device(options: PredictOptions) -> PredictOptions:
    """Return the options with the device that networks run on, which is known from here on.

    Raises
    ------
    UsageError
        If a GPU is asked for that is not there, or that the method has no use for.
    """
    device = device_for((options.method,), options.device)
    return options.model_copy(update={"device": device})


def _why_unconfirmed(method: str, places: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why windows have no candidate although the method names a place in each."""
    return [
        f"{place['window'] or 'window'}: no candidate. {method} names "
        f"{place['ra']:.4f} {place['dec']:+.4f} deg: {place['reason']}."
        for place in places
    ]


def _without_threshold(method: str, n_candidates: int) -> list[str]:
    """Return that the asked-for false alarms set no threshold for a method."""
    if method not in UNCALIBRATED or n_candidates == 0:
        return []
    said = f"{method}: the number of false alarms sets no threshold of its candidates"
    return [f"{said}, {UNCALIBRATED[method]}: flag 'no-threshold'."]


def _gravest(findings: Sequence[Finding]) -> Finding | None:
    """Return what most photons were rejected for: what is of the whole file, then of most rows."""
    rejected = [one for one in findings if one.verdict is Verdict.REJECTED]
    return max(rejected, key=lambda one: len(one.rows) or math.inf, default=None)


def _how_narrow(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return up to where windows were searched whose photons stop within the map."""
    return [
        f"{narrow['window'] or 'window'}: photons stop about {narrow['radius']:.1f} deg from the "
        "pointing: searched up to there."
        for narrow in fields
    ]


def _tell(lines: Sequence[str], key: str, out: Path, *, of: str = "windows") -> None:
    """Write a few lines on stderr, and where the others are."""
    for line in lines[:_TOLD]:
        sys.stderr.write(f"{line}\n")
    if len(lines) > _TOLD:
        more = len(lines) - _TOLD
        sys.stderr.write(f"... and {more:,} {of} more, under '{key}' in {out}.\n")


def _check_outputs(out: Path, options: PredictOptions, inputs: Sequence[Path]) -> None:
    """Refuse what cannot be written, before anything is searched."""
    check_writable(out, inputs=inputs)
    for extra, suffixes in ((options.clean, (".fits", ".fits.gz")), (options.regions, (".reg",))):
        if extra is not None:
            _require_suffix(extra, suffixes)
            check_target(extra, inputs=inputs)
    _require_apart(out, options)
    if options.clean is not None:
        for there in Path(options.clean).parent.iterdir():
            if _is_numbered(there, Path(options.clean)):
                check_target(there, inputs=inputs)
    if options.clean is not None and options.method not in CLEANING:
        raise UsageError(
            f"The method '{options.method}' does not say what it expects of each pixel.",
            f"Clean with --method {' or '.join(CLEANING)}.",
        )


def _require_suffix(name: str, suffixes: tuple[str, ...]) -> None:
    if not name.endswith(suffixes):
        raise UsageError(
            f"'{name}' does not end with {' or '.join(suffixes)}.",
            f"Name the file e.g. output{suffixes[0]}.",
        )


def _require_apart(out: Path, options: PredictOptions) -> None:
    """Refuse outputs of which one would replace another."""
    clean = None if options.clean is None else Path(options.clean)
    others = {"candidates": out}
    if options.regions is not None:
        others["regions"] = Path(options.regions)
    for what, path in others.items():
        if clean is not None and (_are_one(path, clean) or _is_numbered(path, clean)):
            raise UsageError(
                f"The cleaned maps and the {what} would both be written to '{path}'.",
                "Give each a name of its own.",
            )
    if options.regions is not None and _are_one(out, others["regions"]):
        raise UsageError(
            f"The candidates and the regions would both be written to '{out}'.",
            "Give each a name of its own.",
        )


def _are_one(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _numbered(path: Path, number: int) -> Path:
    """Return the path for the first window, and one with a number for each further one."""
    if number == 0:
        return path
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}-{number:04}{dot}{suffix}")


def _is_numbered(path: Path, first: Path) -> bool:
    """Tell whether a path is what the map of a further window would be written to."""
    stem, dot, suffix = first.name.partition(".")
    name = re.escape(f"{stem}-") + r"\d{4,}" + re.escape(f"{dot}{suffix}")
    beside = path.parent.resolve() == first.parent.resolve()
    return beside and re.fullmatch(name, path.name) is not None
