"""Checkpoints that a killed training continues from."""

import pathlib
import re
import time

import keras


class TrainingCheckpoint(keras.callbacks.Callback):
    """Saves the model with its optimizer while it trains; a file appears whole or not at all.

    Args:
        directory: folder for the checkpoints, created if missing.
        every_seconds: float, least time between two checkpoints.
    """

    def __init__(self, directory, every_seconds=20.0):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.every_seconds = every_seconds
        self._saved = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Saves after the epoch if enough time has passed."""
        if time.monotonic() - self._saved < self.every_seconds:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        aside = self.directory / ".writing.keras"
        self.model.save(aside)
        older = list(self.directory.glob("epoch-*.keras"))
        aside.rename(self.directory / f"epoch-{epoch + 1:05d}.keras")
        for file in older:
            file.unlink()
        self._saved = time.monotonic()

    def latest(self):
        """Loads the newest checkpoint.

        Returns:
            A pair of the compiled model and the number of epochs that it has seen; `(None, 0)` where there is none.
        """
        files = sorted(self.directory.glob("epoch-*.keras"))
        if not files:
            return None, 0
        return keras.models.load_model(files[-1]), int(re.search(r"epoch-(\d+)", files[-1].name)[1])
