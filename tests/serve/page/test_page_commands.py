"""``skysift live`` and ``skysift serve`` as they are typed, started and stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from skysift.cli.serve import warn_of_others
from skysift.core.errors import OutputError
from skysift.serve.page.options import PageOptions
from skysift.serve.page.server import open_socket


@contextmanager
def started(*arguments, **environment):
    process = subprocess.Popen(
        [sys.executable, "-m", "skysift", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address(process) -> tuple[str, int]:
    """Return where the page is, as the program says it."""
    for line in process.stdout:
        found = re.search(r"http://([\d.]+):(\d+)/", line)
        if found:
            return found[1], int(found[2])
    raise AssertionError(process.stderr.read())


def get(place, path: str) -> str:
    connection = HTTPConnection(*place, timeout=30)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def wait_for(process, place, path: str, text: str) -> None:
    for _ in range(600):
        try:
            if text in get(place, path):
                return
        except OSError as error:
            raise AssertionError(process.communicate(timeout=60)) from error
        time.sleep(0.2)
    raise AssertionError(f"{text!r} never appeared at {path}")


def test_a_simulated_night_is_on_the_page_and_ends_with_ctrl_c(tmp_path):
    with started("live", "--out", tmp_path, "--port", 0, "--seconds", 60) as process:
        place = address(process)
        wait_for(process, place, "/panels/health", "done")
        wait_for(process, place, "/panels/sky", "window to")
        wait_for(process, place, "/panels/sky", "/maps/")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Ended." in out
    assert err == ""
    (log,) = tmp_path.glob("*/service.log")
    events = re.findall(r'"event": "([\w-]+)"', log.read_text())
    assert {"page-started", "started", "batch", "page-stopped", "stopped"} <= set(events)


def test_serve_shows_a_folder_and_stops_on_sigterm(night_sink, tmp_path):
    night_sink.field()
    token = tmp_path / "token"
    token.write_text("correct-horse-battery-staple")
    token.chmod(0o600)
    arguments = ("serve", night_sink.folder, "--port", 0, "--token-file", token)
    with started(*arguments) as process:
        place = address(process)
        wait_for(process, place, "/", "J053424")
        assert "Sign in" in get(place, "/")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "correct-horse" not in err
    assert "Traceback" not in err


def test_a_page_for_others_says_so(capsys, tmp_path):
    options = PageOptions(sink=tmp_path, host="0.0.0.0")  # noqa: S104  # nothing listens
    warn_of_others(options, None)
    said = capsys.readouterr().err
    assert "everybody who reaches" in said
    assert "--token-file" in said
    warn_of_others(PageOptions(sink=tmp_path), None)
    assert capsys.readouterr().err == ""


def test_an_address_that_is_taken_is_an_error_with_a_remedy(tmp_path):
    with open_socket(PageOptions(sink=tmp_path, port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="--port"):
            open_socket(PageOptions(sink=tmp_path, port=port))
