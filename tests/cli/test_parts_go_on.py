"""``--part`` as a user gives it: passed on, refused where there is none."""

import numpy as np
import pytest

from skysift.core.registry import load_task


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    task = load_task("active-region")
    folder = tmp_path_factory.mktemp("disks")
    return task.write_synth(task.synth(2, np.random.default_rng(1)), folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "active-region", "--from", "default", "--part", "detector"), "1 independent"),
        (("train", "active-region", "--from", "default", "--part", "heat"), "detector, patches"),
        (("train", "active-region", "--part", "detector"), "--from"),
        (("update", "active-region/default", "--part", "detector"), "--reference"),
    ],
)
def test_a_part_is_chosen_by_name(skysift, disks, arguments, said):
    outcome = skysift(*arguments, "--data", disks, "--out", "child")
    assert outcome.code == 2
    assert said in outcome.err
