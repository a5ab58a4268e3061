"""Drift of every task: the bundle says how its training data lay, and records tell the like."""

import numpy as np
import pytest

from skysift.core.bundle import Bundle
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.core.stream import MeasuringPredictor, Noted
from skysift.serve.drift.profile import Profile, Tally
from skysift.serve.drift.reference import find_reference

COUNT = {"active-region": 2, "flare": 8, "gamma-sky": 1}
IMAGES = {".fits", ".png", ".jpg", ".parquet"}


def records(name, folder):
    """Write made-up records and return them, and the options that they need."""
    task, rng = load_task(name), np.random.default_rng(5)
    sample = task.synth(COUNT.get(name, 3), rng)
    if name in {"gamma-hadron", "streak"}:
        return [task.write_synth(sample, folder / "a.parquet")], {}
    task.write_synth(sample, folder)
    options = {"regions": str(next(folder.rglob("regions.csv")))} if name == "flare" else {}
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in IMAGES]
    return [path for path in paths if "truth" not in path.name], options


@pytest.mark.parametrize(
    "name", ["gamma-hadron", "gamma-sky", "streak", "active-region", "flare", "star-galaxy"]
)
def test_what_a_bundle_refers_to_is_measured_of_records(name, tmp_path):
    bundle = Bundle.load(bundle_folder(name, "fast" if name == "gamma-hadron" else None))
    reference = find_reference(bundle)
    assert reference is not None
    edges = {key: quantity.edges for key, quantity in reference.quantities.items()}
    paths, options = records(name, tmp_path)
    task = load_task(name)
    predict = task.stream(
        task.load(bundle.folder),
        load_options(name, "ReadOptions")(),
        load_options(name, "PredictOptions")(**options),
    )
    tally, rows = Tally(edges, predict), 0
    for path in paths:
        rows += sum(piece.num_rows for piece in tally.over(predict(path)))
        tally.close(answered=True)
        tally.close_described(answered=True)
    found = Profile.from_json(tally.finish())
    assert rows > 0 or name == "gamma-sky"  # where nothing may be found
    assert set(found.counts) == set(edges)
    assert all(counts[:-1].sum() > 0 for counts in found.counts.values())


def test_what_was_measured_is_told_once():
    def predict(path, note):
        note({"width": [1.0, 2.0]})
        note({"width": [3.0], "other": [4.0]})
        yield path

    predictor = MeasuringPredictor(predict)
    assert list(predictor("record")) == ["record"]
    told = predictor.described()
    assert {name: values.tolist() for name, values in told.items()} == {
        "width": [1.0, 2.0, 3.0],
        "other": [4.0],
    }
    assert predictor.described() == {}
    assert Noted().take() == {}
