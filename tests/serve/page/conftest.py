"""A sink as a service of gamma-sky writes it, by the spool itself, and pages that show it."""

import hashlib
import json
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.core.provenance import Provenance
from skysift.data.sky.tangent import TangentGrid
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.clock import to_mjd_tt
from skysift.serve.config import state_folder
from skysift.serve.page.options import PageOptions
from skysift.serve.page.server import PageServer, open_socket
from skysift.serve.records import Arrival, Batch, OutputFile
from skysift.serve.service import SPOOL
from skysift.serve.spool import Spool

BUNDLE = "b" * 64
RA, DEC = 83.6, 22.0


@dataclass
class NightSink:
    """Publishes windows, candidates and light curves."""

    folder: Path
    now: float = field(default_factory=time.time)
    number: int = 0
    incoming: Path | None = None

    def __post_init__(self):
        state_folder(self.folder).mkdir(parents=True)
        self.spool = Spool(state_folder(self.folder) / SPOOL)

    def arrive(self, name: str, reason: str = "") -> str:
        self.number += 1
        content = f"{name} {self.number}"
        record = hashlib.sha256(content.encode()).hexdigest()
        path = (self.incoming or self.folder.parent / "incoming") / name
        sha256 = hashlib.sha256(record.encode()).hexdigest()
        self.spool.add(
            [Arrival(record, name, path, sha256, 2880, self.number, 1, time.time(), reason)]
        )
        return record

    def publish(
        self,
        *tables: list[dict],
        name: str = "chunk.fits",
        format_: str = "parquet",
        record: str = "",
    ):
        """Publish tables as the answer to one record, that has arrived or arrives now."""
        record = record or self.arrive(name)
        files = []
        for order, rows in enumerate(tables):
            final = f"night=2026-11-21/part-{self.number:010}-{record[:14]}{order:02}.{format_}"
            path = self.folder / final
            path.parent.mkdir(exist_ok=True)
            labels = {
                "skysift_record": record,
                "skysift_input": name,
                "skysift_bundle": BUNDLE,
            }
            labelled = [labels | row for row in rows]
            if format_ == "jsonl":
                path.write_text("".join(json.dumps(row) + "\n" for row in labelled))
            else:
                pq.write_table(_table(labelled), path)
            files.append(OutputFile(staged="gone", final=final))
        count = sum(map(len, tables))
        batch = self.spool.prepare(Batch(answered={record: count}, files=tuple(files)), BUNDLE)
        self.spool.publish(batch)
        return record

    def window(self, **values) -> dict:
        length, end = values.pop("length", 100.0), values.pop("end", self.now)
        stop = to_mjd_tt(end)
        return {
            "window_id": values.pop("window_id", f"{length:g}s-{end:.0f}"),
            "revision": 1,
            "window": length,
            "t_start": stop - length / 86400,
            "t_stop": stop,
            "ra_pnt": RA,
            "dec_pnt": DEC,
            "events": 1200,
            "livetime": length * 0.98,
            "candidates": 1,
            "masked": 0.0,
            "flags": "",
        } | values

    def candidate(self, window: dict, source: str = "J053424+220052-1", **values) -> dict:
        return {
            "ra": RA + 0.03,
            "dec": DEC + 0.014,
            "err68": 0.021,
            "err95": 0.035,
            "err_major": 0.024,
            "err_minor": 0.017,
            "err_angle": 35.0,
            "excess": 61.5,
            "excess_error": 9.1,
            "significance": 8.4,
            "significance_post_trial": 7.1,
            "far": 1e-12,
            "flux": 1.1,
            "flux_low": 0.9,
            "flux_high": 1.3,
            "t_start": window["t_start"],
            "t_stop": window["t_stop"],
            "flags": "",
            "window": window["window"],
            "window_id": window["window_id"],
            "revision": window["revision"],
            "source_id": source,
            "false_alarms": 1e-9,
        } | values

    def bin(self, source: str, end: float, excess: float, **values) -> dict:
        stop = to_mjd_tt(end)
        return {
            "window_id": f"bin-{source}-{end:.0f}",
            "revision": 1,
            "source_id": source,
            "bin": 10.0,
            "t_start": stop - 10 / 86400,
            "t_stop": stop,
            "livetime": 9.8,
            "ra": RA,
            "dec": DEC,
            "excess": excess,
            "excess_error": 2.5,
            "excess_low": excess - 2.4,
            "excess_high": excess + 2.6,
            "excess_ul": excess + 5.0,
            "upper_limit": excess < 5,
        } | values

    def maps(self, window: dict, at=(RA + 0.03, DEC + 0.014)):
        """Leave the maps of a window where the service's worker does."""
        rng = np.random.default_rng(int(window["window"]))
        grid = TangentGrid(RA, DEC, 200, 200, 0.025)
        apart = grid.separation_from(*at)
        source = 6 * np.exp(-0.5 * (apart / 0.07) ** 2)
        offset = grid.separation_from(RA, DEC)
        background = 0.6 * np.exp(-0.5 * (offset / 1.2) ** 2)
        raw = rng.poisson(source + background).astype(np.float32)
        cleaned = (raw * source / np.maximum(source + background, 1e-9)).astype(np.float32)
        header = {
            name: window[name]
            for name in (
                "window_id",
                "revision",
                "window",
                "t_start",
                "t_stop",
                "livetime",
                "events",
            )
        }
        header["wcs"] = {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": RA,
            "CRVAL2": DEC,
            "CRPIX1": 100.5,
            "CRPIX2": 100.5,
            "CDELT1": -0.025,
            "CDELT2": 0.025,
        }
        folder = state_folder(self.folder) / "live"
        folder.mkdir(exist_ok=True)
        temporary = folder / ".temporary.npz"
        layers = {
            "raw": raw,
            "background": background.astype(np.float32),
            "cleaned": cleaned,
            "residual": (raw - background - cleaned).astype(np.float32),
        }
        np.savez(temporary, header=np.array(json.dumps(header)), **layers)
        temporary.replace(folder / f"maps-{window['window']:g}s.npz")

    def field(self, end: float | None = None, **values):
        """Publish a window with a candidate, and its maps; return the candidate."""
        window = self.window(end=self.now if end is None else end)
        candidate = self.candidate(window, **values)
        self.maps(window, at=(candidate["ra"], candidate["dec"]))
        self.publish([window], [candidate])
        return candidate

    def decide_alerts(self):
        """Let the service's follower decide what is worth an alert."""
        AlertFollower(AlertOptions(max_age=1e9)).follow(self.spool, self.folder)

    def close(self):
        self.spool.close()


def _table(rows: list[dict]) -> pa.Table:
    provenance = Provenance.start(
        command="skysift watch incoming --task gamma-sky --to found",
        config={"task": "gamma-sky", "read": {"emin": 0.1}},
        bundle={"name": "default", "hash": BUNDLE},
    )
    table = pa.Table.from_pylist(rows)
    fields = [
        item.with_metadata({"unit": "deg"}) if item.name in {"ra", "dec", "err68"} else item
        for item in table.schema
    ]
    metadata = {b"skysift": provenance.finish().to_json().encode()}
    return table.cast(pa.schema(fields, metadata=metadata))


@pytest.fixture
def night_sink(tmp_path):
    sink = NightSink(tmp_path / "found")
    yield sink
    sink.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self):
        return json.loads(self.content)


@dataclass
class PageClient:
    """Asks a page by plain HTTP, paths as they are written; keeps cookies."""

    port: int
    server: PageServer
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers=None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, data=None, *, headers=None, content: bytes | None = None) -> Answer:
        body = urlencode(data or {}).encode() if content is None else content
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, body, headers=kind | (headers or {}))

    def request(self, method: str, path: str, body: bytes | None = None, headers=None) -> Answer:
        asked = {"Host": f"127.0.0.1:{self.port}"}
        if self.cookies:
            asked["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.putrequest(method, path, skip_host=True)
            for name, value in (asked | (headers or {})).items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in (headers or {}):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, found, response.read())
        if "set-cookie" in answer.headers:
            name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def wait_for(self, path: str, text: str) -> str:
        """Return what an address answers once this text is in it."""
        for _ in range(1000):
            found = self.get(path).text
            if text in found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{text!r} never appeared at {path}")


@pytest.fixture
def open_page(night_sink):
    """Serve the page of the sink in a thread, on a port of this machine that is free."""
    with ExitStack() as stack:

        def open_(token: str | None = None, **options) -> PageClient:
            told = PageOptions(sink=night_sink.folder, port=0, **options)
            listening = stack.enter_context(open_socket(PageOptions(sink=told.sink, port=0)))
            server = PageServer(told, token)
            thread = threading.Thread(target=server.serve_on, args=([listening],))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.stop)
            return PageClient(listening.getsockname()[1], server)

        yield open_
