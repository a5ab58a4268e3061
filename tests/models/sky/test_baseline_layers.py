"""The published sizes; Keras' padding; folding that changes nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.folding import phase_convolution, phase_transpose
from skysift.models.sky.baseline.layers import (
    Convolution,
    Pooling,
    check_cleaner_shape,
    check_weights,
    cleaner_layers,
    initial_weights,
    multiply_accumulates,
    output_shape,
    parameter_count,
    regressor_layers,
    same_padding,
)
from skysift.models.sky.baseline.torch_network import forward

PUBLISHED = (200, 200)


def same_convolution(image, weight, bias):
    """TensorFlow's rule by hand: in all k - 1 zeros, the smaller half of them before."""
    outputs, _, kernel, _ = weight.shape
    _, n_y, n_x = image.shape
    total = kernel - 1
    padded = np.zeros((image.shape[0], n_y + total, n_x + total))
    first = total // 2
    padded[:, first : first + n_y, first : first + n_x] = image
    result = np.empty((outputs, n_y, n_x))
    for output, y, x in np.ndindex(result.shape):
        window = padded[:, y : y + kernel, x : x + kernel]
        result[output, y, x] = (window * weight[output]).sum() + bias[output]
    return result


def as_tensors(weights):
    return {name: torch.from_numpy(array) for name, array in weights.items()}


def test_the_cleaner_has_the_published_size():
    layers = cleaner_layers()
    assert parameter_count(layers) == 1873
    assert multiply_accumulates(layers, (1, *PUBLISHED)) == 16_800_000
    assert output_shape(layers, (1, *PUBLISHED)) == (1, *PUBLISHED)
    weights = initial_weights(layers, np.random.default_rng(0))
    assert sum(array.size for array in weights.values()) == 1873


def test_the_regressor_of_the_slides_and_that_of_the_code():
    # 6 4x4 + 12 2x2 kernels; 5 x 5 x 12 values remain after five poolings, 47 x 47 x 12 after two.
    shared = (6 * 16 + 6) + (12 * 6 * 4 + 12) + 3 * (12 * 12 * 4 + 12) + (10_000 * 2 + 2)
    assert parameter_count(regressor_layers(PUBLISHED)) == shared + 301 * 10_000
    once = regressor_layers(PUBLISHED, pooling="once")
    assert parameter_count(once) == shared + (47 * 47 * 12 + 1) * 10_000 == 265_112_168


def test_the_265_million_weights_can_be_laid_out_without_memory():
    layers = regressor_layers(PUBLISHED, pooling="once")
    dense = next(layer for layer in layers if getattr(layer, "inputs", 0) == 26_508)
    weight = torch.empty(dense.outputs, dense.inputs, device="meta")
    hidden = torch.nn.functional.linear(torch.empty(1, 26_508, device="meta"), weight)
    assert hidden.shape == (1, 10_000)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_same_padding_is_that_of_tensorflow(kernel, rng):
    image = rng.normal(size=(2, 5, 7)).astype(np.float32)
    layer = Convolution(2, 3, kernel, "same", "relu")
    weights = initial_weights([layer], rng)
    weights["0.bias"] = rng.normal(size=3).astype(np.float32)
    by_torch = forward([layer], as_tensors(weights), torch.from_numpy(image[None]))[0].numpy()
    by_hand = same_convolution(image, weights["0.weight"], weights["0.bias"])
    np.testing.assert_allclose(by_torch, np.maximum(by_hand, 0), atol=1e-5)


def test_an_even_kernel_shifts_the_image_by_half_a_pixel():
    point = np.zeros((1, 9, 9))
    point[0, 4, 4] = 1
    rows = np.arange(9)
    for kernel, shift in ((2, -0.5), (3, 0.0), (4, -0.5)):
        spread = same_convolution(point, np.ones((1, 1, kernel, kernel)), [0.0])[0]
        assert (spread.sum(axis=1) * rows).sum() / spread.sum() - 4 == pytest.approx(shift)


def test_padding_keeps_the_size():
    for kernel in range(1, 9):
        assert sum(same_padding(kernel)) == kernel - 1


@settings(max_examples=25)
@given(kernel=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_phases_are_the_convolution_of_the_upsampled_map(kernel, seed):
    rng = np.random.default_rng(seed)
    small = rng.normal(size=(3, 4, 5))
    weight = rng.normal(size=(2, 3, kernel, kernel))
    wanted = same_convolution(np.repeat(np.repeat(small, 2, 1), 2, 2), weight, np.zeros(2))
    folded, (before, after) = phase_convolution(weight)
    padded = torch.from_numpy(np.pad(small, ((0, 0), (before, after), (before, after)))[None])
    phases = torch.nn.functional.conv2d(padded, torch.from_numpy(folded).double())
    phases = phases.reshape(2, 2, 2, 4, 5).permute(2, 3, 0, 4, 1).reshape(2, 8, 10)
    np.testing.assert_allclose(phases.numpy(), wanted, atol=1e-5)


@settings(max_examples=25)
@given(kernel=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_the_transposed_kernel_takes_phases_to_the_full_map(kernel, seed):
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(3, 8, 6))
    weight = rng.normal(size=(1, 3, kernel, kernel))
    wanted = same_convolution(np.repeat(np.repeat(middle, 2, 1), 2, 2), weight, np.zeros(1))
    phases = middle.reshape(3, 4, 2, 3, 2).transpose(2, 4, 0, 1, 3).reshape(1, 12, 4, 3)
    folded, (before, after) = phase_transpose(weight)
    whole = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(phases), torch.from_numpy(folded).double(), stride=4
    )[0].numpy()
    n_y, n_x = whole.shape[1:]
    np.testing.assert_allclose(
        whole[:, before : n_y - after, before : n_x - after], wanted, atol=1e-5
    )


def test_pooling_and_upsampling_by_known_values():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert forward([Pooling("average")], {}, image).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert forward([Pooling("max")], {}, image).flatten().tolist() == [5, 7, 13, 15]


def test_first_weights_are_uniform_within_the_bound_of_glorot(rng):
    layers = regressor_layers(PUBLISHED)
    weights = initial_weights(layers, rng)
    bound = np.sqrt(6 / (300 + 10_000))
    number = next(i for i, layer in enumerate(layers) if getattr(layer, "inputs", 0) == 300)
    assert np.abs(weights[f"{number}.weight"]).max() == pytest.approx(bound, rel=1e-3)
    assert weights[f"{number}.weight"].std() == pytest.approx(bound / np.sqrt(3), rel=1e-2)
    assert not weights[f"{number}.bias"].any()


@pytest.mark.parametrize("shape", [(200, 198), (0, 4), (6, 8)])
def test_maps_that_the_cleaner_would_return_in_another_size_are_refused(shape):
    with pytest.raises(UsageError, match="multiples of 4"):
        check_cleaner_shape(shape)


def test_maps_too_small_for_the_regressor_are_refused():
    with pytest.raises(UsageError, match="too small"):
        regressor_layers((40, 200))


def test_weights_of_another_variant_are_refused(rng):
    with pytest.raises(UsageError, match=r"0\.weight"):
        check_weights(cleaner_layers(kernel=3), initial_weights(cleaner_layers(), rng))
