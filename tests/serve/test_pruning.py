"""The ledger forgets what was answered long ago, and nothing else."""

import time

import pytest

from skysift.serve import pruning
from skysift.serve.pruning import Pruner
from skysift.serve.records import Arrival, Batch, OutputFile
from skysift.serve.spool import Spool

DAY = 86_400.0


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "spool.sqlite") as spool:
        yield spool


def arrive(spool, folder, *names):
    for number, name in enumerate(names):
        path = folder / name
        spool.add([Arrival(f"id-{name}", name, path, "ab", 1, number, number, time.time())])


def answer(spool, *names):
    ids = {f"id-{name}": 1 for name in names}
    file = OutputFile(staged=f"s-{names[0]}", final=f"f-{names[0]}")
    spool.publish(spool.prepare(Batch(answered=ids, files=(file,)), "bundle"))


def later(days):
    return lambda: time.time() + days * DAY


def test_only_what_is_old_finished_and_gone_is_forgotten(spool, tmp_path):
    arrive(spool, tmp_path, "gone", "there", "pending", "bad")
    (tmp_path / "there").touch()
    answer(spool, "gone", "there")
    spool.prepare(Batch(refused={"id-bad": "broken"}), "bundle")
    assert Pruner(10, later(9)).step(spool) == 0
    assert Pruner(10, later(11)).step(spool) == 1
    assert not spool.knows("id-gone")
    assert all(spool.knows(f"id-{name}") for name in ("there", "pending", "bad"))
    assert spool.noted("gone") is None
    assert spool.noted("there") is not None
    assert spool.counts() == {"pending": 1, "done": 1, "quarantined": 1, "retracted": 0}


def test_batches_without_records_are_forgotten_and_numbers_go_on(spool, tmp_path):
    arrive(spool, tmp_path, "a", "b", "c")
    answer(spool, "a")
    answer(spool, "b")
    (tmp_path / "b").touch()
    answer(spool, "c")
    Pruner(10, later(11)).step(spool)
    assert [number for number, _ in spool.published(0)] == [2, 3]
    arrive(spool, tmp_path, "d")
    answer(spool, "d")
    assert [number for number, _ in spool.published(3)] == [4]
    spool.check()


def test_a_pass_takes_small_steps_and_the_next_one_waits(spool, tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "_STEP", 3)
    names = [f"{number}" for number in range(8)]
    arrive(spool, tmp_path, *names)
    (tmp_path / "4").touch()
    answer(spool, *names)
    now = [time.time() + 11 * DAY]
    pruner = Pruner(10, lambda: now[0])
    assert [pruner.step(spool) for _ in range(4)] == [3, 2, 2, 0]
    (tmp_path / "4").unlink()
    assert pruner.step(spool) == 0
    now[0] += 3601
    assert pruner.step(spool) == 1


def test_what_was_forgotten_is_answered_again_when_it_comes_again(toy):
    path = toy.put("a.json", value=1)
    toy.run()
    content = path.read_bytes()
    path.unlink()
    with toy.spool() as spool:
        assert Pruner(10, later(11)).step(spool) == 1
    path.write_bytes(content)
    assert toy.run()["done"] == 1
    assert toy.values() == [1, 1]
