"""The recipes that users paste: they parse, and what they call is what there is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from skysift.cli.main import build_app
from skysift.scale.summary import Share

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TOLD = '#!/bin/sh\nprintf "%s\\n" "$0" "$@" >> "$TOLD"\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a recipe with programs that only write down how they were called."""
    for name in ("skysift", "torchrun"):
        program = tmp_path / name
        program.write_text(TOLD)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))

    def run_recipe(*command, **environment) -> list[str]:
        subprocess.run(
            command, check=True, cwd=tmp_path, env={**os.environ, **environment}, timeout=60
        )
        called, *arguments = (tmp_path / "told").read_text().splitlines()
        assert Path(called).parent == tmp_path
        return arguments

    return run_recipe


def parsed(arguments):
    """Return the options of a call of skysift, as the program itself understands them."""
    verb = get_command(build_app(arguments)).commands[arguments[0]]
    return verb.make_context(arguments[0], list(arguments[1:])).params


def test_the_job_array_does_its_share_with_its_cores(run):
    arguments = run(
        "bash", str(EXAMPLES / "slurm-array.sh"),
        SLURM_ARRAY_TASK_ID="7", SLURM_ARRAY_TASK_COUNT="50", SLURM_CPUS_PER_TASK="4",
    )  # fmt: skip
    found = parsed(arguments)
    assert Share.parse(found["part"]) == Share(7, 50)
    assert (found["workers"], found["memory"], found["inputs"]) == (4, "1.5GB", ["@stamps.txt"])


def test_the_workers_of_slurm_are_those_of_the_command(run, tmp_path):
    (tmp_path / "dask_jobqueue.py").write_text(
        "class SLURMCluster:\n"
        "    scheduler_address = 'tcp://10.0.0.1:8786'\n"
        "    def __init__(self, *, queue, cores, processes, memory, walltime,\n"
        "                 job_script_prologue, worker_extra_args): pass\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *_): pass\n"
        "    def adapt(self, *, minimum_jobs, maximum_jobs): pass\n"
    )
    typed = ["predict", "star-galaxy", "@stamps.txt", "--out", "classes"]
    arguments = run(
        sys.executable, str(EXAMPLES / "slurm-dask.py"), *typed, PYTHONPATH=str(tmp_path)
    )
    assert parsed(arguments)["dask"] == "tcp://10.0.0.1:8786"


def test_the_training_on_several_gpus_calls_a_module_that_there_is(run):
    arguments = run("bash", str(EXAMPLES / "slurm-torchrun.sh"))
    module = arguments[arguments.index("-m") + 1]
    assert (Path(__file__).parents[2] / "src" / f"{module.replace('.', '/')}.py").is_file()
