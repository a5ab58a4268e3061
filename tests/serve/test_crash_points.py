"""Killed between any two steps of a batch, a service that starts again neither loses nor doubles.

A kill is made of an exception that nothing catches: what was not on disk before it is forgotten.
"""

import pytest

from skysift.core.errors import OutputError
from skysift.serve.publish import Publisher
from skysift.serve.spool import Spool
from skysift.serve.worker_process import WorkerProcess


class Killed(BaseException):
    """The process is gone."""


def kill_before(monkeypatch, owner, name):
    """Let the process die when it is about to call a method."""

    def die(*_arguments, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        yield


def kill_after(monkeypatch, owner, name):
    original = getattr(owner, name)

    def die(*arguments, **options):
        original(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        yield


POINTS = [
    (kill_before, WorkerProcess, "run"),
    (kill_before, Spool, "prepare"),
    (kill_after, Spool, "prepare"),
    (kill_after, Publisher, "publish"),
    (kill_before, Spool, "publish"),
    (kill_after, Spool, "publish"),
]


@pytest.mark.parametrize(
    ("kill", "owner", "name"),
    POINTS,
    ids=[f"{kill.__name__}-{owner.__name__}.{name}" for kill, owner, name in POINTS],
)
def test_killed_at_any_step_the_next_run_has_every_answer_once(toy, monkeypatch, kill, owner, name):
    for number in range(6):
        toy.put(f"{number}.json", value=number, do="other" if number == 3 else "answer")
    toy.put("bad.json", do="refuse")
    for _ in kill(monkeypatch, owner, name):
        with pytest.raises(Killed):
            toy.run()
    assert toy.run() == {
        "pending": 0,
        "done": 6,
        "quarantined": 1,
        "retracted": 0,
    }
    assert toy.values_and_texts() == ["0", "1", "2", "3", "4", "5"]
    assert not toy.staged()
    with toy.spool() as spool:
        spool.check()
        assert spool.prepared() == []


def test_killed_between_the_renames_of_one_batch(toy, monkeypatch):
    toy.put("a.json", value=1)
    toy.put("b.json", value=2, do="other")
    renamed = []
    flush = Publisher.publish

    def first_only(self, files):
        renamed.extend(files)
        flush(self, files[:1])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "publish", first_only)
        with pytest.raises(Killed):
            toy.run(format="parquet")
    assert len(renamed) == 2
    assert len(toy.rows()) == 1
    assert toy.run(format="parquet")["done"] == 2
    assert toy.values_and_texts() == ["1", "2"]


def test_answers_removed_while_they_are_staged_stop_the_service_and_are_made_anew(toy, monkeypatch):
    toy.put("a.json", value=1)
    prepare = Spool.prepare

    def remove(self, *arguments):
        for path in toy.staged():
            path.unlink()
        return prepare(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "prepare", remove)
        with pytest.raises(OutputError, match="removed answers before"):
            toy.run()
    assert toy.rows() == []
    assert toy.run()["done"] == 1
    assert toy.values() == [1]


def test_answers_that_somebody_removed_before_the_recovery_are_made_anew(toy, monkeypatch):
    toy.put("a.json", value=1)
    toy.put("b.json", value=2, do="other")
    for _ in kill_before(monkeypatch, Spool, "publish"):
        with pytest.raises(Killed):
            toy.run(format="parquet")
    min(toy.found.glob("night=*/part-*")).unlink()
    assert toy.run(format="parquet")["done"] == 2
    assert toy.values_and_texts() == ["1", "2"]
