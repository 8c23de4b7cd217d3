import logging

import numpy as np
import pytest
import tensorflow as tf
from serving_testing import grpc_request, png, push
from tensorflow_serving.apis import prediction_log_pb2

from fer_keras.errors import InputError
from serving.client.messages import face_inputs
from serving.server.errors import Code, ServingError
from serving.server.loaded_model import load_model
from serving.server.model_config import ModelConfig, VersionPolicy
from serving.server.model_store import ModelSpec, ModelStore
from serving.server.predict import predict
from serving.server.served_model import find_versions
from serving.server.warmup import WARMUP_FILE, warm_up
from serving.warmup_file import write_warmup as write_warmup_file

FER = ModelSpec("fer")


def make_store(base_path, policy=None, labels=None, **options):
    return ModelStore([ModelConfig("fer", base_path, policy or VersionPolicy(), labels or {})], **options)


def states(store):
    return {status.version: status.state for status in store.status(FER)}


def test_find_versions_passes_over_all_but_numbered_directories(tmp_path):
    for name in ("1", "0020", ".3", "4.tmp", "tfx-5", "-6", "٧", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert find_versions(tmp_path) == {1: tmp_path / "1", 20: tmp_path / "0020"}
    assert find_versions(tmp_path / "missing") == {}


def test_serves_the_newest_by_number_not_by_name(base_path, exports):
    push(exports[-1], base_path, 10)
    push(exports[1], base_path, 9)
    store = make_store(base_path)
    store.poll()
    assert store.get(FER).version == 10
    assert store.get(ModelSpec("fer", 10)) is store.get(FER)
    with pytest.raises(ServingError) as caught:
        store.get(ModelSpec("fer", 9))
    assert caught.value.code == Code.NOT_FOUND


def test_who_holds_the_old_version_can_finish(base_path, exports):
    store = make_store(base_path)
    store.poll()
    old = store.get(FER)
    push(exports[-1], base_path, 2)
    store.poll()
    assert store.get(FER).version == 2
    images = np.array([png(250)], object)
    assert predict(old, {"image": images})["label"].tolist() == [b"anger"]
    assert predict(store.get(FER), {"image": images})["label"].tolist() == [b"sadness"]


def test_broken_version_is_refused_once_and_tried_again_when_its_files_change(base_path, exports, caplog):
    store = make_store(base_path)
    store.poll()
    (base_path / "2").mkdir()
    with caplog.at_level(logging.ERROR, "serving"):
        for _ in range(3):
            store.poll()
    assert len(caplog.records) == 1
    line = caplog.records[0].getMessage()
    assert line.startswith("Refused version 2 of fer, still serving 1: ")
    assert "\n" not in line
    assert store.get(FER).version == 1
    assert [status.state for status in store.status(FER)] == ["END", "AVAILABLE"]

    # A copy that was under way ends: the same directory becomes whole.
    (base_path / "2").rmdir()
    push(exports[-1], base_path, 2)
    store.poll()
    assert store.get(FER).version == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated graph", "2/saved_model.pb: is cut off or no SavedModel"),
        ("no graph", "2/saved_model.pb: cannot be read (No such file or directory)"),
        ("no variables", "2/variables/variables.index: is missing"),
        ("truncated variables", "2: the graph or its variables are broken ("),
    ],
)
def test_half_written_version_is_refused(base_path, exports, damage, message):
    store = make_store(base_path)
    store.poll()
    push(exports[-1], base_path, 2)
    graph = base_path / "2" / "saved_model.pb"
    if damage == "truncated graph":
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    elif damage == "no graph":
        graph.unlink()
    elif damage == "no variables":
        for file in (base_path / "2" / "variables").iterdir():
            file.unlink()
    else:
        (data,) = (base_path / "2" / "variables").glob("*.data*")
        data.write_bytes(data.read_bytes()[:3])
    store.poll()
    assert store.get(FER).version == 1
    told = next(status.message for status in store.status(FER) if status.version == 2)
    assert told.startswith(f"{base_path}/{message}")
    assert len(told) <= 300
    for noise in ("{{", "[Op:", "experimental_io_device", "\n"):
        assert noise not in told


def test_start_falls_back_to_the_newest_that_loads(base_path):
    (base_path / "2").mkdir()
    store = make_store(base_path)
    store.start()
    assert store.get(FER).version == 1
    store.stop()


def test_goes_on_when_the_base_path_vanishes_and_back_when_a_version_is_withdrawn(base_path, exports):
    push(exports[-1], base_path, 2)
    store = make_store(base_path)
    store.poll()
    (base_path / "2").rename(base_path / ".withdrawn")
    store.poll()
    assert store.get(FER).version == 1
    base_path.rename(base_path.with_name("gone"))
    store.poll()
    assert store.get(FER).version == 1


def test_start_names_what_is_wrong_with_the_base_path(tmp_path):
    with pytest.raises(InputError, match="missing: no such directory"):
        make_store(tmp_path / "missing").start()
    with pytest.raises(InputError, match="holds no version of fer, expected a directory named by a number"):
        make_store(tmp_path).start()
    (tmp_path / "3").mkdir()
    with pytest.raises(InputError, match="holds versions 3 of fer, none of those that its policy names: 8, 9"):
        make_store(tmp_path, VersionPolicy(None, (8, 9))).start()
    with pytest.raises(InputError, match="no version of fer could be loaded, 3: "):
        make_store(tmp_path).start()


def test_policies(base_path, exports):
    for version in (2, 3):
        push(exports[-1], base_path, version)
    for policy, served in (
        (VersionPolicy(2), [3, 2]),
        (VersionPolicy(None), [3, 2, 1]),
        (VersionPolicy(None, (1, 3, 7)), [3, 1]),
    ):
        store = make_store(base_path, policy)
        store.poll()
        assert store.versions() == {"fer": served}
    # Of the newest two that load, that is.
    (base_path / "4").mkdir()
    store = make_store(base_path, VersionPolicy(2))
    store.poll()
    assert store.versions() == {"fer": [3, 2]}


def test_old_version_is_drained_before_it_ends(base_path, exports):
    store = make_store(base_path)
    store.poll()
    with store.get(FER).in_use() as old:
        push(exports[-1], base_path, 2)
        store.poll()
        assert states(store) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert predict(old, {"image": np.array([png(250)], object)})["label"].tolist() == [b"anger"]
    assert states(store) == {2: "AVAILABLE", 1: "END"}


def test_specific_versions_are_served_and_no_others(base_path, caplog):
    """As in TensorFlow Serving's sources/storage_path/file_system_storage_path_source.cc."""
    store = make_store(base_path)
    store.poll()
    for versions in ((99,), (99,), (98, 99), (1, 99)):
        store.reload([ModelConfig("fer", base_path, VersionPolicy(None, versions))])
        store.poll()
        assert store.versions() == {"fer": [1] if 1 in versions else []}
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.split(",")[0] for line in warnings] == [f"Version {version} of servable fer" for version in (99, 98)]
    assert all("not found in the file system" in line for line in warnings)
    # Where there is nothing at all, what is served stays.
    base_path.rename(base_path.with_name("gone"))
    store.reload([ModelConfig("fer", base_path, VersionPolicy(None, (99,)))])
    assert store.versions() == {"fer": [1]}


def test_labels(base_path, exports):
    push(exports[-1], base_path, 2)
    store = make_store(base_path, VersionPolicy(None), {"stable": 1, "canary": 2})
    store.start()
    assert store.get(ModelSpec("fer", label="stable")).version == 1
    assert store.get(ModelSpec("fer", label="canary")).version == 2
    store.stop()
    with pytest.raises(InputError, match="label to version 7 of model fer, which is not currently available"):
        make_store(base_path, labels={"later": 7}).start()
    store = make_store(base_path, labels={"later": 7}, any_labels=True)
    store.start()
    with pytest.raises(ServingError, match=r"Specific\(fer, 7\)"):
        store.get(ModelSpec("fer", label="later"))
    store.stop()


def test_reload(base_path, exports, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    push(exports[-1], other, 5)
    store = make_store(base_path)
    store.poll()
    fer, dog = ModelConfig("fer", base_path), ModelConfig("dog", other)
    store.reload([fer, dog])
    assert store.versions() == {"fer": [1], "dog": [5]}
    with pytest.raises(ServingError, match="assign label to version 9 of model dog") as caught:
        store.reload([ModelConfig("dog", other, labels={"x": 9})])
    assert caught.value.code == Code.FAILED_PRECONDITION
    assert store.names == ["fer", "dog"]
    store.reload([ModelConfig("dog", other, labels={"x": 5})])
    assert store.get(ModelSpec("dog", label="x")).version == 5
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(fer\)"):
        store.get(FER)
    (tmp_path / "cat" / "1").mkdir(parents=True)
    with pytest.raises(ServingError, match=r"1 model\(s\) did not become available: .*cat version: 1") as caught:
        store.reload([dog, ModelConfig("cat", tmp_path / "cat")])
    assert caught.value.code == Code.UNKNOWN
    assert store.get(ModelSpec("dog")).version == 5


def write_warmup(version, *logs):
    file = version / WARMUP_FILE
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def load_warm(name, version, path):
    model = load_model(name, version, path)
    warm_up(model, path)
    return model


def test_warmup_is_replayed_and_a_version_that_fails_it_is_refused(base_path, exports):
    good, bad = prediction_log_pb2.PredictionLog(), prediction_log_pb2.PredictionLog()
    good.predict_log.request.CopyFrom(grpc_request({"image": [png(1)]}))
    bad.predict_log.request.CopyFrom(grpc_request({"image": [b"no picture"]}))
    write_warmup(base_path / "1", good)
    push(exports[-1], base_path, 2)
    write_warmup(base_path / "2", good, bad)
    push(exports[-1], base_path, 3)
    (base_path / "3" / WARMUP_FILE).parent.mkdir()
    (base_path / "3" / WARMUP_FILE).write_bytes(b"no record" * 9)
    push(exports[-1], base_path, 4)
    write_warmup(base_path / "4", good, good)
    (base_path / "4" / WARMUP_FILE).write_bytes((base_path / "4" / WARMUP_FILE).read_bytes()[:-10])
    store = make_store(base_path, load=load_warm)
    store.poll()
    assert store.get(FER).version == 1
    reasons = {status.version: status.message for status in store.status(FER)}
    assert "Unknown image file format" in reasons[2]
    for version in (3, 4):
        assert "verify your warmup data is in TFRecord format" in reasons[version]
    for version in (2, 3, 4):
        assert reasons[version].startswith(str(base_path / str(version) / WARMUP_FILE))
        assert "{{" not in reasons[version]
        assert "[Op:" not in reasons[version]


def test_warmup_files_are_written_as_servers_read_them(base_path, exports):
    write_warmup_file(base_path / "1", [("", face_inputs([png(1)])), ("single", {"x": [1.0]})])
    store = make_store(base_path, load=load_warm)
    store.poll()
    assert store.get(FER).version == 1
    for requests in ([], [("", {})] * 1001):
        with pytest.raises(InputError, match="expected 1 to 1000"):
            write_warmup_file(base_path / "1", requests)
    with pytest.raises(InputError, match=r"holds no saved_model\.pb"):
        write_warmup_file(base_path, [("", {})])
