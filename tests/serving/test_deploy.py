"""The files for servers with GPUs: as generated, and as the schemas of those who read them want them.

Compose's and KServe's schemas come with no package; FER_DEPLOY_SCHEMAS names a folder with compose-spec.json (of
github.com/compose-spec/compose-spec) and inferenceservices.yaml (KServe's CustomResourceDefinition).
"""

import json
import os
import pathlib
import re

import pytest
from google.protobuf import text_format

from serving.deploy.generate import FOLDER, Settings, files
from serving.server.config_files import PROMETHEUS_PATH, read_batching_parameters, read_models, read_monitoring
from serving.server.metrics import Metrics

FILES = files(Settings())
SCHEMAS = os.environ.get("FER_DEPLOY_SCHEMAS")


@pytest.mark.parametrize("name", FILES)
def test_checked_in_as_generated(name):
    assert (FOLDER / name).read_text() == FILES[name], "run: python -m serving.deploy.generate"
    assert name.endswith(".json") or "not run here" in FILES[name]


def test_our_server_reads_the_configuration():
    (model,) = read_models(FOLDER / "config/models.config")
    assert (model.name, model.policy.latest) == ("fer", 2)
    assert read_batching_parameters(FOLDER / "config/batching_parameters.txt").sizes == [1, 2, 4, 8, 16, 32, 64]
    assert read_monitoring(FOLDER / "config/monitoring.config") == PROMETHEUS_PATH
    assert text_format  # the same parser as TensorFlow Serving's


def documents(name):
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all(FILES[name]))


def test_kubernetes_schema():
    validate = pytest.importorskip("kubernetes_validate")
    found = documents("kubernetes.yaml")
    assert [one["kind"] for one in found] == [
        "ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget",
    ]  # fmt: skip
    for document in found:
        validate.validate(document, validate.latest_version(), strict=True)
    (container,) = found[1]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.skipif(not SCHEMAS, reason="FER_DEPLOY_SCHEMAS names no folder with schemas")
def test_compose_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(SCHEMAS, "compose-spec.json").read_text())
    (document,) = documents("docker-compose.yaml")
    jsonschema.validators.validator_for(schema)(schema).validate(document)


@pytest.mark.skipif(not SCHEMAS, reason="FER_DEPLOY_SCHEMAS names no folder with schemas")
def test_kserve_schema():
    jsonschema, yaml = pytest.importorskip("jsonschema"), pytest.importorskip("yaml")
    definition = yaml.safe_load(pathlib.Path(SCHEMAS, "inferenceservices.yaml").read_text())
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1beta1"]
    (document,) = documents("kserve.yaml")
    schema = closed(version["schema"]["openAPIV3Schema"])
    jsonschema.Draft7Validator(schema).validate(document)


def closed(schema):
    """A CRD's schema that refuses fields that it does not name, as the API server does with strict validation."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
    elif isinstance(schema, list):
        schema = [closed(one) for one in schema]
    return schema


def test_the_dashboard_shows_metrics_that_there_are():
    panels = json.loads(FILES["grafana_dashboard.json"])["panels"]
    text = Metrics().page().decode()
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    for panel in panels:
        for target in panel["targets"]:
            for name in re.findall(r":[a-z_:]+", target["expr"]):
                assert re.sub("_(bucket|sum|count)$", "", name) in known or name in known, name
