"""Alerts: from published answers to notices, each source once, with reasons where there is none."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["retracted"]


def retracted(folder: str | Path) -> "pa.Table":
    """Return what was retracted of the answers of a sink, for readers to leave out.

    Parameters
    ----------
    folder : path-like
        The sink.

    Returns
    -------
    pyarrow.Table
        With the columns ``skysift_record``, ``reason`` and ``retracted`` (Unix time [s]); without
        rows if nothing was.

    Examples
    --------
    ::

        answers = pyarrow.dataset.dataset(...).to_table()
        answers.join(retracted(folder), keys="skysift_record", join_type="left anti")
    """
    # The configuration of a service asks this package for its options: it stays light.
    from skysift.serve.alerts.retraction import retracted_records  # noqa: PLC0415

    return retracted_records(Path(folder))
