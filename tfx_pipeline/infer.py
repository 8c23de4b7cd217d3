"""A served model's answers to a folder of pictures, with TFX's BulkInferrer."""

import csv
import pathlib
import shutil

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tfx.components import BulkInferrer
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.bulk_inferrer_pb2 import DataSpec, ModelSpec
from tfx.types import standard_artifacts

from fer_keras.errors import InputError
from tfx_pipeline.metadata_store import connection_config
from tfx_pipeline.picture_gen import SPLIT, PictureGen
from tfx_pipeline.pipeline import code_fingerprint
from tfx_pipeline.versions import find_versions

PIPELINE_NAME = "fer-infer"
ANSWERS_FILE = "answers.csv"


def create_inference_pipeline(pictures, model_uri, root, beam_args=()):
    """Joins the components from pictures to a model's answers.

    Args:
        pictures: folder of pictures.
        model_uri: address of a Model artifact, see `model_artifact`.
        root: folder for what the pipeline writes.
        beam_args: Beam options.

    Returns:
        A TFX `Pipeline`.
    """
    reading = code_fingerprint("fer_keras/corpora", "fer_keras/faces", "tfx_pipeline")
    examples = PictureGen(str(pathlib.Path(pictures).absolute()), reading)
    model = Importer(source_uri=str(model_uri), artifact_type=standard_artifacts.Model).with_id("import-model")
    inferrer = BulkInferrer(
        examples=examples.outputs["examples"],
        model=model.outputs["result"],
        data_spec=DataSpec(example_splits=[SPLIT]),
        model_spec=ModelSpec(model_signature_name=["serve_examples"]),
    )
    root = pathlib.Path(root).absolute()
    return Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=str(root),
        components=[examples, model, inferrer],
        enable_cache=True,
        metadata_connection_config=connection_config(str(root / "metadata.sqlite")),
        beam_pipeline_args=list(beam_args),
    )


def model_artifact(model, root):
    """Copies a served version to where TFX finds a Model artifact.

    Args:
        model: folder of a SavedModel, or the base path of a served model, whose newest version is taken.
        root: folder for what the pipeline writes.

    Returns:
        The path of the artifact. That of one version is always the same, so that its answers are found again.

    Raises:
        InputError: there is no model.
    """
    model = pathlib.Path(model).absolute()
    if not (model / "saved_model.pb").exists():
        versions = find_versions(model)
        if not versions:
            raise InputError(f"{model}: holds no model; expected a SavedModel, or the base path of a served one")
        model = versions[0]
    stamp = (model / "saved_model.pb").stat().st_mtime_ns
    artifact = pathlib.Path(root).absolute() / "models" / f"{model.name}-{stamp}"
    if not artifact.exists():
        aside = artifact.with_name(f".{artifact.name}.tmp")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(model, aside / "Format-Serving")
        aside.rename(artifact)
    return artifact


def write_answers(inference_uri, path):
    """Writes a table of what BulkInferrer found.

    Args:
        inference_uri: folder of the InferenceResult artifact.
        path: the CSV file; columns `path`, `label` and the probability of every label. It appears whole or not at all.

    Returns:
        The number of rows.
    """
    rows, names = [], []
    files = sorted(tf.io.gfile.glob(f"{inference_uri}/prediction_logs*.gz"))
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
        (examples,) = log.request.inputs.values()
        scores = tf.make_ndarray(log.response.outputs["scores"])
        classes = tf.make_ndarray(log.response.outputs["classes"])
        for example, some_scores, some_classes in zip(
            tf.make_ndarray(examples).reshape(-1), scores, classes, strict=True
        ):
            names = [name.decode() for name in some_classes]
            features = tf.train.Example.FromString(example).features.feature
            picture = features["sequence"].bytes_list.value[0].decode()
            rows.append((picture, names[int(some_scores.argmax())], *(f"{score:.6f}" for score in some_scores)))
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", *names))
        table.writerows(sorted(rows))
    aside.replace(path)
    return len(rows)
