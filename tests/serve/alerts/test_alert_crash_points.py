"""Killed between any two steps, whoever starts again has each alert once, whole, under one id.

A kill is made of an exception that nothing catches: what was not on disk before it is forgotten.
"""

import json

import pytest

from skysift.core.errors import OutputError, ReadError
from skysift.serve import database
from skysift.serve.alerts import policy, publishing
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.alerts.outbox import Outbox
from skysift.serve.alerts.publishing import couriers_of
from skysift.serve.alerts.webhook import Webhook


class Gone(BaseException):
    """The process is gone."""


def die_before(monkeypatch, owner, name, turn):
    return _patched(monkeypatch, owner, name, turn, before=True)


def die_after(monkeypatch, owner, name, turn):
    return _patched(monkeypatch, owner, name, turn, before=False)


def _patched(monkeypatch, owner, name, turn, *, before):
    original = getattr(owner, name)
    calls = []

    def die(*arguments, **values):
        calls.append(name)
        if before and len(calls) == turn:
            raise Gone
        result = original(*arguments, **values)
        if len(calls) == turn:
            raise Gone
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        yield
    assert calls, "the step was never taken"


POINTS = [
    (die_after, policy, "render", 1),
    (die_before, AlertLedger, "prepare", 1),
    (die_after, AlertLedger, "prepare", 1),
    (die_after, AlertLedger, "prepare", 2),
    (die_after, AlertLedger, "see", 1),
    (die_before, AlertLedger, "forget", 1),
    (die_after, policy.Policy, "decide", 1),
    (die_after, policy.Policy, "decide", 2),
    (die_before, publishing, "write_atomic", 1),
    (die_after, publishing, "write_atomic", 1),
    (die_after, publishing, "write_atomic", 2),
    (die_before, AlertLedger, "issued", 1),
    (die_after, AlertLedger, "issued", 1),
    (die_after, AlertLedger, "issued", 2),
]


@pytest.mark.parametrize(
    "point", POINTS, ids=[f"{kill.__name__}-{name}-{turn}" for kill, _, name, turn in POINTS]
)
def test_killed_at_any_step_each_alert_is_issued_once_under_one_id(sink, row, monkeypatch, point):
    kill, owner, name, turn = point
    sink.publish(row(end=sink.now - 9), row(end=sink.now - 9, source_id="other", ra=10.0))
    sink.publish(row(end=sink.now - 8, far=1e-12))
    for _ in kill(monkeypatch, owner, name, turn):
        with pytest.raises(Gone):
            sink.follow()
    before = {str(notice["id"]) for notice in sink.notices()}
    sink.now += 1.0
    sink.follow()
    notices = sink.notices()
    assert sorted((n["alert_type"], n["ra"]) for n in notices) == [
        ("initial", 10.0),
        ("initial", 83.63),
        ("update", 83.63),
    ]
    assert len({str(notice["id"]) for notice in notices}) == 2
    assert before <= {str(notice["id"]) for notice in notices}
    files = {path.name for path in sink.folder.glob("_alerts/*/*")}
    assert files == {f"{n}.{kind}" for n in (1, 2) for kind in ("json", "xml", "reg")}
    with sink.ledger() as ledger:
        ledger.check()
        assert ledger.to_issue() == []
        assert ledger.position == 2
        assert {d["verdict"]: d["times"] for d in ledger.decisions()} == {"initial": 1, "update": 1}


OUTSIDE = [
    (die_after, Outbox, "claim", 1),
    (die_before, Webhook, "send", 1),
    (die_after, Webhook, "send", 1),
    (die_before, Outbox, "delivered", 1),
    (die_after, Outbox, "delivered", 1),
    (die_after, Outbox, "delivered", 2),
]


@pytest.mark.parametrize(
    "point", OUTSIDE, ids=[f"{kill.__name__}-{name}-{turn}" for kill, _, name, turn in OUTSIDE]
)
def test_killed_while_a_destination_is_told_it_is_told_all_the_same(sink, row, monkeypatch, point):
    kill, owner, name, turn = point
    told = []
    monkeypatch.setattr(Webhook, "send", lambda _self, message: told.append(message))
    options = sink.options(webhooks={"a": {"url": "https://example.org"}})
    sink.publish(row(end=sink.now - 9))
    sink.publish(row(end=sink.now - 8, far=1e-12))
    with monkeypatch.context() as patch:  # the threads have not begun when the kill comes
        patch.setattr("skysift.serve.alerts.follower.couriers_of", lambda *_: [])
        sink.follow(webhooks=options.webhooks)
    (courier,) = couriers_of(options, ledger_path(sink.folder), lambda: sink.now)
    for _ in kill(monkeypatch, owner, name, turn):
        with sink.outbox() as outbox, pytest.raises(Gone):
            courier.deliver_due(outbox)
    sink.follow(webhooks=options.webhooks)  # a start: what was in hand is due at once
    keys = [message.key for message in told]
    assert list(dict.fromkeys(keys)) == [f"{told[0].alert}-{n}-json" for n in (1, 2)]
    assert len(keys) <= 3
    bodies = {message.key: message.body for message in told}
    assert all(bodies[message.key] == message.body for message in told)
    with sink.outbox() as outbox:
        assert outbox.undelivered() == []


def test_a_disk_that_is_full_leaves_the_alert_to_be_issued_later(sink, row, monkeypatch):
    def full(path, _data):
        raise OutputError("Cannot write here: No space left on device.", path=path)

    sink.publish(row())
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_atomic", full)
        with pytest.raises(OutputError, match="No space"):
            sink.follow()
    with sink.ledger() as ledger:
        assert len(ledger.to_issue()) == 1
    sink.follow()
    assert len(sink.notices()) == 1


def test_a_ledger_of_another_version_is_refused(sink, row):
    sink.publish(row())
    sink.follow()
    with sink.ledger() as ledger:
        ledger._rows("PRAGMA user_version = 99")
    with pytest.raises(ReadError, match="ledger of alerts has schema version 99"):
        sink.ledger()


def test_a_follower_that_goes_on_sees_what_is_new_only(sink, row):
    follower = AlertFollower(sink.options(), clock=lambda: sink.now)
    with sink.spool() as spool:
        for number in range(3):
            sink.publish(row(end=sink.now - 9 + number, far=10.0 ** -(8 + number)))
            follower.follow(spool, sink.folder)
            follower.follow(spool, sink.folder)
    follower.close()
    assert [notice["record_number"] for notice in sink.notices()] == [1, 2, 3]
    assert json.loads(json.dumps(sink.verdicts())) == {"initial": 1, "update": 2}


def test_who_opens_a_ledger_that_another_is_making_finds_it_made(tmp_path, monkeypatch):
    path = tmp_path / "alerts.sqlite"
    found = []

    class Slow:
        """A connection before whose script another process makes the tables."""

        def __init__(self, database):
            self._database = database

        def __getattr__(self, name):
            return getattr(self._database, name)

        def executescript(self, script):
            AlertLedger(path).close()
            found.append(script)
            return self._database.executescript(script)

    prepare = database.prepare
    with monkeypatch.context() as patch:

        def slow(connection, where, layout):
            patch.undo()
            prepare(Slow(connection), where, layout)

        patch.setattr(database, "prepare", slow)
        with AlertLedger(path) as ledger:
            assert ledger.position == 0
    assert len(found) == 1
