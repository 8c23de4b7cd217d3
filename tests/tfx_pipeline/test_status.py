import pytest

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
