"""Compiles the pipeline for Kubeflow Pipelines v2: a PipelineSpec, and a PlatformSpec as the second document.

It compiles, and both documents validate; it has not run on a cluster.
"""

import dataclasses
import pathlib
import re

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from fer_keras.errors import InputError
from tfx_pipeline.pipeline import create_pipeline

_ON_GPU = re.compile(r"(Trainer|Tuner(-\d+)?)(-fold-\d+)?")
# What they find does not depend on their inputs alone; on one machine their drivers know.
_NEVER_CACHED = ("CorpusExampleGen", "ServedModel", "ReleaseBlessing", "ServingCheck", "Pusher")
_COMMAND = ("python", "-m", "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor")


def compile_pipeline(config):
    """Compiles a pipeline for Kubeflow.

    Runs may set the parameters `data`, the corpus's folder in the containers, `min_accuracy` and `max_drop`, those of a
    cross-validated release, and as of every pipeline the root. A cross-validation is one graph, its folds side by side.

    Args:
        config: a `PipelineConfig`; `config.kubeflow.image` names the image.

    Returns:
        A pair of dicts: the PipelineSpec, schema 2.1, and the PlatformSpec.

    Raises:
        InputError: there is no image, or no address of data, models or artifacts that a container could reach, or
            something is asked for that does not run there.
    """
    about = config.kubeflow
    _check(config)
    there = dataclasses.replace(config, data_dir=about.data, push_dir=about.push_to)
    defaults = {}

    def parameter(name, value):
        defaults[name] = value
        return RuntimeParameter(name=name, ptype=type(value), default=value)

    pipeline = create_pipeline(there, about.pipeline_root, parameter)
    runner_config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image=about.image, default_commands=list(_COMMAND), use_pipeline_spec_2_1=True
    )
    job = kubeflow_v2_dag_runner.KubeflowV2DagRunner(runner_config).run(pipeline, write_out=False)
    spec = job["pipelineSpec"]
    spec["defaultPipelineRoot"] = about.pipeline_root
    for name, value in defaults.items():  # TFX leaves them out
        spec["root"]["inputDefinitions"]["parameters"][name]["defaultValue"] = value
    tasks = spec["root"]["dag"]["tasks"]
    for name in _NEVER_CACHED:
        if name in tasks:
            tasks[name].pop("cachingOptions", None)
    for name in tasks:
        executor = spec["deploymentSpec"]["executors"][spec["components"][name]["executorLabel"]]
        resources = _resources(about, name)
        if resources:
            executor["container"]["resources"] = resources
    platform = _platform(about, {name: spec["components"][name]["executorLabel"] for name in tasks})
    check_documents(spec, platform)
    return spec, platform


def _check(config):
    """Raises `InputError` where a pipeline cannot run on Kubeflow."""
    about, schema = config.kubeflow, config.data_gate.schema
    for name in ("image", "pipeline_root", "data", "push_to"):
        if not getattr(about, name):
            raise InputError(f"kubeflow.{name} is missing; expected it in the pipeline's file")
    if config.serving_image:
        raise InputError(
            "serving_check must be embedded, empty or the path of a tensorflow_model_server in the image on Kubeflow, "
            f"where TFX's InfraValidator does not run, received {config.serving_image!r}"
        )
    if config.replicas > max(about.gpus, 1):
        raise InputError(
            f"kubeflow.gpus must be at least runner.replicas ({config.replicas}), one a replica, received {about.gpus}"
        )
    if schema and not pathlib.Path(schema).is_absolute():
        raise InputError(
            f"data_gate.schema must be an absolute path, that of the schema in the image, received {schema}"
        )


def write_pipeline(config, path):
    """Compiles a pipeline into a file, which appears whole or not at all.

    Args:
        config: a `PipelineConfig`.
        path: YAML file.

    Raises:
        InputError: see `compile_pipeline`.
    """
    spec, platform = compile_pipeline(config)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(yaml.safe_dump_all([spec, platform], sort_keys=True))
    aside.replace(path)


def check_documents(spec, platform):
    """Parses both documents; a field that their schemas do not know raises.

    Args:
        spec: dict, the PipelineSpec.
        platform: dict, the PlatformSpec.

    Returns:
        A pair of the messages.
    """
    return (
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()),
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec()),
    )


def _resources(about, name):
    """Of a component's container, as PipelineSpec has them."""
    resources = {}
    if about.cpu:
        resources["cpuLimit"] = about.cpu
    if about.memory:
        resources["memoryLimit"] = about.memory
    if about.gpus and _ON_GPU.fullmatch(name):
        resources["accelerator"] = {"type": about.gpu_type, "count": str(about.gpus)}
    return resources


def _platform(about, labels):
    """The PlatformSpec: what Kubernetes is told of every executor."""
    executors = {}
    for name, label in labels.items():
        one = {}
        if about.volumes:
            one["pvcMount"] = [{"constant": claim, "mountPath": path} for claim, path in sorted(about.volumes.items())]
        if about.secrets:
            one["secretAsEnv"] = _secrets(about.secrets)
        if about.pull_secret:
            one["imagePullSecret"] = [{"secretName": about.pull_secret}]
        if _ON_GPU.fullmatch(name):
            if about.node_selector:
                one["nodeSelector"] = {"labels": dict(about.node_selector)}
            if about.tolerations:
                one["tolerations"] = [dict(toleration) for toleration in about.tolerations]
        if one:
            executors[label] = one
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _secrets(secrets):
    by_secret = {}
    for variable, place in sorted(secrets.items()):
        secret, key = place.split("/")
        by_secret.setdefault(secret, []).append({"secretKey": key, "envVar": variable})
    return [{"secretName": secret, "keyToEnv": keys} for secret, keys in by_secret.items()]
