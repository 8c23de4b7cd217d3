import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.layers import CenterLoss, IslandLoss
from fer_keras.testing import check_gradient, check_metric_loss


def cosine(a, b):
    """0 where a vector is zero."""
    lengths = np.sqrt(np.sum(a * a)) * np.sqrt(np.sum(b * b))
    return np.sum(a * b) / lengths if lengths else 0.0


def reference_pairs(centers):
    """Σ_j Σ_{k≠j} (cos(c_j, c_k) + 1)."""
    classes = range(len(centers))
    return sum(cosine(centers[j], centers[k]) + 1.0 for j in classes for k in classes if k != j)


def reference_loss(features, labels, centers, threshold, pair_weight):
    """Equations 1 and 2, with the mean over the batch."""
    excess = [max(np.sum((x - centers[y]) ** 2) - threshold, 0.0) for x, y in zip(features, labels, strict=True)]
    return 0.5 * sum(excess) / len(labels) + pair_weight * reference_pairs(centers)


def reference_update(features, labels, centers, pair_weight, alpha):
    """Equations 5 and 6 as printed (the second term corrected, see DESIGN.md)."""
    count = len(centers)
    moved = np.array(centers, "float64")
    for j in range(count):
        members = [x for x, y in zip(features, labels, strict=True) if y == j]
        step = sum((centers[j] - x for x in members), start=np.zeros(centers.shape[1])) / (1.0 + len(members))
        own = np.linalg.norm(centers[j])
        for k in range(count):
            other = np.linalg.norm(centers[k])
            if k != j and own > 0 and other > 0:
                push = centers[k] / (other * own) - np.sum(centers[k] * centers[j]) * centers[j] / (other * own**3)
                step = step + pair_weight / (count - 1) * push
        moved[j] -= alpha * step
    return moved


def make(num_classes, dimension, **options):
    layer = IslandLoss(num_classes, **options)
    layer.build((None, dimension))
    return layer, layer.centers.numpy().astype("float64")


@pytest.mark.slow
def test_contract():
    check_metric_loss(functools.partial(IslandLoss, 3, threshold=2.0, pair_weight=1.0))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.floats(0, 8), st.integers(0, 2**16))
def test_value_and_update_for_any_shape(batch, num_classes, dimension, threshold, seed):
    random = np.random.default_rng(seed)
    features = random.normal(size=(batch, dimension)).astype("float32")
    labels = random.integers(0, num_classes, batch)
    layer, centers = make(num_classes, dimension, threshold=threshold, pair_weight=3.0)
    expected = reference_loss(features, labels, centers, threshold, 3.0)
    np.testing.assert_allclose(layer(features, labels), expected, rtol=1e-5, atol=1e-5)
    layer.update(features, labels)
    moved = reference_update(features, labels, centers, 3.0, 0.5)
    np.testing.assert_allclose(layer.centers, moved, rtol=1e-4, atol=1e-5 * np.abs(moved).max())


def test_twenty_updates_with_absent_classes_one_class_batches_and_a_zero_centre():
    random = np.random.default_rng(0)
    start = random.normal(size=(5, 8))
    start[3] = 0.0
    layer, _ = make(5, 8, pair_weight=10.0, centers_initializer=keras.initializers.Constant(0.0))
    layer.centers.assign(start)
    centers = start
    batches = [random.integers(0, 3, 12) for _ in range(8)]  # classes 3 and 4 are absent: 3 stays zero
    batches += [np.full(12, label) for label in (1, 3, 4, 0)]  # of one class
    batches += [random.integers(0, 5, 12) for _ in range(8)]
    for step, labels in enumerate(batches):
        features = (random.normal(size=(12, 8)) + labels[:, None]).astype("float32")
        layer.update(features, labels)
        centers = reference_update(features, labels, centers, 10.0, 0.5)
        np.testing.assert_allclose(layer.centers, centers, rtol=1e-5, atol=2e-5, err_msg=f"step {step}")
        expected = reference_loss(features, labels, centers, 0.0, 10.0)
        np.testing.assert_allclose(layer(features, labels), expected, rtol=1e-5)
        assert step >= 8 or not layer.centers.numpy()[3].any()


def test_all_centres_zero():
    layer, centers = make(3, 4, centers_initializer="zeros")
    features, labels = np.ones((2, 4), "float32"), np.array([0, 1])
    np.testing.assert_allclose(layer(features, labels), reference_loss(features, labels, centers, 0.0, 10.0), rtol=1e-6)
    layer.update(features, labels)
    np.testing.assert_allclose(layer.centers, reference_update(features, labels, centers, 10.0, 0.5), rtol=1e-6)


def test_second_term_of_the_step_is_the_gradient_of_the_pair_term():
    layer = IslandLoss(4, pair_weight=1.0, alpha=1.0, dtype="float64")
    layer.build((None, 3))
    centers = layer.centers.numpy()
    nothing = np.zeros((4, 1)), np.zeros((4, 3))
    step = layer.center_step(*map(tf.constant, nothing)).numpy()
    gradient = np.zeros_like(centers)
    for index in np.ndindex(*centers.shape):
        shift = np.zeros_like(centers)
        shift[index] = 1e-6
        gradient[index] = (reference_pairs(centers + shift) - reference_pairs(centers - shift)) / 2e-6
    np.testing.assert_allclose(2 * (4 - 1) * step, gradient, rtol=1e-6, atol=1e-8)


def test_pair_term_has_no_gradient_towards_the_features():
    features, labels = tf.random.normal((4, 3)), np.array([0, 1, 2, 0])
    gradients = []
    for pair_weight in (0.0, 10.0):
        layer, _ = make(3, 3, pair_weight=pair_weight, centers_initializer=keras.initializers.RandomNormal(seed=1))
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = layer(features, labels)
        gradients.append(tape.gradient(loss, features).numpy())
    np.testing.assert_array_equal(*gradients)


def test_gradient_with_easy_and_hard_samples():
    layer = IslandLoss(3, threshold=3.0, dtype="float64")
    layer.build((None, 4))
    features, labels = np.random.default_rng(0).normal(size=(9, 4)), np.arange(9) % 3
    squared = layer.squared_distances(features, labels).numpy()
    assert squared.min() < 2.9 < 3.1 < squared.max()
    check_gradient(lambda x: layer(x, labels), features)


def test_without_threshold_and_pairs_it_is_center_loss():
    features, labels = np.random.normal(size=(6, 4)), np.array([0, 1, 2, 0, 0, 1])
    island, _ = make(3, 4, pair_weight=0.0, centers_initializer=keras.initializers.RandomNormal(seed=1))
    center = CenterLoss(3, centers_initializer=keras.initializers.RandomNormal(seed=1))
    assert float(island(features, labels)) == float(center(features, labels))
    island.update(features, labels)
    center.update(features, labels)
    np.testing.assert_array_equal(island.centers, center.centers)


def test_pairs_count_once_under_both_reductions():
    features, labels = np.random.normal(size=(5, 4)), np.array([0, 1, 2, 0, 0])
    seeded = keras.initializers.RandomNormal(seed=1)
    mean, centers = make(3, 4, centers_initializer=seeded)
    total, _ = make(3, 4, centers_initializer=seeded, reduction="sum")
    pairs = 10.0 * reference_pairs(centers)
    np.testing.assert_allclose(total(features, labels) - pairs, 5 * (mean(features, labels) - pairs), rtol=1e-5)


def test_hard_fraction():
    layer, _ = make(2, 2, threshold=1.0, centers_initializer="zeros")
    layer.observe(np.array([[2.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, -1.1]]), [0, 0, 1, 1])
    assert float(layer.hard_fraction.result()) == 0.5


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_without_xla_and_with(label):
    layer, centers = make(3, 2)
    features, labels = np.zeros((2, 2), "float32"), tf.constant([0, label])
    for call in (layer, layer.update, tf.function(layer.update, autograph=False)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels must be in \[0, 3\)"):
            call(features, labels)
    np.testing.assert_array_equal(layer.centers, centers.astype("float32"))
    tf.function(layer.update, jit_compile=True, autograph=False)(features, labels)
    known = reference_update(features[:1], [0], centers, 10.0, 0.5)
    np.testing.assert_allclose(layer.centers, known, rtol=1e-5, atol=1e-6)  # no centre moves for it


def test_faults_are_named():
    with pytest.raises(ValueError, match="Received: threshold=-1"):
        IslandLoss(3, threshold=-1)
    with pytest.raises(ValueError, match="Received: pair_weight=-2"):
        IslandLoss(3, pair_weight=-2)
