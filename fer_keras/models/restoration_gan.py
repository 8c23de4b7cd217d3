"""The dual-discriminator GAN that learns to restore occluded faces."""

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.arguments import number
from fer_keras.layers.hole_window import HoleWindow
from fer_keras.losses.adversarial import ADVERSARIAL_LOSSES
from fer_keras.models.face_restorer import as_mask, composite
from fer_keras.models.restoration_discriminator import restoration_discriminator
from fer_keras.models.restoration_inputs import check_batch
from fer_keras.models.restoration_losses import (
    feature_distance,
    has_hole,
    mask_cross_entropy,
    mask_iou,
    masked_l1,
    masked_psnr,
)

DISCRIMINATORS = ("global", "local")
_WEIGHTS = ("hole_weight", "known_weight", "adversarial_weight", "feature_weight", "mask_weight")


@keras.saving.register_keras_serializable("fer_keras")
class RestorationGAN(keras.Model):
    """Trains a `FaceRestorer` against a global and a local discriminator.

    A step is one of the restorer and one of each discriminator. With the true face x, the painted face g, the true mask
    M, and x̂ = M g + (1 − M) x, the face with only its hole replaced, the restorer's loss is

        L = w_hole |g − x| in the hole + w_known |g − x| elsewhere + w_feature ‖φ(x̂) − φ(x)‖² / ‖φ(x)‖²
            + w_mask BCE(mask head, M) + w_adversarial Σ_D L_G(D(x̂))

    where pixels are shares of white, every term is the mean over the faces, and φ are the features of a frozen
    recogniser. The global discriminator sees x or x̂, the local one a window around the hole, see
    `fer_keras.layers.HoleWindow`; faces without a hole do not count for either.

    A restorer with a mask head learns, of every batch, one half of the faces with their true masks and the other half
    with the masks that the head finds, so that it meets the head's faults. `evaluate` uses the head's masks alone.

    Calls and `predict` answer as the exponential moving average of the restorer over its steps, kept as weights:
    `inference_restorer`. Nothing of the discriminators is in it.

    Args:
        restorer: the `FaceRestorer` to train.
        discriminators: sequence of `"global"` and `"local"`, in any number; none trains on reconstruction alone.
        width: float, factor on the discriminators' number of filters.
        local_size: int, side of the local window in pixels; by default half of the face's.
        feature_model: optional functional model from faces 0-255 to features of shape `(batch, …)`, such as
            `AlexNetEmotion(...).backbone`; a frozen copy is kept.
        average_decay: float in [0, 1), of the moving average: its decay at step t is `min(average_decay, (1 + t) /
            (10 + t))`; 0 keeps none.
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: what `FaceRestorer` takes; the result is its result.

    `fit` and `evaluate` take `x`, a dict of occluded faces, `face`, 0-255, and their true masks, `mask`, also of a
    restorer with a mask head; and `y`, the true faces, 0-255. Their metrics:

    - `loss`: L;
    - `l1_hole`, `l1_known`: of g, shares of white;
    - `psnr_hole`: of what the restorer returns, dB, over the true hole;
    - `adversarial_global`, `adversarial_local`: L_G; `d_global`, `d_local`: the discriminators' losses;
    - `feature`, with a feature model; with a mask head `mask`, its cross entropy, and `mask_iou`, before its mask is
      widened.

    Raises:
        ValueError: an argument is out of its range, the feature model does not take these faces, or `fit` or `evaluate`
            gets something else.

    Example:
    >>> model = RestorationGAN(FaceRestorer())
    >>> model.compile()
    >>> model.fit({"face": occluded, "mask": masks}, faces, epochs=10)
    >>> model.predict(occluded)["restored"]

    Reference:
        - Li et al., Generative face completion, CVPR 2017.
        - Iizuka et al., Globally and locally consistent image completion, SIGGRAPH 2017.
    """

    def __init__(
        self,
        restorer,
        discriminators=DISCRIMINATORS,
        width=1.0,
        local_size=None,
        feature_model=None,
        average_decay=0.999,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")  # see FaceRestorer
        super().__init__(**kwargs)
        if isinstance(discriminators, str):  # would be taken for its letters
            raise ValueError(
                f"`discriminators` must be a sequence of names, such as ('global',). Received: {discriminators!r}"
            )
        discriminators = tuple(discriminators)
        if len(set(discriminators)) < len(discriminators) or set(discriminators) - set(DISCRIMINATORS):
            raise ValueError(
                f"`discriminators` must be some of {DISCRIMINATORS}. Received: discriminators={discriminators}"
            )
        size, _, channels = restorer.face_shape
        self.restorer = restorer
        self.discriminators = tuple(name for name in DISCRIMINATORS if name in discriminators)
        self.width = number("width", width, above=0)
        self.local_size = size // 2 if local_size is None else local_size
        self.average_decay = number("average_decay", average_decay, least=0, below=1)
        self.window = HoleWindow(self.local_size, name="window") if "local" in self.discriminators else None
        for name in DISCRIMINATORS:
            side = size if name == "global" else self.local_size
            made = name in self.discriminators
            network = restoration_discriminator(side, channels, width, f"d_{name}") if made else None
            setattr(self, f"d_{name}", network)
        self.average = self._copy(restorer) if self.average_decay else None
        self.feature_model = None if feature_model is None else self._frozen(feature_model)
        self._adversarial = bool(self.discriminators)
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name, kept in {
                "loss": True,
                "l1_hole": True,
                "l1_known": True,
                "psnr_hole": True,
                "feature": feature_model is not None,
                "mask": restorer.blind,
                "mask_iou": restorer.blind,
                **{f"{part}_{name}": True for part in ("adversarial", "d") for name in self.discriminators},
            }.items()
            if kept
        }
        self.built = True

    @property
    def inference_restorer(self):
        """The `FaceRestorer` that answers: the moving average, or without one the restorer that is trained."""
        return self.restorer if self.average is None else self.average

    @property
    def adversarial(self):
        """Whether the discriminators take part in training; `fer_keras.training.warm_up.WarmUp` switches it."""
        return self._adversarial

    @adversarial.setter
    def adversarial(self, value):
        value = bool(value and self.discriminators)
        if value != self._adversarial:
            self._adversarial = value
            self.test_function = None
            if getattr(self, "train_function", None) is not None:  # in the middle of `fit`
                self.make_train_function(force=True)

    @property
    def metrics(self):
        """The metrics of all parts that take part."""
        silent = () if self.adversarial else ("adversarial_", "d_")
        return [tracker for name, tracker in self.trackers.items() if not name.startswith(silent)]

    def compile(
        self,
        g_optimizer=None,
        d_global_optimizer=None,
        d_local_optimizer=None,
        adversarial_loss="hinge",
        hole_weight=1.0,
        known_weight=0.1,
        adversarial_weight=0.006,
        feature_weight=0.05,
        mask_weight=1.0,
        jit_compile=False,
        **kwargs,
    ):
        """Sets optimizers, losses and weights, and builds the optimizers.

        Under the global policy `mixed_float16` with which the networks were made every optimizer is wrapped in a
        `keras.optimizers.LossScaleOptimizer`.

        Args:
            g_optimizer: of the restorer; by default Adam, 1e-4, β1 0.9.
            d_global_optimizer: of the global discriminator; by default Adam, 2e-4, β1 0.5.
            d_local_optimizer: of the local discriminator; the same.
            adversarial_loss: `"hinge"` or `"least_squares"`, see `fer_keras.losses.adversarial`.
            hole_weight: float ≥ 0.
            known_weight: float ≥ 0.
            adversarial_weight: float ≥ 0, of each discriminator's answer.
            feature_weight: float ≥ 0.
            mask_weight: float ≥ 0.
            jit_compile: bool; false by default, for XLA is slower with these convolutions on CPUs.
            **kwargs: `run_eagerly` and `steps_per_execution` of `keras.Model.compile`.

        Raises:
            ValueError: an argument is out of its range, or an optimizer is given for a discriminator that there is not.
        """
        if adversarial_loss not in ADVERSARIAL_LOSSES:
            raise ValueError(
                f"`adversarial_loss` must be one of {', '.join(ADVERSARIAL_LOSSES)}. "
                f"Received: adversarial_loss={adversarial_loss!r}"
            )
        given = {"d_global": d_global_optimizer, "d_local": d_local_optimizer}
        for name, optimizer in given.items():
            if optimizer is not None and getattr(self, name) is None:
                raise ValueError(f"`{name}_optimizer` is given, but the discriminators are {self.discriminators}")
        optimizers = {"g": keras.optimizers.get(g_optimizer or keras.optimizers.Adam(1e-4, 0.9))}
        for name in self.discriminators:
            chosen = given[f"d_{name}"] or keras.optimizers.Adam(2e-4, 0.5)
            optimizers[f"d_{name}"] = keras.optimizers.get(chosen)
        weights = (hole_weight, known_weight, adversarial_weight, feature_weight, mask_weight)
        self.loss_weights = {name: number(name, value, least=0) for name, value in zip(_WEIGHTS, weights, strict=True)}
        self.adversarial_loss = adversarial_loss
        self._compiled_with = {
            **{f"{name}_optimizer": optimizer for name, optimizer in optimizers.items()},
            **self.loss_weights,
            "adversarial_loss": adversarial_loss,
            "jit_compile": jit_compile,
            **kwargs,
        }
        half = self.restorer.generator.dtype_policy.name == "mixed_float16"
        for name, optimizer in optimizers.items():
            if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name=f"{name}_loss_scale")
            optimizer.build(self._trained_by(name))
            setattr(self, f"{name}_optimizer", optimizer)
        super().compile(optimizer=self.g_optimizer, jit_compile=jit_compile, **kwargs)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`."""
        self._check(x, y)
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Measures, see `keras.Model.evaluate`."""
        self._check(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def _check(self, x, y):
        # Once Keras has traced a step it no longer knows the shapes of other batches.
        if hasattr(x, "element_spec"):  # a tf.data.Dataset
            check_batch(self.restorer.face_shape, *keras.utils.unpack_x_y_sample_weight(x.element_spec))
        elif isinstance(x, dict) or hasattr(x, "shape"):
            check_batch(self.restorer.face_shape, x, y)

    def call(self, inputs, training=False):
        """Returns the restored faces and the masks of what was painted."""
        return (self.restorer if training else self.inference_restorer)(inputs, training=training)

    def train_step(self, data):
        """One step of the restorer and one of each discriminator."""
        batch = _Batch(data, self.restorer.face_shape)
        with tf.GradientTape() as tape:
            answer = self._restore(self.restorer, batch, training=True)
            loss = self._scaled("g", self._restorer_loss(answer, batch))
        self._step("g", tape, loss)
        if self.average is not None:
            self._follow()
        if self.adversarial:
            faces = ops.concatenate([batch.truth, ops.stop_gradient(answer["completed"])])
            for name in self.discriminators:
                with tf.GradientTape() as tape:
                    loss = self._scaled(f"d_{name}", self._discriminator_loss(name, faces, batch, training=True))
                self._step(f"d_{name}", tape, loss)
        return self.get_metrics_result()

    def test_step(self, data):
        """All losses, of the restorer that answers, with nothing learnt."""
        batch = _Batch(data, self.restorer.face_shape)
        answer = self._restore(self.inference_restorer, batch, training=False)
        self._restorer_loss(answer, batch)
        if self.adversarial:
            faces = ops.concatenate([batch.truth, answer["completed"]])
            for name in self.discriminators:
                self._discriminator_loss(name, faces, batch, training=False)
        return self.get_metrics_result()

    def predict_step(self, data):
        """Returns the restored faces and the masks of what was painted."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def _restore(self, restorer, batch, training):
        mask, logits = batch.mask, None
        if restorer.blind:
            logits = restorer.mask_head(batch.faces, training=training)
            mask = restorer.find_mask(logits)
            if training:
                odd = ops.arange(ops.shape(mask)[0]) % 2 == 1
                mask = ops.where(odd[:, None, None, None], mask, batch.mask)
        painted = restorer.generator({"face": batch.faces, "mask": mask}, training=training)
        return {
            "painted": painted,
            "mask": mask,
            "mask_logits": logits,
            "restored": composite(batch.faces, painted, mask),
            "completed": composite(batch.truth, painted, batch.mask),
        }

    def _restorer_loss(self, answer, batch):
        """The restorer's loss L; updates its metrics."""
        weights = self.loss_weights
        l1_hole = masked_l1(answer["painted"], batch.truth, batch.mask)
        l1_known = masked_l1(answer["painted"], batch.truth, 1 - batch.mask)
        self.trackers["l1_hole"].update_state(l1_hole, batch.occluded)
        self.trackers["l1_known"].update_state(l1_known)
        psnr = masked_psnr(answer["restored"], batch.truth, batch.mask)
        self.trackers["psnr_hole"].update_state(psnr, batch.occluded)
        loss = weights["hole_weight"] * l1_hole + weights["known_weight"] * l1_known
        if self.feature_model is not None:
            # Not in one batch: a gradient runs through the completed faces alone.
            features = [self.feature_model(faces, training=False) for faces in (answer["completed"], batch.truth)]
            feature = feature_distance(*features)
            self.trackers["feature"].update_state(feature, batch.occluded)
            loss = loss + weights["feature_weight"] * feature
        if answer["mask_logits"] is not None:
            cross_entropy = mask_cross_entropy(answer["mask_logits"], batch.mask)
            self.trackers["mask"].update_state(cross_entropy)
            found = ops.cast(ops.sigmoid(answer["mask_logits"]) > self.restorer.mask_threshold, "float32")
            self.trackers["mask_iou"].update_state(mask_iou(found, batch.mask), batch.occluded)
            loss = loss + weights["mask_weight"] * cross_entropy
        if self.adversarial:
            _, generator_loss = ADVERSARIAL_LOSSES[self.adversarial_loss]
            for name in self.discriminators:
                # Not in training mode: there the discriminator's kernels would change.
                adversarial = generator_loss(self._judge(name, answer["completed"], batch.mask, training=False))
                self.trackers[f"adversarial_{name}"].update_state(adversarial, batch.occluded)
                loss = loss + weights["adversarial_weight"] * batch.occluded * adversarial
        self.trackers["loss"].update_state(loss)
        return ops.mean(loss)

    def _discriminator_loss(self, name, faces, batch, training):
        """The loss of a discriminator of the true faces followed by the completed ones; updates its metric."""
        answers = self._judge(name, faces, ops.concatenate([batch.mask, batch.mask]), training)
        discriminator_loss, _ = ADVERSARIAL_LOSSES[self.adversarial_loss]
        loss = discriminator_loss(*ops.split(answers, 2))
        self.trackers[f"d_{name}"].update_state(loss, batch.occluded)
        return ops.mean(batch.occluded * loss)

    def _judge(self, name, faces, mask, training):
        """A discriminator's answers, of shape `(batch,)`."""
        views = self.window(faces, mask) if name == "local" else faces
        return getattr(self, f"d_{name}")(views, training=training)[:, 0]

    def _scaled(self, name, loss):
        # Gradients of replicas add up.
        loss = loss / tf.distribute.get_strategy().num_replicas_in_sync
        return getattr(self, f"{name}_optimizer").scale_loss(loss)

    def _step(self, name, tape, loss):
        variables = self._trained_by(name)
        getattr(self, f"{name}_optimizer").apply(tape.gradient(loss, variables), variables)

    def _trained_by(self, name):
        return (self.restorer if name == "g" else getattr(self, name)).trainable_variables

    def _follow(self):
        """Moves the average towards the restorer."""
        step = ops.cast(self.g_optimizer.iterations, "float32")
        decay = ops.minimum(self.average_decay, (1.0 + step) / (10.0 + step))
        for average, current in zip(self.average.weights, self.restorer.weights, strict=True):
            average.assign(decay * average + (1.0 - decay) * current)

    def _copy(self, restorer):
        copy = type(restorer).from_config({**restorer.get_config(), "name": f"{restorer.name}_average"})
        copy.set_weights(restorer.get_weights())
        copy.trainable = False
        return copy

    def _frozen(self, model):
        shape = getattr(model, "input_shape", None)
        if not isinstance(shape, tuple) or tuple(shape[1:]) != self.restorer.face_shape:
            raise ValueError(
                f"`feature_model` must be a functional model of faces of shape {self.restorer.face_shape}. "
                f"Received: {model} for {shape}"
            )
        copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
        copy.trainable = False
        return copy

    def export(self, filepath, format="tf_saved_model", **kwargs):  # noqa: A002 (Keras's name)
        """Exports the restorer that answers, see `FaceRestorer.export`."""
        self.inference_restorer.export(filepath, format=format, **kwargs)

    def get_compile_config(self):
        """Returns what `compile` was called with, optimizers without their loss scaling."""
        if not self.compiled:
            return None
        return {
            name: keras.saving.serialize_keras_object(value) if name.endswith("_optimizer") else value
            for name, value in self._compiled_with.items()
        }

    def compile_from_config(self, config):
        """Compiles with `get_compile_config`'s result, so that the optimizers' state can be loaded."""
        self.compile(
            **{
                name: keras.saving.deserialize_keras_object(value) if name.endswith("_optimizer") else value
                for name, value in config.items()
            }
        )

    def get_config(self):
        """Returns the model's configuration."""
        feature_model = self.feature_model
        return {
            **super().get_config(),
            "restorer": keras.saving.serialize_keras_object(self.restorer),
            "discriminators": list(self.discriminators),
            "width": self.width,
            "local_size": self.local_size,
            "feature_model": None if feature_model is None else keras.saving.serialize_keras_object(feature_model),
            "average_decay": self.average_decay,
        }

    @classmethod
    def from_config(cls, config):
        """Makes the model from `get_config`'s result."""
        restored = {part: keras.saving.deserialize_keras_object(config[part]) for part in ("restorer", "feature_model")}
        return cls(**{**config, **restored})


class _Batch:
    """Faces, masks and truth of a step, in float32; `occluded` is 1 for the faces with a hole."""

    def __init__(self, data, face_shape):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        check_batch(face_shape, x, y, sample_weight)
        self.faces = ops.cast(x["face"], "float32")
        self.mask = as_mask(x["mask"])
        self.truth = ops.cast(y, "float32")
        self.occluded = has_hole(self.mask)
