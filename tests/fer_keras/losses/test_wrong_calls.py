"""What every metric loss, head and loss says to labels, features and weights that do not belong together."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.layers import CenterLoss, IslandLoss
from fer_keras.losses import AMSoftmax, ArcFace, ASoftmax, FocalLoss, LSoftmax, TripletLoss, VerificationLoss

FEATURES = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
LABELS = np.arange(6) % 3

METRIC_LOSSES = {
    "center": lambda: CenterLoss(3),
    "island": lambda: IslandLoss(3),
    "semi_hard": lambda: TripletLoss(),
    "hard": lambda: TripletLoss(mining="hard"),
    "verification": lambda: VerificationLoss(4.0),
}
HEADS = {
    "arcface": lambda: ArcFace(3),
    "am_softmax": lambda: AMSoftmax(3),
    "l_softmax": lambda: LSoftmax(3),
    "a_softmax": lambda: ASoftmax(3),
}
every_layer = pytest.mark.parametrize("make", [*METRIC_LOSSES.values(), *HEADS.values()], ids=[*METRIC_LOSSES, *HEADS])
every_metric_loss = pytest.mark.parametrize("make", METRIC_LOSSES.values(), ids=METRIC_LOSSES)


@every_layer
@pytest.mark.parametrize("labels", [[1], np.eye(3)[:1], LABELS[:5]], ids=["one", "one row", "five"])
def test_labels_that_are_not_as_many_as_the_features(make, labels):
    with pytest.raises(ValueError, match=f"{len(labels)} labels for 6 samples"):
        make()(FEATURES, np.asarray(labels))


@every_layer
def test_features_of_another_dimension_than_it_was_built_for(make):
    layer = make()
    layer(FEATURES, LABELS)
    with pytest.raises(
        ValueError, match=r"(expected axis -1 of input shape to have value 4|built for features of shape)"
    ):
        layer(FEATURES[:, :3], LABELS)
    with pytest.raises(ValueError, match=r"(expected ndim=2|built for features of shape)"):
        layer(FEATURES[:, 0], LABELS)


@every_metric_loss
@pytest.mark.parametrize("weights", [np.ones(5), np.ones((6, 2)), 1.0], ids=["five", "two each", "scalar"])
def test_weights_of_another_shape(make, weights):
    with pytest.raises(ValueError, match="`sample_weight` must be of shape"):
        make()(FEATURES, LABELS, sample_weight=weights)


@every_metric_loss
def test_an_empty_batch_costs_nothing(make):
    layer = make()
    layer(FEATURES, LABELS)
    constant = float(layer.pair_weight * layer.pair_sum()) if isinstance(layer, IslandLoss) else 0.0
    assert float(layer(FEATURES[:0], LABELS[:0])) == pytest.approx(constant)
    before = layer.get_weights()
    layer.update(FEATURES[:0], LABELS[:0])
    assert all(np.isfinite(weight).all() for weight in layer.get_weights())
    assert len(before) == len(layer.get_weights())


@every_layer
def test_soft_rows_whose_width_is_not_known_beforehand(make):
    layer = make()
    expected = np.asarray(layer(FEATURES, LABELS))
    spec = [tf.TensorSpec((None, 4)), tf.TensorSpec((None, None))]
    answer = tf.function(lambda features, labels: layer(features, labels), input_signature=spec)
    np.testing.assert_allclose(answer(FEATURES, np.eye(3, dtype="float32")[LABELS]), expected, rtol=1e-5)
    np.testing.assert_allclose(answer(FEATURES, LABELS[:, None].astype("float32")), expected, rtol=1e-5)


@pytest.mark.parametrize("wrong", [-1, 3, 2**32, 2**32 + 1])
@pytest.mark.parametrize("make", [METRIC_LOSSES["center"], HEADS["arcface"]], ids=["center", "arcface"])
def test_labels_out_of_range(make, wrong):
    labels = LABELS.astype("int64")
    labels[2] = wrong
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be in"):
        make()(FEATURES, labels)


def test_labels_out_of_range_under_xla_count_as_documented():
    loss, head = CenterLoss(3, reduction="sum"), ArcFace(3)
    for layer in (loss, head):
        layer(FEATURES, LABELS)
    compiled = tf.function(loss, jit_compile=True, autograph=False)
    for wrong, nearest in ((-1, 0), (7, 2)):
        expected = float(loss(FEATURES[:1], np.array([nearest])))
        assert float(compiled(FEATURES[:1], np.array([wrong]))) == pytest.approx(expected, rel=1e-5)
        update = tf.function(loss.update, jit_compile=True, autograph=False)
        before = loss.get_weights()[0]
        update(FEATURES[:1], np.array([wrong]))
        np.testing.assert_allclose(loss.get_weights()[0], before, rtol=1e-6)
        margin = tf.function(lambda *batch: head(*batch), jit_compile=True, autograph=False)
        np.testing.assert_allclose(margin(FEATURES[:1], np.array([wrong])), head(FEATURES[:1]), rtol=1e-4, atol=1e-5)


def test_focal_loss():
    logits = FEATURES[:, :3]
    with pytest.raises(ValueError, match="1 labels for 6 samples"):
        FocalLoss()(np.array([1]), logits)
    with pytest.raises(ValueError, match=r"soft rows must have the shape of the logits, \(6, 3\)"):
        FocalLoss()(np.eye(3)[:1], logits)
    for alpha in (np.float32(0.25), [0.25] * 3, np.full(3, 0.25), (0.25, 0.25, 0.25)):
        assert float(FocalLoss(alpha=alpha)(LABELS, logits)) == pytest.approx(
            float(FocalLoss(alpha=0.25)(LABELS, logits))
        )
        copy = FocalLoss.from_config(FocalLoss(alpha=alpha, dtype="float64").get_config())
        assert copy.dtype == "float64"
        assert copy(LABELS, logits).dtype == tf.float64


@pytest.mark.parametrize("make", [METRIC_LOSSES["verification"], lambda: TripletLoss(0.5, normalize=False)])
def test_a_shift_common_to_all_features_changes_nothing(make):
    moved = FEATURES + np.float32(2000.0)
    moved_back = moved - np.float32(2000.0)  # what float32 keeps of them
    assert float(make()(moved, LABELS)) == pytest.approx(float(make()(moved_back, LABELS)), rel=1e-3)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 1e-4, 1e-3, 0.1, 3.0, np.pi - 1e-4])
def test_arcface_at_all_angles(angle):
    head = ArcFace(2, margin=0.5, scale=1.0, dtype="float64")
    head.build((None, 2))
    head.kernel.assign(np.array([[1.0, 0.0], [0.0, 1.0]]))
    logit = float(head(np.array([[np.cos(angle), np.sin(angle)]]), np.array([0]))[0, 0])
    expected = np.cos(angle + 0.5) if angle < np.pi - 0.5 else np.cos(angle) - 0.5 * np.sin(0.5)
    assert logit == pytest.approx(expected, abs=1e-10)


def test_arcface_in_one_dimension():
    head = ArcFace(2, margin=0.5, scale=1.0)
    head.build((None, 1))
    head.kernel.assign(np.array([[1.0, -1.0]], "float32"))
    features = tf.constant([[3.0]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = head(features, np.array([0]))
    np.testing.assert_allclose(logits, [[np.cos(0.5), -1.0]], rtol=1e-6)
    assert np.isfinite(tape.gradient(logits, features)).all()


def test_centres_from_lists_and_learning_before_a_call():
    loss = CenterLoss(3)
    loss.initialize_centers([row for row in FEATURES], LABELS.tolist())
    np.testing.assert_allclose(loss.centers, [FEATURES[np.equal(LABELS, k)].mean(axis=0) for k in range(3)], rtol=1e-5)
    fresh = IslandLoss(3)
    fresh.update(FEATURES, LABELS)
    assert fresh.centers.shape == (3, 4)
    watched = IslandLoss(3, threshold=1.0, centers_initializer="zeros")
    watched.observe(FEATURES, LABELS)
    assert float(watched.hard_fraction.result()) == pytest.approx(np.mean(np.sum(FEATURES**2, axis=1) > 1.0))
    with pytest.raises(ValueError, match="built for features of shape"):
        fresh.observe(FEATURES[:, :2], LABELS)


@pytest.mark.slow
def test_sums_under_two_replicas_are_those_of_one():
    from fer_keras.models import JointSupervision
    from fer_keras.testing import two_replicas

    strategy = two_replicas()

    def trained():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,))
        backbone = keras.Model(inputs, keras.layers.Dense(5)(inputs))
        model = JointSupervision(backbone, ("a", "b", "c"), IslandLoss(3, reduction="sum"), metric_weight=0.05)
        model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(FEATURES, LABELS, batch_size=6, epochs=4, shuffle=False, verbose=0)
        return model.get_weights()

    alone = trained()
    with strategy.scope():
        split = trained()
    for one, other in zip(alone, split, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
