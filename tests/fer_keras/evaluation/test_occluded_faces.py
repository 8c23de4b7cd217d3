import dataclasses

import numpy as np
import pytest

from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.evaluation.occluded_faces import every_occlusion
from fer_keras.evaluation.restoration_metrics import diversity_ratio
from fer_keras.models import FaceRestorer


@pytest.fixture
def faces(toy_faces):
    """Three faces in their crops, the last without landmarks."""
    frame = list(draw_sequence(SIZES["small"], 0, 0, 0, "fear"))[-1]
    landmarks = np.stack([frame.landmarks / frame.image.shape[1::-1]] * 2 + [np.zeros((68, 2))])
    return dataclasses.replace(toy_faces.select([0, 1, 2]), landmarks=landmarks.astype("float32"))


def test_kinds_and_areas(faces):
    found = every_occlusion(faces, ("sunglasses", "random_block"), (0.2, 0.5))
    assert [one.name for one in found] == ["sunglasses", "sunglasses_20", "random_block_20", "random_block_50"]
    assert [one.rows.tolist() for one in found] == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2]]
    assert found[1].shares == pytest.approx(0.2, abs=0.04)
    for one, area in zip(found[2:], (0.2, 0.5), strict=True):
        assert one.shares[:2] == pytest.approx(area, abs=0.03)
        assert np.isnan(one.shares[2])
        np.testing.assert_array_equal(one.images[~one.masks], one.truth.images[~one.masks])
    again = every_occlusion(faces, ("sunglasses", "random_block"), (0.2, 0.5))
    np.testing.assert_array_equal(found[3].masks, again[3].masks)
    assert not np.array_equal(found[3].masks, every_occlusion(faces, ("random_block",), (0.5,), seed=1)[0].masks)


def test_diversity_of_a_restorer_that_paints_always_the_same(faces):
    restorer = FaceRestorer(width=0.1)
    masks = np.zeros((3, 48, 48, 1), bool)
    masks[:, 10:20, 10:20] = True
    assert diversity_ratio(restorer, faces.images, masks) > 0
    for layer in restorer.generator.layers:
        layer.set_weights([np.zeros_like(value) for value in layer.get_weights()])
    assert diversity_ratio(restorer, faces.images, masks) == 0
