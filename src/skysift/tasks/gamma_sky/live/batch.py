"""Sliding windows over files that are all there: the same code, the same tables, all at once."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.data.io import check_writable, open_writer
from skysift.data.table import FeatureTable
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.candidates import FalseAlarmSetting
from skysift.tasks.gamma_sky.live.records import RecordReader, SkyRecord
from skysift.tasks.gamma_sky.live.stream import LiveAnswers, WindowStream
from skysift.tasks.gamma_sky.live.tables import bins_table, latest, no_candidates, windows_table
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.photon_lists import files_of, input_files, tell_left_out
from skysift.tasks.gamma_sky.prediction import InputAccount

__all__ = ["gathered", "predict_stream", "stream_tables"]


def stream_tables(
    records: Sequence[SkyRecord],
    trials: TrialsTable,
    reading: ReadOptions | None = None,
    options: PredictOptions | None = None,
) -> LiveAnswers:
    """Return the final tables of a stream.

    Parameters
    ----------
    records : sequence of SkyRecord
        In any order.
    trials : TrialsTable
        Of the bundle.
    reading, options
        As for a prediction; the options with windows.

    Raises
    ------
    InputError
        If there is more than fits into memory.
    """
    chosen = options or PredictOptions(windows=(1.0, 10.0, 100.0))
    stream = WindowStream(reading or ReadOptions(), chosen, trials)
    answers = [stream.take(record) for record in sorted(records, key=lambda one: one.start)]
    return gathered(answers, FalseAlarmSetting(chosen.false_alarms, chosen.per))


def gathered(answers: Sequence[LiveAnswers], setting: FalseAlarmSetting) -> LiveAnswers:
    """Return the final rows of answers to records, in the order in which they were given."""
    windows = FeatureTable(
        pa.concat_tables([windows_table([]).arrow, *(one.windows.arrow for one in answers)])
    )
    found = [one.candidates.arrow for one in answers if one.candidates is not None]
    candidates = FeatureTable(pa.concat_tables([no_candidates(setting).arrow, *found]))
    bins = FeatureTable(
        pa.concat_tables([bins_table([]).arrow, *(one.bins.arrow for one in answers)])
    )
    windows, (candidates, bins) = latest(windows, candidates, bins)
    return LiveAnswers(windows, candidates, bins)


def predict_stream(
    paths: Sequence[Path],
    out: Path,
    model: GammaSkyModel,
    reading: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Search sliding windows over all files.

    The candidates go to `out`, windows and light curves beside it: ``out-windows`` and
    ``out-bins``, with the same suffix.

    Returns
    -------
    mapping of str to int
        Numbers of photons accepted, repaired and rejected, of windows, candidates and sources.

    Raises
    ------
    UsageError
        If the options ask for what only files have.
    ReadError, InputError
        If a file cannot be used.
    """
    if options.clean is not None or options.regions is not None:
        raise UsageError(
            "Cleaned maps and regions are not written of sliding windows.",
            "Leave out --clean and --regions, or search with --window.",
        )
    targets = [out, *(_beside(out, name) for name in ("windows", "bins"))]
    inputs = input_files(paths, reading)
    for target in targets:
        check_writable(target, inputs=inputs)
    stream = WindowStream(reading, options, model.trials)
    reader = RecordReader(reading)
    answers, account = list[LiveAnswers](), InputAccount(reading)
    total = len(files_of(paths, reading))
    tell_left_out(paths)
    for number, (item, record) in enumerate(reader.observed(paths)):
        progress(number / total, f"{item.path and item.path.name}")
        account.add(item, responded=record.response is not None)
        answers.append(stream.take(record))
    tables = gathered(answers, FalseAlarmSetting(options.false_alarms, options.per))
    written = {**provenance.finish().to_dict(), **account.record()}
    for target, table in zip(
        targets, (tables.candidates, tables.windows, tables.bins), strict=True
    ):
        if table is not None:
            with open_writer(target, provenance=written) as writer:
                writer.write(table)
    found = tables.candidates if tables.candidates is not None else ()
    names = set() if tables.candidates is None else set(tables.candidates["source_id"].tolist())
    account.tell(out)
    _tell_narrow(tables.windows)
    return {
        **account.counts,
        "windows": len(tables.windows),
        "candidates": len(found),
        "sources": len(names),
    }


def _tell_narrow(windows: FeatureTable) -> None:
    """Write on stderr how many windows were not searched whole."""
    narrow = sum("narrow" in flags.split(",") for flags in windows["flags"].astype(str))
    if narrow:
        sys.stderr.write(
            f"{narrow:,} of {len(windows):,} windows were searched only up to where their photons "
            "stop: flag 'narrow'.\n"
        )


def _beside(out: Path, name: str) -> Path:
    stem, dot, suffix = out.name.partition(".")
    return out.with_name(f"{stem}-{name}{dot}{suffix}")
