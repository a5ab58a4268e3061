"""Metrics as Prometheus' own parser reads them, of services that really ran."""

import json
import math
import os
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError
from skysift.core.registry import bundle_folder
from skysift.serve.exposition import Family, Sample, histogram, render
from skysift.serve.journal import heard_by
from skysift.serve.latency import BUCKETS, LatencyCounts, summarise
from skysift.serve.ledger import ledger_of
from skysift.serve.metrics import latency, metrics_text
from skysift.serve.operations import refuse_bundle
from skysift.serve.operations_options import OperationsOptions
from skysift.serve.service import Service
from skysift.serve.service_state import read_state, write_state

TOY = (sys.executable, str(Path(__file__).with_name("toy_worker.py")))


def service_of(config):
    return Service(config, worker_command=TOY)


def parsed(text):
    """Samples by name and labels, as the peer understands the text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(text, name, **labels):
    return parsed(text)[name, tuple(sorted(labels.items()))]


def test_the_text_is_what_the_peer_reads_whatever_the_labels_hold():
    awkward = 'a "b"\\ c\nd {e="f"} é'
    families = [
        Family("x_total", "counter", "With \\ and\na break.", [Sample(2.5, {"of": awkward})]),
        Family("y", "gauge", "Odd.", [Sample(math.nan, {"a": "1"}), Sample(-math.inf, {"a": "2"})]),
        Family("empty", "gauge", "Nothing.", []),
        histogram("z", "A.", edges=(0.5, 2), counts=(1, 2, 3), total=9.25, labels={"t": "u"}),
    ]
    text = render(families)
    found = parsed(text)
    assert found["x_total", (("of", awkward),)] == 2.5
    assert math.isnan(found["y", (("a", "1"),)])
    assert found["y", (("a", "2"),)] == -math.inf
    assert found["z_bucket", (("le", "0.5"), ("t", "u"))] == 1
    assert found["z_bucket", (("le", "+Inf"), ("t", "u"))] == found["z_count", (("t", "u"),)] == 6
    assert found["z_sum", (("t", "u"),)] == 9.25
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds == {"x": "counter", "y": "gauge", "z": "histogram"}
    documented = {
        family.name: family.documentation for family in text_string_to_metric_families(text)
    }
    assert documented["x"] == "With \\ and\na break."
    with pytest.raises(ValueError, match="no name"):
        render([Family("a b", "gauge", "", [Sample(1)])])


def test_percentiles_are_latencies_that_were_observed():
    summary = summarise([0.3, 0.1, 0.2], deadline=0.2)
    assert (summary.p50, summary.p99, summary.worst, summary.missed) == (0.2, 0.3, 0.3, 1)
    assert summarise([]).p50 is None
    counts = LatencyCounts()
    counts.add([0.05, 0.06, 20.0, 1e9], deadline=20)
    assert sum(counts.counts) == 4
    assert counts.counts[0] == 1
    assert counts.counts[BUCKETS.index(20.0)] == 1
    assert counts.counts[-1] == counts.missed == 1


def test_what_was_answered_is_counted_once_over_runs_and_kills(toy):
    for number in range(25):
        toy.put(f"{number:02}.json", value=number, rows=2)
    toy.put("bad.json", do="refuse")
    toy.run()
    first = metrics_text(toy.found)
    state = read_state(toy.found)
    toy.put("late.json", value=99)
    toy.run()
    second = metrics_text(toy.found)
    # as if killed before the note of the second run: it is counted again from there
    write_state(toy.found, state)
    toy.run()
    third = metrics_text(toy.found)
    # and with the note gone: all is counted anew
    (toy.found / ".skysift" / "operations.json").unlink()
    toy.run()
    fourth = metrics_text(toy.found)
    task = {"task": "gamma-hadron"}
    assert of(first, "skysift_answered_records_total", **task) == 25
    assert of(first, "skysift_rows_total", **task) == 50
    for text in (second, third, fourth):
        assert of(text, "skysift_answered_records_total", **task) == 26
        assert of(text, "skysift_rows_total", **task) == 51
        assert of(text, "skysift_latency_seconds_count", **task) == 26
        written = sum(part.stat().st_size for part in toy.found.glob("night=*/part-*"))
        assert of(text, "skysift_written_bytes_total", **task) == written
        assert of(text, "skysift_records", state="quarantined") == 1
        assert of(text, "skysift_backlog_records") == 0
        assert of(text, "skysift_live") == 0  # it was stopped
    assert of(third, "skysift_starts_total", **task) == 2
    read = sum(path.stat().st_size for path in toy.incoming.iterdir() if path.name != "bad.json")
    assert of(second, "skysift_read_bytes_total", **task) == read


def test_latencies_are_those_of_the_ledger_and_the_deadline_is_told(toy):
    for number in range(30):
        toy.put(f"{number:02}.json", value=number)
    config = toy.config()
    options = OperationsOptions(deadline=1e-6, recent=100)
    service = service_of(config.model_copy(update={"operations": options}))
    service.run(once=True)
    with toy.spool() as spool:
        known = sorted(record.finished - record.arrived for record in spool.in_state("done"))
    found = latency(toy.found)
    assert found.records == 30
    assert found.worst == known[-1]
    assert found.p50 == known[14]
    assert found.missed == 30
    text = metrics_text(toy.found)
    assert of(text, "skysift_deadline_seconds") == 1e-6
    assert of(text, "skysift_missed_records_total", task="gamma-hadron") == 30
    assert (
        of(text, "skysift_recent_latency_seconds", task="gamma-hadron", quantile="1") == known[-1]
    )


def test_the_latest_records_are_found_without_sorting_all(toy):
    toy.put("a.json", value=1)
    toy.run()
    with ledger_of(toy.found) as ledger:
        plan = ledger._rows(
            "EXPLAIN QUERY PLAN SELECT arrived, finished FROM records WHERE batch IS NOT NULL "
            "AND +state = 'done' ORDER BY batch DESC LIMIT 5"
        )
    assert "records_by_batch" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_deaths_of_workers_and_events_are_counted(toy):
    toy.put("a.json", value=1)
    toy.put("b.json", do="crash")
    heard = []
    with heard_by(lambda _level, event, _fields: heard.append(event)):
        toy.run()
    text = metrics_text(toy.found)
    assert heard.count("worker-died") == 2
    assert of(text, "skysift_worker_deaths_total", task="gamma-hadron") == 2
    assert of(text, "skysift_worker_starts_total", task="gamma-hadron") == heard.count(
        "worker-started"
    )
    assert of(text, "skysift_events_total", level="warning", event="quarantined") == 1


def test_a_bundle_too_old_or_another_is_refused(toy):
    bundle, now = Bundle.load(bundle_folder("gamma-hadron")), time.time()
    made = bundle.manifest.created.timestamp()
    refuse_bundle(bundle, OperationsOptions(bundle_hash=bundle.hash[:12]), now)
    refuse_bundle(bundle, OperationsOptions(stale_after=2), made + 1.9 * 86_400)
    with pytest.raises(BundleError, match=r"2\.1 days ago.*stale_after is 2.*Train it again"):
        refuse_bundle(bundle, OperationsOptions(stale_after=2), made + 2.1 * 86_400)
    with pytest.raises(BundleError, match="not made yet"):
        refuse_bundle(bundle, OperationsOptions(stale_after=2), made - 3 * 86_400)
    options = OperationsOptions(bundle_hash="0" * 12)
    config = toy.config().model_copy(update={"operations": options})
    with pytest.raises(BundleError, match="has the hash"):
        service_of(config)
    assert not toy.found.exists()


def test_memory_of_the_processes_is_told_while_they_run(toy):
    toy.put("a.json", value=1)
    seen = []

    class Once:
        name = "seen"

        def follow(self, spool, folder):
            if spool.counts()["done"]:
                seen.append(metrics_text(folder))
                service.stop()

    service = toy.service(followers=[Once()])
    service.run()
    sizes = {
        dict(labels)["of"]: value
        for (name, labels), value in parsed(seen[-1]).items()
        if name == "skysift_resident_bytes"
    }
    assert sizes.keys() == {"service", "worker"}
    assert min(sizes.values()) > 10 * 2**20
    assert json.loads(json.dumps(latency(toy.found).to_dict()))["records"] == 1
    assert os.getpid() == read_state(toy.found).process
