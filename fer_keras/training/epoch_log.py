"""What every epoch of a training brought, on disk, so that a resumed run knows the epochs before it was killed."""

import json
import pathlib

import keras


class EpochLog(keras.callbacks.Callback):
    """Writes one line of JSON an epoch: its number from 1 and Keras's logs.

    Args:
        file: path of the file; what it holds of epochs before the first one that is seen stays.
    """

    def __init__(self, file):
        super().__init__()
        self.file = pathlib.Path(file)
        self._cleared = False

    def on_epoch_end(self, epoch, logs=None):
        """Adds a line; the first one replaces what an interrupted training wrote from this epoch on."""
        if not self._cleared:
            self._keep([row for row in self.read() if row["epoch"] <= epoch])
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        with open(self.file, "a") as file:
            file.write(json.dumps(row) + "\n")

    def _keep(self, rows):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.file.with_name(f".{self.file.name}")
        aside.write_text("".join(json.dumps(row) + "\n" for row in rows))
        aside.replace(self.file)
        self._cleared = True

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
                continue  # cut off when the training was killed, or blank as older versions began the file
        return [rows[epoch] for epoch in sorted(rows)]
