import dataclasses

import numpy as np
import pytest

from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.evaluation.face_parts import PARTS, every_part


def test_every_part_is_black_and_all_else_is_as_it_was(toy_faces):
    frame = list(draw_sequence(SIZES["small"], 0, 0, 0, "fear"))[-1]
    landmarks = np.stack([frame.landmarks / frame.image.shape[1::-1], np.zeros((68, 2))]).astype("float32")
    faces = dataclasses.replace(toy_faces.select([0, 1]), landmarks=landmarks)
    found = {one.name: one for one in every_part(faces)}
    assert list(found) == list(PARTS)
    for one in found.values():
        assert one.rows.tolist() == [0]
        assert not one.images[one.masks].any()
        np.testing.assert_array_equal(one.images[~one.masks], faces.images[:1][~one.masks])
    points = (landmarks[0] * 48).astype(int)
    inside = {name: one.masks[0, points[:, 1], points[:, 0], 0] for name, one in found.items()}
    assert inside["eyes"][36:48].all()
    assert not inside["eyes"][48:].any()
    assert inside["mouth"][48:].all()
    assert not inside["mouth"][17:48].any()
    assert inside["lower_half"][48:].all()
    assert inside["upper_half"][36:48].all()
    for one, other in (("upper_half", "lower_half"), ("left_half", "right_half")):
        np.testing.assert_array_equal(found[one].masks, ~found[other].masks)
        assert found[one].shares + found[other].shares == pytest.approx(1)
    assert every_part(faces.select([1])) == []
