"""Past one process: partitions of files predicted by local workers, a Dask cluster, a job array."""
