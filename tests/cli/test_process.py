"""The program as a process: signals, pipes, terminals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skysift.cli.console import Console

# What starts the tests in the background may ignore interrupts, and its children inherit that.
HEEDED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

SLOW = (
    HEEDED
    + """
import sys, time
import skysift.cli.doctor as doctor
def examine():
    print("at work", file=sys.stderr, flush=True)
    time.sleep(60)
doctor.examine = examine
sys.argv = ["skysift", "doctor"]
from skysift.cli.main import main
main()
"""
)

INTERRUPTED = (
    HEEDED
    + """
import sys, time
import skysift.tasks.gamma_hadron.prediction as prediction
def apply(*arguments):
    print("at work", file=sys.stderr, flush=True)
    time.sleep(60)
prediction._apply = apply
sys.argv = "skysift predict gamma-hadron".split() + {arguments!r}
from skysift.cli.main import main
main()
"""
)


def interrupt(process):
    try:
        for line in process.stderr:
            if "at work" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, out, err


def test_an_interrupt_ends_with_130_and_no_traceback(start):
    code, out, err = interrupt(start(SLOW))
    assert code == 130
    assert not out
    assert "Traceback" not in err


def test_an_interrupted_prediction_leaves_nothing_behind(start, events_file, bundle, tmp_path):
    arguments = [str(events_file), "--bundle", str(bundle), "--out", str(tmp_path / "out.csv")]
    code, _, err = interrupt(start(INTERRUPTED.format(arguments=arguments)))
    assert code == 130
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_closed_pipe_is_no_error_of_ours(start):
    process = start(
        "import sys, time; sys.argv = ['skysift', 'data', 'list', '--json'];"
        "from skysift.cli.main import main; main()"
    )
    process.stdout.close()
    with process.stderr:
        err = process.stderr.read()
    process.wait(timeout=60)
    assert "Traceback" not in err


def test_the_installed_program_answers_from_end_to_end(events_file, bundle, tmp_path):
    program = Path(sys.executable).with_name("skysift")
    if not program.exists():
        pytest.skip("skysift is not installed beside this Python")
    done = subprocess.run(
        [program, "predict", "gamma-hadron", events_file, "--bundle", bundle, "--out", "out.csv"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("out.csv: 1,500 accepted, 0 repaired, 0 rejected\n")
    header = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert header.replace('"', "").endswith("gammaness,gammaness_err,flags")


def test_a_bar_is_shown_on_a_terminal_only(capsys, monkeypatch):
    with Console().progress("train") as progress:
        progress(0.5, "half")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Console().progress("train") as progress:
        progress(0.5, "half")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "half" in printed.err


def test_the_package_runs_as_a_module():
    shown = subprocess.run(
        [sys.executable, "-m", "skysift", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("skysift ")
