"""TLS and mutual TLS for both transports."""

import dataclasses
import pathlib
import ssl
import tempfile

import grpc

from fer_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class TLS:
    """Key and certificates of a server, as PEM text.

    Attributes:
        key: str, the private key.
        certificate: str, the certificate, with those between it and the root after it.
        client_ca: str or `None`, the certificates that clients' ones are to be signed with.
        verify_clients: bool, whether clients must show a certificate: mutual TLS.
    """

    key: str = dataclasses.field(repr=False)
    certificate: str
    client_ca: str | None = None
    verify_clients: bool = False

    def grpc_credentials(self):
        """Returns `grpc.ServerCredentials`."""
        return grpc.ssl_server_credentials(
            [(self.key.encode(), self.certificate.encode())],
            self.client_ca.encode() if self.verify_clients else None,
            self.verify_clients,
        )

    def ssl_context(self):
        """Returns an `ssl.SSLContext` for a server.

        Raises:
            InputError: key and certificate cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # The standard library reads keys from files only; this one is the owner's and gone at once.
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder, "server.pem")
                file.touch(0o600)
                file.write_text(f"{self.key}\n{self.certificate}\n")
                context.load_cert_chain(file, password="")  # of an encrypted key it would ask at the terminal
            if self.verify_clients:
                context.load_verify_locations(cadata=self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, ValueError) as error:
            raise InputError(
                f"TLS: the key or a certificate cannot be used ({getattr(error, 'reason', None) or error})"
            ) from error
        return context
