"""ONNX files, for ONNX Runtime and whatever else reads them."""

import json

import tensorflow as tf

# No public name, but the one that TensorFlow's own guides use.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from fer_keras.errors import InputError
from fer_keras.export.checked_file import check_faces, check_path, face_signature, write_checked

OPSET = 17
TOLERANCE = 1e-4


def export_onnx(model, path, faces=None, tolerance=None):
    """Writes an ONNX file that answers with probabilities, and compares it with Keras.

    Its input is `face`, float32 `(batch, height, width, channels)`, raw pixels 0-255, its output `probabilities`,
    float32 `(batch, K)`. The metadata property `label_names` is a JSON list of the K names.

    ONNX Runtime runs the file on `faces` before it gets its name; it appears whole and right or not at all.

    Args:
        model: a classifier with `label_names` and `inference_model()`, such as `AlexNetEmotion`.
        path: the file to write; what it held is replaced.
        faces: array of faces to compare on, shape `(n, height, width, channels)`, values 0-255; without, noise.
        tolerance: float, the largest difference of a probability from Keras's that passes; by default `TOLERANCE`.

    Returns:
        An `ExportedFile`.

    Raises:
        InputError: the extra `onnx` is not installed, the faces have another form, ONNX lacks an operation of the
            model, or the file does not run, or the difference is too large.
    """
    path = check_path(path)
    try:
        import onnx
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs the package {error.name}; run: pip install 'fer-keras[onnx]'") from error

    inference, answer, face = face_signature(model)
    faces = check_faces(faces, face.shape[1:])
    # `tf2onnx.convert.from_function` would turn constants that the graph captured, such as those of Keras's
    # Normalization, into inputs.
    frozen = convert_variables_to_constants_v2(tf.function(answer).get_concrete_function(face))
    source, result = frozen.inputs[0].name, frozen.outputs[0].name
    try:
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            name=model.name,
            input_names=[source],
            output_names=[result],
            opset=OPSET,
            tensors_to_rename={source: "face", result: "probabilities"},
        )
        onnx.checker.check_model(converted)  # what could not be converted is still in it as it was
    except Exception as error:  # of several kinds, by what is missing
        raise InputError(f"{path}: ONNX cannot hold this model: {str(error).strip().splitlines()[0]}") from error
    for value in (*converted.graph.input, *converted.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(converted, {"label_names": json.dumps(model.label_names)})

    def run(file, batch):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return session.run(["probabilities"], {"face": batch})[0]

    return write_checked(
        path, converted.SerializeToString(), run, inference, faces, TOLERANCE if tolerance is None else tolerance
    )
