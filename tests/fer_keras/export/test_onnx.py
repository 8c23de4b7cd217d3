import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.export import export_onnx
from fer_keras.models import JointSupervision


def test_missing_packages_are_named(small_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"ONNX needs the package onnx; run: pip install 'fer-keras\[onnx\]'"):
        export_onnx(small_model, tmp_path / "fer.onnx")


@pytest.fixture(scope="module")
def onnxruntime():
    pytest.importorskip("tf2onnx")
    return pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(onnxruntime, small_model, smooth_faces, tmp_path_factory):
    return export_onnx(small_model, tmp_path_factory.mktemp("onnx") / "fer.onnx", smooth_faces[:40])


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 20])
def test_other_faces_get_the_model_s_probabilities(
    onnxruntime, small_model, smooth_faces, exported, probabilities, batch
):
    session = onnxruntime.InferenceSession(str(exported.path))
    faces = smooth_faces[-batch:]
    (found,) = session.run(["probabilities"], {"face": faces.astype("float32")})
    np.testing.assert_allclose(found, probabilities(small_model, faces), atol=1e-5)
    assert exported.faces == 40
    assert exported.difference < 1e-5
    assert exported.same_label == 1


@pytest.mark.slow
def test_interface_and_label_names(onnxruntime, small_model, exported):
    session = onnxruntime.InferenceSession(str(exported.path))
    (face,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (face.name, face.type, face.shape) == ("face", "tensor(float)", ["batch", 48, 48, 1])
    assert (answer.name, answer.type, answer.shape) == ("probabilities", "tensor(float)", ["batch", 3])
    names = json.loads(session.get_modelmeta().custom_metadata_map["label_names"])
    assert tuple(names) == small_model.label_names


@pytest.mark.slow
def test_captured_constants_do_not_become_inputs(onnxruntime, tmp_path, probabilities):
    backbone = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Normalization(mean=[100.0], variance=[900.0]), keras.layers.Flatten()]
    )
    model = JointSupervision(backbone, ("a", "b"))
    file = export_onnx(model, tmp_path / "fer.onnx")
    faces = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 1)).astype("float32")
    (found,) = onnxruntime.InferenceSession(str(file.path)).run(None, {"face": faces})
    np.testing.assert_allclose(found, probabilities(model, faces), atol=1e-5)


@pytest.mark.slow
def test_too_large_a_difference_leaves_what_was_there(onnxruntime, small_model, tmp_path):
    path = tmp_path / "fer.onnx"
    path.write_bytes(b"older")
    with pytest.raises(InputError, match=r"differ from Keras's by up to .* on 16 faces; expected at most -1"):
        export_onnx(small_model, path, tolerance=-1)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_missing_operation_is_named(onnxruntime, tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Inverse(keras.layers.Layer):
        def call(self, inputs):
            return tf.linalg.inv(inputs[..., 0])

    backbone = keras.Sequential([keras.Input((8, 8, 1)), Inverse(), keras.layers.Flatten()])
    with pytest.raises(InputError, match=r"ONNX cannot hold this model: .* MatrixInverse"):
        export_onnx(JointSupervision(backbone, ("a", "b")), tmp_path / "fer.onnx")
    assert list(tmp_path.iterdir()) == []
