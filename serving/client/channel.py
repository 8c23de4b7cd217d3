"""How a client reaches its server: options, TLS and the token."""

import pathlib
import ssl

import grpc

from fer_keras.errors import InputError

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # After a lost connection gRPC waits longer and longer, to two minutes; a server that was restarted is soon back.
    ("grpc.max_reconnect_backoff_ms", 2000),
]


def credentials(ca=None, certificate=None, key=None):
    """Makes the credentials of a channel with TLS.

    Args:
        ca: path of the certificates that the server's one is signed with, PEM; those of the system if `None`.
        certificate: path of the client's own certificate, PEM, for mutual TLS.
        key: path of its key, PEM.

    Returns:
        `grpc.ChannelCredentials`.

    Raises:
        InputError: a file cannot be read or used, or only one of `certificate` and `key` is given.
    """
    if (certificate is None) != (key is None):
        raise InputError("mutual TLS needs both the client's certificate and its key")
    contents = [None if path is None else _read(path) for path in (ca, key, certificate)]
    # Python's own TLS says what is wrong with them; gRPC only that it does not connect.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca is not None:
            context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise InputError(f"{ca}: holds no certificate that can be used, expected a PEM file") from error
    try:
        if certificate is not None:
            context.load_cert_chain(certificate, key, password="")  # otherwise it would ask at the terminal
    except ssl.SSLError as error:
        raise InputError(
            f"{certificate} and {key}: cannot be used together ({error.reason or error}), expected a certificate and "
            "its key, not encrypted, as PEM files"
        ) from error
    return grpc.ssl_channel_credentials(*contents)


def metadata(token):
    """Returns the metadata that show a bearer token, or none."""
    return [("authorization", f"Bearer {token}")] if token else None


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a PEM file") from error
