"""The server as a whole: one model store behind gRPC and REST."""

import errno
import socket
import threading
from concurrent import futures

import grpc
import uvicorn
from tensorflow_serving.apis import prediction_service_pb2_grpc

from fer_keras.errors import InputError
from serving.server.grpc_service import PredictionService
from serving.server.model_store import ModelSpec, ModelStore
from serving.server.rest_service import create_app

_MAX_REQUEST_BYTES = 64 * 2**20
_GRPC_THREADS = 16


class Server:
    """Serves the newest version of a model over gRPC and REST, as TensorFlow Serving does.

    Args:
        base_path: path of the directory with the versions.
        model_name: str, the name in requests.
        grpc_port: int, 0 for any free one.
        rest_port: int, 0 for any free one.
        host: str, the address to listen on; only this machine unless told otherwise.
        poll_seconds: float, how often the base path is looked at for new versions.

    Attributes:
        grpc_port: int, the port in use once started.
        rest_port: int, the port in use once started.
        store: the `ModelStore`.

    Example:
        ```python
        with Server("saved_models/fer", "fer", grpc_port=0, rest_port=0) as server:
            print(server.grpc_port, server.rest_port, server.version)
        ```
    """

    def __init__(self, base_path, model_name="fer", grpc_port=8500, rest_port=8501, host="127.0.0.1", poll_seconds=1.0):
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self.host = host
        self.store = ModelStore(model_name, base_path, poll_seconds)
        self._grpc_server = None
        self._rest_server = None
        self._rest_socket = None
        self._rest_thread = None

    @property
    def version(self):
        """The version that answers a request which names none."""
        return self.store.get(ModelSpec(self.store.name)).version

    def start(self):
        """Takes the ports, loads the model and begins to answer.

        Raises:
            InputError: if a port is in use or the address unknown, or for the reasons of `ModelStore.start`.
        """
        if self.grpc_port == self.rest_port != 0:
            raise InputError(f"gRPC and REST were both given port {self.grpc_port}; expected two different ports")
        try:
            # Ports first: they fail at once, a model may take long to load. Nobody is answered before it is there.
            self._bind_rest()
            self._bind_grpc()
            self.store.start()
            self._start_rest()
            self._grpc_server.start()
        except BaseException:
            self.stop(grace=0)
            raise

    def stop(self, grace=5.0):
        """Refuses new requests, waits for those under way and lets go of the ports.

        Args:
            grace: float, seconds after which requests under way are cut off.
        """
        grpc_stopped = self._grpc_server.stop(grace) if self._grpc_server else None
        if self._rest_thread is not None:
            self._rest_server.config.timeout_graceful_shutdown = grace
            self._rest_server.should_exit = True
            self._rest_thread.join()
            self._rest_thread = None
        if self._rest_socket is not None:
            self._rest_socket.close()
        if grpc_stopped is not None:
            grpc_stopped.wait()
        self.store.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def _bind_rest(self):
        self._rest_socket = _listen("REST", "--rest-api-port", self.host, self.rest_port)
        self.rest_port = self._rest_socket.getsockname()[1]

    def _bind_grpc(self):
        # Tried with a plain socket first: it says why it fails, gRPC only writes a line of its own to the terminal.
        _listen("gRPC", "--port", self.host, self.grpc_port).close()
        options = [
            ("grpc.so_reuseport", 0),  # otherwise two servers on one port would share its requests
            ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
            ("grpc.max_send_message_length", -1),
        ]
        pool = futures.ThreadPoolExecutor(_GRPC_THREADS, thread_name_prefix="grpc")
        self._grpc_server = grpc.server(pool, options=options)
        service = PredictionService(self.store, _MAX_REQUEST_BYTES)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, self._grpc_server)
        host = f"[{self.host}]" if ":" in self.host else self.host
        try:
            self.grpc_port = self._grpc_server.add_insecure_port(f"{host}:{self.grpc_port}")
        except RuntimeError as error:  # taken between the trial and this
            raise InputError(
                f"cannot listen on {host}:{self.grpc_port} for gRPC: choose another with --port"
            ) from error

    def _start_rest(self):
        config = uvicorn.Config(
            create_app(self.store, _MAX_REQUEST_BYTES), log_config=None, access_log=False, lifespan="off", ws="none"
        )
        self._rest_server = uvicorn.Server(config)
        self._rest_thread = threading.Thread(
            target=self._rest_server.run, kwargs={"sockets": [self._rest_socket]}, name="rest", daemon=True
        )
        self._rest_thread.start()


def _listen(what, option, host, port):
    """Returns a listening socket, or raises an `InputError` that says why there is none."""
    listener = None
    try:
        # Resolved, because an address may be IPv4 or IPv6, or a name. The protocol is named, because asyncio switches
        # Nagle's algorithm off only where it is: answers would wait 40 ms for the client's ACK.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        # Lets a port be taken again right after its last owner ended; it does not let two listen on it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        return listener
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        advice = f"expected an address of this machine (--host) and a port that you may use ({option})"
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = f"port {port} is in use"
            advice = f"stop what uses it, or choose another with {option} (0 for any free one)"
        raise InputError(f"cannot listen on {host}:{port} for {what}: {reason}; {advice}") from error
