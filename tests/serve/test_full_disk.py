"""Where nothing can be written, the service stops, and acknowledges nothing that is not written."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from skysift.core.errors import OutputError
from skysift.serve.publish import Publisher
from skysift.serve.spool import Spool

resource = pytest.importorskip("resource")

SCRIPT = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import Toy
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
toy = Toy(Path({incoming!r}), Path({found!r}))
try:
    toy.run()
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def run_limited(toy, limit) -> list[str]:
    """Run a service that may not write files longer than so many bytes, as on a full disk."""
    script = SCRIPT.format(
        tests=str(Path(__file__).parent),
        limit=limit,
        incoming=str(toy.incoming),
        found=str(toy.found),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_an_answer_that_does_not_fit_on_the_disk_stops_the_service_and_is_made_later(toy):
    toy.put("a.json", value=1, rows=20_000)
    name, text = run_limited(toy, 300_000)
    assert name == "OutputError"
    assert "File too large" in text
    with toy.spool() as spool:
        assert spool.counts() == {"pending": 1, "done": 0, "quarantined": 0, "retracted": 0}
    assert toy.rows() == []
    assert toy.run()["done"] == 1
    assert len(toy.rows()) == 20_000
    assert not toy.staged()


def test_a_spool_that_does_not_fit_on_the_disk_stops_the_service_before_an_answer_is_seen(
    toy, monkeypatch
):
    toy.put("a.json", value=1)
    prepare = Spool.prepare

    def full(self, *arguments):
        pages = self._database.execute("PRAGMA page_count").fetchone()[0]
        self._database.execute(f"PRAGMA max_page_count = {pages}")
        free = "x" * 50_000  # more than the pages that there are can take
        batch, bundle = arguments
        return prepare(self, batch, bundle + free)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "prepare", full)
        with pytest.raises(OutputError, match="database or disk is full"):
            toy.run()
    assert toy.rows() == []
    assert toy.run()["done"] == 1
    assert toy.values() == [1]


def test_a_night_that_cannot_be_made_stops_the_service_and_its_answers_are_kept(toy, monkeypatch):
    toy.put("a.json", value=1)
    blocker = toy.found / "night=2000-01-01"

    def blocked(_self, _record):
        blocker.touch()  # a file where the folder should be
        return blocker.name

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "night", blocked)
        with pytest.raises(OutputError, match="Cannot write here"):
            toy.run()
    with toy.spool() as spool:
        assert spool.counts()["done"] == 0
    blocker.unlink()
    assert toy.run()["done"] == 1
    assert toy.values() == [1]


@contextmanager
def small_disk(folder: Path, options: str):
    """Mount a disk in memory; only the superuser can, and not everywhere."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser mounts disks"
)
def test_a_real_disk_runs_full_and_gets_room_again(toy):
    for number in range(40):
        toy.put(f"{number:02}.json", value=number, rows=200)
    with small_disk(toy.found, "size=600k"):
        with pytest.raises(OutputError):
            toy.run(batch_records=1)
        answered = {row["value"] for row in toy.rows()}
        with toy.spool() as spool:
            spool.check()
            done = {int(record.name[:2]) for record in spool.in_state("done")}
        assert done <= answered
        assert 0 < len(done) < 40
        subprocess.run(["mount", "-o", "remount,size=20m", toy.found], check=True)
        assert toy.run()["done"] == 40
        assert toy.values() == sorted(list(range(40)) * 200)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser mounts disks"
)
def test_a_disk_that_becomes_read_only_stops_the_service(toy):
    toy.put("a.json", value=1)
    with small_disk(toy.found, "size=20m"):
        assert toy.run()["done"] == 1
        toy.put("b.json", value=2)
        subprocess.run(["mount", "-o", "remount,ro", toy.found], check=True)
        with pytest.raises(OutputError):
            toy.run()
        subprocess.run(["mount", "-o", "remount,rw", toy.found], check=True)
        assert toy.run()["done"] == 2
        assert toy.values() == [1, 2]
