"""Training of networks that restore occluded faces."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_faces, occlude_faces
from fer_keras.augmentation.occluder_pool import OccluderPool
from fer_keras.errors import InputError
from fer_keras.layers.hole_fill import FILLS
from fer_keras.losses.adversarial import ADVERSARIAL_LOSSES
from fer_keras.models import FaceRestorer, RestorationGAN
from fer_keras.models.baselines.recipe import StopAtNaN
from fer_keras.models.preset import load_preset
from fer_keras.models.restoration_gan import DISCRIMINATORS
from fer_keras.occlusion import OCCLUDERS
from fer_keras.training.checkpoint import TrainingCheckpoint
from fer_keras.training.reseed import Reseed
from fer_keras.training.static import ordered_rows, steps_per_epoch
from fer_keras.training.warm_up import WarmUp

_POOL_BYTES, _POOL_PART = 2**28, 1024


@dataclasses.dataclass(frozen=True)
class RestorationConfig:
    """Everything that the training of a restorer depends on besides the faces.

    Args:
        image_size: height and width of faces in pixels, a multiple of 16.
        channels: 1 for grey, 3 for colour.
        width: factor on the number of filters of all networks.
        blind: whether the restorer has a mask head, so that it takes faces without masks.
        fill: what the generator sees in holes, `"mean"`, `"noise"` or `"smooth"`, see `fer_keras.layers.HoleFill`.
        discriminators: some of `"global"` and `"local"`; none trains on reconstruction alone.
        adversarial_loss: `"hinge"` or `"least_squares"`.
        hole_weight: of L1 in the hole, see `fer_keras.models.RestorationGAN`.
        known_weight: of L1 elsewhere.
        adversarial_weight: of each discriminator's answer.
        feature_weight: of the distance in a recogniser's features.
        mask_weight: of the mask head's cross entropy.
        feature_model: preset, by name or folder, of the recogniser of `feature_weight`; `""` for none.
        average_decay: of the moving average of the restorer's weights, which is what answers; 0 for none.
        epochs: passes over the training faces.
        warm_up_epochs: how many of them, from the first, train on reconstruction alone.
        batch_size: faces a step.
        learning_rate: first learning rate of the restorer's Adam, β1 0.9; it falls to zero along a cosine.
        discriminator_rate: the same of the discriminators' Adam, β1 0.5.
        occluders: kinds to draw, some of `fer_keras.occlusion.OCCLUDERS`; faces without landmarks get random blocks.
        occluded: share of the faces that get one.
        coverage: least and greatest share of the face that random blocks cover.
        pool: how many occluders are drawn beforehand, to be laid over faces again and again, see
            `fer_keras.augmentation.occluder_pool`; a training of no more faces than that, and 0, draws one for every
            face of every step, which takes longer than the step.
        augmentation: an `AugmentationStrength`, or `None` to leave training faces as they are.
        seed: of weights, order, augmentation and occluders.

    Raises:
        InputError: a value is out of its range.
    """

    image_size: int = 48
    channels: int = 1
    width: float = 1.0
    blind: bool = True
    fill: str = "mean"
    discriminators: tuple = DISCRIMINATORS
    adversarial_loss: str = "hinge"
    hole_weight: float = 1.0
    known_weight: float = 0.1
    adversarial_weight: float = 0.006
    feature_weight: float = 0.05
    mask_weight: float = 1.0
    feature_model: str = ""
    average_decay: float = 0.999
    epochs: int = 100
    warm_up_epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-4
    discriminator_rate: float = 2e-4
    occluders: tuple = tuple(OCCLUDERS)
    occluded: float = 0.9
    coverage: tuple = (0.1, 0.5)
    pool: int = 4096
    augmentation: AugmentationStrength | None = dataclasses.field(
        default_factory=lambda: AugmentationStrength(rotation=5.0, scale=0.0, shift=0.05, cutout=0.0)
    )
    seed: int = 0

    def __post_init__(self):
        if isinstance(self.augmentation, dict):  # from JSON
            object.__setattr__(self, "augmentation", AugmentationStrength(**self.augmentation))
        for name in ("discriminators", "occluders", "coverage"):
            if isinstance(getattr(self, name), str):  # would be taken for its letters
                raise InputError(f"{name} must be a list, received {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        ranges = {
            "image_size": (16, 1024),
            "width": (0.05, 8),
            "hole_weight": (0, 1e6),
            "known_weight": (0, 1e6),
            "adversarial_weight": (0, 1e6),
            "feature_weight": (0, 1e6),
            "mask_weight": (0, 1e6),
            "average_decay": (0, 0.999999),
            "epochs": (1, 1_000_000),
            "warm_up_epochs": (0, 1_000_000),
            "batch_size": (1, 1_000_000),
            "learning_rate": (1e-9, 10),
            "discriminator_rate": (1e-9, 10),
            "occluded": (0, 1),
            "pool": (0, 1_000_000),
            "seed": (0, 2**31 - 1),
        }
        for name, (least, most) in ranges.items():
            if not least <= getattr(self, name) <= most:  # false for NaN too
                raise InputError(f"{name} must be from {least:,.10g} to {most:,.10g}, received {getattr(self, name)}")
        if self.image_size % 16:
            raise InputError(f"image_size must be a multiple of 16, received {self.image_size}")
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colour), received {self.channels}")
        choices = {"fill": FILLS, "adversarial_loss": tuple(ADVERSARIAL_LOSSES)}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, received {getattr(self, name)!r}")
        for name, known in {"discriminators": DISCRIMINATORS, "occluders": tuple(OCCLUDERS)}.items():
            given = getattr(self, name)
            bad = [str(one) for one in given if one not in known]
            bad = bad or [f"{one} twice" for one in dict.fromkeys(given) if given.count(one) > 1]
            if name == "discriminators" and "none" in given and len(given) > 1:
                raise InputError(f"discriminators: none stands alone, received {', '.join(map(str, given))}")
            if bad or (name == "occluders" and not given):
                received = ", ".join(bad) or "none"
                raise InputError(f"{name} must be some of {', '.join(known)}, received {received}")
        if len(self.coverage) != 2 or not 0 < self.coverage[0] <= self.coverage[1] <= 1:
            raise InputError(f"coverage must be (least, greatest) within (0, 1], received {self.coverage}")

    @property
    def total_epochs(self):
        """Passes of the whole training, for a progress bar."""
        return self.epochs


def train_restoration(faces, config, checkpoint_dir=None, callbacks=()):
    """Trains a restorer of occluded faces on open ones, which get occluders as it goes.

    The result depends on the faces and the configuration alone: order, augmentation, occluders and noise are drawn from
    the seed, the epoch and the step, so that a resumed run ends with what an uninterrupted one ends with.

    Args:
        faces: `FaceSet` to train on. Labels do not matter; faces whose attribute `occlusion` names an occluder are left
            out.
        config: `RestorationConfig`.
        checkpoint_dir: optional folder; training saves its state there, all optimizers and the moving average with it,
            and continues from what it finds.
        callbacks: further Keras callbacks, such as `SampleGrid`; they come before the checkpoint of an epoch.

    Returns:
        The trained `RestorationGAN`, compiled; its `inference_restorer` is the `FaceRestorer` to keep.

    Raises:
        InputError: there is no open face, faces have another shape than the configuration says, none can get one of its
            occluders, or the feature model does not fit.
    """
    faces = open_faces(faces, config)
    checkpoint = TrainingCheckpoint(checkpoint_dir) if checkpoint_dir else None
    model, done = checkpoint.latest() if checkpoint else (None, 0)
    steps = steps_per_epoch(faces, config)
    if model is None:
        model = compile_restoration(build_restoration(config), config, steps)
    model.fit(
        restoration_batches(faces, config, min(config.batch_size, len(faces)), first_epoch=done),
        epochs=config.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        callbacks=[
            Reseed(config.seed),
            WarmUp(config.warm_up_epochs),
            StopAtNaN(),
            *callbacks,
            *([checkpoint] if checkpoint else []),
        ],
        verbose=0,
    )
    return model


def build_restoration(config):
    """Builds the GAN of a configuration, with random weights.

    Args:
        config: `RestorationConfig`.

    Returns:
        A `RestorationGAN`, not compiled.

    Raises:
        InputError: the feature model takes other faces, or landmarks.
    """
    keras.utils.set_random_seed(config.seed)
    restorer = FaceRestorer(config.image_size, config.channels, config.width, config.blind, config.fill)
    features = None
    if config.feature_model:
        recognizer, _ = load_preset(config.feature_model)
        if recognizer.face_shape != restorer.face_shape or getattr(recognizer, "takes_landmarks", False):
            raise InputError(
                f"{config.feature_model}: expected a model of faces of shape {restorer.face_shape} without landmarks, "
                f"received one of {recognizer.face_shape}"
            )
        features = recognizer.backbone
    return RestorationGAN(
        restorer, config.discriminators, config.width, feature_model=features, average_decay=config.average_decay
    )


def compile_restoration(model, config, steps_per_epoch):
    """Compiles a GAN with a configuration's optimizers and losses.

    Args:
        model: a `RestorationGAN`.
        config: `RestorationConfig`.
        steps_per_epoch: int, for the schedules of the learning rates.

    Returns:
        The model.
    """

    def adam(learning_rate, beta_1):
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, config.epochs * steps_per_epoch)
        return keras.optimizers.Adam(schedule, beta_1=beta_1)

    adversaries = {f"d_{name}_optimizer": adam(config.discriminator_rate, 0.5) for name in config.discriminators}
    model.compile(
        adam(config.learning_rate, 0.9),
        **adversaries,
        adversarial_loss=config.adversarial_loss,
        hole_weight=config.hole_weight,
        known_weight=config.known_weight,
        adversarial_weight=config.adversarial_weight,
        feature_weight=config.feature_weight,
        mask_weight=config.mask_weight,
    )
    return model


def open_faces(faces, config):
    """The faces that a restorer can learn from.

    Args:
        faces: `FaceSet`.
        config: `RestorationConfig`.

    Returns:
        A `FaceSet` of those without an occluder.

    Raises:
        InputError: there is none, they have another shape, or none can get one of the configuration's occluders.
    """
    shape = (config.image_size, config.image_size, config.channels)
    if faces.images.shape[1:] != shape:
        raise InputError(f"expected faces of shape {shape}, received {tuple(faces.images.shape[1:])}")
    kinds = faces.attributes.get("occlusion")
    if kinds is not None:
        faces = faces.select(np.isin(kinds, ("", "none")))
    if not len(faces):
        raise InputError("training needs open faces; received none")
    if "random_block" not in config.occluders and not faces.landmarks.any():
        raise InputError(
            f"no face has landmarks to put {', '.join(config.occluders)} on; add random_block to the occluders"
        )
    return faces


def restoration_batches(faces, config, batch_size, first_epoch=0):
    """The batches of all epochs, each epoch in its own order, each step with its own occluders.

    Args:
        faces: `FaceSet` of open faces.
        config: `RestorationConfig`.
        batch_size: int; what is left over at the end of an epoch waits for the next order.
        first_epoch: int, the epoch to start with.

    Returns:
        A `tf.data.Dataset` of what `RestorationGAN` takes: a dict of `face`, float32 `(batch, height, width, channels)`
        of whole numbers 0-255, and `mask`, float32 0 or 1 `(batch, height, width, 1)`; and the true faces.
    """
    images, landmarks = tf.constant(faces.images), tf.constant(faces.landmarks, tf.float32)
    drawn_anew = len(faces) // batch_size * batch_size * config.epochs <= config.pool or not config.pool
    pool = None if drawn_anew else _pool(faces, config)

    def gather(step, rows):
        seed = tf.stack([tf.constant(config.seed, tf.int64), step])
        truth, points = _varied(tf.gather(images, rows), tf.gather(landmarks, rows), seed, config)
        if pool is None:
            return _occluded(truth, points, seed, config, config.occluded)
        occluded, masks = pool.lay_over(truth, points, seed, config.occluded)
        return {"face": occluded, "mask": masks}, truth

    rows = ordered_rows(len(faces), batch_size, config.seed, config.epochs, first_epoch)
    return rows.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def sample_faces(faces, config, count=8):
    """A few faces with occluders, for a `SampleGrid`, spread evenly over those that there are.

    Args:
        faces: `FaceSet`, best of people that are not trained on.
        config: `RestorationConfig`.
        count: int, how many at most.

    Returns:
        A dict of float32 arrays: `face` and `truth`, `(n, height, width, channels)`, and `mask`,
        `(n, height, width, 1)`.
    """
    faces = open_faces(faces, config)
    faces = faces.select(np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(int))
    truth = tf.constant(faces.images, tf.float32)
    x, truth = _occluded(truth, tf.constant(faces.landmarks, tf.float32), tf.constant([config.seed, 0]), config, 1.0)
    return {"face": x["face"].numpy(), "mask": x["mask"].numpy(), "truth": truth.numpy()}


def _varied(images, landmarks, seed, config):
    """Augmented faces as whole numbers, and their landmarks."""
    if config.augmentation is None:
        return tf.cast(images, tf.float32), landmarks
    truth, landmarks = augment_faces(images, seed, landmarks, config.augmentation)
    return tf.round(truth), landmarks


def _pool(faces, config):
    """The occluders of a training, on faces as the training shows them; as many as fit in a quarter of a gigabyte."""
    size = min(config.pool, _POOL_BYTES // (2 * config.image_size**2 * (config.channels + 1)))
    rows = np.random.default_rng(config.seed).integers(0, len(faces), size)
    parts = []
    for start in range(0, size, _POOL_PART):  # faces as float32 take much memory
        some = rows[start : start + _POOL_PART]
        seed = tf.constant([config.seed, -1 - start], tf.int64)
        truth, landmarks = _varied(faces.images[some], tf.constant(faces.landmarks[some], tf.float32), seed, config)
        parts.append((tf.cast(truth, tf.uint8).numpy(), landmarks.numpy()))
    images, landmarks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return OccluderPool.draw(images, landmarks, (config.seed, 1), config.occluders, config.coverage)


def _occluded(truth, landmarks, seed, config, probability):
    occluded, masks, _ = occlude_faces(truth, landmarks, seed, config.occluders, probability, config.coverage)
    return {"face": occluded, "mask": tf.cast(masks, tf.float32)}, truth
