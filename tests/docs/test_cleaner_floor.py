"""The least time of the published cleaner on a GPU is counted from its layers."""

import json
from pathlib import Path

import pytest

from skysift.models.sky.baseline.layers import cleaner_layers

pytest.importorskip("torch")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def floor_of(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from cleaner_floor import floor_of  # noqa: PLC0415  # a script beside the package

    return floor_of


def test_operations_and_bytes_are_those_of_the_layers(floor_of):
    floor = floor_of(cleaner_layers(), 1000)
    # Kernels of 2 x 2: outputs x inputs x 4 multiplications and sums at each pixel.
    convolutions = (12 * 200**2, 144 * 100**2, 144 * 50**2, 144 * 100**2, 12 * 200**2)
    assert floor["operations"] == 1000 * 2 * 4 * sum(convolutions)
    assert floor["bytes"] == 1000 * 2 * 2 * 200**2
    assert floor["bytes_layer_by_layer"] > 30 * floor["bytes"]
    first = floor["layers"][0]
    assert first["bytes"] == 2 * (200**2 + 12 * 200**2)


def test_folding_leaves_nine_of_sixteen_multiplications_behind_an_upsampling(floor_of):
    layers = floor_of(cleaner_layers(), 1)["layers"]
    kept = [row["folded"] / row["operations"] for row in layers if row["operations"]]
    assert kept == [1.0, 1.0, 1.0, 9 / 16, 9 / 16]


def test_the_stored_floor_is_that_of_the_layers(floor_of):
    stored = json.loads((BENCHMARKS / "gamma_sky_cleaner.json").read_text(encoding="utf-8"))
    now = floor_of(cleaner_layers(), stored["floor"]["maps"])
    assert stored["floor"]["operations_folded"] == pytest.approx(now["operations_folded"], rel=1e-4)
    for name, times in now["microseconds"].items():
        assert stored["floor"]["microseconds"][name] == pytest.approx(times, rel=1e-4)


def test_every_contender_gave_the_same_and_keras_was_one_of_them():
    stored = json.loads((BENCHMARKS / "gamma_sky_cleaner.json").read_text(encoding="utf-8"))
    assert max(row["differs"] for row in stored["results"]) < 1e-5
    assert {(row["threads"], row["maps"]) for row in stored["results"]} == {
        (threads, maps) for threads in (1, 2) for maps in (1, 32, 1000)
    }
    assert any(row["contender"].startswith("Keras predict ") for row in stored["results"])
