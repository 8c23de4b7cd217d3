"""The server as a whole: one model store behind gRPC and REST."""

import ipaddress
import pathlib
import threading
import time
from concurrent import futures

import grpc
import uvicorn
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from fer_keras.errors import InputError
from serving.server.bearer_token import TokenInterceptor
from serving.server.drain import DrainInterceptor
from serving.server.grpc_service import PredictionService
from serving.server.health import Health, enable_reflection
from serving.server.limits import Limits
from serving.server.listening import listen
from serving.server.loaded_model import load_model
from serving.server.metrics import Metrics
from serving.server.model_config import ModelConfig
from serving.server.model_service import ModelService
from serving.server.model_store import ModelSpec, ModelStore
from serving.server.rest_service import RestService
from serving.server.warmup import warm_up

_THREADS = 16
_MOST_THREADS = 256


class Server:
    """Serves models over gRPC and REST, as TensorFlow Serving does.

    Args:
        base_path: path of the directory with the versions of the one model; `None` with `models`.
        model_name: str, the name of that model in requests.
        grpc_port: int, 0 for any free one.
        rest_port: int, 0 for any free one.
        host: str, the address to listen on; only this machine unless told otherwise.
        poll_seconds: float, how often the base path is looked at for new versions.
        models: optional list of `model_config.ModelConfig`, several models instead.
        batching: optional `batching.BatchingParameters`; without, every request is computed on its own.
        limits: optional `limits.Limits`; by default its own defaults.
        tls: optional `tls.TLS`, for both transports.
        token: optional str, the bearer token that clients must show.
        metrics_path: optional str, the path on the REST port that Prometheus reads.
        any_labels: bool, whether labels may name versions that are not loaded.

    Attributes:
        grpc_port: int, the port in use once started.
        rest_port: int, the port in use once started.
        store: the `ModelStore`.
        metrics: the `metrics.Metrics`.

    Example:
        ```python
        with Server("saved_models/fer", "fer", grpc_port=0, rest_port=0) as server:
            print(server.grpc_port, server.rest_port, server.version)
        ```
    """

    def __init__(
        self,
        base_path=None,
        model_name="fer",
        grpc_port=8500,
        rest_port=8501,
        host="127.0.0.1",
        poll_seconds=1.0,
        *,
        models=None,
        batching=None,
        limits=None,
        tls=None,
        token=None,
        metrics_path=None,
        any_labels=False,
    ):
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self.host = host
        self.metrics = Metrics()
        models = models or [ModelConfig(model_name, pathlib.Path(base_path))]
        self.store = ModelStore(models, self._load, poll_seconds, self.metrics, any_labels)
        self.metrics.watch(self.store.versions)
        self._batching = batching
        self._limits = limits or Limits()
        self._tls = tls
        self._token = token
        self._metrics_path = metrics_path
        # A request waits in its thread for a batch: with fewer threads than rows, no batch would be full
        # (TensorFlow Serving's servables/tensorflow/session_bundle_config.proto advises twice the batch size).
        self._threads = min(max(_THREADS, 2 * batching.max_batch_size), _MOST_THREADS) if batching else _THREADS
        self._grpc_server = None
        self._health = None
        self._drain = DrainInterceptor(self.metrics)
        self._rest_server = None
        self._rest_service = None
        self._rest_socket = None
        self._rest_thread = None
        self._pool = None
        self._ssl_context = None

    @property
    def version(self):
        """The version of the first model that answers a request which names none."""
        return self.store.get(ModelSpec(self.store.names[0])).version

    def start(self):
        """Takes the ports, loads the models and begins to answer.

        Raises:
            InputError: if a port is in use or the address unknown, TLS's key or a certificate cannot be used, or for
                the reasons of `ModelStore.start`.
        """
        if self.grpc_port == self.rest_port != 0:
            raise InputError(f"gRPC and REST were both given port {self.grpc_port}; expected two different ports")
        if self._tls:
            self._ssl_context = self._tls.ssl_context()  # first: it says what is wrong, gRPC only that it did not bind
        try:
            # Ports first: they fail at once, a model may take long to load. Nobody is answered before it is there.
            self._bind_rest()
            self._bind_grpc()
            self.store.start()
            self._start_rest()
            self._grpc_server.start()
            self._health.set_serving(True)
        except BaseException:
            self.stop(grace=0)
            raise

    def stop(self, grace=5.0):
        """Refuses new requests, waits for those under way and lets go of the ports.

        Args:
            grace: float, seconds after which requests under way are cut off.
        """
        end = time.monotonic() + grace

        def left():
            return max(end - time.monotonic(), 0.0)

        if self._health is not None:
            self._health.end()
        if self._rest_thread is not None:
            self._drain.drain(grace)  # gRPC is up where REST is
            self._rest_server.config.timeout_graceful_shutdown = left()
            self._rest_server.should_exit = True
        grpc_stopped = self._grpc_server.stop(left()) if self._grpc_server else None
        if self._rest_thread is not None:
            self._rest_thread.join(left() + 1)
            self._rest_thread = None
            self._rest_service.close()
        if self._rest_socket is not None:
            self._rest_socket.close()
        if grpc_stopped is not None:
            grpc_stopped.wait(left() + 1)
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.store.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def _load(self, name, version, path):
        """Loads a version aside and warms it up."""
        model = load_model(name, version, path, self._batching, self.metrics)
        warm_up(model, path, self.metrics)
        return model

    def _bind_rest(self):
        self._rest_socket = listen("REST", "--rest-api-port", self.host, self.rest_port)
        self.rest_port = self._rest_socket.getsockname()[1]

    def _bind_grpc(self):
        # Tried with a plain socket first: it says why it fails, gRPC only writes a line of its own to the terminal.
        trial = listen("gRPC", "--port", self.host, self.grpc_port)
        local = ipaddress.ip_address(trial.getsockname()[0]).is_loopback
        trial.close()
        options = [
            ("grpc.so_reuseport", 0),  # otherwise two servers on one port would share its requests
            ("grpc.max_receive_message_length", self._limits.message_bytes),
            ("grpc.max_send_message_length", -1),
        ]
        self._pool = futures.ThreadPoolExecutor(self._threads, thread_name_prefix="grpc")
        self._grpc_server = server = grpc.server(
            self._pool,
            options=options,
            interceptors=[self._drain, *([TokenInterceptor(self._token, self.metrics)] if self._token else [])],
            maximum_concurrent_rpcs=self._limits.concurrent_requests,
        )
        service = PredictionService(self.store, self._limits, self.metrics)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        service = ModelService(self.store, self.metrics, may_reload=local or bool(self._token))
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
        self._health = Health(server)
        enable_reflection(server)
        host = f"[{self.host}]" if ":" in self.host else self.host
        address = f"{host}:{self.grpc_port}"
        try:
            if self._tls:
                self.grpc_port = server.add_secure_port(address, self._tls.grpc_credentials())
            else:
                self.grpc_port = server.add_insecure_port(address)
        except RuntimeError as error:  # taken between the trial and this
            raise InputError(f"cannot listen on {address} for gRPC: choose another with --port") from error

    def _start_rest(self):
        self._rest_service = RestService(
            self.store, self._limits, self.metrics, self._drain, self._threads, self._token, self._metrics_path
        )
        config = uvicorn.Config(
            self._rest_service.app(), log_config=None, access_log=False, lifespan="off", ws="none", server_header=False
        )
        if self._tls:
            config.load()
            config.ssl = self._ssl_context  # uvicorn itself takes names of files only
        self._rest_server = uvicorn.Server(config)
        self._rest_thread = threading.Thread(
            target=self._rest_server.run, kwargs={"sockets": [self._rest_socket]}, name="rest", daemon=True
        )
        self._rest_thread.start()
