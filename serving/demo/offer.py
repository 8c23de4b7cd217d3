"""The models that the page may choose from."""

import threading

from fer_keras.errors import InputError
from fer_keras.faces import BlazeFace
from fer_keras.video.palette import class_colours
from serving.client import Client
from serving.demo.remote_model import RemoteModel, RemoteRecognizer, newest_version

_TIMEOUT = 30.0  # seconds; an answer to a clip takes longer than one to a picture


class Offer:
    """Models of one server, each as the newest version that it has.

    Args:
        address: str, host and gRPC port of the server.
        names: list of str, the models' names there.

    Attributes:
        names: list of str.
    """

    def __init__(self, address, names):
        self.names = list(names)
        self._clients = {name: Client(address, name, _TIMEOUT) for name in self.names}
        self._detector = BlazeFace()
        self._known = {}
        self._looking = threading.Lock()

    def recognizer(self, name):
        """Finds a model.

        Args:
            name: str.

        Returns:
            A `RemoteRecognizer` of the newest version.

        Raises:
            InputError: there is no such model here.
            RequestError: the server does not answer.
        """
        if name not in self._clients:
            raise InputError(f"no model is called {name}; expected one of {', '.join(self.names)}")
        client = self._clients[name]
        with self._looking:
            known = self._known.get(name)
            if known is None or known.model.version != newest_version(client):
                known = self._known[name] = RemoteRecognizer(RemoteModel(client), self._detector)
        return known

    def describe(self):
        """Tells what each model is and can do.

        Returns:
            A list of dicts for the page. A model that cannot be asked has `problem` instead of the rest.
        """
        return [self._describe(name) for name in self.names]

    def close(self):
        """Closes the connections."""
        for client in self._clients.values():
            client.close()

    def _describe(self, name):
        try:
            model = self.recognizer(name).model
        except InputError as error:
            return {"name": name, "problem": str(error)}
        return {
            "name": name,
            "version": model.version,
            "labels": list(model.label_names),
            "colours": class_colours(model.label_names),
            "clips": model.reads_clips,
            "explains": model.explains,
            "restores": model.restores,
        }
