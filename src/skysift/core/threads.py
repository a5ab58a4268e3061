"""How many threads the arithmetic of a process takes, where several processes share a machine."""

__all__ = ["ONE_THREAD"]

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment of a process beside others: threads of BLAS wait busily for each other's cores."""
