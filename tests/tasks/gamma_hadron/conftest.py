"""A made-up sample, and a small model of it, for all tests of gamma-hadron."""

from pathlib import Path

import numpy as np
import pytest

from skysift.core.registry import load_task
from skysift.tasks.gamma_hadron.model import GammaHadronModel
from skysift.tasks.gamma_hadron.options import ReadOptions, TrainOptions
from skysift.tasks.gamma_hadron.reader import Events


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory) -> Path:
    """The synthetic sample as a file: 1500 events."""
    task = load_task("gamma-hadron")
    data = task.synth(1500, np.random.default_rng(77))
    return task.write_synth(data, tmp_path_factory.mktemp("sample") / "events.parquet")


@pytest.fixture(scope="session")
def sample(sample_file) -> Events:
    return load_task("gamma-hadron").read([sample_file], ReadOptions(), labelled=True)


@pytest.fixture(scope="session")
def small_model(sample) -> GammaHadronModel:
    options = TrainOptions(model="logistic-regression", folds=2)
    return load_task("gamma-hadron").fit(sample, options, np.random.default_rng(1))


@pytest.fixture(scope="session")
def tree_model(sample) -> GammaHadronModel:
    """A model without any smoothness: it shows each change of its features."""
    options = TrainOptions(model="decision-tree", folds=2)
    return load_task("gamma-hadron").fit(sample, options, np.random.default_rng(1))


@pytest.fixture(scope="session")
def small_bundle(small_model, tmp_path_factory) -> Path:
    return load_task("gamma-hadron").save(small_model, tmp_path_factory.mktemp("bundles") / "small")
