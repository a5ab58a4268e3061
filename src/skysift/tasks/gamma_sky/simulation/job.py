"""Simulate many fields to files: ``skysift simulate gamma-sky``."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.files import staged_folder, write_atomic
from skysift.core.jobs import Run
from skysift.core.progress import Progress, silent
from skysift.core.provenance import Provenance
from skysift.core.spread import spread_kept
from skysift.data.io.writers import open_writer
from skysift.data.irf.analytic import ARRAYS, AnalyticResponse
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map_fits import write_counts_map
from skysift.data.sky.gadf_write import write_events
from skysift.data.table import FeatureTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.simulation.counts import Truth, simulate_map
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import default_grid, expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import Instrument
from skysift.tasks.gamma_sky.simulation.options import SimulateOptions
from skysift.tasks.gamma_sky.simulation.photons import simulate_events
from skysift.tasks.gamma_sky.simulation.truth_files import (
    FIELD_COLUMNS,
    SOURCE_COLUMNS,
    write_truth,
)

__all__ = ["field_distribution", "simulate_files"]

RECORD = "simulation.json"
"""The file that marks a folder of simulations: its provenance."""
_FIELDS_PER_INSTRUMENT = 50
_FIELDS_OF_BLOCK = 5  # a divisor of the above; a block is simulated by one process
_OF_FIELDS, _OF_INSTRUMENTS = 0, 1  # kinds of random numbers
_FIELD = "field"  # the only number of a source that is whole
_KEPT = "parts"  # answers of blocks, until all are there


def field_distribution(options: SimulateOptions) -> FieldDistribution:
    """Return the distribution of fields that the options describe."""
    o = options
    return FieldDistribution(
        zenith=(o.zenith_min, o.zenith_max),
        nsb=(1.0, o.nsb_max),
        exposure=(o.exposure_min, o.exposure_max),
        offset=(o.offset_min, o.offset_max),
        flux=(o.flux_min, o.flux_max),
        sources=(o.sources_min, o.sources_max),
        extended_share=o.extended_share,
        background_scale=(1.0 - o.background_spread, 1.0 + o.background_spread),
        gradient=o.gradient,
        dead_sector_share=o.defects,
        star_hole_share=o.defects,
    )


def simulate_files(
    options: SimulateOptions,
    out: str | Path,
    *,
    seed: int = 0,
    command: str = "",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Run:
    """Simulate fields and write them to a new folder.

    The folder holds ``events-00000.fits.gz`` or ``map-00000.fits.gz`` for each field, on request
    ``truth-00000.fits`` with its expectation, ``fields.ecsv`` with a row for each field,
    ``sources.ecsv`` with a row for each source, and ``simulation.json`` with the provenance. It
    appears as a whole when all is done; what a run that was interrupted has done is taken up by the
    next one of the same options. Blocks of fields are parts of the work, see
    :mod:`skysift.core.spread`.

    Parameters
    ----------
    options : SimulateOptions
    out : path-like
        The folder to make.
    seed : int
        The same seed gives the same files.
    command : str
        For the record.
    overwrite : bool
        Replace a folder of simulations that is there.
    progress : callable
        Told the fraction done.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    ReadError, InputError
        If the response file cannot be used.
    """
    inputs = [options.irf] if options.irf else []
    config = options.model_dump(mode="json")
    provenance = Provenance.start(command or None, inputs=inputs, config=config, seed=seed)
    key = _key(provenance)
    fields: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []
    with staged_folder(out, overwrite=overwrite, marker=RECORD, key=key) as folder:
        place = folder.absolute()  # processes elsewhere work in other folders
        blocks = {
            f"block-{start:08}": _Block(place, _with_absolute(options), seed, start)
            for start in range(0, options.fields, _FIELDS_OF_BLOCK)
        }
        kept = folder / _KEPT
        for number, (rows, inside) in enumerate(spread_kept(_simulate_block, blocks, kept)):
            fields += rows
            sources += inside
            progress(len(fields) / options.fields, f"block {number + 1} of {len(blocks)}")
        record = provenance.finish()
        _write(folder / "fields.ecsv", fields, FIELD_COLUMNS, record)
        _write(folder / "sources.ecsv", sources, SOURCE_COLUMNS, record)
        write_atomic(folder / RECORD, record.to_json())
        shutil.rmtree(kept)
    progress(1.0, "done")
    return Run(
        f"{options.fields} fields, {len(sources)} sources in {out}",
        fields,
        (f"The instrument response is '{_base(options).name}'.",),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive fields that one process simulates."""

    folder: Path
    options: SimulateOptions
    seed: int
    start: int


def _simulate_block(block: _Block) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Simulate fields and write them; return the rows of the fields and of their sources."""
    options, fields, sources = block.options, [], []
    instrument = _instrument(options, block.seed, block.start // _FIELDS_PER_INSTRUMENT)
    stop = min(block.start + _FIELDS_OF_BLOCK, options.fields)
    for number in range(block.start, stop):
        # Of its own, so that a field is the same in whatever process and after whatever others.
        rng = np.random.default_rng([block.seed, _OF_FIELDS, number])
        field = draw_field(rng, field_distribution(options))
        truth, counts = _simulate(
            field, instrument, rng, options=options, folder=block.folder, number=number
        )
        sources += [{"field": number, **row} for row in truth.rows()]
        fields.append(_field_row(number, truth, counts))
    return fields, sources


def _key(provenance: Provenance) -> str:
    """Return what is another where the files would be others."""
    said = [
        provenance.skysift,
        [record.sha256 for record in provenance.inputs],
        provenance.config,
        provenance.seeds,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _with_absolute(options: SimulateOptions) -> SimulateOptions:
    if options.irf is None:
        return options
    return options.model_copy(update={"irf": str(Path(options.irf).absolute())})


def _base(options: SimulateOptions) -> InstrumentResponse:
    return GadfResponse.read(options.irf) if options.irf else AnalyticResponse(array=options.array)


@lru_cache(maxsize=1)
def _instrument(options: SimulateOptions, seed: int, number: int) -> Instrument:
    """Return the instrument, or another one like it for each number."""
    base = _base(options)
    edges = energy_bands(options.emin, options.emax, options.bands)
    if options.vary_response and isinstance(base, AnalyticResponse):
        rng = np.random.default_rng([seed, _OF_INSTRUMENTS, number])
        base = AnalyticResponse(parameters=ARRAYS[options.array].varied(rng))
    return Instrument(base, edges, follow_conditions=options.follow_zenith)


def _simulate(
    field: Field,
    instrument: Instrument,
    rng: np.random.Generator,
    *,
    options: SimulateOptions,
    folder: Path,
    number: int,
) -> tuple[Truth, int]:
    """Simulate one field and write it; return its truth and its number of photons."""
    ready = instrument.at(field.zenith, field.nsb)
    grid = default_grid(field, options.pixels, options.pixel_size)
    if options.write == "maps":
        counts_map, truth = simulate_map(field, ready, rng, grid)
        write_counts_map(counts_map, folder / f"map-{number:05}.fits.gz")
        total = int(counts_map.counts.sum(dtype=np.float64))
    else:
        band = (options.emin, options.emax)
        events = simulate_events(field, ready, rng, energy_range=band, name=str(number))
        write_events(events, folder / f"events-{number:05}.fits.gz")
        truth = Truth(field, expect(field, ready, grid))
        total = len(events)
    if options.truth_maps:
        write_truth(truth, folder / f"truth-{number:05}.fits")
    return truth, total


def _field_row(number: int, truth: Truth, counts: int) -> dict[str, Any]:
    field = truth.field
    return {
        "field": number,
        "ra_pointing": field.pointing.ra,
        "dec_pointing": field.pointing.dec,
        "zenith": field.zenith,
        "nsb": field.nsb,
        "exposure": field.exposure,
        "sources": len(field.sources),
        "background_scale": field.background_scale,
        "dead_sectors": len(field.dead_sectors),
        "star_holes": len(field.star_holes),
        "background": float(truth.expectation.background.sum(dtype=np.float64)),
        "photons": counts,
    }


def _write(
    path: Path,
    rows: list[dict[str, Any]],
    columns: Mapping[str, tuple[str, str]],
    record: Provenance,
) -> None:
    """Write a row each, or a table without rows; columns in the order of the rows."""
    names = list(rows[0]) if rows else list(columns)
    if rows:
        values = {name: np.array([row[name] for row in rows]) for name in names}
    else:
        values = {name: np.empty(0, np.int64 if name == _FIELD else np.float64) for name in names}
    table = FeatureTable.from_columns(
        values,
        units={name: columns[name][0] for name in names if columns[name][0]},
        descriptions={name: columns[name][1] for name in names},
    )
    with open_writer(path, provenance=record.to_dict()) as writer:
        writer.write(table)
