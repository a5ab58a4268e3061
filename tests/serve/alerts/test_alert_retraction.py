"""What was said is taken back: in all formats, by all ways, once; and told on the command line."""

import json
import sqlite3
import sys

import pyarrow.dataset as ds
import pytest
import voeventparse
from lxml import etree

from skysift.cli.main import build_app, main
from skysift.core.errors import UnknownNameError, UsageError
from skysift.serve.alerts import retracted
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.publishing import couriers_of
from skysift.serve.alerts.retraction import deliver, retract
from skysift.serve.alerts.webhook import Webhook
from skysift.serve.lock import alone
from skysift.serve.spool import Spool


@pytest.fixture
def told(monkeypatch):
    """What was sent to destinations."""
    sent = []
    monkeypatch.setattr(Webhook, "send", lambda _self, message: sent.append(message))
    return sent


HOOK = {"webhooks": {"a": {"url": "https://example.org"}}}


def skysift(capsys, monkeypatch, *arguments):
    """Run a command; return exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["skysift", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def ids(sink):
    return list(dict.fromkeys(notice["id"][0] for notice in sink.notices()))


def test_a_retraction_is_a_revision_in_all_formats_that_cites_what_it_takes_back(sink, row, told):
    sink.publish(row(end=sink.now - 5))
    sink.publish(row(end=sink.now - 4, far=1e-12))
    sink.follow(**HOOK)
    (alert,) = ids(sink)
    done = retract(sink.folder, alert[:12], "a satellite", clock=lambda: sink.now + 60)
    assert (done.alerts, done.new) == ((alert,), True)
    folder = sink.folder / "_alerts" / alert
    notice = json.loads((folder / "3.json").read_text())
    assert (notice["alert_type"], notice["record_number"]) == ("retraction", 3)
    assert notice["additional_info"] == "Retracted: a satellite"
    packet = (folder / "3.xml").read_bytes()
    assert voeventparse.valid_as_v2_0(voeventparse.loads(packet))
    cited = etree.fromstring(packet).find("Citations/EventIVORN")
    assert (cited.text.endswith(f"#{alert}-2"), cited.get("cite")) == (True, "retraction")
    assert b"retraction" in (folder / "3.reg").read_bytes()
    assert deliver(sink.folder) == 1
    assert [message.revision for message in told] == [1, 2, 3]
    assert told[-1].kind == "retraction"


def test_to_retract_twice_is_to_retract_once(sink, row, told):
    sink.publish(row())
    sink.follow(**HOOK)
    (alert,) = ids(sink)
    assert retract(sink.folder, alert, "a satellite").new
    again = retract(sink.folder, alert, "another reason")
    assert (again.alerts, again.before, again.new) == ((), (alert,), False)
    deliver(sink.folder)
    assert deliver(sink.folder) == 0
    assert [notice["alert_type"] for notice in sink.notices()] == ["initial", "retraction"]


def test_a_source_whose_alert_was_retracted_is_quiet(sink, row):
    sink.publish(row(end=sink.now - 5))
    sink.follow()
    retract(sink.folder, ids(sink)[0], "a satellite")
    sink.publish(row(end=sink.now - 4, far=1e-15))
    sink.publish(row(end=sink.now - 3, far=1e-15, source_id="renamed"))
    sink.follow()
    assert len(sink.notices()) == 2
    assert sink.verdicts()["retracted"] == 2


def test_a_record_is_retracted_with_its_alerts_in_ledger_and_spool(sink, row):
    sink.publish(row(end=sink.now - 9, source_id="kept", ra=10.0))
    record = sink.publish(row(), row(source_id="b", ra=120.0))
    sink.follow()
    assert retracted(sink.folder).num_rows == 0
    done = retract(sink.folder, record, "the camera was open")
    assert len(done.alerts) == 2
    table = retracted(sink.folder)
    assert table["skysift_record"].to_pylist() == [record]
    assert table["reason"].to_pylist() == ["the camera was open"]
    with sink.spool() as spool:
        assert spool.find(record).state == "retracted"
    assert not retract(sink.folder, record, "again").new
    with sink.ledger() as ledger:
        assert sorted(alert.retracted for alert in ledger.every()) == [False, True, True]


def test_readers_leave_out_what_was_retracted(sink, row):
    sink.publish(row(end=sink.now - 9))
    record = sink.publish(row(source_id="b"))
    retract(sink.folder, record, "the camera was open")
    answers = ds.dataset(sink.folder).to_table()
    kept = answers.join(retracted(sink.folder), keys="skysift_record", join_type="left anti")
    assert set(answers["skysift_record"].to_pylist()) > set(kept["skysift_record"].to_pylist())
    assert record not in kept["skysift_record"].to_pylist()


def test_rows_of_a_retracted_record_that_were_not_decided_on_yet_make_no_alert(sink, row):
    record = sink.publish(row())
    retract(sink.folder, record, "the camera was open")
    sink.follow()
    assert sink.notices() == []
    assert sink.verdicts() == {"retracted": 1}


def test_who_is_not_there_cannot_be_retracted(sink, row):
    sink.publish(row())
    sink.follow()
    (alert,) = ids(sink)
    with pytest.raises(UnknownNameError) as caught:
        retract(sink.folder, alert[:-1] + "x", "a satellite")
    assert f"Did you mean '{alert}'" in str(caught.value)
    for name, reason in ((alert, " "), ("2", "a satellite"), ("", "a satellite")):
        with pytest.raises(UsageError):
            retract(sink.folder, name, reason)


def test_killed_between_ledger_and_spool_a_second_call_completes_it(sink, row, monkeypatch):
    record = sink.publish(row())
    sink.follow()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "retract", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            retract(sink.folder, record, "the camera was open")
    retract(sink.folder, record, "the camera was open")
    with sink.spool() as spool:
        assert spool.find(record).state == "retracted"


def test_a_running_service_tells_the_destinations(sink, row, told):
    sink.publish(row())
    sink.follow(**HOOK)
    retract(sink.folder, ids(sink)[0], "a satellite")
    with alone(sink.folder / ".skysift" / "lock.sqlite"):
        assert deliver(sink.folder) is None
    assert [message.revision for message in told] == [1]
    sink.follow(**HOOK)
    assert [message.revision for message in told] == [1, 2]


# --- the command line -----------------------------------------------------------------------------


def test_the_commands_tell_what_was_alerted_why_not_and_take_it_back(
    sink, row, told, capsys, monkeypatch
):
    sink.publish(row())
    sink.publish(row(source_id="dim", ra=10.0, far=1e-3), name="night-7.fits")
    sink.follow(**HOOK)
    (alert,) = ids(sink)
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "list", sink.folder)
    assert (code, alert in out, "1.0e-09" in out) == (0, True, True)
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "why", sink.folder, "night-7")
    assert code == 0
    assert "weak" in out
    assert "0.001 Hz" in out
    command = ("retract", sink.folder, alert[:10], "--reason", "a satellite")
    code, out, _ = skysift(capsys, monkeypatch, *command)
    assert (code, out.splitlines()) == (0, [f"{alert}: retracted", "1 told"])
    code, out, _ = skysift(capsys, monkeypatch, *command)
    assert (code, out.splitlines()) == (0, [f"{alert}: was retracted before"])
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "show", sink.folder, alert, "--json")
    shown = json.loads(out)
    assert (shown["state"], shown["reason"]) == ("retracted", "a satellite")
    assert [one["state"] for one in shown["deliveries"]] == ["delivered", "delivered"]
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "show", sink.folder, alert)
    assert "webhook:a" in out
    code, _, err = skysift(capsys, monkeypatch, "retract", sink.folder, "nobody", "--reason", "x")
    assert code == 2
    assert "There is no alert or record 'nobody'" in err


def test_what_was_given_up_is_listed_and_can_be_tried_again(sink, row, told, capsys, monkeypatch):
    sink.publish(row())
    with monkeypatch.context() as patch:
        patch.setattr("skysift.serve.alerts.follower.couriers_of", lambda *_: [])
        sink.follow(**HOOK)
    with sink.outbox() as outbox:
        message = outbox.claim("webhook:a", "json", now=sink.now, lease=1.0)
        outbox.given_up("webhook:a", message, sink.now, "status 500")
    (alert,) = ids(sink)
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "undelivered", sink.folder)
    assert (code, "status 500" in out, "given-up" in out) == (0, True, True)
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "retry", sink.folder, alert)
    assert (code, out.strip()) == (0, "1 to be tried again, 1 arrived")
    code, out, _ = skysift(capsys, monkeypatch, "alerts", "undelivered", sink.folder)
    assert "all have arrived" in out


def test_without_alerts_the_commands_say_so(tmp_path, capsys, monkeypatch):
    code, _, err = skysift(capsys, monkeypatch, "alerts", "list", tmp_path)
    assert code == 2
    assert "There is no ledger of alerts here" in err


def test_the_ledger_is_what_it_says(sink, row):
    sink.publish(row())
    sink.follow()
    with sqlite3.connect(ledger_path(sink.folder)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    database.close()
    with sink.ledger() as ledger:
        assert ledger._one("PRAGMA synchronous") == (2,)
    assert couriers_of(sink.options(), ledger_path(sink.folder), lambda: 0.0) == []
    assert build_app()
