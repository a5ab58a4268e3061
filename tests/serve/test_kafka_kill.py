"""Services that listen to Kafka are killed, join and leave, and lose their broker: nothing is lost.

The broker is the mock of librdkafka, with its real protocol; the services are processes.
"""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

SERVICE = Path(__file__).with_name("toy_service.py")
PATIENCE = 60.0  # s: far more than it takes


def values(*numbers):
    return [json.dumps({"value": number}).encode() for number in numbers]


@pytest.fixture
def start():
    """Start a service as a process."""
    processes = []

    def begin(toy, **engine):
        config = toy.config(**engine).model_dump_json()
        with (toy.found.parent / f"{toy.found.name}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, SERVICE, config], stderr=log)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it took too long: {what}"
        time.sleep(0.05)


def answered(*toys):
    return sum(len(toy.ids()) for toy in toys)


def check(numbers, *toys):
    """All is answered, by one service each, and the ledgers are whole."""
    for toy in toys:
        toy.run()
        with toy.spool() as spool:
            spool.check()
            assert spool.counts()["pending"] == 0
    ids = [name for toy in toys for name in toy.ids()]
    assert len(ids) == len(set(ids))
    assert sorted(value for toy in toys for value in toy.values()) == list(numbers)


@pytest.mark.slow
def test_a_service_killed_in_the_middle_of_its_batches(listener, kafka, start):
    sent = 0
    for kill in range(3):
        process = start(listener, latency=0.05, batch_records=5)
        before = answered(listener)
        kafka.send("events", *values(*range(sent, sent + 50)))
        sent += 50
        wait_for(lambda before=before: answered(listener) > before, "an answer")
        time.sleep(0.03 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
    check(range(150), listener)


@pytest.mark.slow
def test_two_services_of_one_group_share_the_messages_while_one_is_killed_and_one_stops(
    listener, kafka, tmp_path, start
):
    one, two = listener, replace(listener, found=tmp_path / "two")
    sent = 0

    def send_until(condition, what):
        """Send a message after the other: who comes last must still get some."""
        nonlocal sent

        def send():
            nonlocal sent
            kafka.send("events", *values(*range(sent, sent + 4)))
            sent += 4
            return condition()

        wait_for(send, what)

    first = start(one, batch_records=5)
    send_until(lambda: answered(one), "an answer of the first")
    second = start(two, batch_records=5)
    send_until(lambda: two.found.exists() and answered(two), "an answer of the second")
    first.send_signal(signal.SIGKILL)
    first.wait()
    first = start(one, batch_records=5)
    before = answered(one)
    send_until(lambda: answered(one) > before, "an answer of the first after its death")
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE) == 0
    before = answered(one)
    send_until(lambda: answered(one) > before, "an answer of the first that is alone")
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0
    check(range(sent), one, two)


@contextmanager
def running(toy, **engine):
    """A service in a thread of this process."""
    service = toy.service(**engine)
    failures = []

    def run():
        try:
            service.run()
        except BaseException as error:  # noqa: BLE001  # raised where the test can see it
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield service
    service.stop()
    thread.join()
    assert not failures


@pytest.mark.slow
def test_a_broker_that_goes_away_and_comes_back(listener, kafka):
    kafka.send("events", *values(*range(40)))
    with running(listener, batch_records=5):
        wait_for(lambda: answered(listener) >= 5, "the first answers")
        kafka.down()
        time.sleep(3)  # two sessions long
        kafka.up()
        kafka.send("events", *values(*range(40, 80)))
        wait_for(lambda: answered(listener) == 80, "answers after the broker is back")
    check(range(80), listener)


@pytest.mark.slow
def test_without_a_broker_a_service_starts_waits_and_stops(listener, kafka):
    kafka.send("events", *values(*range(10)))
    kafka.down()
    with running(listener):
        time.sleep(1)
    with running(listener):
        time.sleep(1)
        kafka.up()
        wait_for(lambda: answered(listener) == 10, "answers")
    check(range(10), listener)
