"""What follows the published answers sees each batch once, in order, and can harm nobody."""

import logging

import pytest

from skysift.core.errors import OutputError
from skysift.serve.journal import LOGGER


class Notes:
    """A follower that remembers what it has seen."""

    name = "notes"

    def __init__(self):
        self.last = 0
        self.files = []

    def follow(self, spool, folder):
        for number, files in spool.published(self.last):
            assert number > self.last
            assert all((folder / file.final).is_file() for file in files)
            self.files += [file.final for file in files]
            self.last = number


class Broken:
    name = "broken"

    def __init__(self, error):
        self.error = error
        self.calls = 0

    def follow(self, spool, folder):
        self.calls += 1
        raise self.error


def test_a_follower_sees_every_published_file_once_and_goes_on_after_a_restart(toy):
    notes = Notes()
    for number in range(12):
        toy.put(f"{number:02}.json", value=number)
    toy.put("bad.json", do="refuse")
    toy.run(followers=[notes], batch_records=5)
    published = sorted(str(p.relative_to(toy.found)) for p in toy.found.glob("night=*/part-*"))
    assert len(published) >= 3
    assert sorted(notes.files) == published
    toy.put("late.json", value=99)
    toy.run(followers=[notes])
    assert len(notes.files) == len(set(notes.files)) == len(published) + 1


AWAY = (OutputError("The broker is away.", "Wait."), "The broker is away. Wait.", set())
FAULT = (
    KeyError("band"),
    (
        "It failed, for a reason that nobody foresaw: 'band'. The answers go on without it, and "
        "it is tried again. Please report this line."
    ),
    {"fault", "where"},
)


@pytest.mark.parametrize(("error", "reason", "more"), [AWAY, FAULT])
def test_a_follower_that_fails_is_told_of_once_and_stops_nothing(toy, caplog, error, reason, more):
    broken, notes = Broken(error), Notes()
    for number in range(12):
        toy.put(f"{number:02}.json", value=number)
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        assert toy.run(followers=[broken, notes], batch_records=5)["done"] == 12
    assert broken.calls >= 3
    assert len(notes.files) >= 3
    (told,) = (r for r in caplog.records if r.getMessage() == "follower-failed")
    assert set(told.skysift_fields) == {"follower", "reason", "failures"} | more
    assert told.skysift_fields["follower"] == "broken"
    assert told.skysift_fields["reason"] == reason
    assert "test_followers.py:" in told.skysift_fields.get("where", "test_followers.py:")


def test_published_batches_come_in_pages(toy):
    for number in range(10):
        toy.put(f"{number:02}.json", value=number)
    toy.run(batch_records=2)
    with toy.spool() as spool:
        every = spool.published(0)
        first = spool.published(0, most=2)
        assert first == every[:2]
        assert spool.published(first[-1][0]) == every[2:]
        assert spool.published(every[-1][0]) == []
