"""Evaluator: what is measured on the held-out fold, and when a model is blessed."""

import json

import numpy as np
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.writers import eval_config_writer
from tfx.components.evaluator import component, executor
from tfx.dsl.components.base import executor_spec

from tfx_pipeline.served_model import has_model

ACCURACY = "accuracy"

_CANDIDATE, _BASELINE = "candidate", "baseline"


def eval_config(min_accuracy=None, max_drop=None, slices=("label",), classes=0):
    """The Evaluator's configuration.

    The model answers raw face records through `serve_examples`, the signature that serves them: what is measured is
    what is served. Its `classes` are the vocabulary by which TFMA reads the records' label names.

    Args:
        min_accuracy: least accuracy for a blessing; `None` blesses nothing, and measures alone. It holds for the
            overall slice; a bare threshold would hold for every label's slice as well.
        max_drop: how far below the baseline's accuracy a blessed model's may be, where there is a baseline; `None`
            does not compare.
        slices: features of the records; accuracy is given for every value of each, and for all records together.
        classes: int, number of the model's classes, for a calibration plot of each; 0 for none.

    Returns:
        TFMA's `EvalConfig`.
    """
    accuracy = {"class_name": "SparseCategoricalAccuracy", "config": json.dumps({"name": ACCURACY})}
    models = [_model(name=_CANDIDATE)]
    if min_accuracy is not None:
        threshold = {"value_threshold": {"lower_bound": min_accuracy}}
        if max_drop is not None:
            drop = {"direction": "HIGHER_IS_BETTER", "absolute": -max_drop - _ROUNDING}
            threshold["change_threshold"] = drop
            models.append(_model(name=_BASELINE, is_baseline=True))
        accuracy["per_slice_thresholds"] = [{"slicing_specs": [{}], "threshold": threshold}]
    metrics = [{"metrics": [accuracy, {"class_name": "ExampleCount"}, {"class_name": "MultiClassConfusionMatrixPlot"}]}]
    if classes:
        metrics.append(
            {
                "metrics": [{"class_name": "CalibrationPlot"}],
                "binarize": {"class_ids": {"values": list(range(classes))}},
            }
        )
    return json_format.ParseDict(
        {
            "model_specs": models,
            "slicing_specs": [{}, *({"feature_keys": [name]} for name in slices)],
            "metrics_specs": metrics,
        },
        config_pb2.EvalConfig(),
    )


_BINS = 10  # of calibration
_ROUNDING = 1e-9  # a difference of none must not fail for its last digit


def _model(**about):
    return {"signature_name": "serve_examples", "label_key": "label", "prediction_key": "scores", **about}


def read_evaluation(evaluation_uri):
    """Reads what the Evaluator measured.

    Args:
        evaluation_uri: folder of the ModelEvaluation artifact.

    Returns:
        A dict: `accuracy` over all records; `slices`, a dict of `feature:value` to the accuracy over those;
        `baseline_accuracy`, `None` where nothing was compared with.
    """
    names = list(eval_config_writer.load_eval_run(str(evaluation_uri))[3])
    accuracy, slices = _accuracies(evaluation_uri, _CANDIDATE if _CANDIDATE in names else None)
    baseline = _accuracies(evaluation_uri, _BASELINE)[0] if _BASELINE in names else None
    return {"accuracy": accuracy, "slices": slices, "baseline_accuracy": baseline}


def _accuracies(uri, model_name):
    overall, slices = None, {}
    for slice_key, metrics in tfma.load_eval_result(str(uri), model_name=model_name).slicing_metrics:
        accuracy = metrics[""][""].get(ACCURACY, {}).get("doubleValue")
        if not slice_key:
            overall = accuracy
        elif accuracy is not None:
            slices[":".join(str(part) for part in slice_key[0])] = accuracy
    return overall, slices


def read_details(evaluation_uri, classes):
    """Reads all that the Evaluator measured of a model, out of TFMA's binary files.

    Args:
        evaluation_uri: folder of the ModelEvaluation artifact.
        classes: int, K, number of the model's classes.

    Returns:
        A dict: `slices`, a dict of feature to a list of `(value, count, accuracy)`, under `""` all records together;
        `confusion`, int array `(K, K)`, rows true and columns answered; `calibration`, float array `(K, B, 3)`: for
        every class and every bin of equal width of its probability the records, the sum of their probabilities, and
        how many are of the class, or `None` where it was not measured.
    """
    names = list(eval_config_writer.load_eval_run(str(evaluation_uri))[3])
    found = tfma.load_eval_result(str(evaluation_uri), model_name=_CANDIDATE if _CANDIDATE in names else None)
    slices = {}
    for key, metrics in found.slicing_metrics:
        feature, value = key[0] if key else ("", "")
        figures = metrics[""][""]
        row = str(value), int(figures["example_count"]["doubleValue"]), figures[ACCURACY]["doubleValue"]
        slices.setdefault(feature, []).append(row)
    plots = dict(found.plots)[()][""]
    confusion = np.zeros((classes, classes), int)
    for entry in plots[""]["multiClassConfusionMatrixAtThresholds"]["matrices"][0]["entries"]:
        place = entry.get("actualClassId", 0), entry.get("predictedClassId", 0)
        confusion[place] = round(entry["numWeightedExamples"])
    by_class = [plots.get(f"classId:{number}") for number in range(classes)]
    calibration = None
    if all(by_class):
        calibration = np.array([_bins(one["calibrationHistogramBuckets"]["buckets"]) for one in by_class])
    slices = {name: sorted(rows) for name, rows in slices.items()}
    return {"slices": slices, "confusion": confusion, "calibration": calibration}


def _bins(buckets):
    """TFMA's thousand buckets of a probability as few: records, sum of probabilities, records of the class."""
    bins = np.zeros((_BINS, 3))
    names = ("numWeightedExamples", "totalWeightedRefinedPrediction", "totalWeightedLabel")
    for bucket in buckets:
        row = [bucket.get(name, 0.0) for name in names]
        if row[0]:
            # The mean tells the bin: the ends of the first and the last bucket are infinite.
            bins[min(int(row[1] / row[0] * _BINS), _BINS - 1)] += row
    return bins


def refusal(accuracy, min_accuracy, baseline_accuracy=None, max_drop=0.0, remark=""):
    """Says why a model is not good enough, in one line.

    Args:
        accuracy: of the model.
        min_accuracy: least accuracy.
        baseline_accuracy: optional accuracy of the model that it is compared with.
        max_drop: how far below that it may be.
        remark: what is to be said of that model, a relative clause.

    Returns:
        A string, `""` where the model is good enough.
    """
    if accuracy < min_accuracy:
        return f"accuracy {accuracy:.3f} < threshold {min_accuracy:.3f}"
    if baseline_accuracy is not None and accuracy < baseline_accuracy - max_drop - _ROUNDING:
        allowed = f" - {max_drop:.3f}" if max_drop else ""
        served = f"the model that is served{remark and f', {remark}'}"
        return f"accuracy {accuracy:.3f} < {baseline_accuracy:.3f}{allowed} of {served}"
    return ""


class Executor(executor.Executor):
    """TFX's Evaluator that compares with nothing where no model is served."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Evaluates; see TFX's executor."""
        inputs = dict(input_dict)
        baseline = inputs.get("baseline_model")
        if baseline and not has_model(baseline[0]):
            del inputs["baseline_model"]
        super().Do(inputs, output_dict, exec_properties)


class Evaluator(component.Evaluator):
    """TFX's Evaluator component, for a baseline that may be empty; see `tfx_pipeline.served_model`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
