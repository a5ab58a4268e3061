"""Batches of rows: cut a stream of tables into pieces of the size asked for."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

__all__ = ["rebatch", "sliced"]


def sliced(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Cut a table into pieces of at most `rows` rows; an empty table gives itself."""
    for start in range(0, max(len(table), 1), rows):
        yield table.slice(start, rows)


def rebatch(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join and cut a stream of tables into pieces of `rows` rows, the last one shorter.

    At least one table comes out if one goes in, so that the schema is never lost.
    """
    held: list[pa.Table] = []
    count = 0
    given = False
    for table in tables:
        held.append(table)
        count += len(table)
        while count >= rows:
            joined = pa.concat_tables(held)
            yield joined.slice(0, rows)
            given = True
            held, count = [joined.slice(rows)], count - rows
    if count or (held and not given):
        yield pa.concat_tables(held)
