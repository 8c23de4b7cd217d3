"""What runs left in ML Metadata."""

import pathlib

from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from tfx_pipeline.evaluation import read_accuracy


def is_cached(store, run_id, component):
    """Whether a component's result was taken from an earlier run.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.
        component: string, name of the component.

    Returns:
        A bool.
    """
    executions = [one for one in _executions(store, run_id) if _component(store, one) == component]
    return any(one.last_known_state == metadata_store_pb2.Execution.CACHED for one in executions)


def read_outcome(store, run_id, min_accuracy):
    """Reads what a finished run came to.

    Args:
        store: `ml_metadata.MetadataStore`.
        run_id: string, the run.
        min_accuracy: what the run asked for, for the reason.

    Returns:
        A dict with `version`, `reason`, `accuracy`, `accuracy_by_label`, `faces` and `skipped`, as in
        `PipelineResult`.
    """
    outputs = _outputs(store, run_id)
    examples = outputs["CorpusExampleGen", standard_artifacts.Examples.TYPE_NAME]
    evaluation = outputs["Evaluator", standard_artifacts.ModelEvaluation.TYPE_NAME]
    pushed = outputs["Pusher", standard_artifacts.PushedModel.TYPE_NAME]
    accuracy, by_label = read_accuracy(evaluation.uri)
    done = pushed.custom_properties["pushed"].int_value
    return {
        "version": pathlib.Path(pushed.custom_properties["pushed_destination"].string_value) if done else None,
        "reason": "" if done else f"not blessed: accuracy {accuracy:.3f} < threshold {min_accuracy:.3f}",
        "accuracy": accuracy,
        "accuracy_by_label": by_label,
        "faces": examples.custom_properties["faces"].int_value,
        "skipped": examples.custom_properties["skipped"].int_value,
    }


def _executions(store, run_id):
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    return store.get_executions_by_context(run.id)


def _component(store, execution):
    nodes = [one for one in store.get_contexts_by_execution(execution.id) if one.type == "node"]
    return nodes[0].name.rpartition(".")[2]


def _outputs(store, run_id):
    """The artifacts of a run by component and artifact type."""
    outputs = {}
    for execution in _executions(store, run_id):
        events = store.get_events_by_execution_ids([execution.id])
        ids = [event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
        for artifact in store.get_artifacts_by_id(ids):
            outputs[_component(store, execution), artifact.type] = artifact
    return outputs
