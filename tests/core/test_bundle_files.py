"""Files appear whole or not at all."""

import hashlib
import os

import pytest

from skysift.core.errors import OutputError, ReadError
from skysift.core.files import atomic_path, sha256_of_file, staged_folder, write_atomic


def test_the_hash_is_that_of_hashlib(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    assert sha256_of_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()
    with pytest.raises(ReadError):
        sha256_of_file(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "result.txt"
    write_atomic(target, "old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.txt"]
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match="Cannot write here"):
        write_atomic(tmp_path / "nowhere" / "f", "")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), staged_folder(tmp_path / "file" / "sub"):
        pass
    with pytest.raises(OutputError, match="not a folder"), staged_folder(tmp_path / "file"):
        pass


def test_trouble_with_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        (tmp_path / "input").read_text()


def test_a_failed_folder_leaves_nothing(tmp_path):
    def fail():
        with staged_folder(tmp_path / "run") as temporary:
            (temporary / "a").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_folders_and_parents_are_made(tmp_path):
    with staged_folder(tmp_path / "a" / "b") as temporary:
        (temporary / "f").write_text("x")
    assert (tmp_path / "a" / "b" / "f").read_text() == "x"
    with staged_folder(tmp_path / "a" / "b", overwrite=True):
        pass
    assert list((tmp_path / "a" / "b").iterdir()) == []
