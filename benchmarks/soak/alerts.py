"""Kill what decides on alerts at random, many times, and count what was lost, doubled or split.

Answers with candidates of many sources are published while a follower decides on them, writes the
alerts and tells a server that fails every third time, sometimes after it has taken the message::

    python benchmarks/soak/alerts.py --batches 1500 --kills 100 --out benchmarks/soak/alerts.json
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from skysift import __version__
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.alerts.options import AlertOptions, WebhookOptions
from skysift.serve.alerts.outbox import Outbox
from skysift.serve.clock import to_mjd_tt
from skysift.serve.records import Arrival, Batch, OutputFile
from skysift.serve.spool import Spool

SOURCES = 40
FIRST_FAR = 1e-8  # Hz
LONGEST = 0.6  # s from the moment a follower is at work to its kill
PATIENCE = 120.0  # s


def options(url: str) -> AlertOptions:
    """Return what is worth an alert, and who is told."""
    hook = WebhookOptions(url=url, private=True, timeout=2.0, backoff=0.05, backoff_most=0.2)
    return AlertOptions(per_hour=1_000_000, webhooks={"server": hook})


def publish(spool: Spool, sink: Path, number: int, share: float, rng: random.Random) -> None:
    """Publish a batch with a row of a source, whose rate of false alarms falls now and then.

    Every second source has a name, the others are known by their places.
    """
    source = rng.randrange(SOURCES)
    now = time.time()
    labels = {"skysift_record": f"{number:064x}", "skysift_input": f"chunk-{number}.avro"}
    labels |= {"skysift_bundle": "b" * 64, "window_id": f"10s-{number}", "revision": 1}
    candidate = labels | {
        "source_id": f"source-{source}" if source % 2 else "",
        "ra": 9.0 * source + rng.gauss(0, 0.002),
        "dec": rng.gauss(0, 0.002),
        "err_major": 0.02,
        "err_minor": 0.02,
        "far": FIRST_FAR * 10.0 ** -rng.uniform(0, 6 * share),
        "t_start": to_mjd_tt(now - 10),
        "t_stop": to_mjd_tt(now),
        "flags": "",
        "significance": 7.0,
    }
    window = labels | {"window": 10.0, "livetime": 9.9, "flags": "", "candidates": 1}
    final = f"night=2026-11-21/part-{number:010}.jsonl"
    path = sink / final
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in (window, candidate)))
    record = labels["skysift_record"]
    spool.add([Arrival(record, path.name, path, "ab", 1, number, number, now)])
    batch = Batch({record: 1}, files=(OutputFile(staged=f"{final}.s", final=final),))
    spool.publish(spool.prepare(batch, "b" * 64))


class Server:
    """A server that fails every third time, and counts what it was told."""

    def __init__(self) -> None:
        self.taken: dict[str, list[bytes]] = defaultdict(list)
        self.order: list[str] = []
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests += 1
                turn = outer.requests % 6
                if turn != 0:  # one in six is refused, another taken and not confirmed
                    outer.taken[self.headers["Idempotency-Key"]].append(body)
                    outer.order.append(self.headers["Idempotency-Key"])
                self.send_response(500 if turn in {0, 3} else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def follow(sink: Path, url: str) -> None:
    """Follow until we are killed."""
    follower = AlertFollower(options(url))
    with Spool(sink / ".skysift" / "spool.sqlite") as spool:
        while True:
            follower.follow(spool, sink)
            time.sleep(0.005)


def start(sink: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a follower."""
    command = [sys.executable, __file__, "--follow", str(sink), "--url", url]
    return subprocess.Popen(command)  # noqa: S603  # this script


def position(sink: Path) -> int:
    """Return the number of the last batch that was decided on."""
    path = ledger_path(sink)
    if not path.is_file():
        return 0
    with AlertLedger(path, create=False) as ledger:
        return ledger.position


def soak(sink: Path, *, batches: int, kills: int, seed: int) -> dict[str, Any]:
    """Publish, kill, and return what came of it."""
    rng = random.Random(seed)
    server = Server()
    (sink / ".skysift").mkdir(parents=True)
    published = 0
    with Spool(sink / ".skysift" / "spool.sqlite") as spool:
        for _ in range(kills):
            follower = start(sink, server.url)
            before = position(sink)
            wanted = published + batches // kills
            while published < wanted:
                published += 1
                publish(spool, sink, published, published / batches, rng)
            end = time.monotonic() + PATIENCE
            while position(sink) == before and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, LONGEST) ** 2)
            os.kill(follower.pid, signal.SIGKILL)
            follower.wait()
    follower = start(sink, server.url)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with Outbox(ledger_path(sink)) as outbox:
            if position(sink) == published and not outbox.undelivered():
                break
        time.sleep(0.1)
    follower.send_signal(signal.SIGKILL)
    follower.wait()
    return {"batches": published, "kills": kills, "seed": seed, **counted(sink, server)}


def counted(sink: Path, server: Server) -> dict[str, Any]:
    """Return what is in the ledger, in the folder, and at the server."""
    with AlertLedger(ledger_path(sink)) as ledger:
        ledger.check()
        alerts = ledger.every()
        revisions = {alert.id: ledger.revisions(alert.id) for alert in alerts}
        unissued = len(ledger.to_issue())
        last = ledger.position
    keys = [f"{one.alert}-{one.revision}-json" for every in revisions.values() for one in every]
    places = Counter(round((alert.row.ra or 0.0) / 9.0) for alert in alerts)
    missing = [
        one
        for every in revisions.values()
        for one in every
        for kind in ("json", "xml", "reg")
        if (sink / "_alerts" / one.alert / f"{one.revision}.{kind}").read_bytes()
        != getattr(one.documents, kind)
    ]
    first = {key: server.order.index(key) for key in server.taken}
    late = [key for key in first if _before(key) in first and first[_before(key)] > first[key]]
    return {
        "decided": last,
        "sources": len(places),
        "sources_with_two_alerts": sum(number > 1 for number in places.values()),
        "alerts": len(alerts),
        "revisions": len(keys),
        "gaps_in_revisions": sum(
            [one.revision for one in every] != list(range(1, len(every) + 1))
            for every in revisions.values()
        ),
        "not_issued": unissued,
        "files_missing_or_different": len(missing),
        "undelivered": len(set(keys) - set(server.taken)),
        "invented": len(set(server.taken) - set(keys)),
        "told_twice": sum(len(bodies) > 1 for bodies in server.taken.values()),
        "told_twice_differently": sum(len(set(bodies)) > 1 for bodies in server.taken.values()),
        "out_of_order": len(late),
        "requests": server.requests,
    }


def _before(key: str) -> str:
    alert, revision, kind = key.rsplit("-", 2)
    return f"{alert}-{int(revision) - 1}-{kind}"


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--follow", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.follow is not None:
        follow(given.follow, given.url)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        result = soak(
            Path(folder) / "sink", batches=given.batches, kills=given.kills, seed=given.seed
        )
    result |= {"seconds": round(time.monotonic() - begun, 1), "skysift": __version__}
    result |= {"python": platform.python_version(), "system": platform.system()}
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if given.out is not None:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
