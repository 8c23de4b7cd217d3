import sys

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.records import make_record
from fer_keras.errors import InputError
from fer_keras.export import export_saved_model, export_version
from fer_keras.models import AlexNetEmotion

pytestmark = pytest.mark.slow

NAMES = ("neutral", "happiness", "surprise")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = AlexNetEmotion(NAMES, width=0.25)
    for layer in model.backbone.layers:  # moving averages that are not the identity
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(keras.random.normal(layer.moving_mean.shape, stddev=0.1))
    return model


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    export_saved_model(model, directory)
    return tf.saved_model.load(str(directory))


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), dtype="uint8")


def png(face):
    return cv2.imencode(".png", face)[1].tobytes()


def test_encoded_faces_get_the_model_s_probabilities(model, served, faces):
    expected = keras.ops.softmax(model.predict(faces, verbose=0)).numpy()
    answer = served.signatures["serving_default"](image=tf.constant([png(face) for face in faces]))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert [label.decode() for label in answer["label"].numpy()] == [NAMES[best] for best in expected.argmax(axis=1)]
    assert answer["label_names"].numpy().tolist() == [[name.encode() for name in NAMES]] * 5


def test_tensors_and_records_get_the_same_answer(served, faces):
    expected = served.signatures["serving_default"](image=tf.constant([png(face) for face in faces]))
    tensors = served.signatures["serve_tensor"](face=tf.constant(faces, tf.float32))
    np.testing.assert_allclose(tensors["probabilities"], expected["probabilities"], atol=1e-6)
    sample = Sample("folder", "a", "b", None, label="happiness")
    records = [make_record(png(face), sample).SerializeToString() for face in faces]
    scored = served.signatures["serve_examples"](inputs=tf.constant(records))
    np.testing.assert_allclose(scored["scores"], expected["probabilities"], atol=1e-6)
    assert scored["classes"].numpy()[0].tolist() == [name.encode() for name in NAMES]


@pytest.fixture(scope="module")
def model_with_map(model):
    """Like `model`, and its answers change with the landmarks."""
    keras.utils.set_random_seed(1)
    return AlexNetEmotion(NAMES, width=0.25, angle_map=True)


@pytest.fixture(scope="module")
def served_with_map(model_with_map, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export_with_map") / "model"
    export_saved_model(model_with_map, directory)
    return tf.saved_model.load(str(directory))


@pytest.mark.parametrize("known", [True, False])
def test_landmarks_reach_the_model_through_every_signature(model_with_map, served_with_map, faces, known):
    landmarks = np.random.default_rng(2).uniform(0.1, 0.9, (5, 68, 2)).astype("float32")
    probabilities = {
        some: keras.ops.softmax(model_with_map.predict({"face": faces, "landmarks": some * landmarks}, verbose=0))
        for some in (True, False)
    }
    assert np.abs(probabilities[True] - probabilities[False]).max() > 1e-3
    expected = probabilities[known].numpy()
    images, points = tf.constant([png(face) for face in faces]), tf.constant(known * landmarks)
    signatures = served_with_map.signatures
    answer = signatures["serving_default"](image=images, landmarks=points)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    answer = signatures["serve_tensor"](face=tf.constant(faces, tf.float32), landmarks=points)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    sample = Sample("folder", "a", "b", None, label="happiness")
    records = [
        make_record(png(face), sample, one if known else None).SerializeToString()
        for face, one in zip(faces, landmarks, strict=True)
    ]
    np.testing.assert_allclose(signatures["serve_examples"](inputs=tf.constant(records))["scores"], expected, atol=1e-6)


def test_a_server_can_warm_up(model_with_map, tmp_path, monkeypatch):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    export_saved_model(model_with_map, tmp_path / "1")
    extra = tmp_path / "1" / "assets.extra"
    assert (extra / "labels.txt").read_text().split() == list(NAMES)
    records = tf.data.TFRecordDataset(str(extra / "tf_serving_warmup_requests")).as_numpy_iterator()
    requests = [logs.PredictionLog.FromString(record).predict_log.request for record in records]
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    for request, faces in zip(requests, (1, 8), strict=True):
        answer = signature(**{name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()})
        assert answer["probabilities"].shape == (faces, len(NAMES))
    for name in ("tensorflow_serving", "tensorflow_serving.apis"):
        monkeypatch.setitem(sys.modules, name, None)  # as where the extra is not installed
    export_saved_model(model_with_map, tmp_path / "2")
    assert [file.name for file in (tmp_path / "2" / "assets.extra").iterdir()] == ["labels.txt"]


def test_signatures_of_a_model_with_an_angle_map(served_with_map):
    inputs = {
        name: {key: tuple(spec.shape) for key, spec in signature.structured_input_signature[1].items()}
        for name, signature in served_with_map.signatures.items()
    }
    assert inputs == {
        "serving_default": {"image": (None,), "landmarks": (None, 68, 2)},
        "serve_tensor": {"face": (None, 48, 48, 1), "landmarks": (None, 68, 2)},
        "serve_examples": {"inputs": (None,)},
        "serve_grad_cam": {"image": (None,), "class_index": (None,), "landmarks": (None, 68, 2)},
    }


def test_signatures_name_their_tensors_and_carry_neither_labels_nor_centres(served):
    inputs = {name: set(signature.structured_input_signature[1]) for name, signature in served.signatures.items()}
    assert inputs == {
        "serving_default": {"image"},
        "serve_tensor": {"face"},
        "serve_examples": {"inputs"},
        "serve_grad_cam": {"image", "class_index"},
    }
    assert not [variable for variable in served.variables if tuple(variable.shape) == (3, 128)]


def test_colour_pictures_of_another_size_are_decoded(served):
    colour = np.random.default_rng(1).integers(0, 256, (112, 90, 3), dtype="uint8")
    answer = served.signatures["serving_default"](image=tf.constant([png(colour)]))
    np.testing.assert_allclose(answer["probabilities"].numpy().sum(), 1.0, atol=1e-5)


def test_versions_appear_whole_and_ascend(model, tmp_path):
    base = tmp_path / "saved_models" / "fer"
    first, second = export_version(model, base), export_version(model, base)
    assert int(second.name) > int(first.name)
    assert sorted(child.name for child in base.iterdir()) == [first.name, second.name]
    assert (first / "saved_model.pb").exists()


def test_failed_export_leaves_no_version(tmp_path):
    class Broken:
        label_names = NAMES

        def inference_model(self):
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError):
        export_version(Broken(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_kept(model, tmp_path):
    with pytest.raises(InputError, match="exists"):
        export_saved_model(model, tmp_path)
