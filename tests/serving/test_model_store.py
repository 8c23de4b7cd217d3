import logging

import numpy as np
import pytest
from serving_testing import png, push

from fer_keras.errors import InputError
from serving.server.errors import Code, ServingError
from serving.server.model_store import ModelSpec, ModelStore, find_versions
from serving.server.predict import predict

FER = ModelSpec("fer")


def test_find_versions_passes_over_all_but_numbered_directories(tmp_path):
    for name in ("1", "0020", ".3", "4.tmp", "tfx-5", "-6", "٧", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file")
    assert find_versions(tmp_path) == {1: tmp_path / "1", 20: tmp_path / "0020"}
    assert find_versions(tmp_path / "missing") == {}


def test_serves_the_newest_by_number_not_by_name(base_path, exports):
    push(exports[-1], base_path, 10)
    push(exports[1], base_path, 9)
    store = ModelStore("fer", base_path)
    store.poll()
    assert store.get(FER).version == 10
    assert store.get(ModelSpec("fer", 10)) is store.get(FER)
    with pytest.raises(ServingError) as caught:
        store.get(ModelSpec("fer", 9))
    assert caught.value.code == Code.NOT_FOUND


def test_who_holds_the_old_version_can_finish(base_path, exports):
    store = ModelStore("fer", base_path)
    store.poll()
    old = store.get(FER)
    push(exports[-1], base_path, 2)
    store.poll()
    assert store.get(FER).version == 2
    images = np.array([png(250)], object)
    assert predict(old, {"image": images})["label"].tolist() == [b"anger"]
    assert predict(store.get(FER), {"image": images})["label"].tolist() == [b"sadness"]


def test_broken_version_is_refused_once_and_tried_again_when_its_files_change(base_path, exports, caplog):
    store = ModelStore("fer", base_path)
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


@pytest.mark.parametrize("damage", ["truncated graph", "no variables"])
def test_half_written_version_is_refused(base_path, exports, damage):
    store = ModelStore("fer", base_path)
    store.poll()
    push(exports[-1], base_path, 2)
    graph = base_path / "2" / "saved_model.pb"
    if damage == "truncated graph":
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    else:
        for file in (base_path / "2" / "variables").iterdir():
            file.unlink()
    store.poll()
    assert store.get(FER).version == 1


def test_start_falls_back_to_the_newest_that_loads(base_path):
    (base_path / "2").mkdir()
    store = ModelStore("fer", base_path)
    store.start()
    assert store.get(FER).version == 1
    store.stop()


def test_goes_on_when_the_base_path_vanishes_and_back_when_a_version_is_withdrawn(base_path, exports):
    push(exports[-1], base_path, 2)
    store = ModelStore("fer", base_path)
    store.poll()
    (base_path / "2").rename(base_path / ".withdrawn")
    store.poll()
    assert store.get(FER).version == 1
    base_path.rename(base_path.with_name("gone"))
    store.poll()
    assert store.get(FER).version == 1


def test_start_names_what_is_wrong_with_the_base_path(tmp_path):
    with pytest.raises(InputError, match="missing: no such directory"):
        ModelStore("fer", tmp_path / "missing").start()
    with pytest.raises(InputError, match="holds no version of fer, expected a directory named by a number"):
        ModelStore("fer", tmp_path).start()
    (tmp_path / "3").mkdir()
    with pytest.raises(InputError, match="no version of fer could be loaded, 3: "):
        ModelStore("fer", tmp_path).start()
