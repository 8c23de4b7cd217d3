import numpy as np
import pytest
import tensorflow as tf

from fer_keras.augmentation import occlude_faces
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.errors import InputError
from fer_keras.occlusion import OCCLUDERS, occlude

SEED = tf.constant([3, 11], tf.int64)


def make_faces(count=12, size=64, channels=3):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, channels), np.uint8)
    pose = Pose((0.5, 0.26), 0.32)
    landmarks = np.stack([project(move_points(make_person(rng), {}), pose)[:68] for _ in range(count)])
    return images, landmarks.astype("float32")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_batch(channels, dtype):
    images, landmarks = make_faces(channels=channels)
    images = images.astype(dtype) + (np.float32(0.25) if dtype == "float32" else np.uint8(0))
    occluded, masks, kinds = (values.numpy() for values in occlude_faces(images, landmarks, SEED))
    assert occluded.dtype == dtype
    assert occluded.shape == images.shape
    assert masks.dtype == bool
    assert masks.shape == (12, 64, 64, 1)
    open_pixels = np.broadcast_to(~masks, images.shape)
    np.testing.assert_array_equal(occluded[open_pixels], images[open_pixels])
    assert (masks.mean(axis=(1, 2, 3)) > 0.005).all()
    assert len(set(kinds)) >= 3
    assert {kind.decode() for kind in kinds} <= set(OCCLUDERS)


def test_every_face_of_a_batch_has_its_own_occluder():
    images, landmarks = make_faces(2)
    images[1], landmarks[1] = images[0], landmarks[0]
    occluded, _, _ = occlude_faces(images, landmarks, SEED, kinds=["scarf"])
    assert not np.array_equal(occluded[0], occluded[1])


def test_same_seed_same_faces():
    images, landmarks = make_faces()
    first, second = occlude_faces(images, landmarks, SEED), occlude_faces(images, landmarks, SEED)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[0], occlude_faces(images, landmarks, SEED + 1)[0])


def test_it_is_occlude():
    images, landmarks = make_faces(1)
    occluded, mask, kinds = occlude_faces(images, landmarks, SEED, kinds=["hand"])
    rng = np.random.default_rng([3, 11, 0])
    rng.random(), rng.integers(1)
    expected, expected_mask = occlude(images[0], landmarks[0] * 64, "hand", rng)
    np.testing.assert_array_equal(occluded[0], expected)
    np.testing.assert_array_equal(mask[0, ..., 0], expected_mask)
    assert kinds.numpy().tolist() == [b"hand"]


@pytest.mark.parametrize("probability", [0.0, 0.4, 1.0])
def test_probability(probability):
    images, landmarks = (np.repeat(values[:1], 200, axis=0) for values in make_faces(1, 48))
    occluded, masks, kinds = occlude_faces(images, landmarks, SEED, probability=probability)
    hit = kinds.numpy() != b"none"
    assert hit.mean() == pytest.approx(probability, abs=0.1)
    np.testing.assert_array_equal(masks.numpy().any(axis=(1, 2, 3)), hit)
    np.testing.assert_array_equal(occluded.numpy()[~hit], images[~hit])


def test_faces_without_landmarks_get_blocks_only():
    images, _ = make_faces()
    nowhere = np.zeros((12, 68, 2), "float32")
    _, masks, kinds = occlude_faces(images, nowhere, SEED)
    assert set(kinds.numpy()) == {b"random_block"}
    assert masks.numpy().any(axis=(1, 2, 3)).all()
    _, masks, kinds = occlude_faces(images, nowhere, SEED, kinds=["hand", "scarf"])
    assert set(kinds.numpy()) == {b"none"}
    assert not masks.numpy().any()


def test_coverage_of_blocks():
    images, landmarks = make_faces()
    _, small, _ = occlude_faces(images, landmarks, SEED, kinds=["random_block"], coverage=(0.1, 0.1))
    _, large, _ = occlude_faces(images, landmarks, SEED, kinds=["random_block"], coverage=(0.5, 0.5))
    assert 3 < large.numpy().sum() / small.numpy().sum() < 9
    # Other kinds have no coverage to set.
    occlude_faces(images, landmarks, SEED, kinds=["hand"], coverage=(0.5, 0.5))


def test_in_an_input_pipeline():
    images, landmarks = make_faces()
    faces = tf.data.Dataset.from_tensor_slices((images, landmarks)).enumerate()

    def vary(number, face):
        return occlude_faces(*face, tf.stack([tf.constant(0, tf.int64), number]), probability=0.7)

    one_by_one = faces.map(vary, num_parallel_calls=2)
    assert [spec.shape for spec in one_by_one.element_spec] == [(64, 64, 3), (64, 64, 1), ()]
    rows = list(one_by_one.batch(5).as_numpy_iterator())
    again = list(one_by_one.batch(5).as_numpy_iterator())
    for row, other in zip(rows, again, strict=True):
        for one, another in zip(row, other, strict=True):
            np.testing.assert_array_equal(one, another)
    batched = tf.data.Dataset.from_tensor_slices((images, landmarks)).batch(12)
    spec = batched.map(lambda *batch: occlude_faces(*batch, SEED)).element_spec
    assert [part.shape.as_list() for part in spec] == [[None, 64, 64, 3], [None, 64, 64, 1], [None]]


def test_an_empty_batch():
    images, landmarks = make_faces()
    occluded, masks, kinds = occlude_faces(images[:0], landmarks[:0], SEED)
    assert (occluded.shape, masks.shape, kinds.shape) == ((0, 64, 64, 3), (0, 64, 64, 1), (0,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["beard"]}, "unknown occluder 'beard'"),
        ({"kinds": []}, "expected kinds"),
        ({"probability": 1.2}, "a probability from 0 to 1"),
        ({"coverage": (0.5, 0.1)}, "coverage must be"),
        ({"coverage": (0.0, 0.1)}, "coverage must be"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(InputError, match=message):
        occlude_faces(*make_faces(1), SEED, **options)
