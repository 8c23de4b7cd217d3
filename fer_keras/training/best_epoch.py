"""Early stopping on people the model has not seen, in a way that a resumed training ends alike."""

import json
import math
import pathlib

import keras

from fer_keras.json_file import write_json


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least validation loss, and stops when it lies too far back.

    What counts is the loss of the answers: the weighted metric loss that Keras's `val_loss` holds besides falls as
    centres move apart, whether or not the answers improve.

    A training that goes on from an earlier checkpoint finds the best epoch so far in `directory`. Epochs that it
    repeats give the same losses again, so it keeps the same weights and stops at the same epoch.

    Args:
        patience: int, epochs without a lower loss after which training stops.
        directory: folder for the best weights, or `None` to keep them in memory alone.
    """

    def __init__(self, patience, directory=None):
        super().__init__()
        self.patience = patience
        self.directory = None if directory is None else pathlib.Path(directory)
        self.epoch, self.loss, self._weights = 0, math.inf, None

    def on_train_begin(self, logs=None):
        """Reads the best epoch so far."""
        if self.directory is not None and self._note.exists():
            held = json.loads(self._note.read_text())
            self.epoch, self.loss = held["epoch"], held["loss"]

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the weights if the epoch is the best, and stops the training if none was for too long."""
        loss = float(logs["val_loss"])
        if "val_metric_loss" in logs:
            loss -= self.model.metric_weight * float(logs["val_metric_loss"])
        if loss < self.loss:
            self.epoch, self.loss, self._weights = epoch + 1, loss, self.model.get_weights()
            if self.directory is not None:
                self.directory.mkdir(parents=True, exist_ok=True)
                aside = self.directory / ".best.weights.h5"
                self.model.save_weights(aside)
                aside.replace(self._file)
                write_json(self._note, {"epoch": self.epoch, "loss": self.loss})
        if epoch + 1 - self.epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Gives the model the weights of its best epoch."""
        if self._weights is not None:
            self.model.set_weights(self._weights)
        elif self.epoch:
            self.model.load_weights(self._file)

    @property
    def _file(self):
        return self.directory / "best.weights.h5"

    @property
    def _note(self):
        return self.directory / "best.json"
