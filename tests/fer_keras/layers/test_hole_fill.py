import functools

import keras
import numpy as np
import pytest

from fer_keras.layers import HoleFill
from fer_keras.testing import check_layer


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")


@pytest.fixture
def mask():
    mask = np.zeros((4, 8, 8, 1), "float32")
    mask[1, 2:5, 3:8] = mask[2, :4] = mask[3] = 1
    return mask


@pytest.mark.slow
@pytest.mark.parametrize("fill", ["noise", "mean", "smooth"])
def test_contract(fill, faces, mask):
    check_layer(functools.partial(HoleFill, fill, seed=1), faces / 255, mask, gradient=False, fit=fill != "noise")


@pytest.mark.parametrize("fill", ["noise", "mean", "smooth"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_open_pixels_are_bit_identical_and_covered_ones_make_no_difference(fill, training, policy, faces, mask):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        first = HoleFill(fill, seed=3)(faces, mask, training=training).numpy()
        other = HoleFill(fill, seed=3)(np.where(mask > 0, 77, faces), mask, training=training).numpy()
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(*(np.where(mask > 0, 0, values) for values in (first, faces)))
    np.testing.assert_array_equal(first, other)
    assert 0 <= first.min() <= first.max() <= 255


def test_mean_is_that_of_the_open_pixels(faces, mask):
    filled = HoleFill("mean")(faces, mask.astype(bool)).numpy()
    np.testing.assert_allclose(filled[1, 3, 4], faces[1][mask[1, ..., 0] == 0].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(filled[3], np.full((8, 8, 3), 127.5))


def test_smooth_goes_on_with_what_lies_around(faces, mask):
    slope = np.broadcast_to(np.linspace(50, 200, 48, dtype="float32")[:, None, None], (1, 48, 48, 1)).copy()
    hole = np.zeros_like(slope)
    hole[:, 18:30, 10:40] = 1
    filled = HoleFill("smooth")(slope, hole).numpy()
    assert abs(filled - slope).max() < 25
    assert abs(np.diff(filled[0, :, 24, 0])).max() < 20
    np.testing.assert_array_equal(HoleFill("smooth")(faces, mask).numpy()[3], np.full((8, 8, 3), 127.5))


def test_noise_is_new_in_every_step_of_training_and_the_same_outside(faces, mask):
    fill = HoleFill("noise", seed=3)
    draws = [fill(faces, mask, training=True).numpy()[3] for _ in range(2)]
    assert abs(draws[0] - draws[1]).max() > 50
    np.testing.assert_array_equal(fill(faces, mask), HoleFill("noise")(faces, mask))


def test_unknown_fill():
    with pytest.raises(ValueError, match="`fill` must be one of mean, noise, smooth"):
        HoleFill("zeros")
