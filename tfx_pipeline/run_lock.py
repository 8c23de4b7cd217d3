"""One run at a time below a folder: two would share its checkpoints and metadata, and remove them from each other."""

import contextlib
import fcntl
import os
import pathlib

from fer_keras.errors import InputError

LOCK_FILE = "logs/run.lock"


@contextlib.contextmanager
def one_run(folder):
    """Keeps other runs out of a folder; the system lets go of it, however the process ends.

    Args:
        folder: created if missing; gets the file `logs/run.lock`, which stays there and blocks nothing by itself.

    Raises:
        InputError: another run is under way there.
    """
    path = pathlib.Path(folder, LOCK_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"{folder}: another run is under way there (process {file.read().strip() or 'unknown'}); "
                "wait for its end, or choose another --out"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check_free(folder):
    """Says at once, before libraries are loaded, what `one_run` would.

    Args:
        folder: as for `one_run`; nothing is written.

    Raises:
        InputError: another run is under way there.
    """
    if pathlib.Path(folder, LOCK_FILE).exists():
        with one_run(folder):
            pass
