"""Which files a folder gives, and when."""

import os

import pytest

from skysift.core.errors import ReadError
from skysift.serve.config import DirectoryOptions
from skysift.serve.directory import DirectorySource, check_folder


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def look(tmp_path, clock):
    """Look at a folder, and note what was found as the spool would."""
    noted = {}
    sources = {}

    def look_once(**options):
        key = tuple(sorted(options.items()))
        if key not in sources:
            chosen = DirectoryOptions(folder=tmp_path, **options)
            sources[key] = DirectorySource(chosen, 1000, noted.get, clock)
        found = list(sources[key].look())
        for item in found:
            noted[item.name] = (item.inode, item.size, item.modified)
        return found

    return look_once


def write(path, text, modified):
    path.write_text(text)
    os.utime(path, (modified, modified))
    return path


def names(arrivals):
    return sorted(arrival.name for arrival in arrivals)


def test_a_file_is_taken_when_it_has_not_changed_for_long_enough(look, tmp_path, clock):
    path = write(tmp_path / "a.fits", "SIM", clock.now)
    assert look(settle=2) == []
    clock.now += 1.5
    write(path, "SIMPLE", clock.now)  # it grows
    assert look(settle=2) == []
    clock.now += 1.5
    assert look(settle=2) == []
    clock.now += 1
    assert names(look(settle=2)) == ["a.fits"]
    assert look(settle=2) == []


def test_a_file_renamed_into_place_long_after_it_was_written_is_taken_at_once(
    look, tmp_path, clock
):
    write(tmp_path / ".a.fits.tmp", "SIMPLE", clock.now - 60)
    write(tmp_path / "b.fits.part", "SIMPLE", clock.now - 60)
    assert look(settle=2) == []
    (tmp_path / ".a.fits.tmp").rename(tmp_path / "a.fits")
    assert names(look(settle=2)) == ["a.fits"]


def test_a_writer_whose_clock_is_ahead_is_waited_for_as_long_as_any_other(look, tmp_path, clock):
    write(tmp_path / "a.fits", "SIMPLE", clock.now + 3600)
    assert look(settle=2) == []
    clock.now += 2
    assert names(look(settle=2)) == ["a.fits"]


def test_the_same_content_is_the_same_record_whatever_its_name(look, tmp_path):
    write(tmp_path / "a.fits", "SIMPLE", 1)
    write(tmp_path / "b.fits", "SIMPLE", 2)
    write(tmp_path / "c.fits", "OTHER", 3)
    ids = {arrival.name: arrival.id for arrival in look()}
    assert ids["a.fits"] == ids["b.fits"] != ids["c.fits"]


def test_another_source_makes_another_record_of_the_same_content(look, tmp_path):
    write(tmp_path / "a.fits", "SIMPLE", 1)
    (one,) = look(name="north")
    write(tmp_path / "a.fits", "SIMPLE", 2)
    (other,) = look(name="south")
    assert one.sha256 == other.sha256
    assert one.id != other.id


def test_new_content_under_an_old_name_is_another_record(look, tmp_path):
    write(tmp_path / "a.fits", "SIMPLE", 1)
    (before,) = look()
    write(tmp_path / "a.fits", "BETTER", 2)
    (after,) = look()
    assert before.id != after.id


def test_only_wanted_names_and_real_files(look, tmp_path):
    write(tmp_path / "a.fits", "A", 1)
    write(tmp_path / "a.txt", "B", 1)
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner" / "b.fits", "C", 1)
    (tmp_path / "gone.fits").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.fits")
    assert names(look(pattern="*.fits")) == ["a.fits"]
    assert names(look(pattern="*.fits", recursive=True)) == ["inner/b.fits"]


def test_a_file_too_large_or_not_to_be_read_comes_with_the_reason(look, tmp_path, monkeypatch):
    write(tmp_path / "large.fits", "x" * 1001, 1)
    write(tmp_path / "secret.fits", "x", 1)
    opened = os.open

    def forbid(path, *arguments, **options):
        if str(path).endswith("secret.fits"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", forbid)
    reasons = {arrival.name: arrival.reason for arrival in look()}
    assert reasons == {
        "large.fits": "The file has 1,001 bytes; the limit is 1,000.",
        "secret.fits": "The file cannot be read: Permission denied.",
    }


def test_a_name_that_is_no_text_is_found_all_the_same(look, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.fits"
    with open(path, "wb") as file:  # noqa: PTH123  # pathlib has no names of bytes
        file.write(b"SIMPLE")
    os.utime(path, (1, 1))
    (arrival,) = look()
    assert arrival.name == "\\xff.fits"
    assert arrival.path.read_bytes() == b"SIMPLE"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReadError, match="No such file or directory"):
        check_folder(tmp_path / "none")
