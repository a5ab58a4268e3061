"""A real cluster of processes: workers and clients die, and nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.core.errors import SkysiftError, UsageError
from skysift.core.spread import spread_kept, spread_with
from skysift.scale.cluster import open_client
from skysift.scale.run import predict_partitions
from skysift.scale.workers import DaskWorkers

dask = pytest.importorskip("dask", reason="Dask is not installed")

MEMORY = "500MB"
BATCH, FEW = 15, 3  # rows: a part is many batches, long enough to be killed in
PATIENCE = 120.0  # s: for a machine that is busy with other things


@pytest.fixture(scope="module")
def client():
    with open_client(workers=2, memory=MEMORY) as client:
        yield client


def wait_until(happened):
    deadline = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


def kill_in_the_middle(client, out):
    """Wait, in the background, for half a part in the folder; then kill a worker: both write."""
    pids = list(client.run(os.getpid).values())[:1]

    def half_a_part():
        return [
            path
            for path in (out / "_skysift" / "unfinished").glob(".part-*")
            if path.stat().st_size
        ]

    def kill():
        wait_until(half_a_part)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer, pids


def test_workers_killed_in_the_middle_of_a_part_change_nothing(client, long_night, tmp_path):
    out = tmp_path / "out"
    job = long_night.job(out, batch_rows=BATCH)
    (out / "_skysift" / "unfinished").mkdir(parents=True)
    killer, pids = kill_in_the_middle(client, out)
    summary = predict_partitions(job, long_night.pieces(), DaskWorkers(client))
    killer.join()
    client.wait_for_workers(2, timeout=PATIENCE)
    assert not set(client.run(os.getpid).values()) & set(pids)
    assert summary.states == {"written": 2}
    assert not summary.refused
    assert long_night.rows(out).equals(long_night.in_one_process(batch_rows=BATCH))
    assert len(long_night.parts(out)) == 2
    assert not long_night.unfinished(out)


def test_a_file_that_takes_more_memory_than_a_worker_has_is_put_aside(
    client, night, tmp_path, monkeypatch
):
    """A few kilobytes that grow to hundreds of megabytes, among files as they should be."""
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)  # or it takes long
    out, huge = tmp_path / "out", night.folder / "huge.parquet"
    schema = pq.read_schema(night.paths[0]).remove_metadata()
    rows = pq.read_table(night.paths[0], columns=schema.names).slice(0, 1)
    some = pa.concat_tables([rows] * 100_000).combine_chunks()
    with pq.ParquetWriter(huge, some.schema) as writer:
        for _ in range(40):
            writer.write_table(some, row_group_size=len(some))
    paths = [night.paths[0], huge, night.paths[1]]
    job = night.job(out, batch_rows=10**8)
    summary = predict_partitions(job, night.pieces(paths), DaskWorkers(client))
    assert summary.states == {"written": 2, "empty": 1}
    assert "takes more memory than a worker has" in night.quarantine(out)["huge.parquet"]
    assert night.rows(out).equals(night.in_one_process(night.paths[:2], batch_rows=10**8))
    assert not night.unfinished(out)


CLIENT = """
from skysift.cli.main import main
if __name__ == "__main__":  # its workers import this file
    main()
"""


def test_a_client_that_is_killed_is_started_again_and_goes_on(client, night, tmp_path):
    out = tmp_path / "out"
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    arguments = ["predict", "gamma-hadron", "--bundle", "fast", "--out", str(out), "--dask"]
    arguments += [client.scheduler.address, *map(str, night.paths), "--batch-rows", str(FEW)]
    process = subprocess.Popen(
        [sys.executable, script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_until(lambda: night.parts(out) or process.poll() is not None)
    process.kill()
    process.communicate()
    done = night.moments(out)
    summary = predict_partitions(
        night.job(out, batch_rows=FEW), night.pieces(), DaskWorkers(client)
    )
    assert done
    assert done.items() <= night.moments(out).items()
    assert sum(summary.states.values()) == 4
    assert summary.states["kept"] >= 1
    assert night.rows(out).equals(night.in_one_process(batch_rows=FEW))
    assert not night.unfinished(out)


def double(folder: Path, number: int) -> int:
    """Work on a part; the first process that is given part 2 dies of it."""
    marker = folder / "died"
    if number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_parts_come_back_in_their_order_though_a_process_died(client, tmp_path):
    with spread_with(DaskWorkers(client)):
        parts = {f"part-{number}": number for number in range(6)}
        found = list(spread_kept(partial(double, tmp_path), parts, tmp_path / "kept"))
    assert found == [0, 2, 4, 6, 8, 10]
    assert (tmp_path / "died").exists()
    assert len(list((tmp_path / "kept").glob("*.json"))) == 6


def test_an_error_of_a_part_is_that_of_the_job(client):
    with pytest.raises(ZeroDivisionError):
        list(DaskWorkers(client)(partial(divmod, 1), [1, 0]))


def test_a_scheduler_that_is_not_there_is_named():
    quick = dask.config.set({"distributed.comm.timeouts.connect": "100ms"})
    nowhere = open_client(address="tcp://127.0.0.1:9")
    with quick, pytest.raises(SkysiftError, match="There is no Dask scheduler"), nowhere:
        pass


def test_memory_that_is_none_is_refused():
    with pytest.raises(UsageError, match="no size of memory"), open_client(memory="much"):
        pass
