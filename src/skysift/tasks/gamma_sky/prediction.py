"""Search photon lists file by file: candidates, and on request cleaned maps and DS9 regions."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from skysift.core.errors import UsageError
from skysift.core.jobs import Piece
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.stream import MeasuringPredictor, Note, RecordPredictor
from skysift.data.io import check_target, check_writable
from skysift.tasks.gamma_sky.bounds import with_bounds
from skysift.tasks.gamma_sky.candidates import CandidateTable, FalseAlarmSetting
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.observations import files_of, iter_observations, of_photons
from skysift.tasks.gamma_sky.options import CLEANING, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_observation

__all__ = ["pieces", "predict_files", "record_predictor"]

_TOLD = 5  # windows of which a line each tells


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
    _check_outputs(out, options, [path for path in paths if path.is_file()])
    counts = {"accepted": 0, "repaired": 0, "rejected": 0, "windows": 0, "candidates": 0}
    setting = FalseAlarmSetting(options.false_alarms, options.per)
    tables = [CandidateTable.empty(setting)]
    total = len(files_of(paths, reading))
    findings: list[dict[str, object]] = []
    unconfirmed: list[dict[str, object]] = []
    narrowed: list[dict[str, object]] = []
    for number, item in enumerate(iter_observations(paths, reading)):
        progress(number / total, f"{item.events.name or item.path}")
        repaired = sum(len(f.rows) for f in item.findings if f.verdict.value == "repaired")
        counts["accepted"] += len(item.events) - repaired
        counts["repaired"] += repaired
        counts["rejected"] += item.n_rows - len(item.events)
        findings += [{"file": str(item.path), **finding.to_dict()} for finding in item.findings]
        for searched in search_observation(
            item, reading, options, model.trials, networks=model.networks
        ):
            tables.append(searched.table)
            if (place := searched.unconfirmed()) is not None:
                unconfirmed.append(place)
            if (field := searched.narrowed()) is not None:
                narrowed.append(field)
            if options.clean is not None:
                target = _numbered(Path(options.clean), counts["windows"])
                searched.cleaned().write(target, provenance.finish().to_dict())
            counts["windows"] += 1
    table = _bounded(CandidateTable.concatenate(tables), model, options)
    counts["candidates"] = len(table)
    record = {
        **provenance.finish().to_dict(),
        "device": options.device,
        "coverage": options.coverage,
        "unconfirmed": unconfirmed,
        "narrowed": narrowed,
        "input_contract": findings,
    }
    table.write(out, record)
    if options.regions is not None:
        table.write(options.regions)
    _tell(_why_unconfirmed(options.method, unconfirmed), "unconfirmed", out)
    _tell(_how_narrow(narrowed), "narrowed", out)
    return counts


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
    for source in files_of(paths, reading):
        if source.folder is None or source.obs_id is None:
            found.append(Piece(source.path))
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
        for item in iter_observations([path], reading):
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


def _how_narrow(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return up to where windows were searched whose photons stop within the map."""
    return [
        f"{field['window'] or 'window'}: photons stop about {field['radius']:.1f} deg from the "
        "pointing: searched up to there."
        for field in fields
    ]


def _tell(lines: Sequence[str], key: str, out: Path) -> None:
    """Write a few lines on stderr, and where the others are."""
    for line in lines[:_TOLD]:
        sys.stderr.write(f"{line}\n")
    if len(lines) > _TOLD:
        more = len(lines) - _TOLD
        sys.stderr.write(f"... and {more:,} windows more, under '{key}' in {out}.\n")


def _check_outputs(out: Path, options: PredictOptions, inputs: Sequence[Path]) -> None:
    """Refuse what cannot be written, before anything is searched."""
    check_writable(out, inputs=inputs)
    for extra, suffix in ((options.clean, ".fits"), (options.regions, ".reg")):
        if extra is not None:
            _require_suffix(extra, suffix)
            check_target(extra, inputs=inputs)
    if options.clean is not None and options.method not in CLEANING:
        raise UsageError(
            f"The method '{options.method}' does not say what it expects of each pixel.",
            f"Clean with --method {' or '.join(CLEANING)}.",
        )


def _require_suffix(name: str, suffix: str) -> None:
    if not name.removesuffix(".gz").endswith(suffix):
        raise UsageError(
            f"'{name}' does not end with {suffix}.", f"Name the file e.g. output{suffix}."
        )


def _numbered(path: Path, number: int) -> Path:
    """Return the path for the first window, and one with a number for each further one."""
    if number == 0:
        return path
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}-{number:04}{dot}{suffix}")
