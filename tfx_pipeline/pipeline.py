"""The pipeline: which components there are and how they are joined. It runs nothing."""

import dataclasses
import hashlib
import importlib.resources

# Not `tfx.v1`: it imports Google Cloud's client library, which takes longer than all the rest.
from tfx.components import Evaluator, ExampleValidator, SchemaGen, StatisticsGen, Trainer, Transform
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.pusher_pb2 import PushDestination
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs
from tfx.proto.transform_pb2 import SplitsConfig

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.example_gen import CorpusExampleGen
from tfx_pipeline.pusher import Pusher

PIPELINE_NAME = "fer"


def create_pipeline(config: PipelineConfig):
    """Joins the components from the corpus to the pushed model.

    Args:
        config: a `PipelineConfig`.

    Returns:
        A TFX `Pipeline` for any runner. Finished work is not done again while corpus, configuration and code
        stay the same.
    """
    reading = code_fingerprint("fer_keras/corpora", "fer_keras/faces", "tfx_pipeline")
    labels, (image_size, channels) = list(config.label_names), config.face_shape
    example_gen = CorpusExampleGen(
        config.corpus, config.data_dir, labels, config.folds, config.strict, config.of_clips, code=reading
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples)
    # Clips have as many values as frames, also where all that were seen are of one length.
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=not config.of_clips)
    schema = schema_gen.outputs["schema"]
    example_validator = ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="tfx_pipeline.preprocessing."
        + ("preprocess_clips" if config.of_clips else "preprocessing_fn"),
        # Without analyzers nothing is read to be analysed, but a split must be named.
        splits_config=SplitsConfig(analyze=config.splits[:1], transform=config.splits),
        disable_analyzer_cache=True,
        disable_statistics=True,
        custom_config={
            "label_names": labels,
            "image_size": image_size,
            "channels": channels,
            "code": reading,
        },
    )
    trainer = Trainer(
        run_fn="tfx_pipeline.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=TrainArgs(splits=config.train_splits),
        eval_args=EvalArgs(splits=[config.test_split]),
        custom_config={
            "label_names": labels,
            "task": "video" if config.of_clips else "static",
            "training": dataclasses.asdict(config.training),
            "code": code_fingerprint("fer_keras", "tfx_pipeline"),
        },
    )
    evaluator = Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        schema=schema,
        eval_config=eval_config(config.min_accuracy),
        example_splits=[config.test_split],
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=PushDestination(filesystem=PushDestination.Filesystem(base_directory=str(config.push_dir))),
    )
    return Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=str(config.pipeline_root),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            trainer,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=sqlite_metadata_connection_config(str(config.metadata_path)),
        beam_pipeline_args=beam_args(config),
    )


def beam_args(config):
    """The Beam options of a configuration.

    Args:
        config: a `PipelineConfig`.

    Returns:
        A list of strings.
    """
    mode = "in_memory" if config.beam_workers == 1 else "multi_processing"
    return [
        "--runner=FnApiRunner",  # Beam's default tries Prism first, which it would download
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={config.beam_workers}",
        *config.beam_args,
    ]


def code_fingerprint(*folders):
    """Identifies code, so that a change of it is not hidden by TFX's cache.

    Args:
        *folders: strings, packages with their name in front.

    Returns:
        A string.
    """
    digest = hashlib.sha256()
    for folder in folders:
        package, _, inner = folder.partition("/")
        root = importlib.resources.files(package) / inner
        for file in sorted(root.rglob("*.py")):
            digest.update(f"{file.relative_to(root)}|".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
