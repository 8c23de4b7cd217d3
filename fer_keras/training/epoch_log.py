"""What every epoch of a training brought, on disk, so that a resumed run knows the epochs before it was killed."""

import json
import pathlib

import keras


class EpochLog(keras.callbacks.Callback):
    """Writes one line of JSON an epoch: its number from 1 and Keras's logs.

    Args:
        file: path of the file; lines are added to what it holds.
    """

    def __init__(self, file):
        super().__init__()
        self.file = pathlib.Path(file)

    def on_epoch_end(self, epoch, logs=None):
        """Adds a line."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        with open(self.file, "a") as file:
            file.write("\n" + json.dumps(row))  # first the end of a line that may have been cut off

    def read(self):
        """The epochs so far.

        Returns:
            A list of dicts in order; of an epoch that was repeated after an interruption, the last line.
        """
        rows = {}
        for line in self.file.read_text().splitlines() if self.file.exists() else ():
            try:
                row = json.loads(line)
                rows[row["epoch"]] = row
            except ValueError:
                continue  # blank, or cut off when the training was killed; its epoch was done again
        return [rows[epoch] for epoch in sorted(rows)]
