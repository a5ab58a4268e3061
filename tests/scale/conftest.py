"""Small files of events, the shipped network that is quick to load, and what a run leaves."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from skysift.core.config import build_config
from skysift.core.jobs import Piece
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.data.io import read_table
from skysift.scale.run import make_job

TASK = "gamma-hadron"


class Night:
    """Files of events, what one process says of them, and runs over them."""

    def __init__(self, folder: Path, files: int, rows: int) -> None:
        self.folder = folder
        self.task = load_task(TASK)
        self.bundle = bundle_folder(TASK, "fast")
        self.model = self.task.load(self.bundle)
        folder.mkdir(exist_ok=True)
        self.paths = [self.write(f"run-{number}.parquet", rows, number) for number in range(files)]

    def write(self, name: str, rows: int, seed: int) -> Path:
        sample = self.task.synth(rows, np.random.default_rng(seed))
        return self.task.write_synth(sample, self.folder / name)

    def options(self, **given):
        return (
            load_options(TASK, "ReadOptions")(),
            build_config(load_options(TASK, "PredictOptions"), given),
        )

    def job(self, out: Path, **given):
        read, predict = self.options(**given)
        return make_job(
            TASK, self.model, self.bundle, read, predict, out=out, command="skysift predict"
        )

    def pieces(self, paths=None) -> list[Piece]:
        return [Piece(path) for path in paths or self.paths]

    def in_one_process(self, paths=None, **given) -> pa.Table:
        paths = paths or self.paths
        out = self.folder.parent / "one.parquet"
        provenance = Provenance.start("skysift predict", inputs=paths)
        self.task.predict_files(
            paths, out, self.model, *self.options(**given), provenance=provenance
        )
        return read_table(out).arrow

    @staticmethod
    def parts(out: Path) -> list[Path]:
        return sorted(out.glob("part-*.parquet"))

    @staticmethod
    def rows(out: Path) -> pa.Table:
        """All rows of a run, as anybody reads a folder of Parquet files."""
        return read_table(out).arrow

    @staticmethod
    def unfinished(out: Path) -> list[str]:
        return [path.name for path in (out / "_skysift" / "unfinished").iterdir()]

    @staticmethod
    def quarantine(out: Path) -> dict[str, str]:
        """Reasons by name of the file."""
        records = [json.loads(path.read_text()) for path in (out / "_skysift").glob("quarantine/*")]
        return {Path(record["path"]).name: record["reason"] for record in records}

    def moments(self, out: Path) -> dict[str, int]:
        """When each part was written: another number if it was written again."""
        return {path.name: path.stat().st_mtime_ns for path in self.parts(out)}


@pytest.fixture
def night(tmp_path) -> Night:
    return Night(tmp_path / "night", files=4, rows=60)


@pytest.fixture
def long_night(tmp_path) -> Night:
    return Night(tmp_path / "night", files=2, rows=900)
