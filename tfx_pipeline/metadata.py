"""What runs left in ML Metadata."""

import json
import pathlib

from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from tfx_pipeline.cross_validation import RESULTS_FILE, CrossValidation
from tfx_pipeline.evaluation import read_evaluation, refusal
from tfx_pipeline.pusher import NEW_PROPERTY
from tfx_pipeline.served_model import BASELINE, LEARNT_PROPERTY


def is_cached(store, run_id, node):
    """Whether a component's result was taken from an earlier run.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.
        node: string, `pipeline.component`.

    Returns:
        A bool.
    """
    executions = [one for one in executions_of(store, run_id) if node_of(store, one) == node]
    return any(one.last_known_state == metadata_store_pb2.Execution.CACHED for one in executions)


def artifact_uris(store, run_id, pipeline, kinds):
    """Where a pipeline of a run left its artifacts.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.
        pipeline: string, name of the pipeline.
        kinds: dict of name to component, output and type, such as `tfx_pipeline.pipeline.DATA_ARTIFACTS`.

    Returns:
        A dict of name to address.
    """
    found = outputs_of(store, run_id)
    return {name: found[f"{pipeline}.{component}", output].uri for name, (component, output, _) in kinds.items()}


def read_outcome(store, run_id, config):
    """Reads what a finished run came to.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.
        config: its `PipelineConfig`.

    Returns:
        A dict with the fields of `PipelineResult` but for `seconds` and `log`.
    """
    outputs = outputs_of(store, run_id)
    of_type = {artifact.type: artifact for artifact in outputs.values()}
    examples = next(one for (node, _), one in outputs.items() if node.endswith(".CorpusExampleGen"))
    pushed = of_type[standard_artifacts.PushedModel.TYPE_NAME]
    done = pushed.custom_properties["pushed"].int_value
    read = _read_cross_validation(of_type) if config.cross_validate else _read_single(of_type, config, outputs)
    found = {"version": None, "reason": "", **read}
    if done:
        return {
            **found,
            "version": pathlib.Path(pushed.custom_properties["pushed_destination"].string_value),
            "reason": "",
            "newly_pushed": bool(pushed.custom_properties[NEW_PROPERTY].int_value),
            **_counts(examples),
        }
    infra = of_type.get(standard_artifacts.InfraBlessing.TYPE_NAME)
    if not found["reason"] and infra and not infra.custom_properties["blessed"].int_value:
        found["reason"] = infra.custom_properties["reason"].string_value or "the server does not answer with the model"
    return {**found, "reason": f"not blessed: {found['reason'] or 'see the evaluation'}", **_counts(examples)}


def _counts(examples):
    return {name: examples.custom_properties[name].int_value for name in ("faces", "skipped")}


def _read_single(of_type, config, outputs):
    evaluation = read_evaluation(of_type[standard_artifacts.ModelEvaluation.TYPE_NAME].uri)
    accuracy, baseline = evaluation["accuracy"], evaluation["baseline_accuracy"]
    slices = evaluation["slices"]
    remark = next(
        (
            artifact.custom_properties[LEARNT_PROPERTY].string_value
            for (_, output), artifact in outputs.items()
            if output == BASELINE and LEARNT_PROPERTY in artifact.custom_properties
        ),
        "",
    )
    return {
        "accuracy": accuracy,
        "accuracy_by_label": {
            key.partition(":")[2]: value for key, value in slices.items() if key.startswith("label:")
        },
        "slices": slices,
        "baseline_accuracy": baseline,
        "baseline_remark": remark,
        "reason": refusal(accuracy, config.min_accuracy, baseline, config.max_drop, remark),
    }


def _read_cross_validation(of_type):
    gathered = pathlib.Path(of_type[CrossValidation.TYPE_NAME].uri)
    results = json.loads((gathered / RESULTS_FILE).read_text())
    blessing = of_type[standard_artifacts.ModelBlessing.TYPE_NAME]
    return {
        "accuracy": results["mean"]["frame"]["accuracy"],
        "accuracy_std": results["std"]["frame"]["accuracy"],
        "accuracy_by_label": {
            name: recall
            for name, recall in zip(results["label_names"], results["pooled"]["frame"]["recall"], strict=True)
            if recall is not None
        },
        "reason": blessing.custom_properties["reason"].string_value,
        "cross_validation": gathered,
    }


def executions_of(store, run_id):
    """The executions of a run, in the order in which they began.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.

    Returns:
        A list of ML Metadata's `Execution`.
    """
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    found = store.get_executions_by_context(run.id) if run else []
    return sorted(found, key=lambda one: one.id)


def node_of(store, execution):
    """The `pipeline.component` that an execution is one of."""
    return next(one.name for one in store.get_contexts_by_execution(execution.id) if one.type == "node")


def outputs_of(store, run_id):
    """The artifacts of a run.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.

    Returns:
        A dict of `pipeline.component` and output's name to ML Metadata's `Artifact`.
    """
    outputs = {}
    for execution in executions_of(store, run_id):
        events = store.get_events_by_execution_ids([execution.id])
        keys = {
            event.artifact_id: event.path.steps[0].key
            for event in events
            if event.type == metadata_store_pb2.Event.OUTPUT
        }
        for artifact in store.get_artifacts_by_id(list(keys)):
            outputs[node_of(store, execution), keys[artifact.id]] = artifact
    return outputs
