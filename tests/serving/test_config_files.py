import dataclasses
import time

import pytest

from fer_keras.errors import InputError
from serving.server.batching import BatchingParameters
from serving.server.config_files import (
    PROMETHEUS_PATH,
    read_batching_parameters,
    read_models,
    read_monitoring,
    read_tls,
)
from serving.server.config_watch import ConfigWatch
from serving.server.errors import Code, ServingError
from serving.server.model_config import VersionPolicy

# The example of TensorFlow Serving's g3doc/serving_config.md.
BATCHING = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
"""
MODELS = """
model_config_list {
  config { name: 'fer' base_path: '/models/fer' model_platform: 'tensorflow'
    model_version_policy { specific { versions: 42 versions: 43 } }
    version_labels { key: 'stable' value: 42 }
    version_labels { key: 'canary' value: 43 } }
  config { name: "video" base_path: "/models/video" model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 2 } } }
  config { name: "all" base_path: "/models/all" model_platform: "tensorflow" model_version_policy { all {} } }
}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "file"
        path.write_text(text)
        return path

    return write


def test_models(file):
    fer, video, everything = read_models(file(MODELS))
    assert (fer.name, str(fer.base_path), fer.labels) == ("fer", "/models/fer", {"stable": 42, "canary": 43})
    assert fer.policy == VersionPolicy(None, (42, 43))
    assert (video.policy, everything.policy) == (VersionPolicy(2), VersionPolicy(None))


def test_batching_parameters(file):
    assert read_batching_parameters(file(BATCHING)) == BatchingParameters(128, 0, 1_000_000, 8)
    text = BATCHING + 'allowed_batch_sizes: [8, 64, 128] thread_pool_name { value: "pool" }'
    assert read_batching_parameters(file(text)).sizes == [8, 64, 128]
    split = (
        "max_batch_size { value: 6 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 3 }"
    )
    assert read_batching_parameters(file(split)).sizes == [1, 2, 3]
    assert read_batching_parameters(file("")) == BatchingParameters()
    # TensorFlow Serving's defaults (batching/README.md's schedulers).
    assert dataclasses.astuple(BatchingParameters())[:3] == (1000, 0, 10)


def test_monitoring(file):
    text = 'prometheus_config { enable: true, path: "/monitoring/prometheus/metrics" }'
    assert read_monitoring(file(text)) == "/monitoring/prometheus/metrics"
    assert read_monitoring(file("prometheus_config { enable: true }")) == PROMETHEUS_PATH
    assert read_monitoring(file("")) is None


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_models, "model_config_list { config { name: 'a' } }", "Expected model a to have an absolute path or URI"),
        (read_models, "model_config_list { config { name: 'a' base_path: '/a' } }", "Illegal setting neither"),
        (
            read_models,
            "model_config_list { config { name: 'a' base_path: '/a' model_platform: 'onnx' } }",
            "Model a requests unsupported platform onnx",
        ),
        (read_models, "model_config_list {}", "lists no model"),
        (
            read_models,
            "model_config_list { config { name: '' base_path: '/a' model_platform: 'tensorflow' } }",
            "Expected every model in config list to have a name; entry 1 has none",
        ),
        (read_models, "models {}", 'no field named "models"'),
        (read_models, "", "only ModelConfigList is currently supported"),
        (read_batching_parameters, "max_batch_size: 3", "expected BatchingParameters in protobuf's text form"),
        (read_batching_parameters, "max_batch_size { value: 0 }", "max_batch_size is 0; expected at least 1"),
        (read_batching_parameters, "batch_timeout_micros { value: -1 }", "expected at least 0"),
        (read_batching_parameters, "pad_variable_length_inputs: true", "pad_variable_length_inputs is TensorFlow"),
        (read_batching_parameters, "allowed_batch_sizes: [4, 2]", "must be monotonically increasing"),
        (
            read_batching_parameters,
            "max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4, expected 8",
        ),
        (read_monitoring, 'prometheus_config { enable: true path: "x" }', "expected one that begins with /"),
        (read_tls, 'server_key: "x"', "server_key is no PEM text"),
    ],
)
def test_faults_name_the_file_and_what_is_wrong(file, read, text, message):
    path = file(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"gone: cannot be read \(No such file"):
        read_models(tmp_path / "gone")


def test_a_changed_file_is_followed(file, caplog):
    class Store:
        reloaded, names = [], ["a"]

        def reload(self, configs):
            self.reloaded.append([config.name for config in configs])
            if configs[0].name == "bad":
                raise ServingError(Code.UNKNOWN, "1 model(s) did not become available")

    def config(name):
        return f"model_config_list {{ config {{ name: '{name}' base_path: '/a' model_platform: 'tensorflow' }} }}"

    store = Store()
    path = file(config("a"))
    watch = ConfigWatch(path, store, 0.01)
    watch.look()
    assert store.reloaded == []
    for text in (config("b"), "nonsense", config("bad"), config("c")):
        file(text)
        watch.look()
        watch.look()
    path.unlink()
    watch.look()
    assert store.reloaded == [["b"], ["bad"], ["c"]]
    refused = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [message.count("was not followed") for message in refused] == [1, 1, 1]
    watch.start()
    file(config("d"))
    deadline = time.monotonic() + 20
    while store.reloaded[-1] != ["d"] and time.monotonic() < deadline:
        time.sleep(0.01)
    watch.stop()
    assert store.reloaded[-1] == ["d"]
