"""Tables in and out: CSV, KEEL, Parquet, ECSV, VOTable, FITS and HDF5."""

from skysift.data.io.astronomy import from_astropy
from skysift.data.io.ctapipe import write_ctapipe_dl2
from skysift.data.io.readers import iter_table, read_table
from skysift.data.io.writers import (
    WRITABLE_SUFFIXES,
    TableWriter,
    check_target,
    check_writable,
    open_writer,
)

__all__ = [
    "WRITABLE_SUFFIXES",
    "TableWriter",
    "check_target",
    "check_writable",
    "from_astropy",
    "iter_table",
    "open_writer",
    "read_table",
    "write_ctapipe_dl2",
]
