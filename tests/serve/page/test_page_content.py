"""What the page shows of a sink, told by plain HTTP."""

import asyncio
import json
import re
import threading
from datetime import datetime
from http.client import HTTPConnection
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from PIL import Image
from starlette.requests import Request

from skysift.data.sky.tangent import TangentGrid
from skysift.serve.clock import to_mjd_tt, to_unix
from skysift.serve.drift.report import DriftReport
from skysift.serve.page.access import Access
from skysift.serve.page.answers import Answers, read_answers
from skysift.serve.page.changes import Changes, Watcher
from skysift.serve.page.drawing import SkyFrame, picture
from skysift.serve.page.night import Night
from skysift.serve.page.rendering import Rendering
from skysift.serve.page.sources import Sources

SOURCE = "J053424+220052-1"


def test_before_there_is_a_service_the_page_says_how_to_start_one(tmp_path):
    sources = Sources(tmp_path / "nothing")
    assert sources.poll() == set()
    assert not (tmp_path / "nothing").exists()


def test_a_candidate_is_listed_with_units_and_has_a_page_of_its_own(open_page, night_sink):
    night_sink.field()
    page = open_page()
    html = page.wait_for("/", "/maps/")
    assert SOURCE in html
    for unit in ("[deg]", "counts per pixel", "[UTC]", "[records/s]"):
        assert unit in html
    own = page.get(f"/candidates/{SOURCE}").text
    assert own.count("<dt>bundle hash</dt>") == 1
    for text in ("8.40", "chunk.fits", "b" * 64, "skysift watch incoming", "packages", "numpy"):
        assert text in own, text
    assert page.get("/candidates/J000000+000000-9").status == 404


def test_a_window_that_is_answered_once_more_takes_back_what_it_said(open_page, night_sink):
    window = night_sink.window()
    night_sink.publish([window], [night_sink.candidate(window), night_sink.candidate(window, "B")])
    page = open_page()
    page.wait_for("/panels/sources", SOURCE)
    again = night_sink.window(window_id=window["window_id"], revision=2, flags="late")
    night_sink.publish([again], [night_sink.candidate(again, "B", significance=5.0)])
    text = page.wait_for("/panels/sky", "late")
    sources = page.get("/panels/sources").text
    assert SOURCE not in sources + text
    assert "5.00" in sources
    assert page.get(f"/candidates/{SOURCE}").status == 404


def test_revisions_may_come_in_any_order():
    def tables(revision, names):
        rows = [
            {"window_id": "w", "revision": revision, "source_id": name, "ra": 1.0, "dec": 2.0,
             "significance": 6.0, "t_stop": 6e4, "skysift_record": "r"}
            for name in names
        ]  # fmt: skip
        window = {"window_id": "w", "revision": revision, "window": 10.0, "t_stop": 6e4}
        window["candidates"] = len(names)
        return [
            Answers("f", frozenset(window), [window], 1),
            Answers("f", frozenset(rows[0]) if rows else frozenset(), rows, len(rows)),
        ]

    first, second = tables(1, ["A", "B"]), tables(2, ["B", "C"])
    for order in (first + second, second + first, [second[0], first[1], second[1], first[0]]):
        night = Night()
        for table in order:
            night.add(table)
        assert set(night.sources) == {"B", "C"}


def test_the_strongest_window_is_shown_unless_another_is_asked_for(open_page, night_sink):
    for length, strength in ((10.0, 9.0), (100.0, 6.0)):
        window = night_sink.window(length=length)
        night_sink.maps(window)
        night_sink.publish([window], [night_sink.candidate(window, significance=strength)])
    page = open_page()
    page.wait_for("/panels/sky", "100")
    sky = page.wait_for("/panels/sky", "9.00")
    assert "<strong>10\N{NARROW NO-BREAK SPACE}s</strong>" in sky
    asked = page.get("/panels/sky?window=100.0").text
    assert "<strong>100\N{NARROW NO-BREAK SPACE}s</strong>" in asked
    assert "6.00" in asked
    assert page.get("/panels/sky?window=nonsense").status == 200


def test_maps_are_pictures_of_the_counts(open_page, night_sink):
    night_sink.field()
    page = open_page()
    html = page.wait_for("/panels/sky", "/maps/")
    address = html.split('href="/maps/')[1].split('"')[0]
    answer = page.get(f"/maps/{address}")
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(BytesIO(answer.content))
    assert image.size == (200, 200)
    shades = np.asarray(image.convert("L")).astype(float)
    frame = SkyFrame(TangentGrid(83.6, 22.0, 200, 200, 0.025), 200.0)
    x, y = (round(value) for value in frame.place(83.63, 22.014))
    around = shades[y - 4 : y + 4, x - 4 : x + 4].mean()
    assert around > 3 * shades.mean()  # where the source was put, not mirrored or turned


def test_downloads_hold_what_the_page_shows(open_page, night_sink):
    candidate = night_sink.field()
    night_sink.publish([night_sink.bin(SOURCE, night_sink.now, 12.0)])
    page = open_page()
    page.wait_for("/", SOURCE)
    base = f"/candidates/{SOURCE}"
    page.wait_for(f"{base}/light-curve", '"kind":"bins"')
    document = page.get(f"{base}/candidate.json").json()
    assert document["best"]["significance"] == 8.4
    assert document["units"]["ra"] == "deg"
    assert document["light_curve"][0]["excess"] == 12.0
    assert document["provenance"]["bundle hash"] == "b" * 64
    regions = page.get(f"{base}/candidate.reg").text
    assert 'ellipse(83.6300000,22.0140000,86.400",61.200",125.000)' in regions
    with fits.open(BytesIO(page.get(f"{base}/candidate.fits").content)) as hdus:
        assert hdus["WINDOWS"].data["significance"][0] == candidate["significance"]
        assert hdus["WINDOWS"].columns["ra"].unit == "deg"
        assert hdus["LIGHT_CURVE"].data["excess"][0] == 12.0
        assert hdus["RAW"].data.sum() > 100
        assert hdus["RAW"].header["CTYPE1"] == "RA---TAN"


def test_lines_of_json_are_read_as_parquet_is(night_sink):
    window = night_sink.window()
    night_sink.publish([window], [night_sink.candidate(window)], format_="jsonl")
    sources = Sources(night_sink.folder)
    assert "sky" in sources.poll()
    assert set(sources.night.sources) == {SOURCE}
    sources.close()


def test_a_file_that_is_gone_or_strange_is_passed_over(night_sink, tmp_path):
    night_sink.publish([night_sink.window()])
    for part in night_sink.folder.glob("night=*/*"):
        part.write_bytes(b"no parquet")
    sources = Sources(night_sink.folder)
    assert "health" in sources.poll()
    sources.close()
    assert read_answers(tmp_path, "../../etc/passwd", Night.wanted) == []
    assert read_answers(tmp_path, "night=2026-11-21/part-1-ab.parquet", Night.wanted) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"x" * 1000])
def test_maps_that_are_none_are_passed_over(night_sink, content):
    folder = night_sink.folder / ".skysift" / "live"
    folder.mkdir()
    (folder / "maps-10s.npz").write_bytes(content)
    sources = Sources(night_sink.folder)
    assert "sky" not in sources.poll()
    sources.close()


def test_health_tells_rate_backlog_age_and_percentiles(open_page, night_sink):
    for number in range(30):
        night_sink.publish([night_sink.window()], name=f"{number}.fits")
    night_sink.arrive("waits.fits")
    page = open_page(deadline=7.0)
    text = page.wait_for("/panels/health", "30 done")
    assert '[records]</span></dt><dd class="value">1</dd>' in text
    assert "deadline 7\N{NARROW NO-BREAK SPACE}s" in text
    series = page.get("/series/pulse").json()
    assert len({len(column) for column in series.values()}) == 1
    assert series["backlog"][-1] == 1
    assert 0 <= series["p50"][-1] <= series["p99"][-1] < 60
    assert page.get(f"/series/pulse?after={series['time'][-1] + 1e6}").json()["time"] == []


def test_quarantine_is_shown_with_its_reason_and_replayed(open_page, night_sink):
    record = night_sink.arrive("torn.fits", "The file ends within the table.")
    page = open_page()
    page.wait_for("/panels/quarantine", "The file ends within the table.")
    assert "torn.fits" not in page.post(f"/quarantine/{record}/replay").text
    assert night_sink.spool.find(record).state.value == "pending"
    assert page.post(f"/quarantine/{'0' * 64}/replay").status == 404


def test_candidates_are_acknowledged_and_retracted_with_words(open_page, night_sink):
    night_sink.field()
    page = open_page()
    page.wait_for("/panels/sources", SOURCE)
    base = f"/candidates/{SOURCE}"
    assert "Acknowledged" in page.post(f"{base}/acknowledge", {"text": "seen by Ada"}).text
    assert "seen by Ada" in page.get(f"{base}/panel").text
    assert "acknowledged" in page.get("/panels/sources").text
    assert page.post(f"{base}/retract", {"reason": "  "}).status == 400
    assert "No alert" in page.post(f"{base}/retract", {"reason": "a satellite"}).text
    assert "a satellite" in page.get(f"{base}/panel").text
    assert "retracted" in page.get("/panels/sources").text
    again = Sources(night_sink.folder)
    again.read_notes()
    assert again.notes[SOURCE].retracted  # a page that starts anew knows it


def test_alerts_are_shown_and_taken_back_for_everybody(open_page, night_sink):
    night_sink.field(end=night_sink.now - 600)
    window = night_sink.window(length=10.0, flags="dead-sector")
    held = night_sink.candidate(window, source="J053000+220000-1", ra=82.5)
    night_sink.publish([window], [held])
    night_sink.decide_alerts()
    page = open_page()
    text = page.wait_for("/panels/alerts", SOURCE)
    assert 'class="chip test"' in text
    (issued,) = re.findall(r'data-name="Issued \[UTC\]">([^<]+)<', text)
    assert datetime.fromisoformat(f"{issued}+00:00").timestamp() >= int(night_sink.now)
    assert "J053000+220000-1" in text
    assert "dead" in text.split("J053000+220000-1")[1]  # why that one is none
    assert "No alert:" in page.get("/candidates/J053000+220000-1/panel").text
    said = page.post(f"/candidates/{SOURCE}/retract", {"reason": "a satellite"}).text
    assert "is retracted" in said
    assert 'class="chip retracted"' in page.wait_for("/panels/alerts", "chip retracted")
    night_sink.field()
    night_sink.decide_alerts()
    page.wait_for("/panels/alerts", "was retracted")
    assert issued in page.get("/panels/alerts").text  # whenever the source is seen again
    notices = sorted((night_sink.folder / "_alerts").glob("*/*.json"))
    assert json.loads(notices[-1].read_text())["alert_type"] == "retraction"


def test_large_tables_that_no_part_shows_are_counted_not_read(night_sink):
    night_sink.publish([{"gammaness": 0.5} for _ in range(300)])
    (part,) = night_sink.folder.glob("night=*/*.parquet")
    (table,) = read_answers(
        night_sink.folder, str(part.relative_to(night_sink.folder)), Night.wanted
    )
    assert (table.rows, table.count) == ([], 300)
    sources = Sources(night_sink.folder)
    sources.poll()
    assert sources.night.rows["others"] == 300
    sources.close()


def test_drift_is_shown_with_alarms_first(night_sink):
    row = {"window": "rows", "rows": 5000, "psi": 0.02, "distance": 0.03, "missing": 0.0, "p": 0.5}
    calm = row | {"quantity": "energy", "alarm": False}
    alarmed = row | {"quantity": "<b>size</b>", "psi": 0.6, "p": 1e-9, "alarm": True}
    histogram = {"edges": [0.0, 1.0, 2.0], "reference": [0.5, 0.5, 0.0], "rows": [0.1, 0.8, 0.1]}
    report = DriftReport("Compared with training.", (calm, alarmed), {"<b>size</b>": histogram})
    sources = Sources(night_sink.folder)
    sources.drift = report
    request = Request({"type": "http", "method": "GET", "headers": [], "client": ("127.0.0.1", 1)})
    rendering = Rendering(sources, Access(None, on_loopback=True))
    html = rendering.part("drift", request).body.decode()
    assert "Compared with training." in html
    assert html.index("&lt;b&gt;size") < html.index("energy")
    assert html.count(">alarm</span>") == 1
    heights = re.findall(r'class="now".*?height="([\d.]+)"', html)
    assert [float(height) for height in heights] == pytest.approx([3.8, 30.0, 3.8], abs=0.1)


def test_probabilities_of_flares_are_listed(open_page, night_sink):
    row = {"file": "a.jpg", "noaa": 12192, "time": "2014-10-24T12:00:00", "x": 3.0, "p_c24": 0.91,
           "p_m24": 0.62, "flags": ""}  # fmt: skip
    night_sink.publish([row], name="a.jpg")
    html = open_page().wait_for("/panels/disk", "12192")
    assert "0.91" in html
    assert "0.62" in html


# --- telling of changes ---------------------------------------------------------------------------


def test_changes_are_told_to_every_page_that_is_open(open_page, night_sink):
    page = open_page()
    page.wait_for("/panels/health", "records")
    streams = [_Listening(page.port) for _ in range(3)]
    night_sink.field()
    for stream in streams:
        stream.wait_for("sky")
    page.server.stop()
    for stream in streams:
        stream.thread.join(timeout=10)
        assert not stream.thread.is_alive()  # let go when the server stops


def test_many_pages_do_not_multiply_the_reading():
    """What is read once in the thread of the watcher, all of them are told."""
    polls, told = [], threading.Event()

    def poll():
        polls.append(threading.current_thread().name)
        return {"sky"} if len(polls) == 1 else set()

    async def listen(changes):
        stream = changes.listen()
        await anext(stream)  # what a browser is told first
        return stream

    async def pages():
        changes = Changes()
        changes.attach()
        streams = [await listen(changes) for _ in range(50)]
        watcher = Watcher(poll, changes, told.set)
        watcher.start()
        heard = [await anext(stream) for stream in streams]
        await asyncio.to_thread(watcher.stop)
        for stream in streams:
            await stream.aclose()
        return heard

    assert set(asyncio.run(pages())) == {'event: change\ndata: ["sky"]\n\n'}
    assert told.is_set()
    assert set(polls) == {"page-watcher"}


class _Listening:
    """An open page, as far as the server can tell."""

    def __init__(self, port):
        self.parts = set()
        self._changed = threading.Condition()
        self._connection = HTTPConnection("127.0.0.1", port, timeout=20)
        self._connection.request("GET", "/changes")
        self._answer = self._connection.getresponse()
        assert self._answer.getheader("content-type").startswith("text/event-stream")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self._answer:
            if line.startswith(b"data: "):
                with self._changed:
                    self.parts |= set(json.loads(line[6:]))
                    self._changed.notify_all()
        self._connection.close()

    def wait_for(self, part):
        with self._changed:
            assert self._changed.wait_for(lambda: part in self.parts, timeout=20)


# --- pictures and moments -------------------------------------------------------------------------


def test_what_is_not_known_is_transparent():
    values = np.array([[0.0, np.nan], [1.0, 4.0]], dtype=np.float32)
    image = np.asarray(Image.open(BytesIO(picture(values, "counts", (0.0, 4.0)))).convert("RGBA"))
    assert image[1, 1, 3] == 0  # the first row is at the bottom
    assert image[0, 1, 3] == 255
    assert image[0, 1, :3].sum() > image[0, 0, :3].sum() > image[1, 0, :3].sum()


def test_ellipses_lie_as_on_the_sky():
    frame = SkyFrame(TangentGrid(10.0, 60.0, 200, 200, 0.01), 400.0)
    mark = frame.mark(10.0, 60.0, 0.2, 0.1, 0.0)
    assert mark.turn % 180 == pytest.approx(90, abs=0.1)  # to the north, which is up
    east = frame.mark(10.0, 60.0, 0.2, 0.1, 90.0)
    assert east.turn % 180 == pytest.approx(0, abs=0.1)
    between = frame.mark(10.0, 60.0, 0.2, 0.1, 45.0)  # from north to east, which is left
    assert between.turn % 180 == pytest.approx(45, abs=0.1)
    assert mark.rings[0] == pytest.approx((40.0, 20.0))
    assert frame.mark(30.0, 60.0, 0.2, 0.1, 0.0) is None


@pytest.mark.parametrize("moment", ["2004-03-26T03:00:00", "2017-01-01T01:00:00", "2027-08-02"])
def test_moments_agree_with_astropy(moment):
    time_ = Time(moment, scale="utc")
    assert to_unix(time_.tt.mjd) == pytest.approx(time_.unix, abs=1e-4)
    assert to_mjd_tt(time_.unix) == pytest.approx(time_.tt.mjd, abs=1e-9)
