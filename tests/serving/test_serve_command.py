"""`serve` as a process: what a person at a terminal gets."""

import logging
import re
import signal
import time

import pytest
from serving_testing import png, start_command

from fer_keras.errors import InputError
from serving.client import Client
from serving.commands import serve


def run(*arguments):
    return start_command("serving.commands", "serve", *arguments)


@pytest.mark.slow
def test_serves_until_a_signal_then_ends_with_0(base_path):
    process = run("--model-base-path", str(base_path), "--port", "0", "--rest-api-port", "0", "--drain-seconds", "600")
    line = ""
    while "gRPC" not in line:
        line = process.stdout.readline()
        assert line or process.poll() is None, process.stderr.read()
    assert "version 1" in line
    port = re.search(r"gRPC 127\.0\.0\.1:(\d+)", line).group(1)
    with Client(f"127.0.0.1:{port}", timeout=30) as client:
        assert client.predict([png(250)])[0]["label"] == "anger"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert time.monotonic() - began < 60  # there is nothing to wait for
    assert "Traceback" not in errors


def test_missing_base_path(tmp_path):
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(InputError, match="nothing: no such directory"):
            serve(tmp_path / "nothing", port=0, rest_api_port=0)
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
        log = logging.getLogger("serving")
        log.handlers.clear()
        log.propagate = True


def test_help_has_an_example():
    process = run("--help")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Example: fer-keras serve" in output
    for option in (
        "--model-base-path",
        "--model-config-file",
        "--port",
        "--rest-api-port",
        "--host",
        "--enable-batching",
    ):
        assert option in output
