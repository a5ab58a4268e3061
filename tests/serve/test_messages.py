"""What service and worker say to each other leaves nothing behind."""

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from skysift.core.errors import OutputError, ReadError, SkysiftError, UsageError
from skysift.serve.messages import ORDERS, Item, Order, Reply

RECORDS = 1000


def talk(first: int) -> None:
    """Read the order of each record, and the reply, as the two processes do."""
    for number in range(first, first + RECORDS):
        name = hashlib.sha256(str(number).encode()).hexdigest()
        item = Item(id=name, name=f"{number}.fits", path=Path("in"), sha256=name[::-1])
        ORDERS.validate_json(Order(items=(item,), stem=Path("out")).model_dump_json())
        Reply.model_validate_json(Reply(kind="answered", id=name, rows=1).model_dump_json())


def test_names_of_records_are_not_kept_in_memory():
    talk(0)
    tracemalloc.start()
    try:
        talk(RECORDS)
        before, _ = tracemalloc.get_traced_memory()
        talk(2 * RECORDS)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / RECORDS < 10  # bytes; their ids alone have 64


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OutputError("No room.", "Make some.", path="found"), OutputError),
        (UsageError("No such map.", "Name another.", path="map.toml"), UsageError),
        (ReadError("It is damaged.", "Fetch it.", path="response.fits"), UsageError),
        (SkysiftError("It is broken."), SkysiftError),
    ],
)
def test_the_service_ends_with_what_its_worker_could_not_go_on_for(error, kind):
    told = Reply.model_validate_json(Reply.of_error(error).model_dump_json()).error
    assert type(told) is kind
    assert (str(told), told.exit_code) == (str(error), error.exit_code)
    assert Reply(kind="end").error is None
