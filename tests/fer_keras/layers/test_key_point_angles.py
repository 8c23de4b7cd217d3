import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.layers import KEY_POINT_TRIPLETS, KeyPointAngles
from fer_keras.testing import check_config, check_gradient, check_layer


def random_faces(seed, faces=4):
    return np.random.default_rng(seed).uniform(0.1, 0.9, (faces, 68, 2)).astype("float32")


def slow_angles(points, aspect=1.0):
    """Interior angles of one face by the law of cosines; NaN where points coincide."""
    angles = []
    for a, m, b in KEY_POINT_TRIPLETS:
        (ax, ay), (mx, my), (bx, by) = points[a], points[m], points[b]
        left, right = math.hypot(ax - mx, (ay - my) * aspect), math.hypot(bx - mx, (by - my) * aspect)
        across = math.hypot(ax - bx, (ay - by) * aspect)
        if left * right == 0:
            angles.append(math.nan)
        else:
            angles.append(math.acos(np.clip((left**2 + right**2 - across**2) / (2 * left * right), -1, 1)))
    return np.array(angles)


def slow_map(points, changes, height, width, sigma):
    drawn = np.zeros((height, width))
    for (_, m, _), change in zip(KEY_POINT_TRIPLETS, changes, strict=True):
        for row in range(height):
            for column in range(width):
                dx = column + 0.5 - points[m][0] * width
                dy = row + 0.5 - points[m][1] * height
                drawn[row, column] += change * math.exp(-(dx**2 + dy**2) / (2 * (sigma * width) ** 2))
    return drawn


def neutral_face():
    """A regular face: brows and lips on arcs, so that no triplet is straight or empty."""
    points = np.zeros((68, 2))
    points[:17] = [(0.5 - 0.4 * np.cos(t), 0.4 + 0.5 * np.sin(t)) for t in np.linspace(0, np.pi, 17)]
    for first, x in ((17, 0.3), (22, 0.7)):
        points[first : first + 5] = [(x - 0.1 * np.cos(t), 0.3 - 0.04 * np.sin(t)) for t in np.linspace(0, np.pi, 5)]
    points[27:31] = [(0.5, y) for y in np.linspace(0.4, 0.55, 4)]
    points[31:36] = [(0.5 - 0.06 * np.cos(t), 0.58 + 0.02 * np.sin(t)) for t in np.linspace(0, np.pi, 5)]
    for first, x in ((36, 0.3), (42, 0.7)):
        turns = np.array([0, 1, 2, 3, 4, 5]) * np.pi / 3
        points[first : first + 6] = [(x - 0.06 * np.cos(t), 0.4 - 0.02 * np.sin(t)) for t in turns]
    for first, count, across, down in ((48, 12, 0.12, 0.05), (60, 8, 0.08, 0.01)):
        turns = np.arange(count) * 2 * np.pi / count
        points[first : first + count] = [(0.5 - across * np.cos(t), 0.72 - down * np.sin(t)) for t in turns]
    return points


@settings(max_examples=8, deadline=None)
@given(
    size=st.one_of(st.integers(1, 14), st.tuples(st.integers(1, 14), st.integers(1, 14))),
    sigma=st.floats(0.02, 0.5),
    seed=st.integers(0, 99),
)
def test_map_equals_the_slow_one(size, sigma, seed):
    height, width = (size, size) if isinstance(size, int) else size
    faces, neutral = random_faces(seed, 2), random_faces(seed + 1, 2)
    maps = KeyPointAngles(size, sigma)(faces, neutral)
    assert maps.shape == (2, height, width, 1)
    for drawn, face, reference in zip(maps, faces.astype("float64"), neutral.astype("float64"), strict=True):
        changes = slow_angles(face, height / width) - slow_angles(reference, height / width)
        np.testing.assert_allclose(drawn[..., 0], slow_map(face, changes, height, width, sigma), rtol=1e-5, atol=1e-4)


def test_map_is_exact_in_float64():
    faces, neutral = random_faces(0, 2).astype("float64"), random_faces(1, 2).astype("float64")
    maps = KeyPointAngles((9, 12), 0.1, dtype="float64")(faces, neutral)
    for drawn, face, reference in zip(maps, faces, neutral, strict=True):
        changes = slow_angles(face, 0.75) - slow_angles(reference, 0.75)
        np.testing.assert_allclose(drawn[..., 0], slow_map(face, changes, 9, 12, 0.1), rtol=1e-5, atol=1e-9)


def test_triplets_are_symmetric_and_apart():
    face = neutral_face()
    angles = slow_angles(face)
    assert np.all(np.isfinite(angles))
    mirrored = face * [-1, 1] + [1, 0]
    # The mirrored face, numbered anew from the image's left, has the same angles in another order.
    order = [int(np.argmin(np.abs(mirrored - point).sum(axis=1))) for point in face[17:]]
    renumbered = np.concatenate([mirrored[16::-1], mirrored[order]])
    np.testing.assert_allclose(np.sort(slow_angles(renumbered)), np.sort(angles), atol=1e-9)
    unordered = {(frozenset((a, b)), m) for a, m, b in KEY_POINT_TRIPLETS.tolist()}
    assert len(unordered) == len(KEY_POINT_TRIPLETS)
    assert KEY_POINT_TRIPLETS.min() >= 17  # none on the jaw


def test_a_smile_shows_at_the_mouth_and_nowhere_else():
    neutral = neutral_face()
    smile = neutral.copy()
    smile[[48, 54]] += [[-0.03, -0.04], [0.03, -0.04]]
    drawn = np.abs(KeyPointAngles(48)(smile[None], neutral[None])[0, ..., 0])
    assert drawn[28:].max() > 0.1
    assert drawn[:20].max() < 1e-3


def test_same_face_or_no_face_gives_zeros():
    layer = KeyPointAngles(16)
    faces, none = random_faces(0), np.zeros((4, 68, 2), "float32")
    layer.adapt(random_faces(1))
    np.testing.assert_array_equal(layer(faces, faces), 0.0)
    np.testing.assert_array_equal(layer(none), 0.0)
    np.testing.assert_array_equal(layer(none, faces), 0.0)
    np.testing.assert_array_equal(layer(faces, none), 0.0)
    mixed = np.concatenate([faces[:1], none[:1]])
    np.testing.assert_allclose(layer(mixed)[:1], layer(faces[:1]), atol=1e-6)


def test_adapt_takes_the_mean_of_faces_with_landmarks():
    faces = random_faces(0, 10)
    expected = np.mean([slow_angles(face.astype("float64")) for face in faces], axis=0)
    with_gaps = np.concatenate([faces, np.zeros((5, 68, 2), "float32")])
    batches = tf.data.Dataset.from_tensor_slices(with_gaps).shuffle(15, seed=0).batch(4)
    for landmarks in (with_gaps, batches):
        layer = KeyPointAngles(8)
        layer.adapt(landmarks)
        np.testing.assert_allclose(layer.reference_angles, expected, rtol=1e-5)
        assert layer.trainable_weights == []
    changes = slow_angles(faces[0].astype("float64")) - expected
    np.testing.assert_allclose(
        layer(faces[:1])[0, ..., 0], slow_map(faces[0], changes, 8, 8, layer.sigma), rtol=1e-4, atol=1e-4
    )


def test_gradients_agree_with_differences():
    layer = KeyPointAngles((5, 6), 0.1, dtype="float64")
    check_gradient(layer, random_faces(0, 2), random_faces(1, 2))


def straight(points):
    points[17:22] = [[0.1 * i, 0.5] for i in range(5)]


def folded(points):
    points[18] = points[20] = [0.3, 0.3]


def closed_eye(points):
    points[[37, 38, 40, 41]] = points[36]


def one_point(points):
    points[:] = 0.5


@pytest.mark.parametrize("change", [straight, folded, closed_eye, one_point])
def test_degenerate_faces_have_finite_maps_and_gradients(change):
    faces = random_faces(0, 2)
    change(faces[0])
    for landmarks, reference in ((faces, random_faces(1, 2)), (random_faces(1, 2), faces)):
        landmarks, reference = tf.constant(landmarks), tf.constant(reference)
        with tf.GradientTape() as tape:
            tape.watch([landmarks, reference])
            maps = KeyPointAngles(8)(landmarks, reference)
            loss = tf.reduce_sum(maps**2)
        assert np.all(np.isfinite(maps))
        for gradient in tape.gradient(loss, [landmarks, reference]):
            assert np.all(np.isfinite(gradient))


def test_drops_the_landmarks_of_some_faces_in_training_only():
    faces, reference = random_faces(0, 200), random_faces(1, 200)
    layer = KeyPointAngles(8, drop_rate=0.3, seed=1)
    whole = layer(faces, reference).numpy()
    trained = layer(faces, reference, training=True).numpy()
    dropped = ~trained.any(axis=(1, 2, 3))
    assert 0.2 < dropped.mean() < 0.4
    np.testing.assert_array_equal(trained[~dropped], whole[~dropped])
    again = layer(faces, reference, training=True).numpy()
    assert np.any(dropped != ~again.any(axis=(1, 2, 3)))
    compiled = tf.function(functools.partial(layer, training=True), jit_compile=True)
    assert not np.all(compiled(faces, reference).numpy().any(axis=(1, 2, 3)))


def test_mixed_float16_keeps_the_precision_of_landmarks():
    faces, reference = random_faces(0), random_faces(1)
    exact = KeyPointAngles(16)(faces, reference)
    half = KeyPointAngles(16, dtype="mixed_float16")(faces, reference)
    assert half.dtype == tf.float16
    np.testing.assert_allclose(half, exact, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("inputs", [(random_faces(0),), (random_faces(0), random_faces(1))])
def test_contract(inputs):
    check_layer(functools.partial(KeyPointAngles, (6, 8), sigma=0.1), *inputs)


def test_config_is_complete():
    check_config(KeyPointAngles((6, 8), sigma=0.1, drop_rate=0.25, seed=3))
    assert keras.layers.deserialize(keras.layers.serialize(KeyPointAngles((6, 8)))).image_size == (6, 8)


def test_adapted_reference_is_saved_and_exported(tmp_path):
    inputs = keras.Input((68, 2), name="landmarks")
    layer = KeyPointAngles(8, drop_rate=0.5)
    model = keras.Model(inputs, layer(inputs))
    layer.adapt(random_faces(1, 20))
    faces = random_faces(0)
    expected = model.predict(faces, verbose=0)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras").predict(faces, verbose=0), expected)
    model.export(str(tmp_path / "export"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(exported.serve(faces), expected, rtol=1e-5, atol=1e-6)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"Received: shape \(2, 67, 2\)"):
        KeyPointAngles(8)(np.zeros((2, 67, 2)))
    with pytest.raises(ValueError, match=r"Received: shape \(2, 136\)"):
        KeyPointAngles(8)(random_faces(0, 2), np.zeros((2, 136)))
    with pytest.raises(ValueError, match=r"Received: shape \(2, 136\)"):
        KeyPointAngles(8).adapt(np.zeros((2, 136)))
    with pytest.raises(ValueError, match="Received: none"):
        KeyPointAngles(8).adapt(np.zeros((2, 68, 2)))
    for batch, received in [((np.zeros((2, 68, 2)), [0, 1]), "tuple"), ({"landmarks": np.zeros((2, 68, 2))}, "dict")]:
        with pytest.raises(ValueError, match=f"batches of landmarks alone.* Received: a batch that is a {received}"):
            KeyPointAngles(8).adapt([batch])
    with pytest.raises(ValueError, match=r"Received: image_size=0"):
        KeyPointAngles(0)
    with pytest.raises(ValueError, match=r"Received: sigma=0"):
        KeyPointAngles(8, sigma=0)
    with pytest.raises(ValueError, match=r"Received: drop_rate=1"):
        KeyPointAngles(8, drop_rate=1)
