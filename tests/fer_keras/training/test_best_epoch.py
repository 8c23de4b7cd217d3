import dataclasses

import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.training import static
from fer_keras.training.best_epoch import BestEpoch
from fer_keras.training.static import StaticConfig, train_static

CONFIG = StaticConfig(
    epochs=6, batch_size=16, width=0.25, patience=2, augmentation=None, learning_rate=1e-2, dropout=0.0
)


class Recorder:
    """Stands for a model whose only weight is the epoch."""

    def __init__(self):
        self.weight, self.stop_training = 0, False

    def get_weights(self):
        return self.weight

    def set_weights(self, weight):
        self.weight = weight


def stop_of(losses, patience):
    callback = BestEpoch(patience)
    callback.set_model(Recorder())
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.model.weight = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if callback.model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, callback.model.weight


@pytest.mark.parametrize(
    ("losses", "patience", "stopped", "best"),
    [
        ([3, 2, 1, 2, 2, 2], 2, 5, 3),
        ([1, 2, 2], 2, 3, 1),
        ([3, 2, 1], 2, 3, 3),
        ([1, 1, 1], 1, 2, 1),  # no lower is no better
        ([2, 3, 1, 3, 3], 2, 5, 3),
    ],
)
def test_stops_after_patience_with_the_best_weights(losses, patience, stopped, best):
    assert stop_of(losses, patience) == (stopped, best)


def test_the_metric_loss_does_not_count():
    callback = BestEpoch(5)
    callback.set_model(Recorder())
    callback.model.metric_weight = 0.1
    for epoch, (answers, metric) in enumerate([(1.0, 400.0), (1.5, 300.0), (2.0, 200.0)]):  # only centres move apart
        callback.on_epoch_end(epoch, {"val_loss": answers + 0.1 * metric, "val_metric_loss": metric})
    assert (callback.epoch, callback.loss) == (1, pytest.approx(1.0))


@pytest.mark.slow
def test_killed_training_stops_at_the_same_epoch_with_the_same_weights(toy_faces, tmp_path, monkeypatch):
    held_out = np.isin(toy_faces.subjects, ["s8", "s9"])
    training, validation = toy_faces.select(~held_out), toy_faces.select(held_out)
    # Labels that cannot be learned, so that the loss on held-out people rises early.
    training = dataclasses.replace(training, labels=np.random.default_rng(0).permutation(training.labels))
    epochs = []
    whole = train_static(training, CONFIG, validation, on_epoch=lambda epoch, logs: epochs.append(epoch))
    assert epochs[-1] < CONFIG.epochs

    class KilledError(Exception):
        pass

    def kill(epoch, logs):
        if epoch == epochs[-1]:
            raise KilledError

    often = static.TrainingCheckpoint
    monkeypatch.setattr(static, "TrainingCheckpoint", lambda directory: often(directory, every_seconds=0))
    with pytest.raises(KilledError):
        train_static(training, CONFIG, validation, checkpoint_dir=tmp_path, on_epoch=kill)
    resumed = train_static(training, CONFIG, validation, checkpoint_dir=tmp_path)
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_patience_needs_validation(toy_faces):
    with pytest.raises(InputError, match="patience=2 needs faces to validate on"):
        train_static(toy_faces, CONFIG)
