"""What one pipeline is to do, as plain checked data."""

import dataclasses
import difflib
import pathlib
import re

from fer_keras.corpora import CORPORA
from fer_keras.corpora.sequence_records import CLIP_FEATURES
from fer_keras.emotions import canonical
from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig
from tfx_pipeline.occluded import OccludedConfig

TASKS = {"static": StaticConfig, "video": VideoConfig, "occluded": OccludedConfig}
"""What is trained by the name of the task: the configuration of its training."""


_IMAGE = re.compile(r"[\w.:/-]+:[\w.-]+")


@dataclasses.dataclass(frozen=True)
class Tuning:
    """A search before every training, on its own training faces; see `fer_keras.training.search`.

    Args:
        trials: int, the most configurations to try.
        tuner: one of `fer_keras.training.search.TUNERS`.
        objective: one of `fer_keras.training.search.OBJECTIVES`.
        parameters: names of what is searched, some of `fer_keras.training.search.SPACE`; empty for all that fit.
        validation_folds: int, sets of held-out subjects that a trial is judged on.
        validation_share: float in (0, 0.5], share of the training faces in every such set.
        seed: int, of the search.
        parallel_trials: int, Tuners that share the trials out between them, side by side where the runner has room, as
            on Kubeflow; each searches on its own, without what the others have found.

    Raises:
        InputError: a number is out of its range, or the search knows no such tuner, objective or parameter.
    """

    trials: int = 20
    tuner: str = "bayesian"
    objective: str = "val_loss"
    parameters: tuple[str, ...] = ()
    validation_folds: int = 1
    validation_share: float = 0.2
    seed: int = 0
    parallel_trials: int = 1

    def __post_init__(self):
        object.__setattr__(self, "parameters", tuple(self.parameters))
        for name in ("trials", "validation_folds"):
            if getattr(self, name) < 1:
                raise InputError(f"tuning.{name} must be at least 1, received {getattr(self, name)}")
        if not 0 < self.validation_share <= 0.5:
            raise InputError(
                f"tuning.validation_share must be above 0 and at most 0.5, received {self.validation_share}"
            )
        from fer_keras.training.search import OBJECTIVES, SPACE, TUNERS  # needs the extra `tuner`

        for name, known in (("tuner", TUNERS), ("objective", OBJECTIVES)):
            _check_known(f"tuning.{name}", getattr(self, name), known)
        for place, name in enumerate(self.parameters):
            _check_known(f"tuning.parameters[{place}]", name, SPACE)
            if name in self.parameters[:place]:
                raise InputError(f"tuning.parameters[{place}]: {name} stands there twice")
        if self.seed < 0:
            raise InputError(f"tuning.seed must be at least 0, received {self.seed}")
        if not 1 <= self.parallel_trials <= self.trials:
            raise InputError(
                f"tuning.parallel_trials must be in 1 ... tuning.trials ({self.trials}), "
                f"received {self.parallel_trials}"
            )
        if self.parallel_trials > 1 and self.tuner == "hyperband":
            raise InputError(
                "tuning.parallel_trials must be 1 with the tuner hyperband, whose trials go on or stop by each other, "
                f"received {self.parallel_trials}"
            )

    def shares(self):
        """What each of the Tuners is to search for.

        Returns:
            A list of `Tuning`, one a Tuner; this one alone where nothing is shared.
        """
        if self.parallel_trials == 1:
            return [self]
        least, more = divmod(self.trials, self.parallel_trials)
        return [
            # KerasTuner counts its seed up with every value that it draws.
            dataclasses.replace(self, trials=least + (at < more), seed=self.seed + 100_000 * at, parallel_trials=1)
            for at in range(self.parallel_trials)
        ]


def _check_known(place, name, known):
    """Raises `InputError` unless a name is one of those that are known."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{place} must be one of {', '.join(known)}, received {name!r}{hint}")


@dataclasses.dataclass(frozen=True)
class DataGate:
    """What the data must be like for a run to go on.

    Args:
        schema: file of a schema (`schema.pbtxt`) that the records must follow; `""` infers one from them, which then
            holds between the folds alone.
        label_drift: float in [0, 1], the most that the share of any label may differ from what it was in the last run
            that passed, where that had the same labels; 1 lets every drift pass.
        shrinkage: float in [0, 1], the greatest share of that run's subjects, and of its records, that may be gone; 1
            lets every loss pass.

    Raises:
        InputError: a number is out of its range, or there is no such file.
    """

    schema: str = ""
    label_drift: float = 0.1
    shrinkage: float = 0.5

    def __post_init__(self):
        for name in ("label_drift", "shrinkage"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"data_gate.{name} must be in 0 ... 1, received {getattr(self, name)}")
        if self.schema and not pathlib.Path(self.schema).is_file():
            raise InputError(f"data_gate.schema {self.schema}: no such file; expected a schema as text (.pbtxt)")


@dataclasses.dataclass(frozen=True)
class Kubeflow:
    """Where and with what a compiled pipeline runs on Kubeflow.

    Args:
        image: container image with this package and its extra `pipeline`.
        pipeline_root: default of the artifact store's folder, such as `gs://bucket/fer`; a run may name another.
        data: default of the corpus's folder in the containers; a run may name another.
        push_to: base path of the served model in the containers; it outlives them, on a volume.
        gpus: int, GPUs of every Trainer and Tuner, and of them alone.
        gpu_type: resource name of the GPUs.
        node_selector: dict of labels that nodes of Trainers and Tuners must have.
        tolerations: list of tolerations of the same, dicts of `key`, `operator`, `value`, `effect`.
        volumes: dict of persistent volume claim to the path where every container finds it.
        secrets: dict of environment variable to `secret/key`, for every container.
        pull_secret: name of the secret that the image is pulled with.
        cpu: float, CPUs of every container at most; 0 for the cluster's default.
        memory: float, GB of every container at most; 0 for the cluster's default.

    Raises:
        InputError: a value that no cluster could take.
    """

    image: str = ""
    pipeline_root: str = ""
    data: str = ""
    push_to: str = ""
    gpus: int = 0
    gpu_type: str = "nvidia.com/gpu"
    node_selector: dict = dataclasses.field(default_factory=dict)
    tolerations: tuple[dict, ...] = ()
    volumes: dict = dataclasses.field(default_factory=dict)
    secrets: dict = dataclasses.field(default_factory=dict)
    pull_secret: str = ""
    cpu: float = 0.0
    memory: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "tolerations", tuple(self.tolerations))
        for name in ("gpus", "cpu", "memory"):
            if getattr(self, name) < 0:
                raise InputError(f"kubeflow.{name} must be at least 0, received {getattr(self, name)}")
        for name in ("data", "push_to"):
            if getattr(self, name) and not getattr(self, name).startswith("/"):
                raise InputError(
                    f"kubeflow.{name} must be an absolute path in the containers, received {getattr(self, name)}"
                )
        for place, one in enumerate(self.tolerations):
            unknown = set(one) - {"key", "operator", "value", "effect"}
            if unknown:
                raise InputError(
                    f"unknown key kubeflow.tolerations[{place}].{min(unknown)}; expected key, operator, value, effect"
                )
            if one.get("operator", "Equal") not in ("Equal", "Exists"):
                raise InputError(f"kubeflow.tolerations[{place}].operator must be Equal or Exists")
            if one.get("effect", "") not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute"):
                raise InputError(
                    f"kubeflow.tolerations[{place}].effect must be NoSchedule, PreferNoSchedule or NoExecute"
                )
        texts = {
            **{f"node_selector.{name}": value for name, value in self.node_selector.items()},
            **{f"volumes.{name}": value for name, value in self.volumes.items()},
            **{f"secrets.{name}": value for name, value in self.secrets.items()},
        }
        for name, value in texts.items():
            if not isinstance(value, str):
                raise InputError(f"kubeflow.{name} must be a text, received {value!r}")
        for name, value in self.volumes.items():
            if not value.startswith("/"):
                raise InputError(f"kubeflow.volumes.{name} must be an absolute path, received {value}")
        for name, value in self.secrets.items():
            if value.count("/") != 1:
                raise InputError(f"kubeflow.secrets.{name} must be secret/key, received {value}")


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """Everything that a run of the pipeline depends on. Messages name a field as the pipeline's file does.

    Args:
        corpus: name of a corpus, one of `fer_keras.corpora.CORPORA`.
        data_dir: folder of the corpus, in its official layout.
        label_names: the labels to tell apart, in the order of the model's outputs; faces with others are left out.
        pipeline_root: folder for everything the pipeline writes, except what it pushes.
        push_dir: base path of the served model; a blessed model becomes its newest version.
        folds: number of subject-wise folds that the corpus is split into.
        test_fold: the fold that is evaluated; the model is trained on all others.
        min_accuracy: least accuracy on the test fold, in [0, 1], for the model to be blessed; of a cross-validated
            release the mean over the folds.
        max_drop: how far below the accuracy of the newest served model a blessed one may be, in [0, 1]. Single splits
            are compared on the same test fold, releases by their cross-validation figures.
        cross_validate: test on every fold in turn, and train the model that is pushed on all of them; `test_fold` does
            not matter then.
        fold_workers: folds side by side in a cross-validation, one core each; 0 runs them here, on all cores, one after
            the other; `None` takes what cores and memory allow.
        tuning: optional `Tuning`.
        data_gate: `DataGate`.
        slices: features of the records by which the Evaluator reports accuracy; `attributes` has a slice for every
            value of what the corpus states of people and pictures.
        serving_check: what a model must answer on before it is pushed: `""` for nothing; `"embedded"`, the package's
            own server (extra `serving`); the absolute path of a `tensorflow_model_server` where the pipeline runs; or
            an image of TensorFlow Serving with its tag, such as `"tensorflow/serving:2.16.1"`, which TFX's
            InfraValidator runs with Docker.
        replicas: devices that a training is spread over (MirroredStrategy); 1 trains as everywhere else.
        kubeflow: `Kubeflow`, for `tfx_pipeline.run_kubeflow`.
        training: what is trained and how: a `StaticConfig` for single faces, a `VideoConfig` for clips, an
            `OccludedConfig` for faces that something covers.
        strict: stop if any picture of the corpus cannot be used, instead of skipping it.
        beam_workers: processes for the Beam steps on this machine; more than one pays for large corpora only, since
            every step starts its own.
        beam_args: further Beam options, such as another runner; later ones win.
        reading_beam_args: Beam options of CorpusExampleGen alone, for engines that TFX's own steps fail on, such as
            Dask.
        metadata: where the runs' metadata is kept: an SQLite file, by default `metadata.sqlite` under `pipeline_root`,
            or the URL of a database, see `tfx_pipeline.metadata_store`.

    Raises:
        InputError: a value that no run could work with.
    """

    corpus: str
    data_dir: pathlib.Path
    label_names: tuple
    pipeline_root: pathlib.Path = pathlib.Path("runs/pipeline")
    push_dir: pathlib.Path = pathlib.Path("saved_models/fer")
    folds: int = 10
    test_fold: int = 0
    min_accuracy: float = 0.5
    max_drop: float = 0.0
    cross_validate: bool = False
    fold_workers: int | None = None
    tuning: Tuning | None = None
    data_gate: DataGate = dataclasses.field(default_factory=DataGate)
    slices: tuple = ("label", "corpus", "occlusion", "attributes")
    serving_check: str = ""
    replicas: int = 1
    kubeflow: Kubeflow = dataclasses.field(default_factory=Kubeflow)
    training: StaticConfig | VideoConfig | OccludedConfig = dataclasses.field(default_factory=StaticConfig)
    strict: bool = False
    beam_workers: int = 1
    beam_args: tuple = ()
    reading_beam_args: tuple = ()
    metadata: str = ""

    def __post_init__(self):
        # Paths enter the metadata store: absolute ones mean the same from any folder.
        for name in ("data_dir", "pipeline_root", "push_dir"):
            object.__setattr__(self, name, pathlib.Path(getattr(self, name)).absolute())
        where = str(self.metadata or self.pipeline_root / "metadata.sqlite")
        object.__setattr__(self, "metadata", where if "://" in where else str(pathlib.Path(where).absolute()))
        object.__setattr__(self, "slices", tuple(self.slices))
        try:
            object.__setattr__(self, "label_names", tuple(canonical(name) for name in self.label_names))
        except InputError as error:
            raise InputError(f"corpus.labels: {error}") from error
        object.__setattr__(self, "beam_args", tuple(self.beam_args))
        object.__setattr__(self, "reading_beam_args", tuple(self.reading_beam_args))
        if self.corpus not in CORPORA:
            raise InputError(f"corpus.name: unknown corpus {self.corpus!r}; expected one of {', '.join(CORPORA)}")
        if len(set(self.label_names)) < max(len(self.label_names), 2):
            raise InputError(
                f"corpus.labels must be two or more distinct ones, received {', '.join(self.label_names) or 'none'}"
            )
        if self.folds < 2:
            raise InputError(f"folds must be at least 2, one of them to test on, received {self.folds}")
        if not 0 <= self.test_fold < self.folds:
            raise InputError(f"test_fold must be in 0 ... {self.folds - 1}, received {self.test_fold}")
        if not 0 <= self.min_accuracy <= 1:
            raise InputError(f"thresholds.accuracy must be in 0 ... 1, received {self.min_accuracy}")
        if not 0 <= self.max_drop <= 1:
            raise InputError(f"thresholds.max_drop must be in 0 ... 1, received {self.max_drop}")
        known = CLIP_FEATURES if self.of_clips else (*CLIP_FEATURES, "action_units")
        for place, name in enumerate(self.slices):
            _check_known(f"slices[{place}]", name, known)
        if self.serving_image and not _IMAGE.fullmatch(self.serving_image):
            raise InputError(
                "serving_check must be empty, embedded, the absolute path of a tensorflow_model_server or an image "
                f"with a tag, such as tensorflow/serving:2.16.1, received {self.serving_check!r}"
            )
        if self.replicas < 1:
            raise InputError(f"runner.replicas must be at least 1, received {self.replicas}")
        if self.fold_workers is not None and self.fold_workers < 0:
            raise InputError(f"runner.workers must be at least 0, received {self.fold_workers}")
        if self.tuning and not isinstance(self.training, StaticConfig):
            raise InputError(f"tuning is for the task static; leave it out of a pipeline of the task {self.task}")
        if self.beam_workers < 1:
            raise InputError(f"runner.beam_workers must be at least 1, received {self.beam_workers}")
        if self.of_clips and self.training.sampling == "apex":
            raise InputError(
                "training.sampling must be uniform or all in a pipeline, received apex: "
                "what is served does not know the apex"
            )

    @property
    def of_clips(self):
        """Whether the model reads clips, not single faces."""
        return isinstance(self.training, VideoConfig)

    @property
    def task(self):
        """Name of what is trained, one of `TASKS`."""
        return next(name for name, kind in TASKS.items() if isinstance(self.training, kind))

    @property
    def serving_image(self):
        """The image of TensorFlow Serving that a model is checked with; `""` where another server is asked, or none."""
        return "" if self.serving_check == "embedded" or self.serving_check.startswith("/") else self.serving_check

    @property
    def face_shape(self):
        """Height and width of faces, one number, and channels."""
        faces = self.training.encoder if self.of_clips else self.training
        return faces.image_size, faces.channels

    @property
    def splits(self):
        """Names of the splits, one a fold."""
        return [f"fold-{fold}" for fold in range(self.folds)]

    @property
    def test_split(self):
        """Name of the split that is evaluated."""
        return self.splits[self.test_fold]

    @property
    def train_splits(self):
        """Names of the splits that the model is trained on."""
        return [name for name in self.splits if name != self.test_split]
