"""Run skysift on workers that SLURM starts and ends as they are needed.

    pip install "skysift[dask]" dask-jobqueue
    python slurm-dask.py predict star-galaxy @stamps.txt --out classes

What follows the name of this file is a command of skysift. Run it where jobs are submitted, in tmux
or in a job of its own; if it is killed, run it again: what is done is kept.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main() -> int:
    """Start the scheduler here, ask SLURM for workers, and run the command on them."""
    with SLURMCluster(
        queue="short",
        cores=8,
        processes=8,  # one thread each
        memory="16GB",  # of a job, that is 2 GB for each process
        walltime="04:00:00",
        job_script_prologue=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"],
        worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "5m"],
    ) as cluster:
        cluster.adapt(minimum_jobs=1, maximum_jobs=25)
        command = ["skysift", *sys.argv[1:], "--dask", cluster.scheduler_address]
        return subprocess.run(command, check=False).returncode  # noqa: S603  # what was typed


if __name__ == "__main__":
    sys.exit(main())
