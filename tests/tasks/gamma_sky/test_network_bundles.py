"""A bundle of networks is asked by the methods that are for it, and by no other."""

import numpy as np
import pytest

from skysift.core.errors import UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_task
from skysift.data.io import read_table
from skysift.models.sky.network.training import NetworkHistory
from skysift.tasks.gamma_sky import coverage, stress, studies
from skysift.tasks.gamma_sky.continuation import load_parent
from skysift.tasks.gamma_sky.network_bundle import TrainedNetwork, save_network_bundle
from skysift.tasks.gamma_sky.options import EvaluateOptions, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.prediction import predict_files, record_predictor

TASK = load_task("gamma-sky")
SHIPPED = bundle_folder("gamma-sky", "network")
CNN = bundle_folder("gamma-sky", "cnn")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A network of one's own, which expects a third more background."""
    parent = load_parent(SHIPPED)
    weights = dict(parent.weights)
    weights["background.bias"] = weights["background.bias"] + np.float32(0.3)
    history = NetworkHistory((0,), (0.0,), (0.0,))
    trained = TrainedNetwork(parent.options, weights, history, parent.trials, "0" * 64)
    folder = tmp_path_factory.mktemp("networks") / "own"
    save_network_bundle(trained, folder, seed=0, command="test")
    return folder


@pytest.fixture
def photons(tmp_path, rng):
    folder = tmp_path / "photons"
    folder.mkdir()
    return TASK.write_synth(TASK.synth(1, rng), folder)


def predict(source, out, model, method, **options):
    predict_files(
        [source],
        out,
        model,
        ReadOptions(),
        PredictOptions(method=method, **options),
        provenance=Provenance.start("test"),
        progress=lambda *_: None,
    )
    return read_table(out)


def test_the_method_asks_the_network_of_the_bundle(own, photons, tmp_path):
    folders = (bundle_folder("gamma-sky"), SHIPPED, own)
    found = [
        predict(photons, tmp_path / f"{folder.name}.ecsv", TASK.load(folder), "network")
        for folder in folders
    ]
    default, shipped, other = (float(table["excess"][0]) for table in found)
    assert shipped == default  # which asks the network that ships
    assert abs(other - default) > 0.01 * default
    table = TASK.predict(TASK.read([photons], ReadOptions(), labelled=False), TASK.load(own))
    assert float(table["excess"][0]) == pytest.approx(other)


@pytest.mark.parametrize(
    ("folder", "method", "named"),
    [
        (SHIPPED, "likelihood-ratio", "--method network"),
        (SHIPPED, "cnn-cleaner", "--method network"),
        (CNN, "network", "--method cnn-cleaner or cnn-regressor"),
    ],
)
def test_other_methods_are_refused(folder, method, named, photons, tmp_path):
    model = TASK.load(folder)
    with pytest.raises(UsageError, match=named):
        predict(photons, tmp_path / "no.ecsv", model, method)
    with pytest.raises(UsageError, match=named):
        record_predictor(model, ReadOptions(), PredictOptions(method=method))


def test_sliding_windows_do_not_ask_networks_and_say_so(photons, tmp_path):
    model = TASK.load(SHIPPED)
    with pytest.raises(UsageError, match="--method network"):
        predict(photons, tmp_path / "no.ecsv", model, "likelihood-ratio", windows=(10.0,))


def test_an_evaluation_compares_the_network_of_the_bundle(own, tmp_path, rng, monkeypatch):
    monkeypatch.setattr("skysift.tasks.gamma_sky.evaluation.run._QUICK_FLUXES", (0.3, 1.0))
    options = EvaluateOptions(maps=10, empty_maps=100, studies=("localisation",))
    run = studies.evaluate(
        options, TASK.load(own), tmp_path / "run", rng, command="test", progress=lambda *_: None
    )
    methods = {row["method"] for row in run.rows}
    assert {"likelihood-ratio", "network", "network, IRF-free"} <= methods


@pytest.mark.parametrize("folder", [SHIPPED, CNN])
def test_what_is_of_the_default_search_is_not_done_of_networks(folder, rng):
    model = TASK.load(folder)
    with pytest.raises(UsageError, match="holds networks"):
        stress.prepared(None, model, rng, 10)
    with pytest.raises(UsageError, match="holds networks"):
        coverage.promised(None, model, rng, progress=lambda *_: None)
