"""Tables in and out: CSV, KEEL, Parquet, ECSV, VOTable, FITS and HDF5."""

from skysift.data.io.readers import iter_table, read_table

__all__ = ["iter_table", "read_table"]
