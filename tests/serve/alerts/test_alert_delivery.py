"""Destinations that fail, hang, lie or are gone: each is told in the end, none holds up others."""

import base64
import hashlib
import hmac
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.serve.alerts.delivery import Courier, UndeliveredError, delay
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.options import WebhookOptions
from skysift.serve.alerts.outbox import Message
from skysift.serve.alerts.publishing import couriers_of
from skysift.serve.alerts.webhook import Webhook, signature
from skysift.serve.journal import LOGGER

VARIABLE = "OUR_SECRET"
SECRET = "whsec_" + base64.b64encode(b"a shared secret of 32 bytes, say").decode()


class Server:
    """An HTTP server whose answers are written down beforehand; after the last, 200."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.slow = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "drop":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer == "hang":
                    outer.slow.wait(20)
                    return
                if answer == "trickle":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not outer.slow.wait(0.1):
                        try:
                            self.wfile.write(b"X-More: 1\r\n")
                            self.wfile.flush()
                        except OSError:
                            return
                    return
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/alerts?stream=1"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.slow.set()
            self.http.shutdown()
            thread.join()
            self.http.server_close()


@pytest.fixture
def server():
    with Server().running() as running:
        yield running


def options(server, **changes):
    values = {"url": server.url, "private": True, "timeout": 5.0} | changes
    return build_config(WebhookOptions, values)


def message(**changes):
    values = {"alert": "20270115-aa", "revision": 1, "kind": "initial", "tense": "test"}
    values |= {"body": b'{"far": 1e-9}', "format": "json", "attempts": 1, "since": 0.0}
    return Message(**values | changes)


# --- the webhook ----------------------------------------------------------------------------------


def test_a_message_arrives_whole_with_its_key_and_a_signature_that_the_receiver_can_check(
    server, monkeypatch
):
    monkeypatch.setenv(VARIABLE, SECRET)
    Webhook(options(server, secret=VARIABLE), clock=lambda: 1.8e9).send(message())
    ((path, headers, body),) = server.requests
    assert (path, body) == ("/alerts?stream=1", b'{"far": 1e-9}')
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == headers["Webhook-Id"] == "20270115-aa-1-json"
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    mac = hmac.new(b"a shared secret of 32 bytes, say", signed, hashlib.sha256).digest()
    assert headers["Webhook-Signature"] == "v1," + base64.b64encode(mac).decode()
    assert SECRET not in str(headers)


def test_another_body_has_another_signature():
    assert signature("s", "k", 1, b"a") != signature("s", "k", 1, b"b")


def test_without_the_secret_nothing_is_sent(server, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UndeliveredError, match="OUR_SECRET is not set"):
        Webhook(options(server, secret=VARIABLE)).send(message())
    assert server.requests == []


def test_the_receiver_may_refuse_fail_hang_up_or_send_us_elsewhere(server):
    elsewhere = (307, {"Location": server.url.replace("alerts", "elsewhere")})
    server.answers = [500, 404, elsewhere, "drop"]
    webhook = Webhook(options(server))
    for words in ("status 500", "status 404", "status 307", "RemoteDisconnected"):
        with pytest.raises(UndeliveredError, match=words):
            webhook.send(message())
    assert [path for path, _, _ in server.requests] == ["/alerts?stream=1"] * 4
    webhook.send(message())


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_one_that_never_ends_its_answer_is_left_in_time(server, how):
    server.answers = [how]
    with pytest.raises(UndeliveredError, match=r"no answer in 0\.3 s"):
        Webhook(options(server, timeout=0.3)).send(message())


def test_a_read_that_gives_up_before_our_clock_has_the_same_reason(server, monkeypatch):
    monkeypatch.setattr("skysift.serve.alerts.webhook._hang_up", lambda *_: None)
    server.answers = ["hang"]
    with pytest.raises(UndeliveredError, match=r"no answer in 0\.3 s"):
        Webhook(options(server, timeout=0.3)).send(message())


def test_a_busy_receiver_says_how_long_to_wait(server):
    server.answers = [(429, {"Retry-After": "120"}), (503, {"Retry-After": "9" * 30}), 500]
    waits = []
    for _ in range(3):
        with pytest.raises(UndeliveredError) as caught:
            Webhook(options(server)).send(message())
        waits.append(caught.value.wait)
    assert waits == [120.0, 3600.0, 0.0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"])
def test_private_addresses_are_not_asked_unless_it_is_said(host):
    webhook = Webhook(build_config(WebhookOptions, {"url": f"https://{host}:9/x", "timeout": 1}))
    with pytest.raises(UndeliveredError, match="private"):
        webhook.send(message())


def test_a_name_that_resolves_to_a_private_address_is_none(monkeypatch):
    def found(*_args, **_options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(UndeliveredError, match="private"):
        Webhook(build_config(WebhookOptions, {"url": "https://example.org/"})).send(message())


def test_https_is_verified(server):
    url = server.url.replace("http://", "https://")
    webhook = Webhook(build_config(WebhookOptions, {"url": url, "private": True, "timeout": 2}))
    with pytest.raises(UndeliveredError) as caught:
        webhook.send(message())
    assert isinstance(caught.value.__cause__, ssl.SSLError)
    assert server.requests == []


def test_https_with_a_certificate_that_is_trusted(server, tmp_path, monkeypatch):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run([openssl, *command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    url = f"https://localhost:{server.http.server_port}/"
    webhook = Webhook(build_config(WebhookOptions, {"url": url, "private": True, "timeout": 5}))
    with pytest.raises(UndeliveredError, match="CERTIFICATE_VERIFY_FAILED"):
        webhook.send(message())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook.send(message())
    assert [body for _, _, body in server.requests] == [message().body]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "ftp://example.org"}, "no http"),
        ({"url": "https://user:word@example.org"}, "logs"),
        ({"url": "http://example.org"}, "https"),
        ({"url": "https://example.org/a b"}, "blanks"),
        ({"url": "https://example.org/\r\nX: y"}, "blanks|no http"),
    ],
)
def test_addresses_that_are_unsafe_are_refused_at_the_start(values, words):
    with pytest.raises(ConfigError, match=words):
        build_config(WebhookOptions, values)


# --- the queue ------------------------------------------------------------------------------------


def deliveries(sink):
    with sink.outbox() as outbox, sink.ledger() as ledger:
        (known,) = ledger.every()
        return [(d["revision"], d["state"], d["attempts"]) for d in outbox.of_alert(known.id)]


def round_of(sink, **values):
    """Let everybody be told of what is due, once."""
    found = sink.options(**values)
    with sink.outbox() as outbox:
        for courier in couriers_of(found, outbox.path, lambda: sink.now):
            courier.deliver_due(outbox)
            courier.close()


def test_what_fails_is_tried_again_with_the_same_key_until_it_arrives(sink, row, server):
    server.answers = [500, 500, 500]
    values = {"webhooks": {"a": options(server, backoff=10.0)}}
    sink.publish(row())
    sink.follow(**values)
    assert deliveries(sink) == [(1, "pending", 1)]
    for attempts in (1, 2, 3):
        round_of(sink, **values)  # not due yet
        assert deliveries(sink) == [(1, "pending", attempts)]
        sink.now += 10.0 * 2 ** (attempts - 1) + 0.1
        round_of(sink, **values)
    assert deliveries(sink) == [(1, "delivered", 4)]
    assert len({headers["Webhook-Id"] for _, headers, _ in server.requests}) == 1
    assert len({body for _, _, body in server.requests}) == 1
    assert json.loads(server.requests[0][2]) == sink.notices()[0]


def test_waits_double_up_to_the_longest_and_differ():
    waits = [[delay(n, first=2.0, most=60.0) for _ in range(50)] for n in (1, 2, 3, 10, 10_000)]
    for found, longest in zip(waits, (2.0, 4.0, 8.0, 60.0, 60.0), strict=True):
        assert longest / 2 <= min(found) < max(found) <= longest


def test_what_never_arrives_is_given_up_loudly_and_stays_listed(sink, row, server, caplog):
    server.answers = [500] * 10
    values = {"webhooks": {"a": options(server, backoff=1.0, give_up=100.0)}}
    sink.publish(row())
    sink.follow(**values)
    sink.now += 101.0
    caplog.clear()
    with caplog.at_level(logging.ERROR, logger=LOGGER):
        round_of(sink, **values)
    assert [r.getMessage() for r in caplog.records] == ["alert-undelivered"]
    sink.now += 1000.0
    round_of(sink, **values)
    assert deliveries(sink) == [(1, "given-up", 2)]
    with sink.outbox() as outbox:
        (listed,) = outbox.undelivered()
        assert (listed["destination"], listed["error"]) == ("webhook:a", "status 500")
        assert outbox.retry(listed["alert"], sink.now) == 1
    server.answers = []
    round_of(sink, **values)
    assert deliveries(sink) == [(1, "delivered", 3)]


def test_revisions_of_an_alert_arrive_in_their_order(sink, row, server):
    server.answers = [500]
    values = {"webhooks": {"a": options(server, backoff=10.0)}}
    sink.publish(row(end=sink.now - 5))
    sink.follow(**values)
    sink.publish(row(end=sink.now - 4, far=1e-12))
    other = row(end=sink.now - 4, source_id="other", ra=10.0)
    sink.publish(other)
    server.answers = [500]
    sink.follow(**values)
    sink.now += 30.0
    round_of(sink, **values)
    told = [json.loads(body) for _, _, body in server.requests]
    last = {}
    for notice in told:
        name = notice["id"][0]
        assert notice["record_number"] in {last.get(name, 0), last.get(name, 0) + 1}
        last[name] = notice["record_number"]
    assert sorted(last.values()) == [1, 2]


def test_a_dead_destination_holds_up_nobody(sink, row, server):
    with Server(*["hang"] * 20).running() as dead:
        values = {
            "webhooks": {
                "dead": options(dead, timeout=60.0),
                "well": options(server),
            }
        }
        follower = AlertFollower(sink.options(**values), clock=lambda: sink.now)
        with sink.spool() as spool:
            for number in range(5):
                sink.publish(row(source_id=f"s{number}", ra=20.0 * number))
                follower.follow(spool, sink.folder)
        assert len(sink.notices()) == 5
        wait_until(lambda: len(server.requests) == 5)
        wait_until(lambda: len(dead.requests) == 1)
        dead.slow.set()
        follower.close()
        with sink.outbox() as outbox:
            assert set(outbox.waiting()) == {"webhook:dead"}


def test_a_fault_that_nobody_foresaw_is_told_and_the_message_stays(sink, row, server, caplog):
    class Broken:
        def send(self, _message):
            raise KeyError("band")

        def close(self):
            pass

    sink.publish(row())
    server.answers = [500]
    sink.follow(webhooks={"hook": options(server)})
    sink.now += 30.0
    with sink.outbox() as outbox:
        ledger = outbox.path
    stopping = threading.Event()
    stopping.set()  # one round
    courier = Courier("webhook:hook", options(server), Broken(), ledger, lambda: sink.now)
    courier.run(stopping, threading.Event(), threading.Event())
    (told,) = (r for r in caplog.records if r.getMessage() == "alerts-not-delivered")
    assert told.skysift_fields["reason"].startswith(
        "It failed, for a reason that nobody foresaw: 'band'. The alert stays in the ledger"
    )
    assert "test_alert_delivery.py:" in told.skysift_fields["where"]
    with sink.outbox() as outbox:
        assert set(outbox.waiting()) == {"webhook:hook"}


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_formats_are_those_that_each_asks_for(sink, row, server):
    hooks = {kind: options(server, format=kind) for kind in ("json", "xml", "reg")}
    sink.publish(row())
    sink.follow(webhooks=hooks)
    (folder,) = sink.folder.glob("_alerts/*")
    assert len(server.requests) == 3
    types = {"json": "application/json", "xml": "application/xml", "reg": "text/plain"}
    for _, headers, body in server.requests:
        kind = headers["Webhook-Id"].rpartition("-")[2]
        assert body == (folder / f"1.{kind}").read_bytes()
        assert headers["Content-Type"] == types[kind]


def test_an_address_that_is_a_secret_stands_in_the_environment(sink, row, server, monkeypatch):
    monkeypatch.setenv("OUR_ADDRESS", server.url.replace("alerts", "hook/0123456789"))
    sink.publish(row())
    sink.follow(webhooks={"a": options(server, url="$OUR_ADDRESS")})
    assert server.requests[0][0] == "/hook/0123456789?stream=1"
    stored = b"".join(p.read_bytes() for p in (sink.folder / ".skysift").glob("alerts.sqlite*"))
    assert b"0123456789?stream" not in stored
    monkeypatch.setenv("OUR_ADDRESS", "ftp://0123456789")
    with pytest.raises(UndeliveredError) as caught:
        Webhook(options(server, url="$OUR_ADDRESS")).send(message())
    assert "0123456789" not in str(caught.value)
    monkeypatch.delenv("OUR_ADDRESS")
    with pytest.raises(UndeliveredError, match="OUR_ADDRESS is not set"):
        Webhook(options(server, url="$OUR_ADDRESS")).send(message())


def test_no_secret_is_in_logs_or_ledger(sink, row, server, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, SECRET)
    server.answers = [500]
    sink.publish(row())
    with caplog.at_level(logging.DEBUG):
        sink.follow(webhooks={"a": options(server, secret=VARIABLE)})
    told = str([getattr(r, "skysift_fields", r.getMessage()) for r in caplog.records])
    assert "alert-delayed" in [r.getMessage() for r in caplog.records]
    stored = b"".join(p.read_bytes() for p in (sink.folder / ".skysift").glob("alerts.sqlite*"))
    for secret in (SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in told
        assert secret.encode() not in stored
