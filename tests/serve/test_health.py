"""Health of services that really ran, the listener that tells of it, and what it refuses."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from skysift.cli.main import main
from skysift.core.config import build_config
from skysift.core.errors import ConfigError, OutputError
from skysift.serve import listener as listener_module
from skysift.serve.health import health, is_running
from skysift.serve.journal import heard_by
from skysift.serve.listener import Listener
from skysift.serve.notify import notify
from skysift.serve.operations_options import OperationsOptions
from skysift.serve.service import Service
from skysift.serve.service_state import read_state, write_state

TOY = (sys.executable, str(Path(__file__).with_name("toy_worker.py")))


@pytest.fixture
def lived(toy):
    """A sink in which a service ran, with a state as if this process were still it."""
    toy.put("a.json", value=1)
    toy.run()
    sleeper = subprocess.Popen(["sleep", "60"])
    state = read_state(toy.found).model_copy(
        update={"stopped": None, "process": os.getpid(), "workers": (sleeper.pid,)}
    )
    write_state(toy.found, state)
    yield toy.found, state, sleeper
    sleeper.kill()
    sleeper.wait()


def failing(sink, **given):
    found = health(sink, **given)
    return {check.name for check in (*found.live, *found.ready) if not check.ok}


def changed(sink, state, **values):
    options = state.options.model_copy(update=values)
    write_state(sink, state.model_copy(update={"options": options}))


def test_a_running_service_is_alive_and_ready(lived):
    sink, _, _ = lived
    found = health(sink)
    assert found.alive
    assert found.is_ready
    assert failing(sink) == set()
    assert json.loads(json.dumps(found.to_dict()))["checks"]["disk"]["ok"] is True


def test_each_check_fails_of_its_own_cause(lived):
    sink, state, sleeper = lived
    assert failing(sink, now=state.beat + state.options.stall + 1) == {"loop"}
    changed(sink, state, room=10**18)
    assert failing(sink) == {"disk"}
    changed(sink, state, stale_after=1e-9)
    assert failing(sink) == {"bundle"}
    assert health(sink).alive  # it lives; a restart would not help
    write_state(sink, state)
    sleeper.kill()
    while sleeper.poll() is None and is_running(sleeper.pid):
        time.sleep(0.01)  # a dead worker that nobody has waited for is dead all the same
    assert failing(sink) == {"worker"}
    sleeper.wait()
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_state(sink, state.model_copy(update={"process": gone.pid, "workers": ()}))
    assert failing(sink) == {"service", "worker"}
    assert not health(sink).alive
    write_state(sink, state.model_copy(update={"stopped": time.time()}))
    assert "service" in failing(sink)


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"events": {}}, "the model is being loaded"),
        ({"events": {"info started": 1}}, "one is started for the next record"),
        ({"stopped": 1.0}, "the service was stopped"),
    ],
)
def test_it_is_said_why_no_worker_runs(lived, values, about):
    sink, state, _ = lived
    write_state(sink, state.model_copy(update={"workers": (), **values}))
    assert about in health(sink).ready[0].about


def test_a_worker_of_another_parent_is_none_of_ours():
    assert is_running(os.getpid(), os.getppid())
    assert not is_running(os.getpid(), os.getpid())


def test_what_waits_too_long_and_a_lost_spool_are_told(toy, lived):
    sink, state, _ = lived
    toy.put("b.json", value=2)
    service = toy.service()
    with service._spool() as spool:
        for arrival in service._open_source(spool)._source.look():
            spool.add([arrival])
        oldest = next(iter(spool.in_state("pending"))).arrived
    changed(sink, state, stall=86_400, oldest=60)
    assert failing(sink, now=oldest + 59) == set()
    assert failing(sink, now=oldest + 61) == {"backlog"}
    (sink / ".skysift" / "spool.sqlite").unlink()
    assert failing(sink) == {"backlog"}


def test_where_no_service_was_nothing_is_healthy(tmp_path):
    assert not health(tmp_path).alive
    state = tmp_path / ".skysift"
    state.mkdir()
    (state / "operations.json").write_text("[" * 100_000)
    assert not health(tmp_path).is_ready
    (state / "operations.json").write_text('{"version": 2}')
    assert "cannot be read" in health(tmp_path).live[0].about


@pytest.fixture
def answering(lived):
    sink, state, _ = lived
    with Listener(("127.0.0.1", 0), sink) as listener:
        yield f"http://127.0.0.1:{listener.port}", listener.port, sink, state


def asked(url, **given):
    request = urllib.request.Request(url, **given)  # noqa: S310  # our own listener
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # the same
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_the_listener_tells_metrics_and_health_and_nothing_else(answering):
    url, _, sink, state = answering
    status, text, headers = asked(f"{url}/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'skysift_records{state="done"} 1' in text
    assert asked(f"{url}/healthz")[0] == asked(f"{url}/livez")[0] == 200
    changed(sink, state, room=10**18)
    status, text, _ = asked(f"{url}/healthz?verbose")
    assert status == 503
    assert json.loads(text)["checks"]["disk"]["ok"] is False
    assert asked(f"{url}/livez")[0] == 200
    assert asked(f"{url}/metrics", method="HEAD")[:2] == (200, "")
    for path in ("/", "/spool.sqlite", "/metrics/../.skysift/spool.sqlite"):
        assert asked(f"{url}{path}")[0] == 404
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert asked(f"{url}/metrics", method=method)[0] == 501
    assert asked(f"{url}/metrics", headers={"Content-Length": "5"})[0] == 400
    (sink / ".skysift" / "spool.sqlite").unlink()
    status, text, _ = asked(f"{url}/metrics")
    assert status == 503
    assert "no spool" in json.loads(text)["problem"]


def test_a_page_that_leads_its_name_here_is_refused(answering):
    url = answering[0]
    assert asked(f"{url}/metrics", headers={"Host": "evil.example:9464"})[0] == 403
    for host in ("localhost:9464", "127.0.0.1", "[::1]:9464", "127.0.0.2"):
        assert asked(f"{url}/metrics", headers={"Host": host})[0] == 200


def test_who_asks_endlessly_or_slowly_is_cut_off_and_others_are_answered(answering, monkeypatch):
    url, port, _, _ = answering
    monkeypatch.setattr(listener_module, "_SECONDS", 0.5)
    monkeypatch.setattr(listener_module._Handler, "timeout", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as long:
        with_error = b""
        try:
            long.sendall(b"GET /" + b"a" * 100_000)
            with_error = long.recv(64)
        except OSError:
            pass
        assert b"414" in with_error or with_error == b""
    silent = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(6)]
    dripping = socket.create_connection(("127.0.0.1", port), timeout=5)
    patience = time.monotonic() + 30
    ended = False
    while not ended and time.monotonic() < patience:
        try:
            dripping.sendall(b"G")
            time.sleep(0.1)
        except OSError:
            ended = True
    for one in (*silent, dripping):
        one.close()
    assert ended
    monkeypatch.undo()
    assert asked(f"{url}/livez")[0] == 200


def test_more_than_so_many_at_once_are_turned_away(answering, monkeypatch):
    url, port, _, _ = answering
    monkeypatch.setattr(listener_module, "_SECONDS", 60.0)
    monkeypatch.setattr(listener_module._Handler, "timeout", 60.0)
    held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(8)]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as further:
        assert further.recv(1) == b""  # they are taken in their order
    for one in held:
        one.close()
    patience = time.monotonic() + 30
    while not answered(f"{url}/livez") and time.monotonic() < patience:
        time.sleep(0.01)  # the threads of those that have gone end one after the other
    assert asked(f"{url}/livez")[0] == 200


def answered(url):
    try:
        return asked(url)[0] == 200
    except OSError:
        return False


def test_an_address_that_is_taken_is_refused_with_words(answering, tmp_path):
    with pytest.raises(OutputError, match="Cannot listen at 127"):
        Listener(("127.0.0.1", answering[1]), tmp_path)


def test_addresses_are_loopback_unless_said(tmp_path):
    assert OperationsOptions().address is None
    assert OperationsOptions(listen="80").address == ("127.0.0.1", 80)
    assert build_config(OperationsOptions, {"listen": 80}).address == ("127.0.0.1", 80)
    assert OperationsOptions(listen="0.0.0.0:80").address == ("0.0.0.0", 80)  # noqa: S104  # the point
    for wrong in ("host.example:80", "127.0.0.1", "1:99999", "127.0.0.1:x"):
        with pytest.raises(ConfigError):
            build_config(OperationsOptions, {"listen": wrong})
    heard = []
    with (
        heard_by(lambda _level, event, fields: heard.append((event, fields["loopback"]))),
        Listener(("127.0.0.1", 0), tmp_path),
    ):
        pass
    assert heard == [("listening", True)]


def test_the_service_listens_while_it_runs_and_not_after(toy, caplog):
    caplog.set_level(logging.INFO, "skysift.serve")
    toy.put("a.json", value=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = toy.config().model_copy(update={"operations": OperationsOptions(listen=str(port))})
    seen = []

    class Asks:
        name = "asks"

        def follow(self, spool, folder):
            seen.append(asked(f"http://127.0.0.1:{port}/healthz")[:2])
            service.stop()

    service = Service(config, worker_command=TOY, followers=[Asks()])
    service.run()
    assert seen[0][0] == 200
    assert json.loads(seen[0][1])["checks"]["worker"]["ok"] is True
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2)
    assert not health(toy.found).alive


def test_the_service_manager_is_told(toy, tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        heard = []

        def listen():  # a socket holds ten messages on many systems
            while not heard or heard[-1] != "STOPPING=1":
                heard.append(manager.recv(100).decode())

        listening = threading.Thread(target=listen)
        listening.start()
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        toy.put("a.json", value=1)
        toy.run()
        listening.join()
    assert heard[0] == "READY=1"
    assert "WATCHDOG=1" in heard
    assert notify("READY=1") is False  # nobody listens any more, which is nobody's fault
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:1:2")
    assert notify("READY=1") is False


def test_a_killed_service_is_found_dead_by_another_process(toy):
    toy.put("a.json", value=1)
    script = (
        "import sys; from pathlib import Path; from skysift.core.config import build_config; "
        "from skysift.serve.config import WatchConfig; from skysift.serve.service import Service; "
        "Service(build_config(WatchConfig, {'task': 'gamma-hadron', 'source': "
        "{'folder': sys.argv[1], 'settle': 0}, 'sink': {'folder': sys.argv[2], 'format': 'jsonl'}}"
        "), worker_command=(sys.executable, sys.argv[3])).run()"
    )
    arguments = [sys.executable, "-c", script, str(toy.incoming), str(toy.found), TOY[1]]
    service = subprocess.Popen(arguments)
    patience = time.monotonic() + 30
    while not health(toy.found).is_ready and time.monotonic() < patience:
        time.sleep(0.05)
    ready = health(toy.found)
    service.send_signal(signal.SIGKILL)
    service.wait()
    assert ready.is_ready
    found = health(toy.found)
    assert not found.alive
    assert "killed" in found.live[0].about


def commanded(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["skysift", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def test_a_command_tells_it_to_people_and_machines(lived, capsys, monkeypatch):
    sink, state, _ = lived
    assert commanded(monkeypatch, "status", str(sink)) == 0
    told = capsys.readouterr().out
    assert "ok    disk" in told
    assert "Latency of the last 1 records: p50" in told
    assert "Compared with MAGIC" in told
    changed(sink, state, room=10**18, deadline=1e-9)
    assert commanded(monkeypatch, "status", str(sink), "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["checks"]["disk"]["ok"] is False
    assert document["latency"]["missed"] == 1
    assert document["drift"]["alarmed"] is False
