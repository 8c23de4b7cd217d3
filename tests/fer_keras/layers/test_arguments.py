import math

import numpy as np
import pytest

from fer_keras.layers.arguments import fits, number, whole_number


def test_number():
    assert number("x", np.float32(0.5), least=0) == 0.5
    assert number("x", 0, least=0, below=1) == 0.0
    for value in (-1e-9, 1, math.nan, math.inf, "a", None, [1]):
        with pytest.raises(ValueError, match=r"`x` must be a finite number and ≥ 0 and < 1. Received: x="):
            number("x", value, least=0, below=1)


def test_whole_number():
    for value in (8, 8.0, np.int64(8), np.float32(8)):
        assert whole_number("x", value, least=8) == 8
        assert type(whole_number("x", value, least=8)) is int
    for value in (8.5, 7, math.nan, "8", None, True):
        with pytest.raises(ValueError, match=r"`x` must be a whole number of at least 8. Received: x="):
            whole_number("x", value, least=8)


def test_fits():
    assert fits((3, None), (None, 2))
    assert fits((), ())
    assert not fits((3, 1), (3, 2))
    assert not fits((3,), (3, None))
