import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from fer_keras.errors import InputError
from fer_keras.export import export_tflite
from fer_keras.models import AlexNetEmotion, JointSupervision

pytestmark = pytest.mark.slow

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
BOUNDS = {None: 1e-5, "float16": 5e-3, "dynamic": 0.05, "int8": 0.1}


@pytest.fixture(scope="module")
def exported(small_model, smooth_faces, tmp_path_factory):
    directory = tmp_path_factory.mktemp("tflite")
    return {
        name: export_tflite(small_model, directory / f"{name}.tflite", name, smooth_faces[:40])
        for name in QUANTIZATIONS
    }


def signature(file):
    return Interpreter(str(file.path)).get_signature_runner("serving_default")


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("batch", [1, 20])
def test_other_faces_get_the_model_s_probabilities(
    small_model, smooth_faces, exported, probabilities, quantization, batch
):
    faces = smooth_faces[-batch:]  # none of those it was calibrated on
    found = signature(exported[quantization])(face=faces.astype("float32"))["probabilities"]
    expected = probabilities(small_model, faces)
    assert found.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.3 or batch == 1  # the answers differ, so that agreeing says something
    np.testing.assert_allclose(found, expected, atol=BOUNDS[quantization])


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_interface_does_not_depend_on_quantization(exported, quantization):
    interpreter = Interpreter(str(exported[quantization].path))
    (face,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (face["dtype"], face["shape_signature"].tolist()) == (np.float32, [-1, 48, 48, 1])
    assert answer["dtype"] == np.float32
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["face"], "outputs": ["probabilities"]}}


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_label_names_are_in_the_file(small_model, exported, quantization):
    names = zipfile.ZipFile(exported[quantization].path).read("labels.txt").decode().splitlines()
    assert tuple(names) == small_model.label_names


def test_weights_take_half_and_a_quarter_of_the_bytes(exported):
    assert exported["float16"].size < 0.6 * exported[None].size
    assert exported["int8"].size < 0.4 * exported[None].size
    assert exported["dynamic"].size < 0.4 * exported[None].size
    assert all(file.size == file.path.stat().st_size for file in exported.values())


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_the_stated_difference_is_that_of_the_file(small_model, smooth_faces, exported, probabilities, quantization):
    faces = smooth_faces[:40]
    found = signature(exported[quantization])(face=faces.astype("float32"))["probabilities"]
    expected = probabilities(small_model, faces)
    assert exported[quantization].faces == 40
    assert exported[quantization].difference == pytest.approx(np.abs(found - expected).max(), abs=1e-6)
    assert exported[quantization].same_label == np.mean(found.argmax(axis=1) == expected.argmax(axis=1))


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_no_shape_is_computed_at_run_time(exported, quantization):
    # What older runtimes need to give the graph to XNNPACK; only this private method names the operations.
    operations = {step["op_name"] for step in Interpreter(str(exported[quantization].path))._get_ops_details()}
    assert "RESHAPE" in operations
    assert not operations & {"SHAPE", "STRIDED_SLICE", "PACK"}


def test_flattening_within_models_within_models_gives_the_same_answers(smooth_faces, probabilities, tmp_path):
    class Scaled(keras.Model):  # subclassed, without a configuration
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return self.factor * inputs

    inner = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.MaxPooling2D(8), keras.layers.Flatten()])
    layers = [Scaled(1 / 255), inner, keras.layers.Dense(8, activation="tanh")]
    outer = keras.Sequential([keras.Input((48, 48, 1)), *layers])
    model = JointSupervision(outer, ("a", "b"))
    before = [type(layer) for layer in inner.layers]
    file = export_tflite(model, tmp_path / "fer.tflite", None, smooth_faces)
    found = signature(file)(face=smooth_faces[:20].astype("float32"))["probabilities"]
    np.testing.assert_allclose(found, probabilities(model, smooth_faces[:20]), atol=1e-5)
    operations = [step["op_name"] for step in Interpreter(str(file.path))._get_ops_details()]
    assert "SHAPE" not in operations
    assert [type(layer) for layer in inner.layers] == before


def test_activations_are_integers_in_the_int8_file_alone(exported):
    def kinds(file):  # of the maps between the first and the second pooling
        tensors = Interpreter(str(file.path)).get_tensor_details()
        return {tensor["dtype"] for tensor in tensors if tuple(tensor["shape"][:3]) == (1, 24, 24)}

    assert kinds(exported["int8"]) == {np.int8}
    assert kinds(exported["dynamic"]) == kinds(exported["float16"]) == {np.float32}


def test_too_large_a_difference_leaves_what_was_there(small_model, smooth_faces, tmp_path):
    path = tmp_path / "fer.tflite"
    path.write_bytes(b"older")
    with pytest.raises(InputError, match=r"differ from Keras's by up to .* on 60 faces; expected at most 1e-09"):
        export_tflite(small_model, path, "int8", smooth_faces, tolerance=1e-9)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_mixed_precision_is_written_in_float32(smooth_faces, probabilities, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = AlexNetEmotion(("neutral", "happiness"), width=0.25)
    finally:
        keras.config.set_dtype_policy("float32")
    plain = AlexNetEmotion(("neutral", "happiness"), width=0.25)
    plain.set_weights(mixed.get_weights())
    file = export_tflite(mixed, tmp_path / "fer.tflite", None)
    found = signature(file)(face=smooth_faces.astype("float32"))["probabilities"]
    np.testing.assert_allclose(found, probabilities(plain, smooth_faces), atol=1e-5)


def test_missing_operation_is_named(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Inverse(keras.layers.Layer):
        def call(self, inputs):
            return tf.linalg.inv(inputs[..., 0])

    backbone = keras.Sequential([keras.Input((8, 8, 1)), Inverse(), keras.layers.Flatten()])
    with pytest.raises(InputError, match="TensorFlow Lite cannot hold this model: TF Select ops: MatrixInverse"):
        export_tflite(JointSupervision(backbone, ("a", "b")), tmp_path / "fer.tflite")
    assert list(tmp_path.iterdir()) == []


def test_models_of_several_inputs_are_refused(tmp_path):
    inputs = [keras.Input((8, 8, 1), name="face"), keras.Input((68, 2), name="landmarks")]
    features = keras.layers.Concatenate()([keras.layers.Flatten()(one) for one in inputs])
    model = JointSupervision(keras.Model(inputs, features), ("a", "b"))
    with pytest.raises(InputError, match=r"takes landmarks beside the face.*expected a model of the face alone"):
        export_tflite(model, tmp_path / "fer.tflite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int4"}, "received quantization='int4'; expected 'float16', 'dynamic', 'int8' or None"),
        ({"quantization": "int8"}, "int8 needs representative faces"),
        ({"representative": np.zeros((2, 40, 48, 1))}, r"shape \(2, 40, 48, 1\); expected \(n, 48, 48, 1\)"),
        ({"representative": np.zeros((0, 48, 48, 1))}, "n > 0"),
        ({"representative": np.full((1, 48, 48, 1), 300)}, "values 300.0 to 300.0; expected pixels 0 to 255"),
        ({"representative": np.full((1, 48, 48, 1), np.nan)}, "expected pixels 0 to 255"),
    ],
)
def test_bad_arguments_are_refused_before_the_work(small_model, tmp_path, monkeypatch, options, message):
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: pytest.fail("it went to work"))
    with pytest.raises(InputError, match=message):
        export_tflite(small_model, tmp_path / "fer.tflite", **options)
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        export_tflite(small_model, tmp_path)
