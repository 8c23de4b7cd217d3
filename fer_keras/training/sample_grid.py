"""Pictures of what a restorer does, written while it trains."""

import os
import pathlib

import keras
import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png

_GAP = 2  # pixels between pictures


class SampleGrid(keras.callbacks.Callback):
    """Writes `epoch-00010.png` every so many epochs: a row a face, with columns occluded, restored, truth and mask.

    The mask is what was painted: the head's, of a restorer with one. A file appears whole or not at all.

    Args:
        samples: dict of `face`, `mask` and `truth`, arrays of a few faces as `fer_keras.training.restoration` gives
            with `sample_faces`.
        directory: folder for the pictures, created if missing.
        every: int ≥ 1, epochs; the last one of a training is written as well.
        tensorboard_dir: optional folder of a TensorBoard run, which gets the same pictures as `restoration`.

    Raises:
        InputError: `every` is below 1, or TensorBoard is asked for and not installed.
    """

    def __init__(self, samples, directory, every=10, tensorboard_dir=None):
        super().__init__()
        if every < 1:
            raise InputError(f"every must be at least 1, received {every}")
        self.samples = samples
        self.directory = pathlib.Path(directory)
        self.every = every
        self._writer = None if tensorboard_dir is None else _image_writer(str(tensorboard_dir))
        self._epoch = self._written = None

    def on_epoch_end(self, epoch, logs=None):
        """Writes a picture if it is time."""
        self._epoch = epoch + 1
        if self._epoch % self.every == 0:
            self._write()

    def on_train_end(self, logs=None):
        """Writes the last epoch's picture."""
        if self._epoch is not None and self._epoch != self._written:
            self._write()

    def _write(self):
        inputs = self.samples["face"]
        if not self.model.restorer.blind:
            inputs = {"face": inputs, "mask": self.samples["mask"]}
        answer = self.model.inference_restorer(inputs)
        grid = sample_grid(
            self.samples["face"], answer["restored"].numpy(), self.samples["truth"], answer["mask"].numpy()
        )
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"epoch-{self._epoch:05d}.png"
        aside = self.directory / f".{name}.{os.getpid()}.tmp"
        aside.write_bytes(encode_png(grid))
        aside.replace(self.directory / name)
        if self._writer:
            self._writer(grid, self._epoch)
        self._written = self._epoch


def sample_grid(face, restored, truth, mask):
    """Puts pictures side by side.

    Args:
        face: array of occluded faces, `(n, height, width, channels)`, values 0-255.
        restored: array of that shape.
        truth: array of that shape.
        mask: array of shape `(n, height, width, 1)`, 1 for painted pixels, which come out white.

    Returns:
        A uint8 array of shape `(rows, columns, 3)`: n rows of four pictures, with gaps in mid grey.
    """
    return picture_grid(face, restored, truth, 255.0 * np.asarray(mask))


def picture_grid(*columns):
    """Puts pictures side by side, a row for each and a column for every array.

    Args:
        *columns: arrays of shape `(n, height, width, channels)`, 1 or 3 channels, values 0-255.

    Returns:
        A uint8 array of shape `(rows, columns, 3)`, with gaps in mid grey.
    """
    columns = [np.asarray(part, "float32") for part in columns]
    columns = [np.broadcast_to(part, (*part.shape[:3], 3)) for part in columns]
    pad = ((0, 0), (_GAP, _GAP), (_GAP, _GAP), (0, 0))
    columns = [np.pad(part, pad, constant_values=128.0) for part in columns]
    rows = np.concatenate(columns, axis=2)
    return np.clip(np.round(np.concatenate(rows, axis=0)), 0, 255).astype("uint8")


def _image_writer(directory):
    import tensorflow as tf

    try:
        import tensorboard  # noqa: F401 (tf.summary.image is part of it)
    except ModuleNotFoundError:
        raise InputError("image summaries need tensorboard; run: pip install tensorboard") from None
    writer = tf.summary.create_file_writer(directory)

    def write(grid, epoch):
        with writer.as_default():
            tf.summary.image("restoration", grid[None], step=epoch)
        writer.flush()

    return write
