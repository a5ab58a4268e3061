"""Training in two processes is the training in one: real torchrun, real gloo, on a tiny network."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skysift.core.errors import UsageError
from skysift.models.persist import load_arrays
from skysift.models.torch_ranks import ALONE, Ranks, join_ranks

pytest.importorskip("torch", reason="torch is not installed")

SCRIPT = Path(__file__).with_name("torchrun_training.py")


def alone():
    spec = importlib.util.spec_from_file_location("torchrun_training", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.train(ALONE)


def test_two_processes_find_what_one_finds(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(SCRIPT), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    first, second = (
        load_arrays((tmp_path / f"rank-{number}.safetensors").read_bytes()) for number in range(2)
    )
    one = alone()
    assert first.keys() == second.keys() == one.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_allclose(first[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_batch_that_does_not_come_out_even_is_refused():
    with pytest.raises(UsageError, match="shared evenly by 3"):
        Ranks(number=1, total=3).share(8)


def test_one_process_is_as_if_there_were_no_others(rng, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_ranks() as ranks:
        assert ranks.is_first
        assert ranks.generator(rng) is rng
        assert ranks.mean(2.5) == 2.5
        assert ranks.of_first([1.0, 2.0]) == [1.0, 2.0]


def test_each_process_draws_fields_of_its_own():
    drawn = [
        Ranks(number=k, total=2).generator(np.random.default_rng(4)).random() for k in range(2)
    ]
    assert drawn[0] != drawn[1]
