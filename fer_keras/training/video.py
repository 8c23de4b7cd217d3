"""Training of video recognisers: an encoder of single frames, then the temporal part, then both together."""

import dataclasses
import pathlib

import keras
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength
from fer_keras.corpora.clip_batches import clip_batches
from fer_keras.errors import InputError
from fer_keras.layers import IslandLoss
from fer_keras.models import JointSupervision, VideoEmotion
from fer_keras.models.baselines.recipe import StopAtNaN
from fer_keras.models.preset import load_preset
from fer_keras.models.video_emotion import POOLINGS, RECURRENCES
from fer_keras.training.checkpoint import TrainingCheckpoint
from fer_keras.training.reseed import Reseed
from fer_keras.training.static import StaticConfig, ordered_rows, train_static

PEAK_FRAMES = 3
"""How many frames around a clip's apex the encoder learns from, as in the static protocol."""


@dataclasses.dataclass(frozen=True)
class VideoConfig:
    """Everything that a video training depends on besides the clips.

    A training has up to three parts: the encoder learns single frames around the apex of the training clips, or comes
    from `frame_model`; the temporal part learns on the encoder's features, which are computed once; and with
    `fine_tune_epochs` both learn together.

    Args:
        encoder: `StaticConfig` of the encoder's training; where `frame_model` is given, only what it says about
            faces' size and channels must fit that model.
        frame_model: preset, by name or folder, of a trained model of single faces to use as it is; `""` trains one.
            `"{fold}"` in it stands for the number of the fold in a cross-validation.
        frames: frames a clip at most; longer clips are sampled.
        sampling: `"uniform"`, `"apex"` or `"all"`, see `fer_keras.corpora.clip_set.ClipSet.sample`.
        recurrence: see `fer_keras.models.VideoEmotion`.
        pooling: see `fer_keras.models.VideoEmotion`.
        scaled_attention: see `fer_keras.models.VideoEmotion`.
        units: see `fer_keras.models.VideoEmotion`.
        dropout: see `fer_keras.models.VideoEmotion`.
        metric_weight: λ, weight of the improved Island loss on the clips' features; 0 for softmax alone.
        epochs: passes over the training clips with the encoder as it is.
        batch_size: clips a step.
        learning_rate: first learning rate; it falls to zero along a cosine.
        weight_decay: decoupled, of the optimizer.
        fine_tune_epochs: passes over the clips with everything learning, after that.
        fine_tune_rate: first learning rate of these.
        augmentation: an `AugmentationStrength`, or `None`: how clips are varied in these, all frames of a clip alike.
        seed: of weights, order and augmentation.

    Raises:
        InputError: a value is out of its range.
    """

    encoder: StaticConfig = dataclasses.field(default_factory=lambda: StaticConfig(epochs=40))
    frame_model: str = ""
    frames: int = 16
    sampling: str = "uniform"
    recurrence: str = "irnn"
    pooling: str = "attention"
    scaled_attention: bool = True
    units: int = 128
    dropout: float = 0.3
    metric_weight: float = 0.0
    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    fine_tune_epochs: int = 0
    fine_tune_rate: float = 1e-4
    augmentation: AugmentationStrength | None = dataclasses.field(default_factory=AugmentationStrength)
    seed: int = 0

    def __post_init__(self):
        for name, kind in (("encoder", StaticConfig), ("augmentation", AugmentationStrength)):
            if isinstance(getattr(self, name), dict):  # from JSON
                object.__setattr__(self, name, kind(**getattr(self, name)))
        ranges = {
            "frames": (1, 100_000),
            "units": (1, 65_536),
            "dropout": (0, 0.95),
            "metric_weight": (0, 1e6),
            "epochs": (1, 1_000_000),
            "batch_size": (1, 1_000_000),
            "learning_rate": (1e-9, 10),
            "weight_decay": (0, 1),
            "fine_tune_epochs": (0, 1_000_000),
            "fine_tune_rate": (1e-9, 10),
            "seed": (0, 2**31 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:  # false for NaN too
                raise InputError(f"{name} must be from {least:g} to {most:g}, received {getattr(self, name)}")
        choices = {"sampling": ("uniform", "apex", "all"), "recurrence": RECURRENCES, "pooling": POOLINGS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, received {getattr(self, name)!r}")
        if self.encoder.patience:
            raise InputError("patience stops single-frame trainings alone; leave encoder.patience at 0")

    @property
    def parts(self):
        """The parts of a training in their order, pairs of a name and a number of epochs."""
        encoder = [] if self.frame_model else [("encoder", self.encoder.epochs)]
        tuning = [("fine-tuning", self.fine_tune_epochs)] if self.fine_tune_epochs else []
        return [*encoder, ("clips", self.epochs), *tuning]

    @property
    def total_epochs(self):
        """Passes of all parts together, for a progress bar."""
        return sum(epochs for _, epochs in self.parts)

    def part_of(self, epoch):
        """Where in its part of the training an epoch is.

        Args:
            epoch: int, counted from 0 over all parts.

        Returns:
            A triple of the part's name, the epoch within it, from 1, and the number of its epochs.
        """
        parts = self.parts
        while epoch >= parts[0][1]:
            epoch -= parts.pop(0)[1]
        name, epochs = parts[0]
        return name, epoch + 1, epochs

    def of_fold(self, fold):
        """The configuration of one fold of a cross-validation."""
        return dataclasses.replace(self, frame_model=self.frame_model.replace("{fold}", str(fold)))

    def sampled(self, clips):
        """The frames of clips that models of this configuration see."""
        return clips.sample(self.frames, self.sampling)


def train_video(clips, config, test=None, checkpoint_dir=None, callbacks=()):
    """Trains a recogniser of clips.

    The result depends on the clips and the configuration alone. A training that was killed goes on: the encoder and the
    fine-tuning from their last checkpoint, the temporal part, which takes seconds, from its start.

    Args:
        clips: `ClipSet` to train on; their sequences carry labels.
        config: `VideoConfig`.
        test: optional `ClipSet`, answered after every epoch of the last two parts: `logs["test_accuracy"]`. Nothing is
            chosen by it.
        checkpoint_dir: optional folder; training saves its state there and continues from what it finds.
        callbacks: Keras callbacks of all parts; epochs are numbered from 0 over all of them.

    Returns:
        The trained `VideoEmotion`.

    Raises:
        InputError: no clip, one class only, or a frame model that does not fit.
    """
    present = np.unique(clips.labels)
    if len(present) < 2:
        names = ", ".join(clips.label_names[label] for label in present) or "none"
        raise InputError(f"training needs clips of at least 2 classes, received {len(clips)} clips of {names}")
    directory = None if checkpoint_dir is None else pathlib.Path(checkpoint_dir)
    frame_model, done = _frame_model(clips, config, directory, callbacks)
    clips, test = config.sampled(clips), test and config.sampled(test)

    keras.utils.set_random_seed(config.seed)
    model = build_video(frame_model, clips.label_names, config)
    checkpoint = TrainingCheckpoint(directory / "fine-tuning") if directory and config.fine_tune_epochs else None
    tuned, epochs_tuned = checkpoint.latest() if checkpoint else (None, 0)
    if tuned is None:
        _train_temporal_part(model, clips, config, test, _later(callbacks, done))
    else:
        model = tuned
    if config.fine_tune_epochs:
        _fine_tune(model, clips, config, test, checkpoint, _later(callbacks, done + config.epochs), epochs_tuned)
    return model


def check_frame_model(config):
    """Says, before anything long, whether the frame model of a configuration is there and fits.

    Args:
        config: `VideoConfig`; one without a frame model is right.

    Raises:
        InputError: there is no model, it reads clips, or it takes faces of another shape than the configuration's.
    """
    if config.frame_model:
        _load_frame_model(config, (config.encoder.image_size, config.encoder.image_size, config.encoder.channels))


def build_video(frame_model, label_names, config):
    """Builds the model of a configuration around a model of single faces, with a random temporal part.

    Args:
        frame_model: a `JointSupervision`.
        label_names: sequence of class names.
        config: `VideoConfig`.

    Returns:
        A `VideoEmotion`, not compiled.
    """
    return VideoEmotion.from_frame_model(
        frame_model,
        label_names,
        recurrence=config.recurrence,
        pooling=config.pooling,
        scaled_attention=config.scaled_attention,
        units=config.units,
        dropout=config.dropout,
        fine_tune=config.fine_tune_epochs > 0,
        metric_loss=IslandLoss(len(label_names)) if config.metric_weight else None,
        metric_weight=config.metric_weight,
    )


def peak_faces(clips, count=PEAK_FRAMES):
    """The frames around the apex of clips, as single faces.

    Args:
        clips: `ClipSet`.
        count: int, frames a clip.

    Returns:
        A `FaceSet`.
    """
    return clips.sample(count, "apex").faces()


def encode_clips(model, clips, batch_size=256):
    """Features of all frames of clips, the input of `VideoEmotion.feature_model`.

    Args:
        model: a `VideoEmotion`.
        clips: `ClipSet`.
        batch_size: int, frames a step.

    Returns:
        A dict of `features`, float32 `(n, frames, d)`, zeros beyond a clip's length, and `lengths`, int32 `(n,)`.
    """
    inputs = {"face": clips.images}
    if model.takes_landmarks:
        inputs["landmarks"] = clips.landmarks
    if model.takes_reference:
        inputs["reference"] = clips.frame_references()
    flat = model.encoder.predict(
        inputs if model.takes_landmarks else clips.images, batch_size=batch_size, verbose=0
    ).astype("float32")
    features = np.zeros((len(clips), int(clips.lengths.max()), flat.shape[-1]), "float32")
    features[np.arange(features.shape[1]) < clips.lengths[:, None]] = flat
    return {"features": features, "lengths": clips.lengths.astype("int32")}


def _frame_model(clips, config, directory, callbacks):
    """The trained model of single faces, and how many epochs its training took."""
    if config.frame_model:
        return _load_frame_model(config, clips.images.shape[1:]), 0
    encoder = dataclasses.replace(config.encoder, seed=config.seed)
    folder = directory / "encoder" if directory else None
    if folder and (folder / "model").exists():
        return load_preset(folder / "model")[0], encoder.epochs
    model = train_static(peak_faces(clips), encoder, checkpoint_dir=folder, callbacks=callbacks)
    if folder:
        model.save_to_preset(folder / "model")
    return model, encoder.epochs


def _load_frame_model(config, face_shape):
    """The frame model of a configuration; raises `InputError` unless it takes single faces of this shape."""
    model, _ = load_preset(config.frame_model)
    if isinstance(model, VideoEmotion) or not isinstance(model, JointSupervision):
        what = "clips" if isinstance(model, VideoEmotion) else type(model).__name__
        raise InputError(f"{config.frame_model}: holds a model of {what}; expected one of single faces")
    if model.face_shape != tuple(face_shape):
        raise InputError(
            f"{config.frame_model}: takes faces of shape {model.face_shape}; "
            f"the clips have {tuple(face_shape)}, see image_size and channels of the encoder"
        )
    return model


def _train_temporal_part(model, clips, config, test, callbacks):
    """Trains what is behind the encoder, on features that are computed once."""
    part, held = model.feature_model(), encode_clips(model, clips)
    steps = max(1, len(clips) // config.batch_size)
    _compile(part, config.learning_rate, config.epochs * steps, config)
    features, lengths, labels = (tf.constant(each) for each in (held["features"], held["lengths"], clips.labels))

    def gather(step, rows):
        inputs = {"features": tf.gather(features, rows), "lengths": tf.gather(lengths, rows)}
        return inputs, tf.gather(labels, rows)

    rows = ordered_rows(len(clips), min(config.batch_size, len(clips)), config.seed, config.epochs)
    watch = [_WatchClips(encode_clips(model, test), test.labels)] if test else []
    part.fit(
        rows.map(gather).prefetch(tf.data.AUTOTUNE),
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=[Reseed(config.seed), StopAtNaN(), *watch, *callbacks],
        verbose=0,
    )


def _fine_tune(model, clips, config, test, checkpoint, callbacks, first_epoch):
    """Trains everything together, on the frames."""
    steps = max(1, len(clips) // config.batch_size)
    if not first_epoch:
        _compile(model, config.fine_tune_rate, config.fine_tune_epochs * steps, config)
    batches = clip_batches(
        clips,
        clips.labels,
        min(config.batch_size, len(clips)),
        config.seed,
        config.fine_tune_epochs,
        first_epoch=first_epoch,
        augmentation=config.augmentation,
        landmarks=model.takes_landmarks,
    )
    watch = [_WatchClips(test.inputs(model.takes_landmarks), test.labels)] if test else []
    model.fit(
        batches,
        epochs=config.fine_tune_epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=[Reseed(config.seed + 1), StopAtNaN(), *watch, *callbacks, *([checkpoint] if checkpoint else [])],
        verbose=0,
    )


def _compile(model, learning_rate, steps, config):
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    model.compile(optimizer, loss, metrics=["accuracy"])


class _WatchClips(keras.callbacks.Callback):
    """Adds the accuracy on test clips to an epoch's logs."""

    def __init__(self, inputs, labels):
        super().__init__()
        self.inputs, self.labels = inputs, labels

    def on_epoch_end(self, epoch, logs=None):
        logits = self.model.predict(self.inputs, batch_size=64, verbose=0)
        logs["test_accuracy"] = float(np.mean(logits.argmax(axis=-1) == self.labels))


class _Later(keras.callbacks.Callback):
    """Calls another callback with epochs that other parts of the training have before these."""

    def __init__(self, callback, epochs):
        super().__init__()
        self.callback, self.epochs = callback, epochs

    def set_model(self, model):
        super().set_model(model)
        self.callback.set_model(model)

    def on_epoch_end(self, epoch, logs=None):
        self.callback.on_epoch_end(epoch + self.epochs, logs)


def _later(callbacks, epochs):
    return [_Later(callback, epochs) for callback in callbacks]
