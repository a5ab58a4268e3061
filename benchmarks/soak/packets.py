"""Alert packets through the spool to star-galaxy answers: how many a second, and how late.

Packets are those of the registered ZTF sample in their original Avro containers, copied under other
numbers so that each is a record of its own. They are kept in packs, forced to disk and noted in the
ledger as those of Kafka are, only that no broker sends them: the mock of librdkafka keeps 5 MB of a
partition. Answers are Parquet files; all of it is on the disk of the folder for temporary files::

    python benchmarks/soak/packets.py --records 80000 --runs 5 --out benchmarks/soak/packets.json
    python benchmarks/soak/packets.py --rate 300 --seconds 600 --out benchmarks/soak/sustained.json

The rate of a run is that of records from the first arrival to the last answer. Beside it stands the
processor time of a packet, all processes together and the load of the models too, over that of
fastavro to decode it and nothing else: that ratio depends less on the machine and its other work.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import resource
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow.dataset as ds

from skysift import __version__
from skysift.core.config import build_config
from skysift.core.registry import load_task
from skysift.data.images.avro import read_records
from skysift.serve.config import WatchConfig
from skysift.serve.packs import Packed
from skysift.serve.replay import ReplaySource
from skysift.serve.service import Service
from skysift.serve.source_options import ReplayOptions
from skysift.serve.sources import Source
from skysift.serve.spool import Spool

ARCHIVE = "ztf_alerts/kowalski_ztf_avro.tar.gz"


def varint(value: int) -> bytes:
    """Return a long as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def templates(mirror: Path) -> list[tuple[bytes, int]]:
    """Return packets with their numbers."""
    found = []
    with tarfile.open(mirror / ARCHIVE) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or not member.name.endswith(".avro"):
                continue
            data = file.read()
            (record,) = read_records(data, {"candid": None}, max_records=1)
            found.append((data, int(record["candid"])))
    return found


def packets(mirror: Path, count: int, rate: float) -> Iterator[Packed]:
    """Yield distinct packets, `rate` of them a second; all at once if that is 0."""
    known = templates(mirror)
    for number in range(count):
        data, candid = known[number % len(known)]
        other = data.replace(varint(candid), varint(candid + number))
        moment = number / rate if rate else 0.0
        sha256 = hashlib.sha256(other).hexdigest()
        name = f"ztf-0-{number}.avro"
        yield Packed("kafka:ztf", name, "ztf", 0, number, moment, sha256, other)


class Made(ReplaySource):
    """A replay of what is made as it is asked for."""

    made: Iterator[Packed]

    def _recorded(self) -> Iterator[Packed]:
        return self.made


class PacketService(Service):
    """The service, with such a source."""

    def __init__(self, config: WatchConfig, made: Iterator[Packed], rate: float) -> None:
        super().__init__(config)
        self._made = made
        self._rate = rate

    def _open_source(self, spool: Spool) -> Source:
        speed = 1.0 if self._rate else 0.0
        options = ReplayOptions(kind="replay", folder=Path(), speed=speed)
        kind = type("MadeNow", (Made,), {"made": self._made})
        return kind(options, self.config.engine.record_bytes, spool, self._store)


def run(mirror: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Serve one burst or one stretch of a steady stream, and return what came of it."""
    found = folder / "found"
    values = {
        "task": "star-galaxy",
        "source": {"folder": folder},
        "sink": {"folder": found},
        "engine": {"workers": arguments.workers, "latency": arguments.latency},
    }
    count = arguments.records or round(arguments.rate * arguments.seconds)
    service = PacketService(
        build_config(WatchConfig, values), packets(mirror, count, arguments.rate), arguments.rate
    )
    load = os.getloadavg()[0]
    cpu = cpu_seconds()
    counts = service.run(once=True)
    # Before the answers are counted, which takes more of both than the service.
    cpu = cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    database = sqlite3.connect(found / ".skysift" / "spool.sqlite")
    times = np.array(database.execute("SELECT arrived, finished FROM records").fetchall())
    database.close()
    arrived, finished = times[:, 0], times[:, 1]
    waits = finished - arrived
    seconds = float(finished.max() - arrived.min())
    return {
        "records": count,
        "done": counts["done"],
        "quarantined": counts["quarantined"],
        "records_with_one_row": records_with_one_row(found),
        "seconds": round(seconds, 3),
        "records_per_second": round(count / seconds, 1),
        "kept_per_second": round(count / float(np.ptp(arrived) or seconds), 1),
        "latency_seconds": {
            name: round(float(np.percentile(waits, share)), 3)
            for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
        },
        "cpu_milliseconds_per_record": round(1e3 * cpu / count, 3),
        "service_peak_mib": round(peak / 1024),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def records_with_one_row(found: Path) -> int:
    """Return of how many records there is one row with a probability, and no more."""
    table = ds.dataset(found, partitioning="hive").to_table(columns=["skysift_record", "p_galaxy"])
    records, counts = np.unique(table["skysift_record"].to_numpy(), return_counts=True)
    known = np.isfinite(table["p_galaxy"].to_numpy())
    without = np.unique(table["skysift_record"].to_numpy()[~known])
    return int(np.sum((counts == 1) & ~np.isin(records, without)))


def decoding_milliseconds(mirror: Path) -> float:
    """Return the processor time in which fastavro decodes a packet, the median of rounds."""
    known = [data for data, _ in templates(mirror)]
    rounds = []
    for _ in range(5):
        begun = time.process_time()
        for data in known:
            for _record in fastavro.reader(io.BytesIO(data)):
                pass
        rounds.append((time.process_time() - begun) / len(known))
    return 1e3 * float(np.median(rounds))


def cpu_seconds() -> float:
    """Return the time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def parsed() -> argparse.Namespace:
    """Return what was typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path, default=os.environ.get("SKYSIFT_MIRROR"))
    parser.add_argument("--records", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="records a second; 0: a burst")
    parser.add_argument("--seconds", type=float, default=600.0, help="of a steady stream")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    """Run and write."""
    arguments = parsed()
    runs = []
    for _ in range(arguments.runs):
        folder = Path(tempfile.mkdtemp(prefix="packets-"))
        try:
            runs.append(run(Path(arguments.mirror), folder, arguments))
        finally:
            shutil.rmtree(folder)
        print(json.dumps(runs[-1]), flush=True)
        time.sleep(1)
    rates = [item["records_per_second"] for item in runs]
    decoding = decoding_milliseconds(Path(arguments.mirror))
    cost = float(np.median([item["cpu_milliseconds_per_record"] for item in runs]))
    result = {
        "skysift": __version__,
        "task": load_task("star-galaxy").name,
        "workers": arguments.workers,
        "rate_asked": arguments.rate or None,
        "records_per_second": {
            "median": float(np.median(rates)),
            "p5": round(float(np.percentile(rates, 5)), 1),
            "p95": round(float(np.percentile(rates, 95)), 1),
        },
        "fastavro_milliseconds_per_record": round(decoding, 3),
        "cpu_over_fastavro": round(cost / decoding, 2),
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "runs": runs,
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
