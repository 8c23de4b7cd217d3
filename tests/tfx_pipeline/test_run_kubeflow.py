import dataclasses
import json

import pytest

from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from tfx_pipeline.config import DataGate, Kubeflow, PipelineConfig, Tuning

pytest.importorskip("kfp")

pytestmark = pytest.mark.tfx

CLUSTER = Kubeflow(
    image="registry.local/fer-keras:1",
    pipeline_root="gs://bucket/fer",
    data="/data/ck",
    push_to="/models/fer",
    gpus=1,
    node_selector={"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    volumes={"fer-models": "/models", "fer-data": "/data"},
    secrets={"FER_METADATA_PASSWORD": "fer/password"},
    pull_secret="registry",
    cpu=2.0,
    memory=8.0,
)


@pytest.fixture
def config(tmp_path):
    return PipelineConfig(
        corpus="ck_plus",
        data_dir=tmp_path / "ck",
        label_names=("anger", "fear"),
        pipeline_root=tmp_path / "run",
        folds=3,
        cross_validate=True,
        tuning=Tuning(trials=2),
        training=StaticConfig(epochs=1),
        kubeflow=CLUSTER,
    )


@pytest.fixture
def documents(config):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    return compile_pipeline(config)


def test_tasks_and_edges(documents):
    spec, _ = documents
    assert spec["schemaVersion"] == "2.1.0"
    tasks = spec["root"]["dag"]["tasks"]
    of_folds = {f"{name}-fold-{fold}" for name in ("Tuner", "Trainer", "Evaluator") for fold in range(3)}
    data = {"CorpusExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate", "Transform"}
    assert set(tasks) == data | of_folds | {"CrossValidationReport", "Tuner", "Trainer", "ReleaseBlessing", "Pusher"}
    assert set(tasks["Transform"]["dependentTasks"]) == {"CorpusExampleGen", "DataGate", "SchemaGen"}
    assert "Tuner-fold-1" in tasks["Trainer-fold-1"]["dependentTasks"]
    # Folds wait for the data alone: they are side by side.
    assert not any("fold-0" in name for name in tasks["Trainer-fold-1"]["dependentTasks"])
    assert {name for name in tasks["CrossValidationReport"]["dependentTasks"] if "fold" in name} == {
        name for name in of_folds if not name.startswith("Tuner")
    }
    assert set(tasks["ReleaseBlessing"]["dependentTasks"]) == {"CrossValidationReport", "Trainer"}
    assert set(tasks["Pusher"]["dependentTasks"]) == {"ReleaseBlessing", "Trainer"}


def test_trials_of_a_search_are_side_by_side(config):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    tuning = Tuning(trials=5, tuner="random", objective="val_accuracy", parallel_trials=2)
    spec, platform = compile_pipeline(dataclasses.replace(config, tuning=tuning))
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    data = {"Transform"}
    for suffix in ("", "-fold-0", "-fold-1", "-fold-2"):
        tuners = [f"Tuner-0{suffix}", f"Tuner-1{suffix}"]
        asked = []
        for name in tuners:
            assert set(tasks[name]["dependentTasks"]) == data  # the Tuners wait for nothing of each other
            given = tasks[name]["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
            asked.append(json.loads(given)["tuning"])
            assert "accelerator" in executors[f"{name}_executor"]["container"]["resources"]
            assert kubernetes[f"{name}_executor"]["nodeSelector"] == {"labels": CLUSTER.node_selector}
        assert [one["trials"] for one in asked] == [3, 2]
        assert asked[0]["seed"] != asked[1]["seed"]
        best = f"BestTrial{suffix}"
        assert set(tasks[best]["dependentTasks"]) == set(tuners)
        assert "accelerator" not in executors[f"{best}_executor"]["container"]["resources"]
        assert best in tasks[f"Trainer{suffix}"]["dependentTasks"]
        assert tasks[f"Trainer{suffix}"]["inputs"]["artifacts"]["hyperparameters"]["taskOutputArtifact"] == {
            "producerTask": best,
            "outputArtifactKey": "best_hyperparameters",
        }
    assert "Tuner" not in tasks


def test_containers(documents):
    spec, _ = documents
    executors = spec["deploymentSpec"]["executors"]
    assert all(set(executor) == {"container"} for executor in executors.values())  # no resolver, no importer
    assert {executor["container"]["image"] for executor in executors.values()} == {CLUSTER.image}
    on_gpu = {
        label.removesuffix("_executor")
        for label, executor in executors.items()
        if "accelerator" in executor["container"]["resources"]
    }
    assert on_gpu == {name for name in spec["root"]["dag"]["tasks"] if name.startswith(("Trainer", "Tuner"))}
    assert all(executor["container"]["resources"]["cpuLimit"] == 2 for executor in executors.values())
    never = ("CorpusExampleGen", "ReleaseBlessing", "Pusher")
    assert not any("cachingOptions" in spec["root"]["dag"]["tasks"][name] for name in never)
    assert "cachingOptions" in spec["root"]["dag"]["tasks"]["Transform"]


def test_what_a_run_may_set(documents):
    spec, _ = documents
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["data"]["defaultValue"] == "/data/ck"
    assert parameters["min_accuracy"]["defaultValue"] == 0.5
    tasks = spec["root"]["dag"]["tasks"]
    assert tasks["CorpusExampleGen"]["inputs"]["parameters"]["directory"] == {"componentInputParameter": "data"}
    assert spec["defaultPipelineRoot"] == CLUSTER.pipeline_root


def test_what_kubernetes_is_told(documents):
    _, platform = documents
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    mounts = [{"constant": "fer-data", "mountPath": "/data"}, {"constant": "fer-models", "mountPath": "/models"}]
    keys = [{"secretKey": "password", "envVar": "FER_METADATA_PASSWORD"}]
    everywhere = {
        "pvcMount": mounts,
        "secretAsEnv": [{"secretName": "fer", "keyToEnv": keys}],
        "imagePullSecret": [{"secretName": "registry"}],
    }
    assert executors["Transform_executor"] == everywhere
    assert executors["Trainer-fold-2_executor"] == {
        **everywhere,
        "nodeSelector": {"labels": CLUSTER.node_selector},
        "tolerations": list(CLUSTER.tolerations),
    }


def test_fields_that_the_schemas_do_not_know_are_refused(documents):
    from google.protobuf import json_format

    from tfx_pipeline.run_kubeflow import check_documents

    spec, platform = documents
    check_documents(spec, platform)
    for wrong in (({**spec, "nodeSelector": {}}, platform), (spec, {**platform, "executors": {}})):
        with pytest.raises(json_format.ParseError):
            check_documents(*wrong)


def test_kfp_loads_the_file_and_writes_the_same(config, tmp_path):
    import yaml
    from kfp import compiler, components

    from tfx_pipeline.run_kubeflow import write_pipeline

    write_pipeline(config, tmp_path / "fer.yaml")
    loaded = components.load_component_from_file(str(tmp_path / "fer.yaml"))
    compiler.Compiler().compile(loaded, str(tmp_path / "again.yaml"))
    first, again = (list(yaml.safe_load_all((tmp_path / name).read_text())) for name in ("fer.yaml", "again.yaml"))
    assert again == first
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == ["again.yaml", "fer.yaml"]


def test_a_single_split_has_no_resolver(config):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    spec, _ = compile_pipeline(dataclasses.replace(config, cross_validate=False, tuning=None))
    tasks = spec["root"]["dag"]["tasks"]
    assert tasks["Evaluator"]["inputs"]["artifacts"]["baseline_model"]["taskOutputArtifact"] == {
        "producerTask": "ServedModel",
        "outputArtifactKey": "baseline",
    }
    assert not any("resolver" in executor for executor in spec["deploymentSpec"]["executors"].values())


def test_what_a_container_cannot_reach_is_asked_for(config):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    with pytest.raises(InputError, match=r"kubeflow\.image is missing"):
        compile_pipeline(dataclasses.replace(config, kubeflow=Kubeflow()))


def test_what_does_not_run_there_is_refused(config, tmp_path, monkeypatch):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    monkeypatch.chdir(tmp_path)
    (tmp_path / "fer.pbtxt").write_text("")
    for changes, message in (
        ({"serving_check": "tensorflow/serving:2.16.1"}, "serving_check must be embedded, empty or the path"),
        ({"replicas": 2}, r"kubeflow\.gpus must be at least runner\.replicas \(2\), one a replica, received 1"),
        ({"data_gate": DataGate(schema="fer.pbtxt")}, r"data_gate\.schema must be an absolute path"),
    ):
        with pytest.raises(InputError, match=message):
            compile_pipeline(dataclasses.replace(config, **changes))


def test_a_schema_is_that_of_the_image(config, tmp_path):
    from tfx_pipeline.run_kubeflow import compile_pipeline

    (tmp_path / "fer.pbtxt").write_text("")
    gate = DataGate(schema=str(tmp_path / "fer.pbtxt"))
    there = "/usr/bin/tensorflow_model_server"  # of the image as well
    spec, _ = compile_pipeline(dataclasses.replace(config, data_gate=gate, serving_check=there))
    check = spec["root"]["dag"]["tasks"]["ServingCheck"]["inputs"]["parameters"]
    assert check["server"]["runtimeValue"]["constant"] == there
    assert "cachingOptions" not in spec["root"]["dag"]["tasks"]["ServingCheck"]
    assert str(tmp_path / "fer.pbtxt") in str(spec["root"]["dag"]["tasks"]["SchemaGen"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gpus": -1}, "gpus must be at least 0"),
        ({"data": "ck"}, "data must be an absolute path"),
        ({"tolerations": ({"keys": "a"},)}, r"unknown key kubeflow.tolerations\[0\].keys"),
        ({"tolerations": ({"operator": "In"},)}, "operator must be Equal or Exists"),
        ({"tolerations": ({"effect": "Never"},)}, "effect must be NoSchedule"),
        ({"volumes": {"fer": "models"}}, "volumes.fer must be an absolute path"),
        ({"secrets": {"A": "b"}}, "secrets.A must be secret/key"),
        ({"node_selector": {"a": 1}}, "node_selector.a must be a text"),
    ],
)
def test_what_no_cluster_could_take(changes, message):
    with pytest.raises(InputError, match=message):
        Kubeflow(**changes)
