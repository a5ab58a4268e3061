"""The task gamma-hadron as the command line and the contract suite drive it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from skysift.core.bundle_schema import DataLicence
from skysift.core.config import Config
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, shipped_bundles
from skysift.core.results import Evaluation
from skysift.core.task import Progress, Run, Task, silent
from skysift.data.contract import Checked
from skysift.data.fetch import fetch
from skysift.data.io import open_writer
from skysift.data.registry import dataset
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import audit as audit_table
from skysift.evaluate.binary import evaluate_binary
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.gamma_hadron.comparison import (
    compare_models,
    cross_validate,
    learning_curve,
    split_events,
)
from skysift.tasks.gamma_hadron.fast import distil
from skysift.tasks.gamma_hadron.model import GammaHadronModel, load_bundle, save_bundle
from skysift.tasks.gamma_hadron.options import (
    FAST,
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.gamma_hadron.pages import (
    compare_page,
    evaluate_page,
    explore_page,
    result_rows,
)
from skysift.tasks.gamma_hadron.prediction import predict_files, predict_table
from skysift.tasks.gamma_hadron.reader import Events, canonical_map, read_events
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored, measure
from skysift.tasks.gamma_hadron.synth import synthetic_events
from skysift.tasks.gamma_hadron.training import train

__all__ = ["GammaHadron"]

ConfigT = TypeVar("ConfigT", bound=Config)

_TASK = "gamma-hadron"
_MAIN_POINT = "acceptance-0.01"
_CROSS_VALIDATION = "results/cross_validation.json"


class GammaHadron(Task[Events, GammaHadronModel]):
    """Gamma rays from hadrons by the image parameters of a Cherenkov telescope."""

    name = _TASK

    def synth(self, n: int, rng: np.random.Generator) -> Events:
        """Make a small labelled sample of image parameters."""
        table, is_gamma = synthetic_events(n, rng)
        labels = np.where(is_gamma, "g", "h")
        return Events(
            table=table.with_columns({"class": labels}),
            is_gamma=is_gamma,
            groups=np.arange(n),
            checked=Checked(table, np.ones(n, dtype=bool)),
            name="synthetic",
            split="all rows",
            column_map=_canonical(table),
        )

    def write_synth(self, data: Events, path: Path) -> Path:
        """Write a sample as a Parquet table."""
        target = path if path.suffix else path / "events.parquet"
        with open_writer(target) as writer:
            writer.write(data.table)
        return target

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> Events:
        """Read labelled files into memory."""
        del labelled  # what has no labels is read in batches, by predict_files
        return read_events(paths, _as(ReadOptions, options), None, purpose="train")

    def fit(
        self,
        data: Events,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> GammaHadronModel:
        """Train a model of the catalogue, cross-fitted; the fast one is distilled from a blend."""
        chosen, licence = _as(TrainOptions, options), _licence(data.name)
        is_fast = chosen.model == FAST
        model = train(
            data,
            chosen.model_copy(update={"model": "blend"}) if is_fast else chosen,
            rng,
            seed=seed,
            command=command,
            licence=licence,
            progress=progress,
        )
        if not is_fast:
            return model
        return distil(
            model, data, rng, seed=seed, command=command, licence=licence, progress=progress
        )

    def predict(self, data: Events | FeatureTable, model: GammaHadronModel) -> FeatureTable:
        """Return the table with gammaness, its error, and flags."""
        table = data.table if isinstance(data, Events) else data
        return predict_table(table, model, PredictOptions())

    def evaluate(
        self, data: Events, model: GammaHadronModel, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled events that it has not been trained on."""
        gammaness, _ = model.gammaness(data.table)
        stored = next((p for p in model.operating_points if p.name == _MAIN_POINT), None)
        return evaluate_binary(
            data.is_gamma,
            gammaness,
            rng=rng,
            model=model.name,
            data=data.name,
            split=split,
            groups=data.groups,
            operating_point=None
            if stored is None
            else measure(stored, data.is_gamma, gammaness, split),
        )

    def save(self, model: GammaHadronModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        where = "with" if model.mode == "source-dependent" else "without"
        summary = f"gammaness by {model.family}, {where} the position of the source"
        named = replace(model, name=folder.name.lower())
        save_bundle(named, folder, card=_card(model), summary=summary)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> GammaHadronModel:
        """Load a bundle."""
        return load_bundle(folder, threads=threads)

    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: GammaHadronModel,
        read_options: Config,
        options: Config,
        *,
        provenance: Provenance,
        progress: Progress = silent,
    ) -> Mapping[str, int]:
        """Predict from files to a file, a batch of rows at a time."""
        return predict_files(
            paths,
            out,
            model,
            _as(ReadOptions, read_options),
            _as(PredictOptions, options),
            provenance=provenance,
            progress=progress,
        )

    def evaluate_files(
        self,
        paths: Sequence[Path],
        options: Config,
        model: GammaHadronModel,
        folder: Path | None,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Evaluate a model on files; with a folder, write the report there."""
        del progress  # seconds at most
        read_options = _as(ReadOptions, options)
        provenance = Provenance.start(
            command, inputs=paths, config=read_options.model_dump(mode="json")
        )
        events = read_events(
            paths,
            read_options,
            model.needed,
            purpose="evaluate",
            training_range=model.training_range,
            fallback=model.column_map,
        )
        evaluation = self.evaluate(events, model, rng, split=events.split)
        rows = [
            {
                "metric": metric.name,
                "value": metric.value,
                "low": metric.low,
                "high": metric.high,
                "interval": metric.method,
            }
            for metric in evaluation.metrics
            if math.isfinite(metric.value)
        ]
        title = f"{model.name} bundle on {events.name}, {events.split}, {len(events):,} events"
        page = None
        if folder is not None:
            gammaness, error = model.gammaness(events.table)
            origin = "shipped bundle" if _is_shipped(model) else "bundle"
            contestant = Contestant.of(model, f"{model.name} bundle", origin)
            scored = Scored.start(events).add(contestant, gammaness, error)
            facts = {
                "scores": scored.to_facts(),
                "reference": model.name,
                "metrics": [metric.to_dict() for metric in evaluation.metrics],
            }
            record = _record(folder, "evaluate", facts, provenance)
            write_run(record, {"scores": scored.to_table()})
            page = evaluate_page(record).write(folder / "report.html")
        return Run(title, rows, (*_contract_notes(events.checked), *_warnings(events, model)), page)

    def explore(
        self,
        paths: Sequence[Path],
        options: Config,
        folder: Path,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Describe labelled events and write the report."""
        read_options = _as(ReadOptions, options)
        provenance = Provenance.start(
            command, inputs=paths, config=read_options.model_dump(mode="json")
        )
        events = read_events(paths, read_options, None, purpose="explore")
        progress(0.3, "audit")
        findings = _audit(events, rng)
        record = _record(folder, "explore", {"audit": findings}, provenance)
        write_run(record, {"events": _event_table(events)})
        progress(0.6, "report")
        page = explore_page(record).write(folder / "report.html")
        return Run(
            f"{events.name}: {len(events):,} events, {events.is_gamma.mean():.1%} gammas",
            _finding_rows(findings),
            _contract_notes(events.checked),
            page,
        )

    def audit(
        self,
        paths: Sequence[Path],
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> Run:
        """Search labelled events for duplicates and for what reveals the class."""
        del progress  # seconds at most
        events = read_events(paths, _as(ReadOptions, options), None, purpose="explore")
        findings = _audit(events, rng)
        title = f"Audit of {events.name}: {len(events):,} events"
        return Run(title, _finding_rows(findings), tuple(findings.get("notes", ())))

    def compare(
        self,
        paths: Sequence[Path],
        read_options: Config,
        options: Config,
        folder: Path,
        *,
        seed: int,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Train and score several models on the same rows and write the report."""
        reading, comparing = _as(ReadOptions, read_options), _as(CompareOptions, options)
        config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
        provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
        rng = np.random.default_rng(seed)
        everything = read_events(
            paths, reading.model_copy(update={"rows": "all"}), None, purpose="explore"
        )
        if everything.name == "MAGIC":
            training = read_events(paths, _rows(reading, "train"), None, purpose="train")
            test = read_events(paths, _rows(reading, "test"), None, purpose="evaluate")
        else:
            training, test = split_events(everything, rng)
        licence = _licence(everything.name)
        scored = compare_models(
            training,
            test,
            comparing,
            seed=seed,
            command=command,
            licence=licence,
            progress=lambda fraction, what: progress(0.8 * fraction, what),
        )
        tables = {"scores": scored.to_table(), "events": _event_table(everything)}
        reference = _reference(scored)
        facts: dict[str, Any] = {
            "scores": scored.to_facts(),
            "reference": reference,
            "audit": _audit(everything, rng),
            "notes": _contract_notes(everything.checked),
        }
        if comparing.cv:
            cross = cross_validate(
                everything,
                comparing,
                seed=seed,
                command=command,
                licence=licence,
                progress=progress,
            )
            tables["scores_cv"] = cross.to_table()
            facts["scores_cv"] = cross.to_facts()
            facts["cross_validation"] = {
                "command": command,
                "split": cross.split,
                "rows": result_rows(cross, _reference(cross)),
            }
            if comparing.learning_curve:
                facts["cross_validation"]["learning_curve"] = learning_curve(
                    everything,
                    comparing,
                    seed=seed,
                    command=command,
                    licence=licence,
                    progress=progress,
                )
        elif everything.name == "MAGIC":
            independent = _score_independent(test)
            if independent is not None and comparing.mode == "source-dependent":
                tables["scores_independent"] = independent.to_table()
                facts["scores_independent"] = independent.to_facts()
            facts["cross_validation"] = _stored_cross_validation()
        record = _record(folder, "compare", facts, provenance)
        write_run(record, tables)
        progress(0.85, "report")
        return self.render(folder)

    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results."""
        record = read_run(folder)
        draw = {"compare": compare_page, "evaluate": evaluate_page, "explore": explore_page}
        page = draw[record.kind](record).write(folder / "report.html")
        if record.kind == "explore":
            return Run(record.kind, _finding_rows(record.facts["audit"]), (), page)
        scored = Scored.from_run(record)
        rows = result_rows(scored, record.facts["reference"])
        title = f"{scored.data}, {scored.split}: {len(scored.is_gamma):,} events"
        return Run(title, rows, tuple(record.facts.get("notes", ())), page)

    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Explore, train the five and more on the quick grid, compare with the shipped bundles."""
        progress(0.0, "fetch the MAGIC table")
        paths = [file.path for file in fetch("magic").files]
        return self.compare(
            paths,
            ReadOptions(),
            CompareOptions(quick=True),
            folder,
            seed=seed,
            command=command,
            progress=progress,
        )


def _as(kind: type[ConfigT], options: Config) -> ConfigT:
    """Return the options, or the defaults of a kind where others were given."""
    return options if isinstance(options, kind) else kind()


def _rows(options: ReadOptions, rows: str) -> ReadOptions:
    return options.model_copy(update={"rows": rows})


def _record(folder: Path, kind: str, facts: Mapping[str, Any], provenance: Provenance) -> RunRecord:
    return RunRecord(folder, _TASK, kind, facts, provenance.finish().to_dict())


def _canonical(table: FeatureTable) -> Any:
    return canonical_map([*table.columns, "class"])


def _licence(data: str) -> DataLicence:
    """Return the licence of the data if it is registered, else say that it is the user's."""
    known = {"MAGIC": "magic", "fact_gamma + fact_proton": "fact"}
    if data not in known:
        return DataLicence(licence="not stated", citation="not stated")
    info = dataset(known[data])
    return DataLicence(licence=info.licence, citation=info.citation)


def _event_table(events: Events) -> FeatureTable:
    names = [name for name in events.column_map.columns if name in events.table]
    return events.table.select(names).with_columns({"is_gamma": events.is_gamma})


def _audit(events: Events, rng: np.random.Generator) -> dict[str, Any]:
    names = [name for name in events.column_map.columns if name in events.table]
    return audit_table(events.table.select(names), events.is_gamma, rng=rng).to_dict()


def _finding_rows(findings: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "severity": finding["severity"],
            "finding": finding["title"],
            "gammas": finding["n_signal"],
            "hadrons": finding["n_background"],
            "advice": finding["advice"],
        }
        for finding in findings["findings"]
    ]


def _contract_notes(checked: Checked) -> tuple[str, ...]:
    counts = ", ".join(f"{number:,} {verdict}" for verdict, number in checked.counts.items())
    found = (f"{len(item.rows):,} rows: {item.message}" for item in checked.findings)
    return (f"Input contract: {counts}.", *found)


def _warnings(events: Events, model: GammaHadronModel) -> tuple[str, ...]:
    if events.name == model.training.data and events.split != "test rows":
        return ("Warning: the bundle was trained on some of these rows; use --rows test.",)
    return ()


def _is_shipped(model: GammaHadronModel) -> bool:
    return model.bundle is not None and model.bundle.folder in shipped_bundles(_TASK)


def _reference(scored: Scored) -> str:
    """Return the model that the others are compared with: the default, or the best blend there."""
    for name in ("default", "blend", "mlp-ensemble", "random-forest"):
        if name in scored.contestants:
            return name
    return next(iter(scored.contestants))


def _score_independent(test: Events) -> Scored | None:
    model = load_bundle(bundle_folder(_TASK, "source-independent"))
    gammaness, error = model.gammaness(test.table)
    contestant = Contestant.of(model, f"skysift {model.name}", "shipped bundle")
    return Scored.start(test).add(contestant, gammaness, error)


def _stored_cross_validation() -> Any:
    path = Path(str(files("skysift.tasks.gamma_hadron"))) / _CROSS_VALIDATION
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _card(model: GammaHadronModel) -> str:
    path = Path(str(files("skysift.tasks.gamma_hadron"))) / "card.md"
    return path.read_text(encoding="utf-8").format(
        family=model.family, mode=model.mode, prior=f"{model.prior:.3f}", data=model.training.data
    )
