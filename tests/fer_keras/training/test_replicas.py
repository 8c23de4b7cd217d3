import numpy as np
import pytest

from fer_keras.corpora.face_set import FaceSet
from fer_keras.testing import two_replicas
from fer_keras.training import static
from fer_keras.training.static import StaticConfig, train_static


@pytest.fixture
def faces():
    """Noise, with contrast and a bright side by class, so that the halves of a batch differ in their statistics."""
    random = np.random.default_rng(0)
    labels = np.arange(16, dtype="int32") % 2
    images = random.integers(0, 128, (16, 48, 48, 1)).astype("uint8")
    images[labels == 1, :, :20] += 100
    subjects = np.array([f"p{row // 4}" for row in range(16)])
    return FaceSet(images, labels, subjects, subjects, ("neutral", "happiness"))


@pytest.mark.slow
def test_two_replicas_train_as_one_device_does(faces, monkeypatch):
    # Dropout is each replica's own.
    config = StaticConfig(width=0.25, dropout=0.0, epochs=3, batch_size=8, augmentation=None, learning_rate=1e-4)

    def losses():
        history = []
        train_static(faces, config, on_epoch=lambda epoch, logs: history.append(logs["loss"]))
        return np.array(history)

    alone = losses()
    with two_replicas().scope():
        together = losses()
        monkeypatch.setattr(static, "synchronize_statistics", lambda model: None)
        apart = losses()
    assert alone[-1] < alone[0]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert np.abs(apart - alone).max() > 1e-2 * alone.max()
