import numpy as np
import pytest
import tensorflow as tf

from fer_keras.losses import ArcFace, ASoftmax, CosineHead, LSoftmax, MarginHead

FEATURES = np.ones((2, 4), "float32")


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range(graph, label):
    head = ArcFace(3, name="arc")
    head.build((None, 4))
    call = tf.function(head, autograph=False) if graph else head
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"arc: labels must be in \[0, 3\)"):
        call(FEATURES, tf.constant([0, label]))


def test_under_xla_a_label_out_of_range_gets_no_margin():
    head = ArcFace(3)
    head.build((None, 4))
    logits = tf.function(head, jit_compile=True, autograph=False)(FEATURES, tf.constant([0, 3]))
    np.testing.assert_allclose(logits[1], head(FEATURES)[1], rtol=1e-6)


@pytest.mark.parametrize("head", [ArcFace(3), ASoftmax(3), LSoftmax(3)])
def test_zero_features_are_safe(head):
    features = tf.zeros((2, 4))
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = head(features, np.array([0, 1]))
    assert np.all(np.isfinite(logits))
    assert np.all(np.isfinite(tape.gradient(logits, features)))


def test_mixed_precision_asked_for_keeps_weights_and_logits_in_float32():
    head = ArcFace(3, dtype="mixed_float16")
    logits = head((100 * FEATURES).astype("float16"), np.array([0, 1]))
    assert logits.dtype == head.kernel.dtype == "float32"


def test_faults_are_named():
    for make, received in [
        (lambda: ArcFace(1), "num_classes=1"),
        (lambda: ArcFace(3, margin=-0.1), r"margin=-0\.1"),
        (lambda: ArcFace(3, scale=0), "scale=0"),
        (lambda: ArcFace(3)(np.ones((2, 4, 4))), r"shape=\(2, 4, 4\)"),
        (lambda: ArcFace(3)(FEATURES, np.ones((2, 4))), r"shape=\(2, 4\)"),
    ]:
        with pytest.raises(ValueError, match=f"Received: {received}"):
            make()
    with pytest.raises(NotImplementedError, match="MarginHead must implement `logits"):
        MarginHead(3)(FEATURES)
    with pytest.raises(NotImplementedError, match="CosineHead must implement `margin_cosine"):
        CosineHead(3, 0.1, 30.0)(FEATURES, np.array([0, 1]))
