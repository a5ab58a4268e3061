"""ZTF images from a stand-in for IRSA that refuses, misleads and breaks off as the archive may."""

import io
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from skysift.core.errors import (
    AuthenticationError,
    ConfigError,
    ContractError,
    DataUnavailableError,
    SkysiftError,
    UnknownNameError,
    UsageError,
)
from skysift.data.fetch import Patience
from skysift.data.images.irsa import IrsaArchive
from skysift.data.images.irsa_login import Credentials, find_credentials
from skysift.data.images.irsa_products import ImageCutout, ScienceExposure, ScienceQuery

NAME = "ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits"
EXPOSURE = ScienceExposure.from_name(NAME)
DATA_PATH = f"/ibe/data/{EXPOSURE.path()}"
SEARCH_PATH = "/ibe/search/ztf/products/sci"
QUERY = ScienceQuery(field=535, ccd=11, quadrant=3)
HEADER = (
    "ra,dec,field,ccdid,qid,filtercode,imgtypecode,filefracday,"
    "obsjd,exptime,seeing,airmass,maglimit,infobits\n"
)
ROW = "255.6,12.3,535,11,3,zr,o,20180411467847,2458219.9678472,30,2.1,1.3,20.6,0\n"
LOGIN_PAGE = (
    b"<!DOCTYPE html><html><body><form>Log in: <input type='password'></form></body></html>"
)
USER = Credentials("hubble", "expanding universe")
PATIENCE = Patience(connect=10.0, read=10.0, attempts=3, pause=0.0)


@dataclass
class StandIn:
    """Scripts by path, whatever the query string; a path in `closed` needs a signed-in user."""

    port: int = 0
    scripts: dict[str, list[Callable[[Any], None]]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    when_closed: Callable[[Any], None] | None = None
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    logins: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def irsa(flaky: ModuleType, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("IRSA_USERNAME", "IRSA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(cache / "no-netrc"))
    stand_in = StandIn(when_closed=flaky.status(401))

    class Handler(flaky.Handler):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            stand_in.asked.append(self.path)
            stand_in.authorizations.append(self.headers.get("Authorization"))
            path = urlsplit(self.path).path
            cookie = SimpleCookie(self.headers.get("Cookie", ""))
            signed_in = "JOSSO_SESSIONID" in cookie and cookie["JOSSO_SESSIONID"].value == "good"
            if path in stand_in.closed and not signed_in:
                stand_in.when_closed(self)
            else:
                script = stand_in.scripts.get(path, [flaky.status(404)])
                (script.pop(0) if len(script) > 1 else script[0])(self)
            self.close_connection = True

        def do_POST(self) -> None:  # noqa: N802 - as do_GET
            stand_in.logins += 1
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            sent = (form["josso_username"][0], form["josso_password"][0])
            good = (USER.user, USER.password)
            extra = {"Set_Cookie": "JOSSO_SESSIONID=good; Path=/"} if sent == good else {}
            self.head(200, Content_Length=len(LOGIN_PAGE), Content_Type="text/html", **extra)
            self.wfile.write(LOGIN_PAGE)
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


def archive(irsa: StandIn, user: Credentials | None = None) -> IrsaArchive:
    return IrsaArchive(irsa.url, user, patience=PATIENCE)


def typed(body: bytes, kind: str) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.head(200, Content_Length=len(body), Content_Type=kind)
        handler.wfile.write(body)

    return answer


def unsized(body: bytes) -> Callable[[Any], None]:
    """No length is declared, so a cut cannot show in the protocol."""

    def answer(handler: Any) -> None:
        handler.head(200, Content_Type="application/fits")
        handler.wfile.write(body)

    return answer


@pytest.fixture(scope="module")
def image() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(3).normal(200.0, 5.0, (200, 200)).astype(np.float32)
    fits.PrimaryHDU(pixels, fits.Header({"FIELDID": 535})).writeto(buffer)
    return buffer.getvalue()


def test_addresses_are_those_that_the_archive_documents() -> None:
    cutout = ImageCutout(SkyCoord(255.57691, 12.28378, unit="deg"), 50 * u.arcsec)
    assert IrsaArchive().product_url(EXPOSURE, cutout=cutout) == (
        "https://irsa.ipac.caltech.edu/ibe/data/ztf/products/sci/2018/0411/467847/"
        "ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits"
        "?center=255.576910,12.283780&size=50arcsec&gzip=false"
    )
    mask = EXPOSURE.path("mskimg.fits")
    assert mask.endswith("/467847/ztf_20180411467847_000535_zr_c11_o_q3_mskimg.fits")


def test_a_query_states_position_condition_and_columns() -> None:
    query = ScienceQuery(
        position=SkyCoord("17h02m18.4584s", "+12d17m01.608s"),
        size=0.1 * u.deg,
        filtercode="zi",
        seeing_below=1.85,
        good_only=True,
        most_central=True,
        where="obsjd>2458219 OR field=535",
    )
    parts = urlsplit(IrsaArchive().search_url(query))
    assert (parts.netloc, parts.path) == ("irsa.ipac.caltech.edu", SEARCH_PATH)
    asked = dict(parse_qsl(parts.query))
    assert asked["POS"] == "255.576910,12.283780"
    assert asked["SIZE"] == "0.100000"
    # The user's own OR must not undo the other conditions.
    assert asked["WHERE"] == (
        "filtercode='zi' AND seeing<1.85 AND infobits=0 AND (obsjd>2458219 OR field=535)"
    )
    assert asked["ct"] == "csv"
    assert parts.query.endswith("&mcen")
    assert "+" not in parts.query
    assert "POS=255.576910,12.283780" in parts.query


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"field": 535, "ccd": 17},
        {"field": 535, "quadrant": 0},
        {"field": 535, "filtercode": "zu"},
        {"field": 535, "most_central": True},
        {"position": SkyCoord([1.0, 2.0], [0.0, 0.0], unit="deg")},
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_before_the_network(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ScienceQuery(**wrong)


def test_names_and_products_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="not the name of a ZTF science product"):
        ScienceExposure.from_name("ztf_20180411467847_000535_zr_c17.fits")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'sciimg\.fits'"):
        EXPOSURE.name("sciimg.fit")
    with pytest.raises(UsageError, match="angle above zero"):
        ImageCutout(SkyCoord(0, 0, unit="deg"), 0 * u.arcsec)


def test_search_reads_the_table(irsa: StandIn) -> None:
    irsa.scripts[SEARCH_PATH] = [typed((HEADER + ROW).encode(), "text/csv")]
    (found,) = archive(irsa).search(QUERY).exposures
    assert found.name() == NAME
    assert (found.seeing, found.limit, found.infobits) == (2.1, 20.6, 0)


def test_an_empty_table_is_no_data_and_says_for_whom(irsa: StandIn) -> None:
    irsa.scripts[SEARCH_PATH] = [typed(HEADER.encode(), "text/csv")]
    result = archive(irsa).search(QUERY)
    assert result.exposures == ()
    assert not result.signed_in
    assert str(result) == "0 exposures open to the public"


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("action", ["search", "fetch"])
def test_a_refusal_is_said_to_be_one_and_not_retried(
    irsa: StandIn, flaky: ModuleType, code: int, action: str
) -> None:
    irsa.scripts[SEARCH_PATH] = irsa.scripts[DATA_PATH] = [flaky.status(code)]
    one = archive(irsa)
    with pytest.raises(AuthenticationError, match=f"HTTP {code}.*not mean that there are no data"):
        _ = one.search(QUERY) if action == "search" else one.fetch(EXPOSURE)
    assert len(irsa.asked) == 1


@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "application/fits"])
@pytest.mark.parametrize("action", ["search", "fetch"])
def test_a_login_page_under_status_200_is_a_refusal_whatever_its_type(
    irsa: StandIn, kind: str, action: str
) -> None:
    irsa.scripts[SEARCH_PATH] = irsa.scripts[DATA_PATH] = [typed(LOGIN_PAGE, kind)]
    one = archive(irsa)
    with pytest.raises(AuthenticationError, match="a page for signing in") as caught:
        _ = one.search(QUERY) if action == "search" else one.fetch(EXPOSURE)
    assert "IRSA_USERNAME" in caught.value.remedy


def test_another_web_page_is_no_refusal(irsa: StandIn) -> None:
    page = b"<html><body>Down for maintenance until noon</body></html>"
    irsa.scripts[SEARCH_PATH] = [typed(page, "text/html")]
    with pytest.raises(DataUnavailableError, match="web page instead of data") as caught:
        archive(irsa).search(QUERY)
    assert not isinstance(caught.value, AuthenticationError)


def test_a_known_user_signs_in_once_and_sees_what_is_closed(irsa: StandIn, image: bytes) -> None:
    irsa.closed = {SEARCH_PATH, DATA_PATH}
    irsa.scripts[SEARCH_PATH] = [typed((HEADER + ROW).encode(), "text/csv")]
    irsa.scripts[DATA_PATH] = [typed(image, "application/fits")]
    one = archive(irsa, USER)
    result = one.search(QUERY)
    assert result.signed_in
    assert one.fetch(result.exposures[0]).path.read_bytes() == image
    assert irsa.logins == 1
    assert not any(USER.password in asked or USER.user in asked for asked in irsa.asked)


def test_a_wrong_password_fails_before_an_empty_result_can_mislead(irsa: StandIn) -> None:
    irsa.scripts[SEARCH_PATH] = [typed(HEADER.encode(), "text/csv")]
    one = archive(irsa, Credentials("hubble", "tired light"))
    with pytest.raises(AuthenticationError, match="does not accept the user 'hubble'") as caught:
        one.search(QUERY)
    assert irsa.asked == []
    assert "tired light" not in str(caught.value)
    assert "tired light" not in repr(one)


def test_credentials_come_from_the_environment_then_netrc(
    irsa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_text(f'machine 127.0.0.1 login {USER.user} password "{USER.password}"')
    monkeypatch.setenv("NETRC", str(file))
    assert find_credentials("127.0.0.1").user == "hubble"
    assert find_credentials("example.org") is None
    monkeypatch.setenv("IRSA_USERNAME", "leavitt")
    with pytest.raises(ConfigError, match="IRSA_PASSWORD is not set"):
        find_credentials("127.0.0.1")
    monkeypatch.setenv("IRSA_PASSWORD", "cepheids")
    assert find_credentials("127.0.0.1") == Credentials("leavitt", "cepheids")


def test_a_damaged_netrc_is_an_error_that_does_not_quote_it(
    irsa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login hubble pasword secret\n")
    monkeypatch.setenv("NETRC", str(file))
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        archive(irsa).search(QUERY)
    assert "pasword" not in "".join(traceback.format_exception(caught.value))


def test_a_password_is_not_sent_in_the_open() -> None:
    with pytest.raises(UsageError, match="not https"):
        IrsaArchive("http://irsa.example.org", USER).search(QUERY)
    with pytest.raises(UsageError, match="holds a user name"):
        IrsaArchive("https://hubble:x@irsa.example.org")


def test_no_authorization_header_goes_out_by_itself(
    irsa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: bytes
) -> None:
    irsa.scripts[DATA_PATH] = [typed(image, "application/fits")]
    file = tmp_path / "netrc"
    file.write_text(f'machine 127.0.0.1 login {USER.user} password "{USER.password}"')
    monkeypatch.setenv("NETRC", str(file))
    archive(irsa).fetch(EXPOSURE)
    assert irsa.authorizations == [None]


def test_an_image_is_kept_and_asked_for_once(irsa: StandIn, image: bytes, cache: Path) -> None:
    irsa.scripts[DATA_PATH] = [typed(image, "application/fits")]
    first, second = archive(irsa).fetch(EXPOSURE), archive(irsa).fetch(EXPOSURE)
    assert (first.kind, second.kind) == ("url", "cache")
    assert first.sha256 == second.sha256
    assert first.path == cache / "irsa" / EXPOSURE.path()
    assert len(irsa.asked) == 1
    assert [path.name for path in first.path.parent.iterdir() if path.suffix == ".part"] == []


def test_a_cutout_is_another_file_than_the_image(irsa: StandIn, image: bytes) -> None:
    irsa.scripts[DATA_PATH] = [typed(image, "application/fits")]
    cutout = ImageCutout(SkyCoord(255.57691, -12.28378, unit="deg"), 20 * u.arcsec)
    whole, part = archive(irsa).fetch(EXPOSURE), archive(irsa).fetch(EXPOSURE, cutout=cutout)
    assert whole.path != part.path
    assert part.path.name.endswith("_sciimg_ra255.576910_dec-12.283780_20arcsec.fits")
    assert irsa.asked[1].endswith("?center=255.576910,-12.283780&size=20arcsec&gzip=false")


def test_the_local_mirror_comes_first(
    irsa: StandIn, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = tmp_path / "mirror" / EXPOSURE.path()
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(image)
    monkeypatch.setenv("SKYSIFT_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    assert archive(irsa).fetch(EXPOSURE).kind == "mirror"
    assert irsa.asked == []


def test_offline_is_said_and_nothing_is_asked(
    irsa: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    one = archive(irsa, USER)
    with pytest.raises(DataUnavailableError, match="SKYSIFT_OFFLINE forbids"):
        one.fetch(EXPOSURE)
    with pytest.raises(DataUnavailableError, match="SKYSIFT_OFFLINE forbids"):
        one.search(QUERY)
    assert (irsa.asked, irsa.logins) == ([], 0)


def test_a_broken_connection_goes_on_where_it_stopped(
    irsa: StandIn, flaky: ModuleType, image: bytes
) -> None:
    irsa.scripts[DATA_PATH] = [flaky.whole(image, drop_after=100_000), flaky.whole(image)]
    assert archive(irsa).fetch(EXPOSURE).path.read_bytes() == image
    assert len(irsa.asked) == 2


@pytest.mark.parametrize("kept", [100_000, 57_600, 2880])
def test_a_cut_that_the_protocol_does_not_show_is_found_in_the_file(
    irsa: StandIn, image: bytes, kept: int, cache: Path
) -> None:
    irsa.scripts[DATA_PATH] = [unsized(image[:kept])]
    with pytest.raises(DataUnavailableError, match="no whole FITS file"):
        archive(irsa).fetch(EXPOSURE)
    assert [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_other_content_is_not_taken_for_an_image_or_a_table(irsa: StandIn) -> None:
    irsa.scripts[DATA_PATH] = irsa.scripts[SEARCH_PATH] = [
        typed(b"ERROR: no such column 'seing'", "text/plain")
    ]
    with pytest.raises(DataUnavailableError, match="does not begin with SIMPLE"):
        archive(irsa).fetch(EXPOSURE)
    with pytest.raises(DataUnavailableError, match="it begins 'ERROR: no such column"):
        archive(irsa).search(QUERY)


def test_a_row_that_is_no_exposure_is_named(irsa: StandIn) -> None:
    row = ROW.replace(",535,", ",M31,")
    irsa.scripts[SEARCH_PATH] = [typed((HEADER + row).encode(), "text/csv")]
    with pytest.raises(ContractError, match="M31"):
        archive(irsa).search(QUERY)


def test_a_missing_product_is_no_refusal(irsa: StandIn) -> None:
    with pytest.raises(DataUnavailableError, match="HTTP 404") as caught:
        archive(irsa).fetch(EXPOSURE)
    assert not isinstance(caught.value, AuthenticationError)
    assert "search for it first" in caught.value.remedy


def test_a_damaged_cached_file_is_fetched_again(irsa: StandIn, image: bytes) -> None:
    irsa.scripts[DATA_PATH] = [typed(image, "application/fits")]
    path = archive(irsa).fetch(EXPOSURE).path
    path.write_bytes(image[:-2880])
    again = archive(irsa).fetch(EXPOSURE)
    assert again.path.read_bytes() == image
    assert "not used" in again.notes[0]


def test_every_error_of_the_archive_is_of_the_tree(irsa: StandIn, flaky: ModuleType) -> None:
    irsa.scripts[DATA_PATH] = [flaky.status(500)]
    with pytest.raises(SkysiftError, match=r"HTTP 500.*3 attempts"):
        archive(irsa).fetch(EXPOSURE)
