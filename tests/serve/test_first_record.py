"""What is compiled for a task that reads alerts is compiled before its first record."""

import gzip
import hashlib
import io

import pytest

from skysift.core.bundle import Bundle
from skysift.core.registry import bundle_folder
from skysift.serve.messages import Item, Order, WorkerSettings
from skysift.serve.worker_process import WorkerProcess

CUTOUT = {
    "type": "record",
    "name": "cutout",
    "fields": [{"name": "stampData", "type": "bytes"}],
}
ALERT = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "candid", "type": "long"},
        {"name": "cutoutDifference", "type": ["null", CUTOUT]},
    ],
}


def test_a_new_worker_has_compiled_before_its_first_alert_which_is_a_damaged_one(
    tmp_path, monkeypatch
):
    fastavro = pytest.importorskip("fastavro")
    pytest.importorskip("numba")
    cache = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))  # of an installation that is fresh
    folder = bundle_folder("streak", None)
    settings = WorkerSettings(
        task="streak",
        bundle=folder,
        bundle_hash=Bundle.load(folder).hash,
        memory=2**31,
        seconds=60.0,
    )
    packet = io.BytesIO()
    damaged = {"candid": 1, "cutoutDifference": {"stampData": gzip.compress(b"no image")}}
    fastavro.writer(packet, ALERT, [damaged])
    path = tmp_path / "damaged.avro"
    path.write_bytes(packet.getvalue())
    sha256 = hashlib.sha256(packet.getvalue()).hexdigest()
    item = Item(id="1", name=path.name, path=path, sha256=sha256)

    def compiled():
        return {file.name for file in cache.rglob("*.nbc")}

    worker = WorkerProcess(settings, tmp_path / "worker.log", 300.0)
    try:
        worker.start()
        ready = compiled()
        replies = list(worker.run(Order(items=(item,), stem=tmp_path / "staged")))
    finally:
        worker.stop()
    assert any("_scan" in name for name in ready)
    assert [reply.kind for reply in replies] == ["begin", "refused", "end"]
    assert "This is not a FITS file." in replies[1].reason
    assert compiled() == ready
