"""A sink whose answers are made up, and an AlertFollower that follows it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.core.config import build_config
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.outbox import Outbox
from skysift.serve.clock import to_mjd_tt
from skysift.serve.records import Arrival, Batch, OutputFile
from skysift.serve.spool import Spool

NOW = 1_800_000_000.0
BUNDLE = "b" * 64
SECOND = 1 / 86400


def candidate(**changes) -> dict:
    """A row of gamma-sky as a window of 100 s gives it."""
    end = changes.pop("end", NOW - 1.0)
    window = changes.pop("window", 100.0)
    return {
        "window_id": f"{window:g}s-{end:.0f}",
        "revision": 1,
        "window": window,
        "source_id": "J053424+220052-1",
        "ra": 83.63,
        "dec": 22.01,
        "err68": 0.02,
        "err_major": 0.022,
        "err_minor": 0.018,
        "err_angle": 30.0,
        "err_systematic": 0.005,
        "significance": 9.0,
        "significance_post_trial": 8.5,
        "excess": 40.0,
        "far": 1e-9,
        "t_start": to_mjd_tt(end) - window * SECOND,
        "t_stop": to_mjd_tt(end),
        "flags": "",
    } | changes


def summary(row: dict, **changes) -> dict:
    """The row of the window of a candidate."""
    return {
        "window_id": row["window_id"],
        "revision": row["revision"],
        "window": row["window"],
        "livetime": 0.98 * row["window"],
        "candidates": 1,
        "flags": "",
    } | changes


@dataclass
class MadeUpSink:
    folder: Path
    now: float = NOW
    names: list[str] = field(default_factory=list)

    def publish(self, *rows, windows=None, kind="parquet", bundle=BUNDLE, name="", path=None):
        """Publish a batch of one record; return its id."""
        number = len(self.names) + 1
        name = name or f"chunk-{number:04}.fits"
        record = f"{number:064x}"
        windows = (
            [summary(row) for row in rows if "window_id" in row] if windows is None else windows
        )
        labels = {"skysift_record": record, "skysift_input": name, "skysift_bundle": bundle}
        files = []
        for place, table in enumerate((rows, windows)):
            if not table:
                continue
            final = f"night=2027-01-15/part-{number:010}-{place}.{kind}"
            path_ = self.folder / final
            path_.parent.mkdir(parents=True, exist_ok=True)
            labelled = [labels | row for row in table]
            if kind == "jsonl":
                path_.write_text("".join(json.dumps(row) + "\n" for row in labelled))
            else:
                pq.write_table(pa.Table.from_pylist(labelled), path_)
            files.append(OutputFile(staged=f"{final}.staged", final=final))
        with self.spool() as spool:
            found = path or self.folder / name
            spool.add([Arrival(record, name, found, "ab", 1, number, number, self.now - 2.0)])
            spool.publish(spool.prepare(Batch({record: len(rows)}, files=tuple(files)), bundle))
        self.names.append(name)
        return record

    def spool(self) -> Spool:
        (self.folder / ".skysift").mkdir(parents=True, exist_ok=True)
        return Spool(self.folder / ".skysift" / "spool.sqlite")

    def options(self, **values) -> AlertOptions:
        return build_config(AlertOptions, values)

    def follow(self, *, wait=0.0, **values) -> None:
        """Follow once, as a service that is started and stopped does."""
        follower = AlertFollower(self.options(**values), clock=lambda: self.now)
        try:
            with self.spool() as spool:
                follower.follow(spool, self.folder)
        finally:
            follower.close()

    def ledger(self) -> AlertLedger:
        ledger_path(self.folder).parent.mkdir(parents=True, exist_ok=True)
        return AlertLedger(ledger_path(self.folder))

    def outbox(self) -> Outbox:
        return Outbox(ledger_path(self.folder))

    def verdicts(self) -> dict[str, int]:
        with self.ledger() as ledger:
            counts: dict[str, int] = {}
            for found in ledger.decisions():
                counts[found["verdict"]] = counts.get(found["verdict"], 0) + found["times"]
            return counts

    def notices(self) -> list[dict]:
        """All notices, by alert and revision."""
        paths = sorted(self.folder.glob("_alerts/*/*.json"))
        return [json.loads(path.read_text()) for path in paths]


@pytest.fixture
def sink(tmp_path) -> MadeUpSink:
    return MadeUpSink(tmp_path / "found")


@pytest.fixture
def row():
    return candidate


@pytest.fixture
def window():
    return summary
