"""Put one poison in a thousand into a long stream of records, and see what it costs the others.

Sound records and poison of every kind (torn, empty, of another kind, claiming more than there is,
unpacking without end) arrive in a random order while the real service runs, worker, model and all.
Wanted: each poison in quarantine with a reason in plain words, each sound record answered once, and
the same answer to the same content whatever stood beside it in its batch::

    python benchmarks/soak/poison.py --task gamma-hadron --records 20000 --out FILE
"""

import argparse
import gzip
import io
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow.dataset as ds

sys.path.insert(0, str(Path(__file__).parent))

from bomb_files import BOMBS
from fuzz_seeds import ztf_alerts

from skysift import __version__
from skysift.core.registry import load_task
from skysift.serve.metrics import latency
from skysift.serve.records import State
from skysift.serve.service import spool_of

NO_PLAIN_WORD = re.compile(r"Traceback|unforeseen|\w+Error\b|<class|0x[0-9a-f]{6}|Errno|NoneType")
PAGE = b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>"
ONE_IN = 1000
VARIANTS = 40  # sound contents, sent again and again under other numbers
WAITING = 2000  # files that may wait before the producer waits as well
PATIENCE = 3600.0  # s for all of it
SCORE = {"gamma-hadron": "gammaness", "star-galaxy": "p_galaxy"}


def tables(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield small tables of events, endlessly; each has a column more of its number."""
    task, rng = load_task("gamma-hadron"), np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        texts = [
            task.write_synth(task.synth(2, rng), path).read_text().splitlines()
            for _ in range(VARIANTS)
        ]
    number = 0
    while True:
        header, *rows = texts[number % VARIANTS]
        lines = [f"{header},serial", *(f"{row},{number:09}" for row in rows), ""]
        yield "csv", "\n".join(lines).encode()
        number += 1


def alerts(_seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield alert packets of one record, endlessly; each has a number of its own."""
    schema, known = ztf_alerts()
    number = 0
    while True:
        out = io.BytesIO()
        alert = known[number % VARIANTS % len(known)]
        fastavro.writer(out, schema, [{**alert, "candid": 10**15 + number}])
        yield "avro", out.getvalue()
        number += 1


SOUND = {"gamma-hadron": tables, "star-galaxy": alerts}


def poison(task: str, sound: bytes, suffix: str) -> list[tuple[str, str, bytes]]:
    """Return kind, suffix and content of what nothing can be made of."""
    torn = sound[: len(sound) // 3].rstrip(b"0123456789.,\n")
    plain = {
        "empty": b"",
        "a web page": PAGE,
        "noise": np.random.default_rng(1).bytes(4000),
        "torn": torn + b"\n'" if suffix == "csv" else torn,
        "zeros": bytes(5760),
        "gzip of zeros": gzip.compress(bytes(64 * 2**20)),
    }
    kinds = [(name, suffix, content) for name, content in plain.items()]
    return kinds + [(name, end, make()) for name, (of, end, make) in BOMBS.items() if task in of]


class Producer(threading.Thread):
    """Puts all records into the folder, each by a rename, not much faster than they are taken."""

    def __init__(self, folder: Path, task: str, records: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.records = records
        self.sound = SOUND[task](seed)
        rng = np.random.default_rng(seed)
        first, suffix = next(self.sound)[::-1]
        self.kinds = poison(task, first, suffix)
        places = rng.choice(records, max(1, records // ONE_IN), replace=False)
        self.places = {int(place): n for n, place in enumerate(sorted(places))}
        self.poison: dict[str, str] = {}
        self.variants: dict[str, int] = {}
        self.answered = 0

    def run(self) -> None:
        """Put them."""
        for number in range(self.records):
            while number - self.answered > WAITING:
                time.sleep(0.05)
            if number in self.places:
                which = self.places[number]
                kind, suffix, content = self.kinds[which % len(self.kinds)]
                # Were it the same content, it would be the same record.
                content += b"\0" * (which // len(self.kinds))
                name = f"{number:06}-poison.{suffix}"
                self.poison[name] = kind
            else:
                suffix, content = next(self.sound)
                name = f"{number:06}.{suffix}"
                self.variants[name] = (len(self.variants) + 1) % VARIANTS
            temporary = self.folder / f".{name}.tmp"
            temporary.write_bytes(content)
            temporary.rename(self.folder / name)


def soak(folder: Path, task: str, records: int, seed: int) -> dict[str, Any]:
    """Run it all and return what became of the records."""
    incoming, found = folder / "incoming", folder / "found"
    incoming.mkdir(parents=True)
    producer = Producer(incoming, task, records, seed)
    command = [sys.executable, "-P", "-m", "skysift", "watch", str(incoming), "--to", str(found)]
    command += ["--task", task, "--set", "source.settle=0", "--set", "source.poll=0.2"]
    begun = time.monotonic()
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        producer.start()
        while service.poll() is None and time.monotonic() - begun < PATIENCE:
            time.sleep(1)
            counts = counted(found)
            producer.answered = counts.get("done", 0) + counts.get("quarantined", 0)
            if producer.answered >= records:
                break
        seconds = time.monotonic() - begun
        alive = service.poll() is None
    finally:
        service.send_signal(signal.SIGTERM)
        code = service.wait()
    events = Counter(json.loads(line)["event"] for line in (folder / "log").open())
    return {
        "task": task,
        "records": records,
        "poison": len(producer.poison),
        "kinds_of_poison": sorted(set(producer.poison.values())),
        "service_went_on": alive,
        "exit_code_of_sigterm": code,
        **verdict(found, producer, task),
        "p99_seconds": latency(found).p99,
        "events": dict(sorted(events.items())),
        "seconds": round(seconds, 1),
    }


def counted(found: Path) -> dict[str, int]:
    """Return how many records are in each state."""
    if not (found / ".skysift" / "spool.sqlite").exists():
        return {}
    with spool_of(found) as spool:
        return spool.counts()


def verdict(found: Path, producer: Producer, task: str) -> dict[str, Any]:
    """Compare what was published with what was sent."""
    score = SCORE[task]
    table = ds.dataset(found, partitioning="hive").to_table(
        columns=["skysift_record", "skysift_input", score]
    )
    answers: dict[str, list[float]] = defaultdict(list)
    ids: dict[str, set[str]] = defaultdict(set)
    for row in table.to_pylist():
        answers[row["skysift_input"]].append(row[score])
        ids[row["skysift_input"]].add(row["skysift_record"])
    of_variant: dict[int, set[tuple[float, ...]]] = defaultdict(set)
    rows: dict[int, set[int]] = defaultdict(set)
    for name, values in answers.items():
        of_variant[producer.variants.get(name, -1)].add(tuple(round(v, 6) for v in values))
        rows[producer.variants.get(name, -1)].add(len(values))
    with spool_of(found) as spool:
        spool.check()
        counts = spool.counts()
        reasons = {record.name: record.reason for record in spool.in_state(State.QUARANTINED)}
    return {
        "states": counts,
        "poison_quarantined": sum(name in reasons for name in producer.poison),
        "sound_quarantined": {
            name: reason for name, reason in reasons.items() if name not in producer.poison
        },
        "sound_not_answered": len(producer.variants.keys() - answers.keys()),
        "poison_answered": sorted(answers.keys() - producer.variants.keys()),
        "answered_twice": sum(len(found) > 1 for found in ids.values())
        + sum(len(found) > 1 for found in rows.values()),
        "contents": len(of_variant),
        "contents_with_different_answers": sum(len(found) > 1 for found in of_variant.values()),
        "reasons_that_are_no_plain_words": sorted(
            reason for reason in reasons.values() if not reason or NO_PLAIN_WORD.search(reason)
        ),
        "reasons": {
            kind: reasons.get(name, "").replace(str(producer.folder), "")
            for name, kind in producer.poison.items()
        },
    }


def faults(run: Mapping[str, Any]) -> list[str]:
    """Return the names of what is not as it should be."""
    wanted = {
        "service_went_on": True,
        "exit_code_of_sigterm": 0,
        "states": {
            "pending": 0,
            "done": run["records"] - run["poison"],
            "quarantined": run["poison"],
            "retracted": 0,
        },
        "poison_quarantined": run["poison"],
        "sound_quarantined": {},
        "sound_not_answered": 0,
        "poison_answered": [],
        "answered_twice": 0,
        "contents_with_different_answers": 0,
        "reasons_that_are_no_plain_words": [],
    }
    return [name for name, value in wanted.items() if run[name] != value]


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=sorted(SOUND), action="append")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results = []
    for task in given.task or sorted(SOUND):
        folder = Path(tempfile.mkdtemp(prefix="skysift-poison-"))
        try:
            results.append(soak(folder, task, given.records, given.seed))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    result = {
        "command": f"python benchmarks/soak/poison.py --records {given.records}",
        "seed": given.seed,
        "skysift": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "runs": results,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    sys.exit(1 if any(map(faults, results)) else 0)


if __name__ == "__main__":
    main()
