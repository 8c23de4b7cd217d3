"""The task `occluded`: a recogniser, a restorer, and both as one model that reads occluded faces."""

import dataclasses
import json

import keras
import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import load_fold, predict_probabilities, run_fold
from fer_keras.models import OccludedEmotion
from fer_keras.models.preset import load_preset
from fer_keras.training.restoration import RestorationConfig, open_faces
from fer_keras.training.restoration_run import train_restorer
from fer_keras.training.static import StaticConfig, hold_out, train_static


@dataclasses.dataclass(frozen=True)
class OccludedConfig:
    """A training of a recogniser and of a restorer for it, on the same faces.

    Args:
        classifier: `StaticConfig` of the recogniser, or its fields.
        restoration: `RestorationConfig` of the restorer, or its fields. Size and channels of its faces are those of the
            classifier, and so is its feature model.
        seed: of both.

    Raises:
        InputError: a value is out of its range, or the restorer has no mask head.
    """

    classifier: StaticConfig = dataclasses.field(default_factory=StaticConfig)
    restoration: RestorationConfig = dataclasses.field(default_factory=RestorationConfig)
    seed: int = 0

    def __post_init__(self):
        classifier, restoration = self.classifier, self.restoration
        if isinstance(classifier, dict):  # from JSON
            classifier = StaticConfig(**classifier)
        shape = {"image_size": classifier.image_size, "channels": classifier.channels}
        if isinstance(restoration, dict):
            restoration = RestorationConfig(**{**restoration, **shape})
        if not restoration.blind:
            raise InputError("restoration.blind must be true in a pipeline: what is served gets no masks")
        object.__setattr__(self, "classifier", dataclasses.replace(classifier, seed=self.seed))
        object.__setattr__(self, "restoration", dataclasses.replace(restoration, seed=self.seed, **shape))

    @property
    def image_size(self):
        """Height and width of faces in pixels."""
        return self.classifier.image_size

    @property
    def channels(self):
        """1 for grey, 3 for colour."""
        return self.classifier.channels

    @property
    def total_epochs(self):
        """Passes of both trainings."""
        return self.classifier.epochs + self.restoration.epochs

    def part_of(self, epoch):
        """Where in its part an epoch is, see `VideoConfig.part_of`."""
        if epoch < self.classifier.epochs:
            return "recogniser", epoch + 1, self.classifier.epochs
        return "restorer", epoch - self.classifier.epochs + 1, self.restoration.epochs


def train_occluded_fold(job, report):
    """Trains one fold: the recogniser as every static fold, the restorer on the same people's open faces.

    Args:
        job: `fer_keras.evaluation.cross_validation.FoldJob` with an `OccludedConfig` as its system. Its directory gets
            `fold-k.npz` with the answers of both as one model.
        report: callable `(epoch, logs)`, epochs from 1 over both trainings.

    Returns:
        The `OccludedEmotion`.
    """
    config, fold = job.system, job.fold
    alone = job.directory / "classifier"
    if not (alone / f"fold-{fold}.npz").exists():
        run_fold(dataclasses.replace(job, system=config.classifier, directory=alone), report)
    place = alone / f"model-of-fold-{fold}"
    training, test = (job.faces.select(rows) for rows in (job.fold_of != fold, job.fold_of == fold))
    model = _restored(training, config, place, job.directory, report, config.seed + fold)
    held = load_fold(alone, fold)
    np.savez(
        job.directory / f"fold-{fold}.npz",
        probabilities=predict_probabilities(model, test),
        history=json.dumps(held["history"]),
        seconds=held["seconds"],
    )
    return model


def train_occluded(faces, config, directory, report):
    """Trains both on all faces.

    Args:
        faces: `FaceSet`.
        config: `OccludedConfig`.
        directory: folder; what it holds of a killed training is gone on from.
        report: as in `train_occluded_fold`.

    Returns:
        The `OccludedEmotion`.
    """
    place = directory / "classifier" / "model"
    if not place.exists():
        training, validation = hold_out(faces, config.classifier)
        shown = [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(epoch + 1, logs))]
        model = train_static(training, config.classifier, validation, directory / "classifier", callbacks=shown)
        model.save_to_preset(place)
    return _restored(faces, config, place, directory, report, config.seed)


def _restored(faces, config, classifier, directory, report, seed):
    restoration = dataclasses.replace(config.restoration, feature_model=str(classifier), seed=seed)

    def show(epoch, logs):
        report(
            config.classifier.epochs + epoch + 1, {name: value for name, value in logs.items() if name != "accuracy"}
        )

    shown = [keras.callbacks.LambdaCallback(on_epoch_end=show)]
    restorer = train_restorer(open_faces(faces, restoration), restoration, directory / "restorer", shown)
    return OccludedEmotion.from_classifier(restorer, load_preset(classifier)[0])
