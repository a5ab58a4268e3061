"""Kill a service and its worker at random, many times, and count what was lost or doubled.

Records are small JSON files that arrive while the service runs: some of them twice under another
name, some in place of worse content, one in a thousand poison that aborts whatever reads it. The
service is the real one; its worker only answers from the content of a record, so that thousands
take minutes::

    python benchmarks/soak/kill.py --records 20000 --kills 200 --out benchmarks/soak/kill.json
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa

from skysift import __version__
from skysift.core.config import build_config
from skysift.serve.config import WatchConfig
from skysift.serve.records import State
from skysift.serve.service import Service, spool_of, stopped_by_signals
from skysift.serve.worker import main as work

POISON = 1000  # one record in so many
TWICE = 50
REPLACED = 200
WHILE_ANSWERING = 0.8  # share of kills that wait until their share of records is answered
LONGEST = 0.8  # s from a start, or a kill, to the next kill
SECONDS_PER_RECORD = 0.001
PATIENCE = 30.0  # s; a service takes long to start beside other work
WANTED = {
    "exit_code_of_sigterm": 0,
    "exit_code_at_the_end": 0,
    "lost": 0,
    "doubled": 0,
    "under_two_ids": 0,
    "invented": 0,
    "done_without_a_row": 0,
    "rows_not_done": 0,
    "others_quarantined": {},
    "quarantined_without_reason": 0,
    "batches_left_prepared": 0,
    "left_in_staging": 0,
    "database": "ok",
}


def answer(path: Path) -> Iterator[pa.Table]:
    """Answer a record, or die of it."""
    value = json.loads(path.read_bytes())["value"]
    if value is None:
        os.abort()
    time.sleep(SECONDS_PER_RECORD)
    yield pa.table({"value": pa.repeat(pa.scalar(value), 1)})


def configuration(folder: Path) -> WatchConfig:
    """Return a service with small batches, so that kills meet every step of them."""
    return build_config(
        WatchConfig,
        {
            "task": "gamma-hadron",  # its bundle is checked; the worker is our own
            "source": {"folder": folder / "incoming", "settle": 0, "poll": 0.1},
            "sink": {"folder": folder / "found", "format": "jsonl"},
            "engine": {"latency": 0.1},
        },
    )


def serve(folder: Path, *, once: bool) -> None:
    """Run the service, as a process of its own, with its log on stderr."""
    import logging  # noqa: PLC0415

    from skysift.serve.journal import LOGGER, JsonLines  # noqa: PLC0415

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.getLogger(LOGGER).addHandler(handler)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    command = (sys.executable, __file__, "--work")
    service = Service(configuration(folder), worker_command=command)
    with stopped_by_signals(service):
        service.run(once=once)


class Producer(threading.Thread):
    """Puts records into the folder, each by a rename, about as fast as they are answered."""

    def __init__(self, folder: Path, records: int, pace: float, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.records = records
        self.pace = pace
        self.rng = rng

    def run(self) -> None:
        """Put all records."""
        order = list(range(self.records))
        self.rng.shuffle(order)
        for number in order:
            if number % REPLACED == REPLACED // 2:
                self.put(f"{number:06}.json", f"torn {number}")
            text = json.dumps({"value": None if number % POISON == 0 else number, "n": number})
            self.put(f"{number:06}.json", text)
            if number % TWICE == TWICE // 2:
                self.put(f"{number:06}-again.json", text)
            time.sleep(self.pace)

    def put(self, name: str, text: str) -> None:
        """Put one."""
        temporary = self.folder / f".{name}.tmp"
        temporary.write_text(text)
        temporary.rename(self.folder / name)


class Watched:
    """A service in a process of its own, whose log tells which worker it has."""

    def __init__(self, folder: Path, *, once: bool = False) -> None:
        arguments = ["--serve", str(folder), *(["--once"] if once else [])]
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, __file__, *arguments], stderr=subprocess.PIPE, text=True
        )
        self.worker: int | None = None
        self.events: Counter[str] = Counter()
        self.answered = 0
        self.tail: list[str] = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Follow the log."""
        with self.process.stderr or nullcontext(()) as lines:
            for line in lines:
                self.tail = [*self.tail[-20:], line]
                if line.startswith("{") and line.endswith("}\n"):  # a kill may tear it
                    event = json.loads(line)
                    self.events[event["event"]] += 1
                    self.answered += event.get("answered", 0)
                    if event["event"] == "worker-started":
                        self.worker = event["process"]

    def wait_for(self, records: float) -> int:
        """Wait for a worker that answered so many records more; return how many it were.

        A log that a kill tears tells of too few, and where nothing is left to answer no worker is
        started again: nobody waits for ever.
        """
        latest = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < latest:
            if self.worker is not None and self.answered >= records:
                break
            time.sleep(0.005)
        answered, self.answered = self.answered, 0
        return answered

    def wait_for_start(self) -> None:
        """Wait until it runs, and so heeds signals: one before that would simply end it."""
        while self.process.poll() is None and not self.events["started"]:
            time.sleep(0.005)

    def kill(self, *, service: bool) -> bool:
        """Kill the service, or its worker if it has one; tell whether something was killed."""
        if service or self.worker is None:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            return True
        worker, self.worker = self.worker, None
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def soak(folder: Path, records: int, kills: int, seed: int, pace: float) -> dict[str, object]:
    """Run it all and return what became of the records."""
    rng = random.Random(seed)
    (folder / "incoming").mkdir(parents=True)
    started = time.monotonic()
    producer = Producer(folder / "incoming", records, pace, rng)
    producer.start()
    killed: Counter[str] = Counter()
    events: Counter[str] = Counter()
    answered = 0
    watched = Watched(folder)
    while killed.total() < kills:
        if rng.random() < WHILE_ANSWERING:
            due = records * killed.total() / kills * rng.uniform(0.9, 1)
            answered = watched.wait_for(due - answered) + answered
        time.sleep(rng.uniform(0, LONGEST))
        if watched.process.poll() is not None:
            raise SystemExit("the service ended by itself:\n" + "".join(watched.tail))
        service = rng.random() < 0.5
        gone = service or watched.worker is None
        if watched.kill(service=service):
            killed["service" if gone else "worker"] += 1
        if gone:
            events += watched.events
            watched = Watched(folder)
    producer.join()
    watched.wait_for_start()
    watched.process.send_signal(signal.SIGTERM)
    code = watched.process.wait()
    watched.reader.join()
    events += watched.events
    last = Watched(folder, once=True)
    last.process.wait()
    last.reader.join()
    events += last.events
    return {
        "records": records,
        "kills": dict(killed),
        "exit_code_of_sigterm": code,
        "exit_code_at_the_end": last.process.returncode,
        **verdict(folder, records),
        "events": dict(sorted(events.items())),
        "seconds": round(time.monotonic() - started, 1),
        "seed": seed,
        "skysift": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def verdict(folder: Path, records: int) -> dict[str, object]:
    """Compare what was published with what was sent."""
    rows = [
        json.loads(line)
        for part in (folder / "found").glob("night=*/part-*.jsonl")
        for line in part.read_text().splitlines()
    ]
    values = Counter(row["value"] for row in rows)
    ids = Counter(row["skysift_record"] for row in rows)
    wanted = {number for number in range(records) if number % POISON}
    with spool_of(folder / "found") as spool:
        spool.check()
        counts = spool.counts()
        quarantined = list(spool.in_state(State.QUARANTINED))
        done = {record.id for record in spool.in_state(State.DONE)}
        prepared = len(spool.prepared())
    poison = {f"{number:06}.json" for number in range(0, records, POISON)}
    return {
        "lost": len(wanted - values.keys()),
        "doubled": sum(count - 1 for count in ids.values()),
        "under_two_ids": len(rows) - len(values) - sum(count - 1 for count in ids.values()),
        "invented": len(values.keys() - wanted),
        "done_without_a_row": len(done - ids.keys()),
        "rows_not_done": len(ids.keys() - done),
        "poison": len(poison),
        "poison_quarantined": sum(record.name in poison for record in quarantined),
        "others_quarantined": {
            record.name: record.reason for record in quarantined if record.name not in poison
        },
        "quarantined_without_reason": sum(not record.reason for record in quarantined),
        "states": counts,
        "batches_left_prepared": prepared,
        "left_in_staging": len(list((folder / "found/.skysift/staging").iterdir())),
        "database": "ok",  # check() has not raised
    }


def faults(result: Mapping[str, object]) -> list[str]:
    """Return the names of what is not as it should be."""
    found = [name for name in WANTED if result[name] != WANTED[name]]
    if result["poison_quarantined"] != result["poison"]:
        found.append("poison_quarantined")
    return found


def main() -> None:
    """Run the soak, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--pace", type=float, default=0.01, help="s between records")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(lambda _settings: answer)
        return
    if given.serve:
        serve(given.serve, once=given.once)
        return
    folder = Path(tempfile.mkdtemp(prefix="skysift-kill-"))
    try:
        result = soak(folder, given.records, given.kills, given.seed, given.pace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    sys.exit(1 if faults(result) else 0)


if __name__ == "__main__":
    main()
