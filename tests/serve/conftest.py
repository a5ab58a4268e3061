"""A folder that is watched, a folder of answers, and a service with a toy for a worker."""

import importlib.util
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from skysift.core.config import build_config
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service, spool_of
from skysift.serve.staging import RECORD_COLUMN

TOY = (sys.executable, str(Path(__file__).with_name("toy_worker.py")))


def load_beside(name: str):
    """Import a helper that stands beside the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Toy:
    """A service whose records are small JSON files."""

    incoming: Path
    found: Path
    worker: str = ""
    source: dict = field(default_factory=dict)

    def put(self, name: str, **record) -> Path:
        path = self.incoming / name
        path.write_text(json.dumps(record))
        return path

    def config(self, **engine) -> WatchConfig:
        return build_config(
            WatchConfig,
            {
                "task": "gamma-hadron",
                "source": self.source or {"folder": self.incoming, "settle": 0, "poll": 0.05},
                "sink": {"folder": self.found, "format": engine.pop("format", "jsonl")},
                "engine": {"shown_bytes": 0, **engine},  # no message is kept to be looked at
            },
        )

    def service(self, *, followers=(), **engine) -> Service:
        return Service(
            self.config(**engine), worker_command=(*TOY, self.worker), followers=followers
        )

    def service_of(self, config: WatchConfig) -> Service:
        return Service(config, worker_command=(*TOY, self.worker))

    def run(self, *, followers=(), **engine) -> dict[str, int]:
        return self.service(followers=followers, **engine).run(once=True)

    def spool(self):
        return spool_of(self.found)

    def rows(self) -> list[dict]:
        """All published rows, whatever their columns."""
        parts = sorted(self.found.glob("night=*/part-*.parquet"))
        rows = [row for part in parts for row in ds.dataset(part).to_table().to_pylist()]
        lines = sorted(self.found.glob("night=*/part-*.jsonl"))
        return rows + [json.loads(line) for part in lines for line in _lines(part)]

    def values(self) -> list[int]:
        return sorted(row["value"] for row in self.rows())

    def values_and_texts(self) -> list[str]:
        """The same, of answers with other columns as well."""
        return sorted(str(row.get("value", row.get("text"))) for row in self.rows())

    def ids(self) -> list[str]:
        return [row[RECORD_COLUMN] for row in self.rows()]

    def reasons(self) -> dict[str, str]:
        with self.spool() as spool:
            return {record.name: record.reason for record in spool.in_state("quarantined")}

    def staged(self) -> list[Path]:
        return list((self.found / ".skysift" / "staging").iterdir())


def _lines(part: Path) -> list[str]:
    return part.read_text().splitlines()


@pytest.fixture
def toy(tmp_path) -> Toy:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    return Toy(incoming, tmp_path / "found")


@pytest.fixture
def kafka():
    pytest.importorskip("confluent_kafka")
    cluster = load_beside("mock_kafka").MockKafka()
    yield cluster
    cluster.close()


@pytest.fixture
def listener(toy, kafka) -> Toy:
    """A service that listens to a topic of four partitions."""
    kafka.topic("events")
    source = {"kind": "kafka", "servers": kafka.servers, "topics": ["events"], "poll": 0.1}
    # The mock lets a group wait for a second less than a session before it rebalances.
    source["settings"] = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}
    return replace(toy, source=source)
