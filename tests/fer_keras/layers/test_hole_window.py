import functools

import numpy as np
import pytest

from fer_keras.layers import HoleWindow
from fer_keras.testing import check_layer


def box(mask, size, margin):
    """Bounds of the box along one axis, from the lines that the hole touches."""
    length, lines = len(mask), np.flatnonzero(mask)
    low, high = (lines[0], lines[-1] + 1) if len(lines) else (0, length)
    reach = max((high - low) * (0.5 + margin), size / 4)
    middle = (low + high) / 2
    return max(middle - reach, 0), min(middle + reach, length)


def resample(picture, rows, columns, size):
    """Every pixel of the window by loops: a triangle filter about its centre."""
    out = np.zeros((size, size, picture.shape[-1]))
    (top, bottom), (left, right) = rows, columns
    down, across = (bottom - top) / size, (right - left) / size
    for k in range(size):
        for m in range(size):
            y, x, total = top + (k + 0.5) * down - 0.5, left + (m + 0.5) * across - 0.5, 0
            for i in range(picture.shape[0]):
                for j in range(picture.shape[1]):
                    weight = max(0, 1 - abs(y - i) / max(down, 1)) * max(0, 1 - abs(x - j) / max(across, 1))
                    out[k, m] += weight * picture[i, j]
                    total += weight
            out[k, m] /= total
    return out


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0, 1, (4, 16, 16, 2)).astype("float32")


@pytest.fixture
def mask():
    mask = np.zeros((4, 16, 16, 1), "float32")
    mask[0, 3:12, 5:9] = mask[1, 0, 15] = mask[2, 1:] = 1  # the last has no hole
    return mask


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_windows_are_those_of_the_definition(faces, mask, margin):
    windows = HoleWindow(6, margin)(faces, mask).numpy()
    for face, covered, window in zip(faces, mask[..., 0], windows, strict=True):
        rows, columns = box(covered.any(axis=1), 6, margin), box(covered.any(axis=0), 6, margin)
        np.testing.assert_allclose(window, resample(face, rows, columns, 6), atol=1e-5)


def test_a_box_of_the_window_s_size_is_cut_out_as_it_is(faces):
    mask = np.zeros((4, 16, 16, 1), bool)
    mask[:, 4:12, 2:10] = True
    np.testing.assert_allclose(HoleWindow(8, margin=0)(faces, mask), faces[:, 4:12, 2:10], atol=1e-6)


@pytest.mark.slow
def test_contract(faces, mask):
    check_layer(functools.partial(HoleWindow, 6), faces, mask, gradient=False)
