"""The folded graph gives what the layers give; it refuses what it was not made for."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import BundleError, UnknownNameError, UsageError
from skysift.models.sky.baseline import devices
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.devices import (
    TorchGpuRuntime,
    available_devices,
    open_cleaner,
)
from skysift.models.sky.baseline.export import export_folded_cleaner, export_layers
from skysift.models.sky.baseline.layers import initial_weights, regressor_layers
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.runtime import CleanerRuntime
from skysift.models.sky.baseline.torch_network import forward, forward_folded_cleaner
from skysift.models.sky.baseline.variants import CORRECTED, ORIGINAL

SHAPE = (24, 32)
VARIANTS = pytest.mark.parametrize("variant", [ORIGINAL, CORRECTED], ids=lambda v: v.name)


def cleaner_with_random_weights(variant, rng, spread=1.0):
    """Weights larger than untrained ones, and biases, so that no layer is idle."""
    cleaner = CnnCleaner(variant)
    cleaner.weights_ = {
        name: (spread * array + 0.2 * rng.normal(size=array.shape)).astype(np.float32)
        for name, array in initial_weights(cleaner.layers, rng).items()
    }
    return cleaner


def folded(cleaner, shape=SHAPE):
    return export_folded_cleaner(cleaner.variant, cleaner.weights_, shape)


@pytest.fixture
def cleaner(rng):
    return cleaner_with_random_weights(ORIGINAL, rng)


@pytest.fixture
def maps(rng):
    return rng.random((5, *SHAPE), dtype=np.float32)


@VARIANTS
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.2, 1.2))
def test_folding_changes_nothing(variant, seed, spread):
    rng = np.random.default_rng(seed)
    cleaner = cleaner_with_random_weights(variant, rng, spread)
    inputs = rng.random((2, *SHAPE), dtype=np.float32)
    expected = cleaner.run_network(inputs)
    result = CleanerRuntime(folded(cleaner)).predict(inputs)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    # A test of nothing would be a network that gives a constant, or one that is saturated.
    assert expected.std() > 1e-4


@VARIANTS
def test_the_network_that_is_trained_is_the_plain_one_and_its_gradient(variant, rng, maps):
    cleaner = cleaner_with_random_weights(variant, rng)
    gradients = []
    for run in (forward, forward_folded_cleaner):
        weights = {
            name: torch.nn.Parameter(torch.from_numpy(array).double())
            for name, array in cleaner.weights_.items()
        }
        output = run(cleaner.layers, weights, torch.from_numpy(maps[:, None]).double())
        (output**2).sum().backward()
        gradients.append((output.detach(), *(weight.grad for weight in weights.values())))
    for plain, fast in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain)
        assert plain.abs().max() > 0


@VARIANTS
def test_the_published_size_of_map(variant, rng):
    cleaner = cleaner_with_random_weights(variant, rng)
    inputs = rng.random((2, 200, 200), dtype=np.float32)
    result = CleanerRuntime(folded(cleaner, (200, 200))).predict(inputs)
    np.testing.assert_allclose(result, cleaner.run_network(inputs), rtol=1e-5, atol=1e-5)


@VARIANTS
def test_the_plain_graph_is_the_network_of_torch(variant, rng, maps):
    cleaner = cleaner_with_random_weights(variant, rng)
    graph = export_layers(cleaner.layers, cleaner.weights_, SHAPE)
    result = CleanerRuntime(graph).predict(maps)
    np.testing.assert_allclose(result, cleaner.run_network(maps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [2, 3])
def test_the_regressor_in_onnx_is_that_of_torch(kernel, rng):
    variant = ORIGINAL if kernel == 2 else CORRECTED
    shape = (96, 100)
    model = CnnRegressor(variant, shape=shape)
    model.weights_ = initial_weights(regressor_layers(shape, kernel=kernel), rng)
    counts = rng.poisson(3.0, (3, *shape)).astype(np.float32)
    import onnxruntime  # noqa: PLC0415  # the one test that runs a graph without our runtime

    session = onnxruntime.InferenceSession(
        export_layers(model.layers, model.weights_, shape), providers=["CPUExecutionProvider"]
    )
    inputs = variant.network_input(variant.smooth(counts))[:, None]
    (shares,) = session.run(None, {"maps": inputs})
    np.testing.assert_allclose(shares * [100, 96], model.predict(counts), atol=1e-3)


@pytest.mark.parametrize(("threads", "chunk"), [(1, 1), (1, 3), (2, 1), (3, 2), (2, 50)])
def test_threads_and_chunks_do_not_matter(cleaner, rng, threads, chunk):
    inputs = rng.random((37, *SHAPE), dtype=np.float32)
    with CleanerRuntime(folded(cleaner), threads=threads, chunk=chunk) as runtime:
        result = runtime.predict(inputs)
    np.testing.assert_allclose(result, cleaner.run_network(inputs), atol=1e-5)


def test_a_buffer_is_written_and_given_back(cleaner, maps):
    runtime = CleanerRuntime(folded(cleaner))
    buffer = np.full_like(maps, np.nan)
    assert runtime.predict(maps, buffer) is buffer
    np.testing.assert_array_equal(buffer, runtime.predict(maps))


def test_inputs_of_any_layout_and_no_maps(cleaner, maps):
    runtime = CleanerRuntime(folded(cleaner))
    expected = runtime.predict(maps[::2])
    np.testing.assert_array_equal(runtime.predict(maps.astype(np.float64)[::2]), expected)
    flipped = np.asfortranarray(maps[::2])
    np.testing.assert_array_equal(runtime.predict(flipped), expected)
    assert runtime.predict(maps[:0]).shape == (0, *SHAPE)


def test_wrong_inputs_are_refused(cleaner, maps):
    runtime = CleanerRuntime(folded(cleaner))
    with pytest.raises(UsageError, match="do not fit"):
        runtime.predict(maps[:, :, :-4])
    with pytest.raises(UsageError, match="Give a stack"):
        runtime.predict(maps[0])
    for bad in (np.nan, np.inf):
        spoiled = maps.copy()
        spoiled[1, 2, 3] = bad
        with pytest.raises(UsageError, match="finite"):
            runtime.predict(spoiled)
    for buffer in (np.empty(maps.shape), np.empty_like(maps)[:-1], np.asfortranarray(maps)):
        with pytest.raises(UsageError, match="cannot be written"):
            runtime.predict(maps, buffer)
    for numbers in ({"threads": 0}, {"chunk": 0}):
        with pytest.raises(UsageError, match="positive"):
            CleanerRuntime(folded(cleaner), **numbers)


def test_large_finite_maps_are_not_taken_for_infinite(cleaner, maps):
    # Their sum overflows; the network may make of them what it can.
    result = CleanerRuntime(folded(cleaner)).predict(np.full_like(maps, 3e38))
    assert result.shape == maps.shape


def test_damaged_and_foreign_models_are_refused(cleaner, rng):
    data = folded(cleaner)
    with pytest.raises(BundleError):
        CleanerRuntime(data[: len(data) // 2])
    layers = regressor_layers((72, 72))
    other = export_layers(layers, initial_weights(layers, rng), (72, 72))
    with pytest.raises(BundleError, match="maps of the same size"):
        CleanerRuntime(other)
    model = onnx.load_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "n_y"
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "n_y"
    with pytest.raises(BundleError, match="left open"):
        CleanerRuntime(model.SerializeToString())


def test_weights_are_stored_in_full_precision(cleaner):
    """Larger constants of our graphs may be halved; here the output has to agree to 1e-5."""
    model = onnx.load_from_string(folded(cleaner, (200, 200)))
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT}


def test_the_best_device_is_chosen(cleaner, maps, monkeypatch):
    assert available_devices()[-1] == "cpu"
    monkeypatch.setattr(devices, "available_devices", lambda: ("cpu",))
    runtime = open_cleaner(cleaner, SHAPE)
    assert isinstance(runtime, CleanerRuntime)
    np.testing.assert_allclose(runtime.predict(maps), cleaner.run_network(maps), atol=1e-5)
    with pytest.raises(UsageError, match="not available"):
        open_cleaner(cleaner, SHAPE, device="torch-cuda")
    with pytest.raises(UnknownNameError, match="auto"):
        open_cleaner(cleaner, SHAPE, device="gpu")


def test_onnx_runtime_on_a_gpu_comes_before_torch_on_one(monkeypatch):
    monkeypatch.setattr(devices, "find_device", lambda: "cuda")
    monkeypatch.setattr(devices, "_torch_sees_a_gpu", lambda: True)
    assert available_devices() == ("cuda", "torch-cuda", "cpu")
    monkeypatch.setattr(devices, "find_device", lambda: "cpu")
    assert available_devices() == ("torch-cuda", "cpu")
    chosen = []
    monkeypatch.setattr(devices, "TorchGpuRuntime", lambda *arguments: chosen.append(arguments))
    open_cleaner("cleaner", SHAPE)
    assert chosen == [("cleaner", SHAPE)]


def test_a_device_that_is_not_there_is_refused(cleaner):
    with pytest.raises(UsageError, match="tpu"):
        CleanerRuntime(folded(cleaner), device="tpu")


def test_the_torch_runtime_gives_the_same(cleaner, maps):
    runtime = TorchGpuRuntime(cleaner, SHAPE, device="cpu")
    np.testing.assert_allclose(runtime.predict(maps), cleaner.run_network(maps), atol=1e-6)
    with pytest.raises(UsageError, match="do not fit"):
        runtime.predict(maps[:, :-4])
