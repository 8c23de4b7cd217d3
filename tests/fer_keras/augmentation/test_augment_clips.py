import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_clips, augment_faces

OFF = AugmentationStrength(flip=0.0, rotation=0.0, scale=0.0, shift=0.0, cutout=0.0)
ALL = AugmentationStrength(brightness=0.2, contrast=0.3, gamma=0.5, blur=0.03, noise=0.05)
SEED = np.array([7, 3])


def make_clips(clips=4, frames=5, size=24, channels=1):
    return np.random.default_rng(0).integers(0, 256, (clips, frames, size, size, channels), np.uint8)


def make_landmarks(clips=4, frames=5):
    return np.random.default_rng(1).uniform(0.1, 0.9, (clips, frames, 68, 2)).astype("float32")


@pytest.mark.parametrize("strength", [None, dataclasses.replace(ALL, noise=0.0)], ids=["default", "all but noise"])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_frames_of_a_clip_get_the_draws_of_that_clip(strength, channels):
    """Frame t of the clips is varied as a batch of faces would be that has one face a clip."""
    clips, landmarks = make_clips(channels=channels), make_landmarks()
    varied, marks = augment_clips(clips, SEED, landmarks, strength)
    for frame in range(5):
        faces, points = augment_faces(clips[:, frame], SEED, landmarks[:, frame], strength)
        np.testing.assert_allclose(varied[:, frame], faces, atol=1e-3)
        np.testing.assert_allclose(marks[:, frame], points, atol=1e-6)


def test_a_still_clip_stays_still_and_clips_differ():
    face = make_clips(1, 1)
    still = np.tile(face, (6, 5, 1, 1, 1))
    varied = augment_clips(still, SEED, strength=dataclasses.replace(ALL, noise=0.0)).numpy()
    np.testing.assert_allclose(varied, np.repeat(varied[:, :1], 5, axis=1), atol=1e-3)
    for one in range(6):
        for other in range(one):
            assert np.abs(varied[one] - varied[other]).mean() > 1


def test_noise_is_new_in_every_frame_and_as_strong():
    grey = np.full((8, 6, 32, 32, 1), 128, np.uint8)
    noise = augment_clips(grey, SEED, strength=dataclasses.replace(OFF, noise=0.1)).numpy() - 128
    deviations = noise.std(axis=(2, 3, 4))
    np.testing.assert_allclose(deviations, np.repeat(deviations[:, :1], 6, axis=1), rtol=0.2)
    assert deviations[:, 0].max() > 2 * deviations[:, 0].min()
    frames = noise.reshape(48, -1)
    assert np.abs(np.corrcoef(frames) - np.eye(48)).max() < 0.2


def test_a_clip_of_one_frame_is_a_face():
    clips = make_clips(frames=1)
    np.testing.assert_array_equal(
        augment_clips(clips, SEED, strength=ALL)[:, 0], augment_faces(clips[:, 0], SEED, strength=ALL)
    )


def test_frames_without_landmarks_stay_without():
    landmarks = make_landmarks()
    landmarks[1, 2:4] = 0
    _, moved = augment_clips(make_clips(), SEED, landmarks)
    assert (moved.numpy().any(axis=(2, 3)) == landmarks.any(axis=(2, 3))).all()


def test_in_a_graph_of_unknown_length():
    graph = tf.function(
        lambda clips, landmarks: augment_clips(clips, SEED, landmarks, ALL),
        input_signature=[
            tf.TensorSpec((None, None, 24, 24, 1), tf.uint8),
            tf.TensorSpec((None, None, 68, 2), tf.float32),
        ],
    )
    for frames in (1, 5):
        clips, landmarks = make_clips(frames=frames), make_landmarks(frames=frames)
        for found, expected in zip(graph(clips, landmarks), augment_clips(clips, SEED, landmarks, ALL), strict=True):
            np.testing.assert_allclose(found, expected, atol=0.01)
