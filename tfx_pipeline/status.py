"""What ML Metadata tells of the runs: which there were, how their components fared, where the time went."""

import contextlib
import dataclasses
import datetime
import json
import pathlib

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.metadata import Metadata
from tfx.types import standard_artifacts

from fer_keras.errors import InputError
from tfx_pipeline.cross_validation import FOLD_FIGURES, CrossValidation
from tfx_pipeline.metadata import executions_of, node_of, outputs_of
from tfx_pipeline.metadata_store import connection_config
from tfx_pipeline.trainer import TIMES_FILE

_State = metadata_store_pb2.Execution.State
_TRAINED = (standard_artifacts.ModelRun.TYPE_NAME, standard_artifacts.TunerResults.TYPE_NAME)
_LAST = ("Pusher", "BulkInferrer")  # of `run` and of `infer`
_BETWEEN = "between components"
_START = "start"


@dataclasses.dataclass(frozen=True)
class Component:
    """One component in a run.

    Args:
        pipeline: string, the pipeline's name.
        name: string, the component's.
        state: string: complete, cached, failed, running, ...
        started: seconds since 1970.
        seconds: that it took; what was cached took none to speak of.
        training: seconds of these in which models were trained, those of a search too.
        artifacts: list of addresses that it wrote.
    """

    pipeline: str
    name: str
    state: str
    started: float
    seconds: float
    training: float
    artifacts: list


@dataclasses.dataclass(frozen=True)
class Run:
    """One run.

    Args:
        name: string, when it was started; of ML Metadata's context.
        components: list of `Component`, in the order in which they began.
        seconds: from its start to the end of its last component.
        blessed: whether its model was blessed; `None` where it did not come so far.
        pushed: path of the version that holds its model, `""` where nothing was pushed.
    """

    name: str
    components: list
    seconds: float
    blessed: bool | None
    pushed: str

    @property
    def state(self):
        """`complete`; `failed` or `unfinished`, with the component where one was at work."""
        for one in self.components:
            if one.state == "failed":
                return f"failed in {one.name}"
        left = [one for one in self.components if one.state not in ("complete", "cached")]
        if left:
            return f"unfinished in {left[-1].name}"
        return "complete" if any(one.name in _LAST for one in self.components) else "unfinished"


@contextlib.contextmanager
def open_store(where):
    """Opens a metadata store that exists.

    Args:
        where: path or URL, see `tfx_pipeline.metadata_store.connection_config`.

    Yields:
        ML Metadata's `MetadataStore`.

    Raises:
        InputError: there is no such file.
    """
    if "://" not in str(where) and not pathlib.Path(where).is_file():
        raise InputError(f"{where}: no such file; expected the metadata of a pipeline that has run")
    with Metadata(connection_config(str(where))) as handle:
        yield handle.store


def read_runs(store, last=None):
    """Reads the runs.

    Args:
        store: `ml_metadata.MetadataStore`.
        last: optional int, how many, from the newest back.

    Returns:
        A list of `Run`, the newest first.
    """
    contexts = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda one: one.name, reverse=True)
    return [read_run(store, one.name) for one in contexts[:last]]


def read_run(store, name):
    """Reads one run.

    Args:
        store: `ml_metadata.MetadataStore`.
        name: string, the run's name, or the beginning of it.

    Returns:
        A `Run`.

    Raises:
        InputError: there is no such run, or more than one.
    """
    names = [one.name for one in store.get_contexts_by_type("pipeline_run")]
    found = [name] if name in names else [one for one in names if one.startswith(name)]
    if len(found) != 1:
        known = ", ".join(sorted(names, reverse=True)[:5]) or "none"
        raise InputError(f"run {name}: there are {len(found)} such runs; the newest are {known}")
    components = [_component(store, one) for one in executions_of(store, found[0])]
    components = [one for one in components if not one.name.startswith("import-")]
    ends = [one.started + one.seconds for one in components]
    outputs = {artifact.type: artifact for artifact in outputs_of(store, found[0]).values()}
    blessing = outputs.get(standard_artifacts.ModelBlessing.TYPE_NAME)
    pushed = outputs.get(standard_artifacts.PushedModel.TYPE_NAME)
    judged = blessing is not None and "blessed" in blessing.custom_properties
    return Run(
        name=found[0],
        components=components,
        seconds=max(ends) - _began(found[0]) if ends else 0.0,
        blessed=bool(blessing.custom_properties["blessed"].int_value) if judged else None,
        pushed=pushed.custom_properties["pushed_destination"].string_value if pushed else "",
    )


def _began(name):
    return datetime.datetime.fromisoformat(name).timestamp()


def _component(store, execution):
    pipeline, _, name = node_of(store, execution).partition(".")
    ids = [
        event.artifact_id
        for event in store.get_events_by_execution_ids([execution.id])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = store.get_artifacts_by_id(ids)
    state = _State.Name(execution.last_known_state).lower()
    times = {}
    for artifact in artifacts:
        file = pathlib.Path(artifact.uri, TIMES_FILE)
        if state == "complete" and artifact.type in _TRAINED and file.exists():
            times = json.loads(file.read_text())
    return Component(
        pipeline=pipeline,
        name=name,
        state=state,
        started=execution.create_time_since_epoch / 1000,
        seconds=(execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000,
        training=times.get("training", 0.0),
        artifacts=[artifact.uri for artifact in artifacts],
    )


def fold_figures(store, name):
    """Reads what the folds of a cross-validation came to.

    Args:
        store: `ml_metadata.MetadataStore`.
        name: string, the run's whole name.

    Returns:
        A list of dicts, one a fold, of `tfx_pipeline.cross_validation.FOLD_FIGURES` to a float; a figure that the
        metadata do not hold is `None`. The list is empty for a run without a cross-validation.
    """
    rows = []
    for artifact in outputs_of(store, name).values():
        if artifact.type == CrossValidation.TYPE_NAME:
            held = {key: value.double_value for key, value in artifact.custom_properties.items()}
            for fold in range(artifact.custom_properties["folds"].int_value):
                rows.append({figure: held.get(f"fold_{fold}_{figure}") for figure in FOLD_FIGURES})
    return rows


def overhead(run):
    """Where the time of a run went besides training.

    Components of the folds, which are side by side, are summed by name: the sums are seconds of work, not of the clock.

    Args:
        run: a `Run`.

    Returns:
        A list of dicts from the greatest overhead to the least: `name`; `count`, how many such components ran;
        `seconds` that they took; `training`, how many of those; `overhead`, the others. `start` is from the command to
        the first component, and `between components` what passed between those of one pipeline.
    """
    rows = {}

    def add(name, seconds, training=0.0, count=1):
        row = rows.setdefault(name, {"name": name, "count": 0, "seconds": 0.0, "training": 0.0})
        row["count"] += count
        row["seconds"] += seconds
        row["training"] += training

    by_pipeline = {}
    for one in run.components:
        if one.state == "complete":
            add(one.name, one.seconds, one.training)
        by_pipeline.setdefault(one.pipeline, []).append(one)
    if run.components:
        add(_START, min(one.started for one in run.components) - _began(run.name))
    for components in by_pipeline.values():
        span = max(one.started + one.seconds for one in components) - min(one.started for one in components)
        add(_BETWEEN, span - sum(one.seconds for one in components), count=len(components) - 1)
    for row in rows.values():
        row["overhead"] = row["seconds"] - row["training"]
    return sorted(rows.values(), key=lambda row: -row["overhead"])
