"""Who is answered, who may change something, and that nothing comes in or goes out by stealth."""

import hashlib
import os
import re
import threading
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from starlette.requests import Request

from skysift.core.errors import ReadError, UsageError
from skysift.report.plots.style import PALETTE
from skysift.serve.page.access import SESSION_COOKIE, Access, AccessDeniedError
from skysift.serve.page.files import assets, vendor_manifest
from skysift.serve.page.guard import MOST_BODY
from skysift.serve.page.options import TOKEN_VARIABLE, read_token

TOKEN = "correct-horse-battery-staple"  # noqa: S105  # of the tests
EVERY_PAGE = ("/", "/about", "/panels/health", "/panels/sky", "/panels/quarantine", "/changes-no")


def test_every_answer_forbids_what_is_not_its_own(open_page):
    page = open_page()
    for address in EVERY_PAGE:
        headers = page.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_name_no_other_host_and_hold_no_script_of_their_own(open_page, night_sink):
    night_sink.field()
    page = open_page()
    text = page.wait_for("/", "J053424")
    for html in (text, page.get("/candidates/J053424+220052-1").text):
        assert re.findall(r'(?:src|href|action)="(?!/|#)', html) == []
        assert re.findall(r"<script(?![^>]* src=)", html) == []
        assert re.findall(r"\son\w+=", html) == []
        assert 'style="' not in html
    for name, asset in assets().items():
        if name in {"page.css", "page.js", "charts.js"}:
            assert b"://" not in asset.content, name


def test_only_known_hosts_are_answered(open_page):
    page = open_page(names=("control-room.example",))
    hosts = {
        "127.0.0.1:8137": 200,
        "localhost:8137": 200,
        "[::1]:8137": 200,
        "192.168.1.7": 200,  # an address cannot be pointed elsewhere
        "control-room.example": 200,  # named in the options
        "evil.example": 421,
        "127.0.0.1.evil.example": 421,
        "localhost:8137:1": 421,
        "": 421,
    }
    found = {host: page.get("/about", headers={"Host": host}).status for host in hosts}
    assert found == hosts


def test_sizes_and_methods_have_limits(open_page):
    page = open_page()
    assert page.request("PUT", "/").status == 405
    assert page.get("/?" + "x" * 3000).status == 414
    too_much = page.post("/session", content=b"token=" + b"x" * MOST_BODY)
    assert too_much.status == 413


def test_a_body_that_says_no_length_is_cut_off(open_page):
    page = open_page(TOKEN)
    body = b"x=" + b"x" * MOST_BODY + b"&token=" + TOKEN.encode()
    pieces = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    chunked = {"Transfer-Encoding": "chunked"}
    assert page.post("/session", content=pieces, headers=chunked).status == 413
    assert not page.cookies
    small = b"token=" + TOKEN.encode()
    pieces = b"%x\r\n%s\r\n0\r\n\r\n" % (len(small), small)
    assert page.post("/session", content=pieces, headers=chunked).status == 303


def test_addresses_lead_to_names_never_to_files(open_page, night_sink):
    night_sink.field()
    page = open_page()
    page.wait_for("/", "J053424")
    for address in (
        "/assets/../server.py",
        "/assets/..%2fserver.py",
        "/assets/%2e%2e/%2e%2e/spool.py",
        "/assets/vendor.toml",
        "/candidates/..%2f..%2fetc%2fpasswd",
        "/candidates/%00",
        "/maps/..%2f/raw.png",
        "/maps/0/header.png",
        "/candidates/J053424+220052-1/candidate.py",
    ):
        assert page.get(address).status == 404, address


def test_what_comes_from_outside_is_text(open_page, night_sink):
    nasty = "<script>alert(1)</script>"
    night_sink.arrive(f"{nasty}.fits", f"no table: {nasty} & <img src=x onerror=alert(2)>")
    window = night_sink.window(flags=nasty)
    night_sink.publish(
        [window],
        [night_sink.candidate(window, source='"><svg onload=alert(3)>', flags=nasty)],
        name=f"{nasty}.fits",
    )
    page = open_page()
    html = page.wait_for("/", "onload")
    link = re.search(r'href="(/candidates/[^"]+)"', html).group(1)
    for text in (html, page.get(link).text):
        assert nasty not in text
        assert "<svg onload" not in text
        assert "<img" not in text
        assert "&lt;script&gt;" in text
    assert nasty.encode() not in page.get(f"{link}/candidate.reg").content
    disposition = page.get(f"{link}/candidate.json").headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[\w.+-]+\.json"', disposition)


# --- who may change something ---------------------------------------------------------------------


def test_without_a_token_only_this_machine_may_change_something(open_page, night_sink):
    record = night_sink.arrive("bad.fits", "torn")
    own = open_page()
    own.wait_for("/panels/quarantine", "bad.fits")
    assert own.post(f"/quarantine/{record}/replay").status == 200
    others = open_page(host="0.0.0.0")  # noqa: S104  # not bound: the client is one of Python
    record = night_sink.arrive("worse.fits", "torn")
    refused = others.post(f"/quarantine/{record}/replay")
    assert refused.status == 403
    assert "--token-file" in refused.text
    assert "read only" in others.get("/").text


def test_with_a_token_it_is_asked_for(open_page, night_sink):
    record = night_sink.arrive("bad.fits", "torn")
    page = open_page(TOKEN)
    page.wait_for("/panels/quarantine", "bad.fits")
    address = f"/quarantine/{record}/replay"
    assert "hx-post" not in page.get("/panels/quarantine").text
    assert page.post(address).status == 401
    assert page.post(address, headers={"authorization": "Bearer wrong"}).status == 401
    assert page.post(f"{address}?token={TOKEN}").status == 401  # never in an address
    right = page.post(address, headers={"authorization": f"Bearer {TOKEN}"})
    assert right.status == 200
    assert night_sink.spool.find(record).state.value == "pending"


def test_a_session_is_a_random_cookie_that_no_script_and_no_other_site_sees(open_page, night_sink):
    page = open_page(TOKEN)
    assert page.post("/session", data={"token": "wrong"}).status == 401
    answer = page.post("/session", data={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    through_tls = {"Origin": page.address.replace("http:", "https:")}
    again = page.post("/session", {"token": TOKEN}, headers=through_tls)
    assert "Secure" in again.headers["set-cookie"]
    cookie = again.headers["set-cookie"]
    assert "Sign out" in page.get("/").text
    record = night_sink.arrive("bad.fits", "torn")
    assert page.post(f"/quarantine/{record}/replay").status == 200
    page.post("/session/end")
    assert "Sign in" in page.get("/").text
    page.cookies[SESSION_COOKIE] = cookie.split("=")[1].split(";")[0]
    assert page.post(f"/quarantine/{record}/replay").status == 401  # ended for good


def test_another_site_cannot_make_a_browser_change_something(open_page, night_sink):
    record = night_sink.arrive("bad.fits", "torn")
    page = open_page()
    address = f"/quarantine/{record}/replay"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert page.post(address, headers=headers).status == 403, headers
    assert night_sink.spool.find(record).state.value == "quarantined"
    own = {"Origin": page.address, "Sec-Fetch-Site": "same-origin"}
    assert page.post(address, headers=own).status == 200


def test_tokens_cannot_be_tried_at_will():
    now = [0.0]
    access = Access(TOKEN, on_loopback=False, clock=lambda: now[0])
    statuses = []
    for _ in range(12):
        with pytest.raises(AccessDeniedError) as refusal:
            access.sign_in("guess")
        statuses.append(refusal.value.status)
    assert statuses == [401] * 10 + [429] * 2
    with pytest.raises(AccessDeniedError):
        access.sign_in(TOKEN)  # nobody is told whether it is right
    now[0] = 61.0
    assert access.sign_in(TOKEN)


def test_sessions_end():
    now = [0.0]
    access = Access(TOKEN, on_loopback=False, clock=lambda: now[0])
    session = access.sign_in(TOKEN)
    assert access.may_change(_request(session))
    now[0] = 13 * 3600.0
    assert not access.may_change(_request(session))


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN} \nsecond line\n")
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token(None) == TOKEN
    file.write_text("short")
    with pytest.raises(UsageError, match="16 to"):
        read_token(file)
    with pytest.raises(ReadError, match="No such file"):
        read_token(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no such modes on this system")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path, mode):
    file = tmp_path / "the token"
    file.write_text(TOKEN)
    file.chmod(mode)
    with pytest.raises(UsageError, match=re.escape(f"chmod 600 '{file}'")) as raised:
        read_token(file)
    assert f"{mode:04o}" in str(raised.value)
    assert TOKEN not in str(raised.value)
    file.chmod(0o400)
    assert read_token(file) == TOKEN


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_token_may_come_from_a_pipe_or_from_who_hands_out_secrets(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    writer = threading.Thread(target=pipe.write_text, args=(f"{TOKEN}\n",))
    writer.start()
    assert read_token(pipe) == TOKEN
    writer.join()
    file = tmp_path / "of-the-system"
    file.write_text(TOKEN)
    file.chmod(0o444)
    owner = file.stat().st_uid
    monkeypatch.setattr("skysift.serve.secret_file.os.getuid", lambda: owner + 1)
    assert read_token(file) == TOKEN


# --- what the page is made of ---------------------------------------------------------------------


def test_what_others_wrote_is_as_it_came_with_its_licence():
    folder = resources.files("skysift.serve.page").joinpath("assets", "vendor")
    listed = {"vendor.toml"}
    for package in vendor_manifest()["package"]:
        assert package["licence"] in {"0BSD", "MIT"}
        assert package["licence_file"] in package["files"]
        for name, expected in package["files"].items():
            content = folder.joinpath(name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == expected, name
            listed.add(name)
    assert {item.name for item in folder.iterdir()} == listed


def test_assets_have_types_and_may_be_kept(open_page):
    page = open_page()
    kinds = {"page.css": "text/css", "htmx.min.js": "text/javascript", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        answer = page.get(f"/assets/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert "immutable" in answer.headers["cache-control"]
    assert page.get("/").headers["cache-control"] == "no-store"


def test_colours_are_those_of_the_reports():
    style = assets()["page.css"].content.decode()
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    for part, shade in ((light, "light"), (dark.split("}")[0], "dark")):
        declared = dict(re.findall(r"--plot-(\w+):\s*(#\w+)", part))
        assert declared
        assert declared == {name: getattr(PALETTE[name], shade) for name in declared}


def test_the_extra_has_what_the_page_needs():
    project = tomllib.loads((_root() / "pyproject.toml").read_text())
    extra = " ".join(project["project"]["optional-dependencies"]["serve"])
    assert "fastapi" in extra
    assert "uvicorn" in extra


def _root():
    return next(p for p in Path(__file__).parents if (p / "pyproject.toml").is_file())


def _request(session: str) -> Request:
    cookie = f"{SESSION_COOKIE}={session}".encode()
    return Request({"type": "http", "headers": [(b"cookie", cookie)], "client": ("10.0.0.9", 1)})
