import contextlib
import dataclasses
import io

import pytest
import rich.console

pytestmark = pytest.mark.tfx

BEGAN = "2026-01-02T03:04:05.000"


def component(pipeline, name, started, seconds, state="complete", training=0.0):
    from tfx_pipeline.status import Component, _began

    return Component(pipeline, name, state, _began(BEGAN) + started, seconds, training, [])


def run(*components):
    from tfx_pipeline.status import Run

    return Run(BEGAN, list(components), 60.0, None, "")


def test_overhead_is_what_is_not_training():
    from tfx_pipeline.status import overhead

    rows = overhead(
        run(
            component("fer-data", "Transform", 5, 10),
            component("fer-fold-0", "Trainer", 20, 12, training=10.0),
            component("fer-fold-0", "Evaluator", 34, 4),
            component("fer-fold-1", "Trainer", 20, 11, training=9.0),
            component("fer-fold-1", "Evaluator", 31, 4),
            component("fer-release", "Pusher", 40, 0.5, state="cached"),
        )
    )
    found = {row["name"]: row for row in rows}
    assert [row["name"] for row in rows] == ["Transform", "Evaluator", "start", "Trainer", "between components"]
    assert (found["Trainer"]["count"], found["Trainer"]["seconds"], found["Trainer"]["overhead"]) == (2, 23, 4)
    assert found["between components"]["overhead"] == pytest.approx(2)
    assert found["start"]["overhead"] == pytest.approx(5)


def test_the_state_of_a_run_names_the_component():
    assert run(component("fer", "Pusher", 1, 1)).state == "complete"
    assert run(component("fer", "Trainer", 1, 1, "failed")).state == "failed in Trainer"
    assert run(component("fer", "Trainer", 1, 1, "running")).state == "unfinished in Trainer"
    assert run(component("fer", "Transform", 1, 1)).state == "unfinished"
    assert run(component("fer-infer", "BulkInferrer", 1, 1)).state == "complete"


@pytest.fixture
def store():
    """Metadata in memory of a run with one component, which left a CrossValidation artifact of two folds."""
    import ml_metadata
    from ml_metadata.proto import metadata_store_pb2 as proto

    config = proto.ConnectionConfig()
    config.fake_database.SetInParent()
    store = ml_metadata.MetadataStore(config)
    contexts = []
    for kind, name in (("pipeline_run", BEGAN), ("node", "fer-release.CrossValidationReport")):
        contexts.append(proto.Context(type_id=store.put_context_type(proto.ContextType(name=kind)), name=name))
    kind = store.put_execution_type(proto.ExecutionType(name="report"))
    execution = proto.Execution(type_id=kind, last_known_state=proto.Execution.COMPLETE)
    artifact = proto.Artifact(type_id=store.put_artifact_type(proto.ArtifactType(name="fer.CrossValidation")), uri="cv")
    artifact.custom_properties["folds"].int_value = 2
    for name, value in (("fold_0_accuracy", 0.75), ("fold_0_uar", 0.5), ("fold_1_accuracy", 1.0)):
        artifact.custom_properties[name].double_value = value
    event = proto.Event(type=proto.Event.OUTPUT)
    event.path.steps.add(key="cross_validation")
    store.put_execution(execution, [(artifact, event)], contexts)
    return store


def test_the_folds_of_a_cross_validation_are_read_from_the_metadata(store):
    from tfx_pipeline.status import fold_figures

    assert fold_figures(store, BEGAN) == [
        {"accuracy": 0.75, "uar": 0.5, "macro_f1": None},
        {"accuracy": 1.0, "uar": None, "macro_f1": None},
    ]


@pytest.fixture
def shown(monkeypatch):
    """Shows runs with a command, on a terminal of 80 columns, without metadata."""
    from tfx_pipeline import commands, evaluation_page, status

    def show(command, *runs):
        output = io.StringIO()
        console = rich.console.Console(file=output, width=80, highlight=False)
        monkeypatch.setattr(commands, "_runs", lambda *where: contextlib.nullcontext((console, None)))
        monkeypatch.setattr(status, "read_runs", lambda store, last: list(runs))
        monkeypatch.setattr(status, "fold_figures", lambda store, name: [])
        monkeypatch.setattr(evaluation_page, "write_run_page", lambda store, run, folder: None)
        last = {"last": 10} if command == "status" else {}
        getattr(commands, command)(name="latest" if len(runs) == 1 else None, **last)
        return output.getvalue()

    return show


def test_80_columns_hold_all_of_a_run(shown):
    from tfx_pipeline.status import Run

    failed = component("fer-fold-10", "CrossValidationReport", 1, 12345.6, "failed")
    runs = [
        Run("2026-11-27T10:00:00.123", [failed], 12345.6, True, "/a/saved_models/fer/1764200000"),
        Run("2026-11-27T10:00:00.124", [], 0.0, None, ""),
    ]
    output = shown("status", *runs)
    assert "2026-11-27T10:00:00.123 failed in" in output
    assert "2026-11-27T10:00:00.124 unfinished" in output
    assert "1764200000" in output
    assert "…" not in output
    long = dataclasses.replace(failed, artifacts=["/elsewhere/runs/CrossValidationReport/cross_validation/123"])
    output = shown("status", dataclasses.replace(runs[0], components=[long]))
    assert "CrossValidationReport" in output
    assert long.artifacts[0] in "".join(line[-80:].split()[-1] for line in output.splitlines())
    assert "…" not in output


def test_only_folds_are_side_by_side(shown):
    single = [component("fer", name, 1, 1) for name in ("Trainer", "Pusher")]
    assert "side by side" not in shown("report", run(*single))
    assert "side by side" in shown("report", run(*single, component("fer-fold-0", "Trainer", 1, 1)))
