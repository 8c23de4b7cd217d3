import dataclasses

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_faces
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.errors import InputError
from fer_keras.landmarks import MIRRORED_LANDMARKS

OFF = AugmentationStrength(flip=0.0, rotation=0.0, scale=0.0, shift=0.0, cutout=0.0)
ALL = AugmentationStrength(brightness=0.2, contrast=0.3, gamma=0.5, blur=0.03, noise=0.05)
SEED = np.array([7, 3])


def make_images(count=6, height=48, width=48, channels=1):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), np.uint8)


def draws_of(effect, *shape, seed=SEED):
    """The draws of an effect in [0, 1)."""
    return tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(seed, effect)).numpy()


def smooth_images(count, height, width, channels):
    return np.stack([cv2.GaussianBlur(image, (0, 0), 2.0) for image in make_images(count, height, width, channels)])


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 56)])
def test_geometry_is_that_of_an_affine_warp(height, width):
    images = smooth_images(12, height, width, 3)
    strength = dataclasses.replace(OFF, flip=0.5, rotation=20.0, scale=0.2, shift=0.1)
    moved = augment_faces(images, SEED, strength=strength).numpy()
    draws = tf.random.stateless_uniform((9, 12), SEED, -1.0, 1.0).numpy()
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    assert 0 < (draws[2] < 0).sum() < 12
    for image, result, (turn, grow, flip, right, down) in zip(images, moved, draws[:5].T, strict=True):
        angle = np.radians(20.0) * turn
        rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (1 + 0.2 * grow)
        # The place in the picture that each pixel of the result shows.
        linear = np.diag([-1.0 if flip < 0 else 1.0, 1.0]) @ rotate
        offset = middle - linear @ middle + 0.1 * np.array([right * width, down * height])
        expected = cv2.warpAffine(
            image.astype("float32"),
            np.column_stack([linear, offset]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        # OpenCV rounds places to 1/32 of a pixel.
        np.testing.assert_allclose(result, expected, atol=2.0)


def test_landmarks_go_where_their_pixels_go():
    size, count = 96, 10
    rng = np.random.default_rng(1)
    landmarks = np.zeros((count, 68, 2))
    for number in (8, 36, 54):  # the chin, an outer corner of an eye, a corner of the mouth
        images = np.zeros((count, size, size, 1), "float32")
        places = rng.uniform(0.35, 0.65, (count, 2))
        landmarks[:] = 0.5
        landmarks[:, number] = places
        y, x = np.mgrid[:size, :size] + 0.5
        for image, (right, down) in zip(images, places * size, strict=True):
            image[..., 0] = 255 * np.exp(-((x - right) ** 2 + (y - down) ** 2) / 18)
        strength = AugmentationStrength(cutout=0.0, rotation=30.0)
        moved, points = augment_faces(images, SEED, landmarks, strength)
        flipped = tf.random.stateless_uniform((9, count), SEED, -1.0, 1.0).numpy()[2] < 0
        assert 0 < flipped.sum() < count
        for image, marks, flip in zip(moved.numpy()[..., 0], points.numpy(), flipped, strict=True):
            dot = np.array([(image * x).sum(), (image * y).sum()]) / image.sum() / size
            np.testing.assert_allclose(marks[MIRRORED_LANDMARKS[number] if flip else number], dot, atol=0.3 / size)


def test_faces_without_landmarks_stay_without():
    landmarks = np.zeros((6, 68, 2), "float32")
    landmarks[2] = 0.4
    _, moved = augment_faces(make_images(), SEED, landmarks)
    assert not moved.numpy()[[0, 1, 3, 4, 5]].any()
    assert moved.numpy()[2].all()


def test_mirrored_landmarks():
    """A face that is its own mirror image keeps its landmarks."""
    person = make_person(np.random.default_rng(0))
    points = project(move_points(person, {}), Pose((0.0, 0.0), 1.0))[:68]
    np.testing.assert_allclose(points[MIRRORED_LANDMARKS] * [-1, 1], points, atol=1e-6)
    np.testing.assert_array_equal(MIRRORED_LANDMARKS[MIRRORED_LANDMARKS], np.arange(68))


def test_flip_twice_is_identity():
    strength = dataclasses.replace(OFF, flip=1.0)
    images = make_images()
    landmarks = np.random.default_rng(2).uniform(0.1, 0.9, (6, 68, 2)).astype("float32")
    once, mirrored = augment_faces(images, SEED, landmarks, strength)
    np.testing.assert_array_equal(once, images[:, :, ::-1])
    np.testing.assert_allclose(mirrored, (landmarks * [-1, 1] + [1, 0])[:, MIRRORED_LANDMARKS], atol=1e-6)
    twice, back = augment_faces(once, SEED, mirrored, strength)
    np.testing.assert_array_equal(twice, images)
    np.testing.assert_allclose(back, landmarks, atol=1e-6)


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_flips_are_as_frequent_as_asked_for(chance):
    images = make_images(2000, 8, 8)
    moved = augment_faces(images, SEED, strength=dataclasses.replace(OFF, flip=chance)).numpy()
    flipped = (moved == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert flipped.mean() == pytest.approx(chance, abs=0.04)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour(channels):
    images = make_images(channels=channels)
    strength = dataclasses.replace(OFF, gamma=0.6, contrast=0.4, brightness=0.2)
    varied = augment_faces(images, SEED, strength=strength).numpy()
    draws = 2 * draws_of(1, 3, 6, 1, 1, 1)[:, :, 0, 0, 0] - 1
    for image, result, (tone, spread, light) in zip(images, varied, draws.T, strict=True):
        expected = 255.0 * (image / 255.0) ** (1.6**tone)
        expected = expected.mean() + (expected - expected.mean()) * (1 + 0.4 * spread) + 255 * 0.2 * light
        np.testing.assert_allclose(result, np.clip(expected, 0, 255), atol=0.01)


def test_blur():
    images = make_images(4, 40, 32, 3)
    blurred = augment_faces(images, SEED, strength=dataclasses.replace(OFF, blur=0.06)).numpy()
    sigmas = draws_of(2, 4, 1, 1)[:, 0, 0] * 0.06 * 32
    for image, result, sigma in zip(images, blurred, sigmas, strict=True):
        expected = cv2.GaussianBlur(image.astype("float64"), (31, 31), sigma)
        inside = slice(9, -9)
        np.testing.assert_allclose(result[inside, inside], expected[inside, inside], atol=0.05)
    flat = np.full((1, 40, 32, 1), 77.0, "float32")
    np.testing.assert_allclose(augment_faces(flat, SEED, strength=dataclasses.replace(OFF, blur=0.06)), flat, rtol=1e-5)


def test_noise():
    images = np.full((400, 24, 24, 3), 128, np.uint8)
    noisy = augment_faces(images, SEED, strength=dataclasses.replace(OFF, noise=0.1)).numpy()
    noise = noisy - 128.0
    np.testing.assert_array_equal(noise[..., 0], noise[..., 1])
    deviations = draws_of(3, 400, 1, 1, 1).ravel() * 25.5
    np.testing.assert_allclose(noise[..., 0].std(axis=(1, 2)), deviations, rtol=0.15, atol=0.1)
    assert abs(noise.mean()) < 0.2


def test_cutout():
    images = make_images(50, channels=3)
    cut = augment_faces(images, SEED, strength=dataclasses.replace(OFF, cutout=0.5)).numpy()
    heights, widths, tops, lefts = (tf.random.stateless_uniform((9, 50), SEED, -1.0, 1.0).numpy()[5:] + 1) / 2
    for number, (image, result) in enumerate(zip(images.astype("float32"), cut, strict=True)):
        size = np.float32(24 * np.array([heights[number], widths[number]]))
        start = np.float32([tops[number], lefts[number]]) * (48 - size)
        rows, columns = (slice(*np.ceil([a, a + s]).astype(int)) for a, s in zip(start, size, strict=True))
        expected = image.copy()
        expected[rows, columns] = image.mean(axis=(0, 1))
        np.testing.assert_allclose(result, expected, atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_stays_in_range(channels):
    images = make_images(32, channels=channels)
    varied = augment_faces(images, SEED, strength=ALL).numpy()
    assert varied.shape == images.shape
    assert varied.dtype == np.float32
    assert 0 <= varied.min() <= varied.max() <= 255
    np.testing.assert_array_equal(varied, augment_faces(images.astype("float32"), SEED, strength=ALL))
    assert not np.array_equal(varied, augment_faces(images, SEED + 1, strength=ALL))


def test_one_effect_does_not_change_the_draws_of_another():
    images = make_images()
    alone = augment_faces(images, SEED, strength=dataclasses.replace(OFF, noise=0.05, blur=0.05)).numpy()
    dark = augment_faces(images // 2, SEED, strength=dataclasses.replace(OFF, noise=0.05, blur=0.05)).numpy()
    blurred = augment_faces(images, SEED, strength=dataclasses.replace(OFF, blur=0.05)).numpy()
    assert not np.array_equal(alone, dark)
    difference = alone - blurred
    same = (alone > 0) & (alone < 255)
    noise = augment_faces(np.full_like(images, 128), SEED, strength=dataclasses.replace(OFF, noise=0.05)).numpy() - 128
    np.testing.assert_allclose(difference[same], noise[same], atol=0.01)


def test_off_is_identity():
    images = make_images()
    landmarks = np.random.default_rng(0).uniform(size=(6, 68, 2)).astype("float32")
    same, marks = augment_faces(images, SEED, landmarks, OFF)
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(marks, landmarks)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_in_a_graph_of_unknown_shape(flip):
    strength = dataclasses.replace(ALL, flip=flip)
    graph = tf.function(
        lambda images: augment_faces(images, SEED, strength=strength),
        input_signature=[tf.TensorSpec((None, None, None, None), tf.uint8)],
    )
    images = make_images(channels=3)
    np.testing.assert_allclose(graph(images), augment_faces(images, SEED, strength=strength), atol=0.01)


def test_all_but_the_geometry_compiles():
    strength = dataclasses.replace(ALL, flip=0.0, rotation=0.0, scale=0.0, shift=0.0)
    compiled = tf.function(lambda images: augment_faces(images, SEED, strength=strength), jit_compile=True)
    images = make_images(channels=3)
    np.testing.assert_allclose(compiled(images), augment_faces(images, SEED, strength=strength), atol=0.02)


@pytest.mark.parametrize(
    "wrong", [{"flip": 1.5}, {"rotation": -1}, {"scale": 1.0}, {"blur": float("nan")}, {"noise": 2}, {"gamma": 5}]
)
def test_strengths_out_of_range(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must be from 0 to"):
        AugmentationStrength(**wrong)


def test_keras_layers_know_the_same_effects():
    """A picture that Keras's own layer brightens by a fixed amount is the same in ours at that draw."""
    images = make_images()
    strength = dataclasses.replace(OFF, brightness=0.3)
    varied = augment_faces(images, SEED, strength=strength).numpy()
    draws = 2 * draws_of(1, 3, 6, 1, 1, 1)[2, :, 0, 0, 0] - 1
    for image, result, draw in zip(images, varied, draws, strict=True):
        layer = keras.layers.RandomBrightness((0.3 * float(draw), 0.3 * float(draw)), value_range=(0, 255))
        np.testing.assert_allclose(result, layer(image.astype("float32"), training=True), atol=0.01)
