"""Remote catalogues from a stand-in TAP service, and the query that the user is shown."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import (
    AuthenticationError,
    ContractError,
    DataUnavailableError,
    MissingExtraError,
    UsageError,
)
from skysift.data.catalogs import remote
from skysift.data.catalogs.remote import (
    LEGACY_SURVEYS_DR9,
    RemoteCatalogue,
    cone_adql,
    cone_search,
    run_adql,
)
from skysift.data.fetch import Patience

pytest.importorskip("pyvo")

CENTER = SkyCoord(7.5, -2.5, unit="deg")
PATIENCE = Patience(connect=10.0, read=10.0, attempts=2, pause=0.0)


@dataclass
class TapStandIn:
    url: str = ""
    answer: Callable[[Any], None] | None = None
    queries: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def tap(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TapStandIn]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    stand_in = TapStandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            stand_in.queries.append(parse_qs(body))
            stand_in.answer(self)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Keep the test output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}/tap"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


def sends(body: bytes, *, code: int = 200, kind: str = "application/x-votable+xml") -> Any:
    def answer(handler: Any) -> None:
        handler.send_response(code)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def votable(rows: int = 4) -> bytes:
    """Sources along a line to the east, 20 arcseconds apart."""
    table = Table(
        {
            "ra": 7.5 + np.arange(rows) * 20.0 / 3600.0,
            "dec": np.full(rows, -2.5),
            "type": ["PSF", "REX", "EXP", "PSF"][:rows],
            "flux_z": MaskedColumn(np.arange(rows, dtype=np.float32), mask=np.arange(rows) == 1),
        }
    )
    table["ra"].unit = table["dec"].unit = "deg"
    buffer = io.BytesIO()
    document = from_table(table)
    document.resources[0].type = "results"
    document.to_xml(buffer)
    return buffer.getvalue()


def refusal(message: str) -> bytes:
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{message}</INFO>'
        "</RESOURCE></VOTABLE>"
    ).encode()


def at(tap: TapStandIn) -> RemoteCatalogue:
    return replace(LEGACY_SURVEYS_DR9, service=tap.url)


def search(tap: TapStandIn, **options: Any) -> Any:
    return cone_search(at(tap), CENTER, 45 * u.arcsec, patience=PATIENCE, **options)


def test_the_query_is_shown_sent_and_kept(tap: TapStandIn) -> None:
    tap.answer = sends(votable())
    shown: list[str] = []
    table = search(tap, columns=["type", "flux_z"], where="brick_primary=1", show=shown.append)
    sent = tap.queries[0]["QUERY"][0]
    assert shown == [sent] == [table.meta["adql"]]
    assert "FROM ls_dr9.tractor" in sent
    assert sent.endswith("AND (brick_primary=1)")
    assert table.meta["service"] == tap.url
    assert table.meta["citation"] == "Dey et al. 2019, AJ 157, 168"
    assert table.meta["cone"]["radius"] == pytest.approx(45 / 3600)


def test_without_show_the_query_is_logged(
    tap: TapStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    tap.answer = sends(votable())
    with caplog.at_level("INFO", logger=remote.__name__):
        table = search(tap)
    assert table.meta["adql"] in caplog.text


def test_the_cone_is_cut_out_of_the_box_and_nulls_stay_nulls(tap: TapStandIn) -> None:
    tap.answer = sends(votable())
    table = search(tap)
    assert table["type"].tolist() == ["PSF", "REX", "EXP"]
    assert np.isnan(table["flux_z"]).tolist() == [False, True, False]
    assert table.unit("ra") == "deg"


def test_more_rows_than_the_limit_is_an_error_and_not_a_shorter_catalogue(tap: TapStandIn) -> None:
    tap.answer = sends(votable())
    with pytest.raises(ContractError, match="more than 3 rows"):
        search(tap, limit=3)
    assert tap.queries[0]["MAXREC"] == ["4"]
    assert len(search(tap, limit=4)) == 3


def test_no_row_is_an_answer(tap: TapStandIn) -> None:
    tap.answer = sends(votable(rows=0))
    assert len(search(tap)) == 0


def test_a_query_that_the_service_refuses_is_quoted(tap: TapStandIn) -> None:
    tap.answer = sends(refusal("column flux_q does not exist"))
    with pytest.raises(UsageError, match=r"flux_q does not exist[\s\S]*SELECT TOP"):
        search(tap, columns=["flux_q"])


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_of_the_user_is_said_to_be_one(tap: TapStandIn, code: int) -> None:
    tap.answer = sends(b"", code=code)
    with pytest.raises(AuthenticationError, match="not mean that there are no rows"):
        search(tap)


@pytest.mark.parametrize(
    "answer",
    [
        sends(b"<html><body>Log in</body></html>", kind="text/html"),
        sends(b"gateway", code=502, kind="text/plain"),
        sends(votable()[:700]),
        sends(b"", kind="text/xml"),
    ],
    ids=["page", "gateway", "cut", "nothing"],
)
def test_what_is_no_table_is_never_taken_for_an_empty_one(tap: TapStandIn, answer: Any) -> None:
    tap.answer = answer
    with pytest.raises(DataUnavailableError, match="gave no table") as caught:
        search(tap)
    assert "FROM ls_dr9.tractor" in str(caught.value)


def test_a_service_that_cannot_be_reached_and_offline(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataUnavailableError, match="gave no table"):
        run_adql("http://127.0.0.1:1/tap", "SELECT 1", patience=PATIENCE)
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    with pytest.raises(DataUnavailableError, match="SKYSIFT_OFFLINE"):
        run_adql("http://127.0.0.1:1/tap", "SELECT 1", patience=PATIENCE)


def test_without_pyvo_the_remedy_is_named(tap: TapStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *, extra: str) -> Any:
        raise MissingExtraError(name, extra=extra)

    monkeypatch.setattr(remote, "import_extra", missing)
    with pytest.raises(MissingExtraError, match=r"pip install .skysift\[catalogs\]"):
        search(tap)


@pytest.mark.parametrize("wrong", ["type; DROP TABLE x", "ra, dec", "1"])
def test_a_column_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="no name of a column"):
        cone_adql(LEGACY_SURVEYS_DR9, CENTER, 1 * u.arcsec, columns=[wrong])


@given(
    st.floats(0, 359.999999),
    st.floats(-90, 90),
    st.floats(1e-4, 10),
    st.floats(0, 360),
    st.floats(0, 1),
)
def test_the_box_holds_the_whole_cone(
    ra: float, dec: float, radius: float, bearing: float, fraction: float
) -> None:
    center = SkyCoord(ra, dec, unit="deg")
    point = center.directional_offset_by(bearing * u.deg, fraction * radius * u.deg)
    adql = cone_adql(LEGACY_SURVEYS_DR9, center, radius * u.deg)
    condition = adql.split("WHERE ")[1].replace("\n", " ").replace("OR", "or")
    for name, value in (("dec", point.dec.deg), ("ra", point.ra.deg)):
        condition = condition.replace(f"{name} ", f"{value:.9f} ")
    # BETWEEN binds tighter than AND: turn each into Python.
    assert evaluates(condition)


def evaluates(condition: str) -> bool:
    """Evaluate 'x BETWEEN a AND b AND (x >= a or x <= b)' for numbers."""
    words = condition.replace("(", "").replace(")", "").split()
    results = []
    while words:
        if words[1] == "BETWEEN":
            value, low, high = float(words[0]), float(words[2]), float(words[4])
            results.append(low <= value <= high)
            words = words[6:]
        else:
            value, low, high = float(words[0]), float(words[2]), float(words[6])
            results.append(value >= low or value <= high)
            words = words[8:]
    return all(results)
