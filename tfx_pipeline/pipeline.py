"""The pipelines: which components there are and how they are joined. Nothing is run here."""

import dataclasses
import hashlib
import importlib.resources
import pathlib

# Not `tfx.v1`: it imports Google Cloud's client library, which takes longer than all the rest.
from tfx.components import ExampleValidator, InfraValidator, SchemaGen, StatisticsGen, Trainer, Transform
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.infra_validator_pb2 import (
    LocalDockerConfig,
    RequestSpec,
    ServingSpec,
    TensorFlowServing,
    TensorFlowServingRequestSpec,
)
from tfx.proto.pusher_pb2 import PushDestination
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs
from tfx.proto.transform_pb2 import SplitsConfig
from tfx.types import standard_artifacts

from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.cross_validation import CrossValidationReport, ReleaseBlessing
from tfx_pipeline.data_gate import DataGate
from tfx_pipeline.evaluation import Evaluator, eval_config
from tfx_pipeline.example_gen import CorpusExampleGen
from tfx_pipeline.metadata_store import connection_config
from tfx_pipeline.pusher import Pusher
from tfx_pipeline.served_model import ServedModel

PIPELINE_NAME = "fer"
DATA_NAME, RELEASE_NAME = f"{PIPELINE_NAME}-data", f"{PIPELINE_NAME}-release"


def fold_name(fold):
    """Name of the pipeline of a fold."""
    return f"{PIPELINE_NAME}-fold-{fold}"


@dataclasses.dataclass(frozen=True)
class Data:
    """Channels of the data pipeline that the others take.

    Args:
        examples: records of faces or clips, one split a fold.
        schema: their schema.
        transformed: Transform's records.
        transform_graph: its graph.
    """

    examples: object
    schema: object
    transformed: object
    transform_graph: object


DATA_ARTIFACTS = {
    "examples": ("CorpusExampleGen", "examples", standard_artifacts.Examples),
    "schema": ("SchemaGen", "schema", standard_artifacts.Schema),
    "transformed": ("Transform", "transformed_examples", standard_artifacts.Examples),
    "transform_graph": ("Transform", "transform_graph", standard_artifacts.TransformGraph),
}
"""Where the channels of `Data` come from: component, output and type."""
FOLD_ARTIFACTS = {
    "model_run": ("Trainer", "model_run", standard_artifacts.ModelRun),
    "evaluation": ("Evaluator", "evaluation", standard_artifacts.ModelEvaluation),
}
"""The same of what a fold leaves for `CrossValidationReport`."""


def _plain(name, value):
    """A parameter where runs cannot set it."""
    return value


def create_pipeline(config: PipelineConfig, pipeline_root=None, parameter=_plain):
    """Joins all components from the corpus to the pushed model.

    A cross-validation is one graph here, its folds side by side: for runners that keep many machines busy. On one
    machine `run_local` runs it as the pipelines below, which share what they have in common and are cached one by one.

    Args:
        config: a `PipelineConfig`.
        pipeline_root: where artifacts go, by default `config.pipeline_root`.
        parameter: callable `(name, value)` that makes what a run may set of a value, for runners that know such.

    Returns:
        A TFX `Pipeline` for any runner. Finished work is not done again while corpus, configuration and code
        stay the same.
    """
    nodes, data = data_components(config, parameter)
    if config.cross_validate:
        folds = []
        for fold in range(config.folds):
            of_fold, outputs = fold_components(config, data, fold, f"-fold-{fold}")
            nodes += of_fold
            folds.append(outputs)
        nodes += release_components(config, data, folds, parameter)
    else:
        nodes += single_components(config, data)
    return _pipeline(config, PIPELINE_NAME, nodes, pipeline_root)


def create_data_pipeline(config):
    """The pipeline that all folds share: from the corpus to Transform."""
    return _pipeline(config, DATA_NAME, data_components(config)[0])


def create_fold_pipeline(config, fold, data_uris):
    """The pipeline of one fold: Tuners if there are any, Trainer and Evaluator.

    TFX's cache key holds the pipeline's name, so that no other pipeline finds what the data pipeline did: it imports
    that by its address, which is the same artifact to ML Metadata.

    Args:
        config: a `PipelineConfig`.
        fold: int, the fold that is tested on.
        data_uris: dict, `Data` as addresses of artifacts.

    Returns:
        A TFX `Pipeline`. There is no baseline in it: it would be a model that was trained on the fold's own subjects.
    """
    imports, data = _import_data(data_uris)
    nodes, _ = fold_components(config, data, fold)
    root = config.pipeline_root / f"fold-{fold}"
    return _pipeline(config, fold_name(fold), [*imports, *nodes], root)


def create_release_pipeline(config, data_uris, fold_uris):
    """The pipeline after the folds: their report, a model trained on all of them, its blessing and its push.

    Args:
        config: a `PipelineConfig`.
        data_uris: dict, `Data` as addresses of artifacts.
        fold_uris: list of dicts, of every fold the addresses of `FOLD_ARTIFACTS`.

    Returns:
        A TFX `Pipeline`.
    """
    nodes, data = _import_data(data_uris)
    folds = []
    for fold, uris in enumerate(fold_uris):
        imports, channels = _import(uris, FOLD_ARTIFACTS, f"-fold-{fold}")
        nodes += imports
        folds.append((channels["model_run"], channels["evaluation"]))
    return _pipeline(config, RELEASE_NAME, [*nodes, *release_components(config, data, folds)])


def data_components(config, parameter=_plain):
    """From the corpus to Transform.

    Args:
        config: a `PipelineConfig`.
        parameter: see `create_pipeline`.

    Returns:
        A pair: a list of components, and the `Data`.
    """
    reading = code_fingerprint("fer_keras/corpora", "fer_keras/faces", "tfx_pipeline")
    labels, (image_size, channels) = list(config.label_names), config.face_shape
    folder = parameter("data", str(config.data_dir))
    example_gen = CorpusExampleGen(
        config.corpus, folder, labels, config.folds, config.strict, config.of_clips, code=reading
    )
    if config.reading_beam_args:
        example_gen = example_gen.with_beam_pipeline_args(list(config.reading_beam_args))
    examples = example_gen.outputs["examples"]
    statistics = StatisticsGen(examples=examples)
    if config.data_gate.schema:
        schema_file = str(pathlib.Path(config.data_gate.schema).absolute())  # it enters the metadata store
        schema_gen = ImportSchemaGen(schema_file=schema_file).with_id("SchemaGen")
    else:
        # Clips have as many values as frames, also where all that were seen are of one length.
        schema_gen = SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=not config.of_clips)
    schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema)
    gate = DataGate(
        statistics.outputs["statistics"],
        validator.outputs["anomalies"],
        label_drift=config.data_gate.label_drift,
        shrinkage=config.data_gate.shrinkage,
    )
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
    transform.add_upstream_node(gate)
    data = Data(examples, schema, transform.outputs["transformed_examples"], transform.outputs["transform_graph"])
    return [example_gen, statistics, schema_gen, validator, gate, transform], data


def single_components(config, data):
    """From the records to a pushed model, tested on one fold.

    Args:
        config: a `PipelineConfig`.
        data: `Data`.

    Returns:
        A list of components.
    """
    training, trainer = _training(config, data, config.test_fold)
    served = ServedModel(
        trainer.outputs["model"], data.examples, config.test_split, config.label_names, config.push_dir
    )
    evaluator = _evaluator(
        config,
        data,
        trainer,
        config.test_split,
        served.outputs["baseline"],
        min_accuracy=config.min_accuracy,
        max_drop=config.max_drop,
    )
    return [*training, served, evaluator, *_push(config, data, trainer, evaluator.outputs["blessing"])]


def fold_components(config, data, fold, suffix=""):
    """Training and evaluation of one fold of a cross-validation.

    Args:
        config: a `PipelineConfig`.
        data: `Data`.
        fold: int, the fold that is tested on.
        suffix: string, behind the components' names.

    Returns:
        A pair: a list of components, and the pair of channels that `CrossValidationReport` takes.
    """
    training, trainer = _training(config, data, fold, suffix)
    evaluator = _evaluator(config, data, trainer, config.splits[fold], suffix=suffix)
    return [*training, evaluator], (trainer.outputs["model_run"], evaluator.outputs["evaluation"])


def release_components(config, data, folds, parameter=_plain):
    """The report of a cross-validation, a model trained on all folds, its blessing and its push.

    Args:
        config: a `PipelineConfig`.
        data: `Data`.
        folds: list of pairs of channels, see `fold_components`.
        parameter: see `create_pipeline`.

    Returns:
        A list of components.
    """
    about = {
        "corpus": config.corpus,
        "label_names": list(config.label_names),
        "fold_count": config.folds,
        "task": config.task,
        "face_shape": list(config.face_shape),
        "config": dataclasses.asdict(config.training),
    }
    report = CrossValidationReport(data.examples, data.transformed, folds, about)
    training, trainer = _training(config, data, None)
    gathered = report.outputs["cross_validation"]
    thresholds = [
        parameter(name, float(value))
        for name, value in (("min_accuracy", config.min_accuracy), ("max_drop", config.max_drop))
    ]
    blessing = ReleaseBlessing(trainer.outputs["model"], gathered, about, config.push_dir, *thresholds)
    return [report, *training, blessing, *_push(config, data, trainer, blessing.outputs["blessing"])]


def search_request(config):
    """What the Tuner and `tfx_pipeline.run_local.tune_local` are asked to search for, as `custom_config`.

    Args:
        config: a `PipelineConfig` with `tuning`.
    """
    return {
        "label_names": list(config.label_names),
        "training": dataclasses.asdict(config.training),
        "tuning": dataclasses.asdict(config.tuning),
    }


def _training(config, data, fold, suffix=""):
    """A list of components, and among them the Trainer; `fold` is `None` for a model of all folds."""
    tested = [] if fold is None else [config.splits[fold]]
    trained = [name for name in config.splits if name not in tested]
    custom = {
        "corpus": config.corpus,
        "folds": config.folds,
        "label_names": list(config.label_names),
        "task": config.task,
        "training": dataclasses.asdict(config.training),
        "fold": fold,
        "code": code_fingerprint("fer_keras", "tfx_pipeline"),
    }
    if config.replicas > 1:
        custom["replicas"] = config.replicas
    splits = {
        "train_args": TrainArgs(splits=trained),
        "eval_args": EvalArgs(splits=tested or trained[:1]),  # of a model of all folds nothing is evaluated
    }
    options, nodes = {}, []
    if config.tuning:
        custom |= search_request(config)
        nodes = _search(config, data, custom, splits, suffix)
        options["hyperparameters"] = nodes[-1].outputs["best_hyperparameters"]
    trainer = Trainer(
        run_fn="tfx_pipeline.trainer.run_fn",
        examples=data.transformed,
        transform_graph=data.transform_graph,
        schema=data.schema,
        custom_config=custom,
        **splits,
        **options,
    ).with_id(f"Trainer{suffix}")
    return [*nodes, trainer], trainer


def _search(config, data, custom, splits, suffix):
    """A list of components: a Tuner, or several and what takes the best of what they find."""
    from tfx_pipeline.best_trial import BestTrial  # these need the extra `tuner`
    from tfx_pipeline.tuner import Tuner

    shares = config.tuning.shares()
    names = ["Tuner"] if len(shares) == 1 else [f"Tuner-{number}" for number in range(len(shares))]
    tuners = [
        Tuner(
            tuner_fn="tfx_pipeline.tuner.search_splits",
            examples=data.transformed,
            transform_graph=data.transform_graph,
            custom_config={**custom, "tuning": dataclasses.asdict(share)},
            **splits,
        ).with_id(f"{name}{suffix}")
        for name, share in zip(names, shares, strict=True)
    ]
    if len(tuners) == 1:
        return tuners
    return [*tuners, BestTrial(tuners, config.tuning.objective).with_id(f"BestTrial{suffix}")]


def _evaluator(config, data, trainer, split, baseline=None, suffix="", **thresholds):
    return Evaluator(
        examples=data.examples,
        model=trainer.outputs["model"],
        baseline_model=baseline,
        schema=data.schema,
        eval_config=eval_config(**thresholds, slices=config.slices, classes=len(config.label_names)),
        example_splits=[split],
    ).with_id(f"Evaluator{suffix}")


def _push(config, data, trainer, blessing):
    """A list of components: what a model must answer on, if anything, and the Pusher."""
    model, checks = trainer.outputs["model"], []
    if config.serving_image:
        name, _, tag = config.serving_image.rpartition(":")
        serving = TensorFlowServing(image_name=name, tags=[tag])
        request = RequestSpec(
            tensorflow_serving=TensorFlowServingRequestSpec(signature_names=["serve_examples"]),
            split_name=config.splits[0],
            num_examples=3,
        )
        checks = [
            InfraValidator(
                model=model,
                examples=data.examples,
                serving_spec=ServingSpec(tensorflow_serving=serving, local_docker=LocalDockerConfig()),
                request_spec=request,
            )
        ]
    elif config.serving_check:
        from tfx_pipeline.serving_check import ServingCheck  # needs the extra `serving`

        checks = [ServingCheck(model, config.serving_check)]
    place = PushDestination.Filesystem(base_directory=str(config.push_dir))
    pusher = Pusher(
        model=model,
        model_blessing=blessing,
        infra_blessing=checks[0].outputs["blessing"] if checks else None,
        push_destination=PushDestination(filesystem=place),
    )
    return [*checks, pusher]


def _import_data(uris):
    nodes, channels = _import(uris, DATA_ARTIFACTS)
    return nodes, Data(**channels)


def _import(uris, kinds, suffix=""):
    """Importers of artifacts by address, and their channels by name."""
    nodes = {
        name: Importer(source_uri=uris[name], artifact_type=kind).with_id(f"import-{name}{suffix}")
        for name, (_, _, kind) in kinds.items()
    }
    return list(nodes.values()), {name: node.outputs["result"] for name, node in nodes.items()}


def _pipeline(config, name, nodes, root=None):
    return Pipeline(
        pipeline_name=name,
        pipeline_root=str(config.pipeline_root if root is None else root),
        components=nodes,
        enable_cache=True,
        metadata_connection_config=connection_config(config.metadata),
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
