"""The demo as a whole: the page's server, and the model server that it asks."""

import ipaddress
import logging
import threading

import uvicorn

from fer_keras.errors import InputError
from serving.demo.offer import Offer
from serving.demo.web_app import WebApp
from serving.server.limits import Limits
from serving.server.listening import listen
from serving.server.server import Server

logger = logging.getLogger(__name__)


class DemoServer:
    """Serves the page and asks a model server for it, its own or another.

    Args:
        models: list of `serving.server.model_config.ModelConfig` for a server of its own, or `None` with `address`.
        address: str, host and gRPC port of a server that runs already, TensorFlow Serving or this package's.
        names: list of str, the models there.
        cards: optional dict, model name to the path of its card.
        host: str, the address that the page is at; only this machine unless told otherwise.
        port: int, 0 for any free one.
        limits: optional `serving.server.limits.Limits`.

    Attributes:
        url: str, where the page is, once started.

    Example:
        ```python
        with DemoServer([ModelConfig("fer", pathlib.Path("saved_models/fer"))], port=0) as demo:
            print(demo.url)
        ```
    """

    def __init__(self, models=None, address=None, names=(), cards=None, host="127.0.0.1", port=8502, limits=None):
        self._limits = limits or Limits()
        # Asked over gRPC also where it is in this process: what the page shows is what any client is answered.
        self._models = None if address else Server(models=models, grpc_port=0, rest_port=0, limits=self._limits)
        self._address = address
        self._names = list(names) if address else [model.name for model in models]
        self._cards = cards or {}
        self._host, self._port = host, port
        self._socket = self._web = self._thread = self._offer = None

    @property
    def url(self):
        """Where the page is."""
        host, port = self._socket.getsockname()[:2]
        named = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        return f"http://{named}:{port}"

    @property
    def is_local(self):
        """Whether the page is for this machine alone."""
        return ipaddress.ip_address(self._socket.getsockname()[0]).is_loopback

    def start(self):
        """Takes the port, loads the models, asks each once and begins to answer.

        Raises:
            InputError: the port is in use, no model can be asked, or for the reasons of
                `serving.server.server.Server.start`.
        """
        try:
            self._socket = listen("the page", "--port", self._host, self._port)
            if self._models is not None:
                self._models.start()
            self._offer = Offer(self._address or f"127.0.0.1:{self._models.grpc_port}", self._names)
            # The first requests are slow: nobody waits for them later.
            problems = [model["problem"] for model in self._offer.describe() if "problem" in model]
            if len(problems) == len(self._names):
                raise InputError(problems[0])
            for problem in problems:
                logger.warning(problem)
            app = WebApp(self._offer, self._cards, self._limits, self._host, self._address).app()
            config = uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
                timeout_graceful_shutdown=5,
            )  # fmt: skip
            self._web = uvicorn.Server(config)
            self._thread = threading.Thread(
                target=self._web.run, kwargs={"sockets": [self._socket]}, name="demo", daemon=True
            )
            self._thread.start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Lets go of the port, the connections and the models."""
        if self._thread is not None:
            self._web.should_exit = True
            self._thread.join()
            self._thread = None
        if self._socket is not None:
            self._socket.close()
        if self._offer is not None:
            self._offer.close()
        if self._models is not None:
            self._models.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()
