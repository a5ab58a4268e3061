"""Fixtures that every test may use."""

import gc
import os
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is not a failure: no test asserts wall time, so no example has a deadline. Examples
# are the same every time, so that a change and not chance decides what passes;
# HYPOTHESIS_PROFILE=search draws others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_finish() -> None:
    """Leave what was imported to the end: to look through it again and again takes a twelfth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real data sets, or a skip that says why."""
    folder = os.environ.get("SKYSIFT_MIRROR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the real data sets are not here: SKYSIFT_MIRROR does not name a folder")
    return Path(folder).resolve()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def abroad():
    """Do parts as if in another process: function and part are sent there, the answer back."""

    def done(function, parts):
        for part in parts:
            work, what = ForkingPickler.loads(ForkingPickler.dumps((function, part)))
            yield ForkingPickler.loads(ForkingPickler.dumps(work(what)))

    return done
