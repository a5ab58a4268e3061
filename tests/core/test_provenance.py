"""Provenance says what was done to what."""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from pydantic import ValidationError

from skysift.core.errors import ReadError
from skysift.core.provenance import Provenance, package_versions


def test_inputs_are_recorded_as_given_with_size_and_hash(tmp_path, monkeypatch):
    (tmp_path / "events.csv").write_bytes(b"1,2\n")
    monkeypatch.chdir(tmp_path)
    record = Provenance.start(command="x", inputs=["./events.csv"]).inputs[0]
    assert record.path == "./events.csv"
    assert record.bytes == 4
    assert record.sha256 == hashlib.sha256(b"1,2\n").hexdigest()


def test_a_large_input_is_not_hashed_and_that_is_said(tmp_path):
    (tmp_path / "big").write_bytes(b"12345")
    small, large = (
        Provenance.start(command="x", inputs=[tmp_path / "big"], hash_limit=limit).inputs[0]
        for limit in (5, 4)
    )
    assert small.sha256 is not None
    assert small.note == ""
    assert large.sha256 is None
    assert large.note == "not hashed: larger than 4 bytes"


def test_the_hash_of_a_folder_sees_names_and_content(tmp_path):
    def digest(files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        return Provenance.start(command="x", inputs=[folder]).inputs[0].sha256

    first = digest({"a": "1", "sub/b": "2"})
    line = f"{hashlib.sha256(b'1').hexdigest()}  a\n{hashlib.sha256(b'2').hexdigest()}  sub/b\n"
    assert first == hashlib.sha256(line.encode()).hexdigest()
    assert digest({"sub/b": "2", "a": "1"}) == first
    assert digest({"a": "1", "b": "2"}) != first
    assert digest({"a": "1", "sub/b": "3"}) != first


def test_an_input_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ReadError, match="nowhere"):
        Provenance.start(command="x", inputs=[tmp_path / "nowhere"])


def test_start_and_finish():
    running = Provenance.start(
        ["skysift", "predict", "~/my data.csv"],
        config={"threshold": 0.9},
        bundle={"name": "default", "hash": "ab"},
        seed={"folds": 3},
    )
    assert running.command == "skysift predict '~/my data.csv'"
    assert running.stopped is running.so_far().stopped is None
    assert running.so_far().packages
    done = running.finish()
    assert done.stopped is not None
    assert done.stopped >= done.started
    assert done.started.utcoffset().total_seconds() == 0
    values = json.loads(done.to_json())
    assert values == done.to_dict()
    assert values["seeds"] == {"folds": 3}
    assert values["bundle"] == {"name": "default", "hash": "ab"}
    assert values["skysift"] == version("skysift")
    assert Provenance.model_validate(values) == done


def test_the_command_line_is_the_default(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skysift", "tasks"])
    assert Provenance.start(seed=3).command == "skysift tasks"
    assert Provenance.start(seed=3).seeds == {"seed": 3}


def test_a_configuration_that_is_no_json_is_refused():
    with pytest.raises(ValidationError):
        Provenance.start(command="x", config={"function": print})


def test_versions_are_those_of_the_distributions():
    assert package_versions(["sklearn", "no_such_module"]) == {
        "scikit-learn": version("scikit-learn")
    }
    assert "numpy" in package_versions(["numpy", "scipy"])


def test_core_imports_nothing_heavy():
    code = (
        "import sys, skysift.core.bundle, skysift.core.provenance;"
        "print([m for m in ('numpy','scipy','sklearn','pyarrow','astropy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
