"""TLS, mutual TLS and the bearer token, on both transports; what a client may do from outside."""

import http.client
import json
import logging
import shutil
import ssl
import subprocess

import grpc
import pytest
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from serving_testing import grpc_request, png, rest
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc

from fer_keras.errors import InputError
from serving.client import Client, RequestError
from serving.server.bearer_token import read_token, token_matches
from serving.server.config_files import read_tls
from serving.server.config_messages import SSLConfigMessage
from serving.server.limits import Limits
from serving.server.server import Server

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate authority, and certificates of a server and a client that it signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    # Python 3.13 asks an authority for its key's usage, and what it signs for the authority's key.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *curve, *usage, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "2", "-extfile", "names"),
        )
    return folder


def ssl_config(certificates, verify):
    message = SSLConfigMessage(
        server_key=(certificates / "server.key").read_text(),
        server_cert=(certificates / "server.pem").read_text(),
        custom_ca=(certificates / "ca.pem").read_text() if verify else "",
        client_verify=verify,
    )
    file = certificates / f"ssl_{verify}.config"
    file.write_text(text_format.MessageToString(message))
    return file


def rest_status(server, context, **headers):
    connection = http.client.HTTPSConnection("127.0.0.1", server.rest_port, timeout=20, context=context)
    try:
        connection.request("GET", "/v1/models/fer", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_tls(certificates, base_path):
    tls = read_tls(ssl_config(certificates, verify=False))
    assert "PRIVATE" not in repr(tls)
    ca = certificates / "ca.pem"
    with Server(base_path, grpc_port=0, rest_port=0, tls=tls) as server:
        address = f"127.0.0.1:{server.grpc_port}"
        with Client(address, ca=ca) as client:
            assert client.predict([png(250)])[0]["label"] == "anger"
        assert rest_status(server, ssl.create_default_context(cafile=ca)) == 200
        either = "no server answers there.* or one does, but with TLS"
        with Client(address, timeout=2) as client, pytest.raises(RequestError, match=either):  # not encrypted
            client.predict([png(250)])
        with Client(address, tls=True, timeout=2) as client, pytest.raises(RequestError):  # signed by nobody known
            client.predict([png(250)])


def test_mutual_tls(certificates, base_path):
    tls = read_tls(ssl_config(certificates, verify=True))
    ca, own = certificates / "ca.pem", {"certificate": certificates / "client.pem", "key": certificates / "client.key"}
    with Server(base_path, grpc_port=0, rest_port=0, tls=tls) as server:
        address = f"127.0.0.1:{server.grpc_port}"
        with Client(address, ca=ca, **own) as client:
            assert client.predict([png(250)])[0]["label"] == "anger"
        either = "TLS handshake failed|or one does, but with TLS"
        with Client(address, ca=ca, timeout=2) as client, pytest.raises(RequestError, match=either):
            client.predict([png(250)])
        context = ssl.create_default_context(cafile=ca)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            rest_status(server, context)
        context.load_cert_chain(own["certificate"], own["key"])
        assert rest_status(server, context) == 200


def test_a_key_that_does_not_fit(certificates, base_path):
    tls = read_tls(ssl_config(certificates, verify=False))
    wrong = type(tls)((certificates / "client.key").read_text(), tls.certificate)
    with pytest.raises(InputError, match="TLS: the key or a certificate cannot be used"):
        Server(base_path, grpc_port=0, rest_port=0, tls=wrong).start()
    message = SSLConfigMessage(server_key=wrong.key, server_cert=wrong.certificate)
    file = certificates / "wrong.config"
    file.write_text(text_format.MessageToString(message))
    with pytest.raises(InputError, match=r"wrong\.config: TLS: the key or a certificate cannot be used"):
        read_tls(file)


def test_certificates_of_a_client_that_cannot_be_used(certificates, tmp_path):
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    with pytest.raises(InputError, match=r"junk\.pem: holds no certificate that can be used, expected a PEM file"):
        Client("127.0.0.1:1", ca=junk)
    for certificate in (junk, certificates / "server.pem"):
        with pytest.raises(InputError, match=rf"{certificate.name} and .*client\.key: cannot be used together"):
            Client("127.0.0.1:1", certificate=certificate, key=certificates / "client.key")


def test_token(base_path, caplog):
    caplog.set_level(logging.INFO, "serving.requests")
    with Server(base_path, grpc_port=0, rest_port=0, token=TOKEN, metrics_path="/metrics") as server:
        address = f"127.0.0.1:{server.grpc_port}"
        with Client(address, token=TOKEN) as client:
            assert client.predict([png(250)])[0]["label"] == "anger"
        for wrong in (None, "another"):
            with Client(address, token=wrong) as client, pytest.raises(RequestError) as caught:
                client.predict([png(250)])
            assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED
        assert rest(server, "/v1/models/fer", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        for path in ("/v1/models/fer", "/metrics"):
            assert rest(server, path)[0] == 401
            assert rest(server, path, headers={"Authorization": f"Basic {TOKEN}"})[0] == 401
        refused = {"model_name": "", "status": "UNAUTHENTICATED"}
        assert server.metrics.registry.get_sample_value(":tensorflow:serving:request_count_total", refused) == 6
        lines = [record.getMessage() for record in caplog.records if "UNAUTHENTICATED" in record.getMessage()]
        assert sorted(line.partition(" of")[0] for line in lines) == 2 * ["GRPC Predict"] + 4 * ["REST GET"]
        # A probe of Kubernetes shows no token.
        with grpc.insecure_channel(address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
        assert check.status == health_pb2.HealthCheckResponse.SERVING


def test_token_files(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    assert token_matches(TOKEN, f"bearer {TOKEN}")
    for header in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN):
        assert not token_matches(TOKEN, header)
    for text in ("", "two words", "tökén"):
        file.write_text(text)
        with pytest.raises(InputError, match="holds no token"):
            read_token(file)


@pytest.mark.parametrize(("token", "code"), [(None, "PERMISSION_DENIED"), (TOKEN, "INVALID_ARGUMENT")])
def test_models_are_not_reloaded_for_anybody(base_path, token, code):
    """A SavedModel is a program: whoever may name a directory may run what lies there."""
    request = model_management_pb2.ReloadConfigRequest()
    metadata = [("authorization", f"Bearer {token}")] if token else None
    with (
        Server(base_path, grpc_port=0, rest_port=0, host="0.0.0.0", token=token) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(
            request, timeout=20, metadata=metadata
        )
    assert caught.value.code().name == code


def test_limits(base_path):
    limits = Limits(message_bytes=100_000, image_pixels=100, concurrent_requests=1)
    with Server(base_path, grpc_port=0, rest_port=0, limits=limits) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            for inputs, signature, code in (
                ({"image": [bytes(200_000)]}, "", "RESOURCE_EXHAUSTED"),
                ({"image": [png(1, size=11)]}, "", "INVALID_ARGUMENT"),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    stub.Predict(grpc_request(inputs, signature), timeout=20)
                assert caught.value.code().name == code
            assert stub.Predict(grpc_request({"image": [png(1, size=10)]}), timeout=20).outputs
        assert rest(server, "/v1/models/fer:predict", b" " * 200_000)[0] == 413


def test_an_answer_that_takes_too_long_is_given_up(base_path):
    with Server(base_path, grpc_port=0, rest_port=0, limits=Limits(rest_timeout=0.0)) as server:
        assert rest(server, "/v1/models/fer") == (504, {"error": "Timed out waiting for notification"})


def test_errors_are_json_for_paths_outside_the_interface(base_path):
    with Server(base_path, grpc_port=0, rest_port=0) as server:
        status, answer = rest(server, "/admin")
        assert (status, list(answer)) == (404, ["error"])
        assert json.dumps(answer).count("Traceback") == 0
