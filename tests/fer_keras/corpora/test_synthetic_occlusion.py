import dataclasses

import numpy as np
import pytest

from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.corpora.synthetic_occlusion import occlude_sequence
from fer_keras.errors import InputError
from fer_keras.occlusion import OCCLUDERS

SIZE = dataclasses.replace(SIZES["small"], frames=4)


@pytest.mark.parametrize("kind", OCCLUDERS)
@pytest.mark.parametrize("subject", [0, 4])  # grey, colour
def test_every_frame_has_the_occluder_and_its_mask(kind, subject):
    frames = list(draw_sequence(SIZE, 0, subject, 1, "happiness"))
    occluded = list(occlude_sequence(frames, kind, [0, subject]))
    assert len(occluded) == len(frames)
    for before, after in zip(frames, occluded, strict=True):
        assert after.frame is before
        assert after.occlusion == kind
        assert after.image.shape == before.image.shape
        np.testing.assert_array_equal(after.image[~after.mask], before.image[~after.mask])
        assert 0.005 < after.mask.mean() < 0.9


@pytest.mark.parametrize("kind", OCCLUDERS)
def test_it_stays_the_same_over_the_frames(kind):
    frames = list(draw_sequence(SIZE, 0, 4, 1, "surprise"))
    occluded = list(occlude_sequence(frames, kind, 3))
    areas = np.array([frame.mask.sum() for frame in occluded])
    tones = np.array([frame.image[frame.mask].mean(axis=0) for frame in occluded])
    assert np.abs(areas / areas[0] - 1).max() < 0.25  # a mask grows with the chin that drops
    assert np.abs(tones - tones[0]).max() < 12


def test_same_seed_same_frames():
    first, second, other = (
        [frame.image for frame in occlude_sequence(draw_sequence(SIZE, 0, 1, 1, "anger"), "scarf", seed)]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_unknown_kind():
    with pytest.raises(InputError, match="unknown occluder 'beard'"):
        next(occlude_sequence(draw_sequence(SIZE, 0, 1, 1, "anger"), "beard", 0))
