import numpy as np
import pytest
import tensorflow as tf

from fer_keras.augmentation.occluder_pool import OccluderPool
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.occlusion import occlude

SEED = tf.constant([3, 11], tf.int64)
SIZE = 48


def make_faces(count=6, channels=1):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, channels), np.uint8)
    pose = Pose((0.5, 0.26), 0.32)
    landmarks = np.stack([project(move_points(make_person(rng), {}), pose)[:68] for _ in range(count)])
    return images, landmarks.astype("float32")


@pytest.mark.parametrize("channels", [1, 3])
def test_known_pixels_stay_and_every_step_has_its_own_occluders(channels):
    images, landmarks = make_faces(channels=channels)
    pool = OccluderPool.draw(images, landmarks, (0,), coverage=(0.2, 0.4))
    assert len(pool) == 6
    faces = tf.cast(images, tf.float32)
    occluded, masks = (value.numpy() for value in pool.lay_over(faces, landmarks, SEED))
    assert occluded.dtype == masks.dtype == np.float32
    assert set(np.unique(masks)) == {0, 1}
    hole = np.broadcast_to(masks > 0, occluded.shape)
    np.testing.assert_array_equal(occluded[~hole], images[~hole])
    np.testing.assert_array_equal(occluded, occluded.round())
    assert occluded.min() >= 0
    assert occluded.max() <= 255
    assert hole.any(axis=(1, 2, 3)).all()
    again, other = (pool.lay_over(faces, landmarks, seed)[1].numpy() for seed in (SEED, SEED + 1))
    np.testing.assert_array_equal(masks, again)
    assert not np.array_equal(masks, other)


def test_on_its_own_face_it_is_the_occluder_and_it_follows_the_eyes():
    images, landmarks = make_faces(1)
    pool = OccluderPool.draw(images, landmarks, (5,), ("hand",))
    rng = np.random.default_rng([5, 0])
    expected, mask = occlude(images[0, ..., 0], landmarks[0] * SIZE, "hand", rng)
    faces = tf.cast(images, tf.float32)
    occluded, masks = (value.numpy() for value in pool.lay_over(faces, landmarks, SEED))
    np.testing.assert_array_equal(masks[0, ..., 0] > 0, mask)
    np.testing.assert_allclose(occluded[0, ..., 0], expected, atol=1)
    _, moved = pool.lay_over(faces, landmarks + np.float32((3 / SIZE, -2 / SIZE)), SEED)
    np.testing.assert_array_equal(moved.numpy()[0, :-2, 3:], masks[0, 2:, :-3])


def test_probability_and_faces_without_landmarks():
    images, landmarks = make_faces()
    many, nowhere = tf.zeros((200, SIZE, SIZE, 1)), np.zeros((200, 68, 2), "float32")
    pool = OccluderPool.draw(images, landmarks, (0,), ("hand", "random_block"))
    assert pool.blocks == 3
    _, masks = pool.lay_over(many, np.repeat(landmarks[:1], 200, axis=0), SEED, 0.4)
    assert masks.numpy().any(axis=(1, 2, 3)).mean() == pytest.approx(0.4, abs=0.1)
    hands = OccluderPool.draw(images, landmarks, (0,), ("hand",))
    assert not hands.lay_over(many, nowhere, SEED)[1].numpy().any()
    assert pool.lay_over(many, nowhere, SEED)[1].numpy().any(axis=(1, 2, 3)).all()
    assert OccluderPool.draw(images, nowhere[:6], (0,), ("hand",)) is None
