"""Classify, Regress and MultiInference: signatures that take serialized `tf.train.Example` records.

Checks and wordings follow TensorFlow Serving's servables/tensorflow/classifier.cc, regressor.cc, multi_inference.cc and
util.cc. As there by default (`--enable_signature_method_name_check` is off), the names of a signature's inputs and
outputs decide what it is, not its method name: Keras writes all signatures as predictions.
"""

import numpy as np
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.server.errors import Code, ServingError
from serving.server.predict import DEFAULT_SIGNATURE, call

INPUTS = "inputs"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def classify(model, request_input, signature_name="", limits=None, metrics=None):
    """Answers a `ClassificationRequest`.

    Args:
        model: `loaded_model.LoadedModel`.
        request_input: `Input`, the examples.
        signature_name: str, `serving_default` if empty.
        limits: optional `limits.Limits`.
        metrics: optional `metrics.Metrics`.

    Returns:
        A `ClassificationResult`: of each example, every class with its score.

    Raises:
        ServingError: the signature is none for classification, or the examples do not fit.
    """
    key, outputs = _classification(model, signature_name)
    examples = _serialized(request_input)
    return _classes(_run(model, key, examples, outputs, "Classify", limits, metrics), len(examples))


def regress(model, request_input, signature_name="", limits=None, metrics=None):
    """Answers a `RegressionRequest`.

    Args:
        model: `loaded_model.LoadedModel`.
        request_input: `Input`, the examples.
        signature_name: str, `serving_default` if empty.
        limits: optional `limits.Limits`.
        metrics: optional `metrics.Metrics`.

    Returns:
        A `RegressionResult`: of each example a value.

    Raises:
        ServingError: the signature is none for regression, or the examples do not fit.
    """
    key, outputs = _regression(model, signature_name)
    examples = _serialized(request_input)
    return _values(_run(model, key, examples, outputs, "Regress", limits, metrics), len(examples))


def multi_inference(model, request, limits=None, metrics=None):
    """Answers a `MultiInferenceRequest`: several signatures of one model on the same examples.

    Args:
        model: `loaded_model.LoadedModel`.
        request: `MultiInferenceRequest`.
        limits: optional `limits.Limits`.
        metrics: optional `metrics.Metrics`.

    Returns:
        A `MultiInferenceResponse`.

    Raises:
        ServingError: a task asks for another model, the same signature or another method, or does not fit.
    """
    plans, seen = [], set()
    for task in request.tasks:
        spec = task.model_spec
        if not spec.name:
            raise _invalid("Found ModelSpec with an empty model name.")
        if spec.name != request.tasks[0].model_spec.name:
            raise _invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        key = spec.signature_name or DEFAULT_SIGNATURE
        if key in seen:
            raise _invalid(f"Duplicate evaluation of signature: {key}")
        seen.add(key)
        if key not in model.functions:
            raise _invalid(f"Requested signature not found in model graph: {key}")
        if task.method_name == CLASSIFY:
            plans.append((*_classification(model, key), "classification_result", _classes))
        elif task.method_name == REGRESS:
            plans.append((*_regression(model, key), "regression_result", _values))
        else:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
    examples = _serialized(request.input)
    response = inference_pb2.MultiInferenceResponse()
    for key, outputs, field, convert in plans:
        answers = _run(model, key, examples, outputs, "MultiInference", limits, metrics)
        result = response.results.add()
        result.model_spec.name = model.name
        result.model_spec.version.value = model.version
        result.model_spec.signature_name = key
        getattr(result, field).CopyFrom(convert(answers, len(examples)))
    return response


def _signature(model, signature_name):
    key = signature_name or DEFAULT_SIGNATURE
    if key not in model.functions:
        raise _invalid(f"No signature was found with the name: {key}")
    signature = model.signature_defs[key]
    if len(signature.inputs) != 1:
        raise _invalid("Expected one input Tensor.")
    return key, signature


def _classification(model, signature_name):
    """Returns the signature's key and the outputs wanted of it."""
    key, signature = _signature(model, signature_name)
    if len(signature.outputs) not in (1, 2):
        raise _invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUTS not in signature.inputs:
        raise _invalid(f"No classification inputs found in SignatureDef: {signature}")
    outputs = [name for name in ("classes", "scores") if name in signature.outputs]
    if not outputs:
        raise _invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}"
        )
    return key, outputs


def _regression(model, signature_name):
    """Returns the signature's key and the output wanted of it."""
    key, signature = _signature(model, signature_name)
    if len(signature.outputs) != 1:
        raise _invalid("Expected one output Tensor.")
    if INPUTS not in signature.inputs:
        raise _invalid(f"No regression inputs found in SignatureDef: {signature}")
    if "outputs" not in signature.outputs:
        raise _invalid(f"No regression outputs found in SignatureDef: {signature}")
    return key, ["outputs"]


def _serialized(request_input):
    """Returns the examples as a list of bytes."""
    kind = request_input.WhichOneof("kind")
    if kind == "example_list":
        examples = [example.SerializeToString() for example in request_input.example_list.examples]
    elif kind == "example_list_with_context":
        # Serialized messages one after the other are their union.
        context = request_input.example_list_with_context.context.SerializeToString()
        examples = [
            context + example.SerializeToString() for example in request_input.example_list_with_context.examples
        ]
    else:
        examples = []
    if not examples:
        raise _invalid("Input is empty.")
    return examples


def _run(model, key, examples, outputs, api, limits, metrics):
    if metrics is not None:
        metrics.examples(model.name, len(examples))
    inputs = {INPUTS: np.array(examples, object)}
    return call(model, key, inputs, outputs, api, limits, metrics)


def _classes(answers, count):
    """Checks the outputs and puts them into a `ClassificationResult`."""
    for name, kind in (("classes", "string"), ("scores", "float")):
        if name not in answers:
            continue
        value = answers[name]
        if value.ndim != 2:
            raise _invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(value)}")
        if value.dtype != (object if name == "classes" else np.float32):
            raise _invalid(f"Expected {name} Tensor of DT_{kind.upper()}. Got: {value.dtype}")
        if len(value) != count:
            raise _invalid(f"Expected {name} output batch size of {count}. Got: {len(value)}")
    classes, scores = answers.get("classes"), answers.get("scores")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise _invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    result = classification_pb2.ClassificationResult()
    for row in range(count):
        row_classes = result.classifications.add().classes
        for column in range((classes if classes is not None else scores).shape[1]):
            one = row_classes.add()
            if classes is not None:
                one.label = classes[row, column].decode("utf-8", "replace")
            if scores is not None:
                one.score = scores[row, column]
    return result


def _values(answers, count):
    """Checks the output and puts it into a `RegressionResult`."""
    (value,) = answers.values()
    if not (value.ndim == 1 or (value.ndim == 2 and value.shape[1] == 1)):
        raise _invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(value)}"
        )
    if len(value) != count:
        raise _invalid(f"Input batch size did not match output batch size: {count} vs. {len(value)}")
    if value.dtype != np.float32:
        raise _invalid(f"Expected output Tensor of DT_FLOAT.  Got: {value.dtype}")
    result = regression_pb2.RegressionResult()
    for number in value.ravel().tolist():
        result.regressions.add().value = number
    return result


def _shape(array):
    return "[" + ",".join(map(str, array.shape)) + "]"


def _invalid(message):
    return ServingError(Code.INVALID_ARGUMENT, message)
