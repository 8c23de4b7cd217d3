"""Evaluator: what is measured on the held-out fold, and when a model is blessed."""

import json

import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

ACCURACY = "accuracy"


def eval_config(min_accuracy):
    """The Evaluator's configuration.

    The model answers raw face records through `serve_examples`, the signature that serves them: what is measured is
    what is served. Its `classes` are the vocabulary by which TFMA reads the records' label names.

    Args:
        min_accuracy: least accuracy for a blessing. It holds for the overall slice; a bare threshold would hold for
            every label's slice as well.

    Returns:
        TFMA's `EvalConfig`.
    """
    threshold = {"value_threshold": {"lower_bound": min_accuracy}}
    accuracy = {
        "class_name": "SparseCategoricalAccuracy",
        "config": json.dumps({"name": ACCURACY}),
        "per_slice_thresholds": [{"slicing_specs": [{}], "threshold": threshold}],
    }
    return json_format.ParseDict(
        {
            "model_specs": [{"signature_name": "serve_examples", "label_key": "label", "prediction_key": "scores"}],
            "slicing_specs": [{}, {"feature_keys": ["label"]}],
            "metrics_specs": [
                {"metrics": [accuracy, {"class_name": "ExampleCount"}, {"class_name": "MultiClassConfusionMatrixPlot"}]}
            ],
        },
        config_pb2.EvalConfig(),
    )


def read_accuracy(evaluation_uri):
    """Reads what the Evaluator measured.

    Args:
        evaluation_uri: folder of the ModelEvaluation artifact.

    Returns:
        A pair: the accuracy over all faces, and a dict of label to the accuracy over its faces.
    """
    by_label, overall = {}, None
    for slice_key, metrics in tfma.load_eval_result(evaluation_uri).slicing_metrics:
        accuracy = metrics[""][""][ACCURACY]["doubleValue"]
        if slice_key:
            by_label[slice_key[0][1]] = accuracy
        else:
            overall = accuracy
    return overall, by_label
