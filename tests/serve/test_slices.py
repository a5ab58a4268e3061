"""Messages as the records that tasks read: in memory while there is room, else as files."""

import hashlib

import pytest

from skysift.serve.messages import Item, WorkerSettings
from skysift.serve.packs import ALONE
from skysift.serve.slices import SliceGoneError, Slices

DATA = b"a packet" * 100


@pytest.fixture
def slices(tmp_path):
    scratch = tmp_path / "scratch"
    settings = {"task": "t", "bundle": tmp_path, "bundle_hash": "0", "memory": 1, "seconds": 1}
    return Slices(WorkerSettings(**settings, scratch=scratch))


@pytest.fixture
def item(tmp_path):
    path = tmp_path / f"one{ALONE}"
    path.write_bytes(DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    return Item(id="1", name="one.avro", path=path, sha256=sha256, size=len(DATA))


def test_a_message_that_there_is_room_for_is_never_written(slices, item, tmp_path):
    with slices.file(item, len(DATA)) as file:
        assert file.data == DATA
        assert file.path.name == "one.avro"
    assert not (tmp_path / "scratch").exists()


def test_a_larger_one_is_a_file_as_long_as_it_is_read(slices, item):
    with slices.file(item, len(DATA) - 1) as file:
        assert file.data is None
        assert file.path.read_bytes() == DATA
        assert slices.lends(file.path)
    assert not file.path.exists()
    assert not slices.lends(item.path)


def test_another_content_is_not_taken_for_it(slices, item):
    item.path.write_bytes(DATA[::-1])
    with pytest.raises(SliceGoneError), slices.file(item, len(DATA)):
        pass
