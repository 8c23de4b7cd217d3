"""Pipelines as YAML files: what a file may say, checked key by key."""

import dataclasses
import difflib
import pathlib
import types
import typing

from fer_keras.emotions import EMOTIONS
from fer_keras.errors import InputError
from fer_keras.training.config_file import build_config, check_fields, read_config
from tfx_pipeline.config import TASKS, DataGate, Kubeflow, PipelineConfig, Tuning
from tfx_pipeline.yaml_file import PlacedError, read_yaml


@dataclasses.dataclass(frozen=True)
class CorpusPart:
    """Section `corpus`: what is read.

    Args:
        name: one of `fer_keras.corpora.CORPORA`.
        data: its folder; `""` for a built-in one.
        labels: the labels to keep; empty for all.
        strict: stop if any picture cannot be used.
    """

    name: str = "synthetic"
    data: str = ""
    labels: tuple[str, ...] = ()
    strict: bool = False


@dataclasses.dataclass(frozen=True)
class ThresholdsPart:
    """Section `thresholds`: when a model is good enough.

    Args:
        accuracy: see `PipelineConfig.min_accuracy`.
        max_drop: see `PipelineConfig.max_drop`.
    """

    accuracy: float = 0.5
    max_drop: float = 0.0


@dataclasses.dataclass(frozen=True)
class RunnerPart:
    """Section `runner`: where and with how much the components run.

    Args:
        workers: folds side by side; `None` for what fits.
        replicas: see `PipelineConfig.replicas`.
        beam_workers: see `PipelineConfig.beam_workers`.
        beam_args: see `PipelineConfig.beam_args`.
        reading_beam_args: see `PipelineConfig.reading_beam_args`.
        metadata: see `PipelineConfig.metadata`.
    """

    workers: int | None = None
    replicas: int = 1
    beam_workers: int = 1
    beam_args: tuple[str, ...] = ()
    reading_beam_args: tuple[str, ...] = ()
    metadata: str = ""


@dataclasses.dataclass(frozen=True)
class PipelineFile:
    """All that a file may say, and what holds where it is silent.

    Args:
        corpus: section, see `CorpusPart`.
        folds: int, subject-wise folds.
        test_fold: int, the fold to test on.
        cross_validate: test on every fold, then train the model to push on all; see `PipelineConfig`.
        task: one of `TASKS`.
        training: section, fields of the task's configuration; or the path of such fields as JSON, which the file's
            folder is looked in.
        tuning: section, see `Tuning`; `None` for no search.
        thresholds: section, see `ThresholdsPart`.
        data_gate: section, see `DataGate`.
        slices: see `PipelineConfig.slices`.
        serving_check: see `PipelineConfig.serving_check`.
        push_to: base path of the served model.
        out: folder for everything that runs write.
        runner: section, see `RunnerPart`.
        kubeflow: section, see `Kubeflow`.
    """

    corpus: CorpusPart = dataclasses.field(default_factory=CorpusPart)
    folds: int = 10
    test_fold: int = 0
    cross_validate: bool = False
    task: str = "static"
    training: dict = dataclasses.field(default_factory=dict)
    tuning: Tuning | None = None
    thresholds: ThresholdsPart = dataclasses.field(default_factory=ThresholdsPart)
    data_gate: DataGate = dataclasses.field(default_factory=DataGate)
    slices: tuple[str, ...] = ("label", "corpus", "occlusion", "attributes")
    serving_check: str = ""
    push_to: str = "saved_models/fer"
    out: str = "runs/pipeline"
    runner: RunnerPart = dataclasses.field(default_factory=RunnerPart)
    kubeflow: Kubeflow = dataclasses.field(default_factory=Kubeflow)

    def __post_init__(self):
        if self.task not in TASKS:
            raise InputError(f"task must be one of {', '.join(TASKS)}, received {self.task!r}")

    def training_config(self):
        """The configuration of the training.

        Returns:
            A `StaticConfig`, or what `TASKS` has for the task.

        Raises:
            InputError: a value is out of its range.
        """
        return build_config(TASKS[self.task], self.training, "training.")

    def pipeline_config(self, training=None, label_names=None, data_dir=None):
        """What the pipeline is to do.

        Args:
            training: optional configuration of the training, in place of `training_config()`.
            label_names: optional labels that the corpus has been found to have. Without them the configuration is for
                checking alone: those of the section `corpus` stand in, or all there are.
            data_dir: optional folder of the corpus, in place of that of the section.

        Returns:
            A `PipelineConfig`.

        Raises:
            InputError: a value that no run could work with.
        """
        return PipelineConfig(
            corpus=self.corpus.name,
            data_dir=self.corpus.data if data_dir is None else data_dir,
            label_names=label_names or self.corpus.labels or EMOTIONS,
            pipeline_root=self.out,
            push_dir=self.push_to,
            folds=self.folds,
            test_fold=self.test_fold,
            cross_validate=self.cross_validate,
            fold_workers=self.runner.workers,
            min_accuracy=self.thresholds.accuracy,
            max_drop=self.thresholds.max_drop,
            tuning=self.tuning,
            data_gate=self.data_gate,
            slices=self.slices,
            training=self.training_config() if training is None else training,
            serving_check=self.serving_check,
            strict=self.corpus.strict,
            replicas=self.runner.replicas,
            beam_workers=self.runner.beam_workers,
            beam_args=self.runner.beam_args,
            reading_beam_args=self.runner.reading_beam_args,
            metadata=self.runner.metadata,
            kubeflow=self.kubeflow,
        )


def read_pipeline_file(path):
    """Reads a pipeline's file; relative paths in it stay as they are, and mean those from where the command runs.

    Args:
        path: a YAML file.

    Returns:
        A `PipelineFile`.

    Raises:
        InputError: the file is missing, empty or no YAML, it has an unknown key or one twice, or a value of another
            type or out of its range.
    """
    path, values = pathlib.Path(path), read_yaml(path)
    if isinstance(values, dict) and isinstance(values.get("training"), str):
        task = values.get("task", "static")
        if task in TASKS:
            values = {**values, "training": read_config(path.parent / values["training"], TASKS[task])}
    try:
        found = _build(PipelineFile, values, "")
        check_fields(path, found.training, TASKS[found.task](), "training.")
        found.pipeline_config()
    except PlacedError as error:
        raise InputError(f"{path}: {error}") from None
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error
    return found


_WORDS = {
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", (int, float)),
    str: ("a text", str),
    dict: ("a section", dict),
}


def _build(kind, values, place):
    """Makes a dataclass of plain data; raises `PlacedError` at the first thing that is wrong."""
    if not isinstance(values, dict):
        raise PlacedError(f"{place or 'the file'} must be a section of keys, received {_shown(values)}")
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, 1)
            inner = f"{place}." if place else ""
            hint = f"did you mean {inner}{near[0]}?" if near else f"expected some of {', '.join(hints)}"
            raise PlacedError(f"unknown key {inner}{name}; {hint}")
    found = {name: _value(hints[name], value, f"{place}.{name}" if place else name) for name, value in values.items()}
    try:
        return kind(**found)
    except InputError as error:
        raise PlacedError(str(error)) from error


def _value(hint, value, place):
    options = typing.get_args(hint)
    if isinstance(hint, types.UnionType):  # something or nothing
        if value is None:
            return None
        (hint,) = (option for option in options if option is not type(None))
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise PlacedError(f"{place} must be a list, received {_shown(value)}")
        return tuple(_value(typing.get_args(hint)[0], one, f"{place}[{at}]") for at, one in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, place)
    words, kinds = _WORDS[hint]
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        raise PlacedError(f"{place} must be {words}, received {_shown(value)}")
    return float(value) if hint is float else value


def _shown(value):
    return repr(value)[:40]
