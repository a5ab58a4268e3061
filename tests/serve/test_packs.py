"""Packs of messages go when nobody needs them; the newest stay a while, within bounds."""

import hashlib

import pytest

from skysift.serve.packs import Packed, PackStore, read_message
from skysift.serve.records import Batch
from skysift.serve.spool import Spool


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "spool.sqlite") as found:
        yield found


def packed(number, size=100):
    data = f"{number}".encode().ljust(size)
    sha256 = hashlib.sha256(data).hexdigest()
    return Packed("s", f"t-0-{number}", "t", 0, number, 1.0, sha256, data)


def filled(store, spool, numbers, *, size=100):
    """Write packs of two messages that are noted, and return their paths."""
    paths = []
    for number in numbers:
        path, placed = store.write([packed(2 * number, size), packed(2 * number + 1, size)])
        spool.add_messages(path, [one.message(1.0, 10**6) for one in placed])
        paths.append(path)
    return paths


def answer_all(spool, *, refuse=()):
    pending = [record.id for record in spool.in_state("pending")]
    answered = dict.fromkeys((one for one in pending if one not in refuse), 1)
    refused = dict.fromkeys(refuse, "nothing can be made of it")
    spool.publish(spool.prepare(Batch(answered=answered, refused=refused), "bundle"))


def test_the_newest_answered_packs_stay_as_many_as_fit(tmp_path, spool):
    store = PackStore(tmp_path / "messages", shown=500)
    paths = filled(store, spool, range(5))
    store.sweep(spool)
    assert all(path.exists() for path in paths)  # all is pending
    answer_all(spool)
    store.sweep(spool)
    assert [path.exists() for path in paths] == [False, False, False, True, True]  # of 200 bytes
    assert spool.packs() == {path.name for path in paths[3:]}
    (newer,) = filled(store, spool, [5], size=200)
    answer_all(spool)
    store.sweep(spool)
    assert [path.exists() for path in (*paths, newer)] == [False] * 5 + [True]
    assert store.unnoted(spool) == []


def test_never_more_than_so_many_are_kept_however_small(tmp_path, spool, monkeypatch):
    monkeypatch.setattr("skysift.serve.packs._SHOWN", 3)
    store = PackStore(tmp_path / "messages", shown=10**9)
    paths = filled(store, spool, range(5))
    answer_all(spool)
    store.sweep(spool)
    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_what_is_in_quarantine_is_a_file_of_its_own_though_its_pack_stays(tmp_path, spool):
    store = PackStore(tmp_path / "messages", shown=10**6)
    (path,) = filled(store, spool, [0])
    answer_all(spool, refuse=[packed(1).id])
    store.sweep(spool)
    (refused,) = spool.in_state("quarantined")
    assert refused.path.read_bytes() == packed(1).data
    assert refused.pack is None
    (done,) = spool.in_state("done")
    assert read_message(done.path, done.start, done.size) == packed(0).data
    spool.replay([refused.id])
    answer_all(spool, refuse=[refused.id])  # once more
    store.sweep(spool)
    PackStore(tmp_path / "messages").sweep(spool)
    assert not path.exists()
    assert refused.path.exists()
