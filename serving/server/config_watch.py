"""Follows a models.config that changes: new models, policies and labels without a restart."""

import logging
import threading

from fer_keras.errors import InputError
from serving.server.config_files import read_models
from serving.server.errors import ServingError

logger = logging.getLogger(__name__)


class ConfigWatch:
    """Reads a models.config again and again and has the store follow it.

    A file that cannot be read, or asks for what cannot be, is reported once in the log and changes nothing.

    Args:
        path: the file.
        store: `model_store.ModelStore`.
        seconds: float, between two looks.
    """

    def __init__(self, path, store, seconds):
        self._path = path
        self._store = store
        self._seconds = seconds
        self._seen = self._text()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="poll-config", daemon=True)

    def start(self):
        """Begins to look."""
        self._thread.start()

    def stop(self):
        """Ends."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self):
        """Looks once."""
        text = self._text()
        if text == self._seen:
            return
        self._seen = text
        try:
            self._store.reload(read_models(self._path))
        except (InputError, ServingError) as error:
            logger.error("%s was not followed: %s", self._path, error)
        else:
            logger.info("Following the changed %s: %s", self._path, ", ".join(self._store.names))

    def _text(self):
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def _watch(self):
        while not self._stopping.wait(self._seconds):
            self.look()
