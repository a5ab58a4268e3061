"""Poison among the records of every task that watches: set aside with a plain reason, none else."""

import gzip
import re

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.registry import load_task
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service, spool_of

NO_PLAIN_WORD = re.compile(r"Traceback|unforeseen|\w+Error\b|<class|0x[0-9a-f]{6}|Errno|NoneType")
PAGE = b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>"
HUGE = b"".join(
    card.ljust(80)
    for card in (
        b"SIMPLE  =                    T", b"BITPIX  =                  -64",
        b"NAXIS   =                    2", b"NAXIS1  =           2147483647",
        b"NAXIS2  =           2147483647", b"END",
    )
).ljust(2880)  # fmt: skip


def sound(name, folder):
    """Write sound records; return their suffix."""
    task = load_task(name)
    made = folder.parent / "made"
    made.mkdir()
    rng = np.random.default_rng(3)
    count = {"gamma-sky": 6, "active-region": 4, "flare": 24}.get(name, 2)
    suffix = {"gamma-hadron": "csv", "streak": "parquet"}.get(name, "")
    if suffix:
        for number in range(8):
            task.write_synth(task.synth(3, rng), folder / f"sound-{number}.{suffix}")
        for beside in folder.glob("*.json"):
            beside.unlink()  # provenance, which is no record
        return
    task.write_synth(task.synth(count, rng), made)
    wanted = {".fits", ".png", ".jpg", ".parquet"}
    for path in sorted(made.rglob("*")):
        if path.suffix in wanted and "truth" not in path.name:
            path.rename(folder / f"sound-{path.name}")


def poison(folder):
    """Write what nothing can be made of, and return the names."""
    whole = min(folder.glob("sound-*"))
    data = whole.read_bytes()
    ruined = {
        "empty": b"",
        "page": PAGE,
        "noise": np.random.default_rng(1).bytes(4000),
        "torn": data[: len(data) // 3].rstrip(b"0123456789.,\n") + b"\n'" if b"," in data[:200]
        else data[: len(data) // 3],
        "zeros": bytes(5760),
        "huge": HUGE,
        "bomb": gzip.compress(bytes(64 * 2**20)),
    }  # fmt: skip
    suffix = whole.suffix
    for name, content in ruined.items():
        (folder / f"poison-{name}{suffix}").write_bytes(content)
    return {f"poison-{name}{suffix}" for name in ruined}


@pytest.mark.parametrize(
    "task", ["gamma-hadron", "gamma-sky", "streak", "active-region", "flare", "star-galaxy"]
)
def test_poison_is_set_aside_and_the_stream_goes_on(task, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    sound(task, folder)
    names = {path.name for path in folder.iterdir()}
    assert names
    bad = poison(folder)
    options = {"regions": str(next(tmp_path.rglob("regions.csv")))} if task == "flare" else {}
    if task == "flare":  # the table names the pictures
        for path in folder.glob("sound-*"):
            path.rename(folder / path.name.removeprefix("sound-"))
        names = {path.name for path in folder.iterdir()} - bad
    config = build_config(
        WatchConfig,
        {
            "task": task,
            "bundle": "fast" if task == "gamma-hadron" else None,
            "source": {"folder": folder, "settle": 0},
            "sink": {"folder": tmp_path / "found"},
            "predict": options,
        },
    )
    counts = Service(config).run(once=True)
    with spool_of(tmp_path / "found") as spool:
        reasons = {record.name: record.reason for record in spool.in_state("quarantined")}
    assert set(reasons) == bad, reasons
    assert counts["done"] == len(names)
    for name, reason in reasons.items():
        told = reason.replace(str(folder), "")
        assert not NO_PLAIN_WORD.search(told), f"{name}: {reason}"
