"""What one pipeline is to do, as plain checked data."""

import dataclasses
import pathlib

from fer_keras.corpora import CORPORA
from fer_keras.emotions import canonical
from fer_keras.errors import InputError
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """Everything that a run of the pipeline depends on.

    Args:
        corpus: name of a corpus, one of `fer_keras.corpora.CORPORA`.
        data_dir: folder of the corpus, in its official layout.
        label_names: the labels to tell apart, in the order of the model's outputs; faces with others are left out.
        pipeline_root: folder for everything the pipeline writes, except what it pushes.
        push_dir: base path of the served model; a blessed model becomes its newest version.
        folds: number of subject-wise folds that the corpus is split into.
        test_fold: the fold that is evaluated; the model is trained on all others.
        min_accuracy: least accuracy on the test fold, in [0, 1], for the model to be blessed.
        training: what is trained and how: a `StaticConfig` for single faces, a `VideoConfig` for clips.
        strict: stop if any picture of the corpus cannot be used, instead of skipping it.
        beam_workers: processes for the Beam steps on this machine; more than one pays for large corpora only, since
            every step starts its own.
        beam_args: further Beam options, such as another runner; later ones win.
        metadata_path: SQLite file of the runs' metadata; by default `metadata.sqlite` under `pipeline_root`.

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
    training: StaticConfig | VideoConfig = dataclasses.field(default_factory=StaticConfig)
    strict: bool = False
    beam_workers: int = 1
    beam_args: tuple = ()
    metadata_path: pathlib.Path | None = None

    def __post_init__(self):
        # Paths enter the metadata store: absolute ones mean the same from any folder.
        for name in ("data_dir", "pipeline_root", "push_dir"):
            object.__setattr__(self, name, pathlib.Path(getattr(self, name)).absolute())
        path = self.metadata_path or self.pipeline_root / "metadata.sqlite"
        object.__setattr__(self, "metadata_path", pathlib.Path(path).absolute())
        object.__setattr__(self, "label_names", tuple(canonical(name) for name in self.label_names))
        object.__setattr__(self, "beam_args", tuple(self.beam_args))
        if self.corpus not in CORPORA:
            raise InputError(f"unknown corpus {self.corpus!r}; expected one of {', '.join(CORPORA)}")
        if len(set(self.label_names)) < max(len(self.label_names), 2):
            raise InputError(
                f"labels must be two or more distinct ones, received {', '.join(self.label_names) or 'none'}"
            )
        if self.folds < 2:
            raise InputError(f"folds must be at least 2, one of them to test on, received {self.folds}")
        if not 0 <= self.test_fold < self.folds:
            raise InputError(f"the test fold must be in 0 ... {self.folds - 1}, received {self.test_fold}")
        if not 0 <= self.min_accuracy <= 1:
            raise InputError(f"the least accuracy must be in 0 ... 1, received {self.min_accuracy}")
        if self.beam_workers < 1:
            raise InputError(f"beam_workers must be at least 1, received {self.beam_workers}")
        if self.of_clips and self.training.sampling == "apex":
            raise InputError(
                "sampling must be uniform or all in a pipeline, received apex: what is served does not know the apex"
            )

    @property
    def of_clips(self):
        """Whether the model reads clips, not single faces."""
        return isinstance(self.training, VideoConfig)

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
