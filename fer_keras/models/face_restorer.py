"""From an occluded face to the whole one: what remains of the GAN when it is trained."""

import keras
import numpy as np
from keras import ops

from fer_keras.errors import InputError
from fer_keras.layers.arguments import number, whole_number
from fer_keras.models.restoration_generator import occlusion_mask_head, restoration_generator
from fer_keras.models.restoration_inputs import check_shapes


@keras.saving.register_keras_serializable("fer_keras")
class FaceRestorer(keras.Model):
    """Paints the covered part of faces and keeps every other pixel bit-identical.

    Which pixels are covered is given, or predicted by a mask head: blind mode. The predicted mask is what the head
    holds for covered with a probability above `mask_threshold`, widened by `mask_margin` pixels, so that no rim of the
    occluder stays. Heads hold shadows and beards of open faces for half covered, occluders seldom: a face passes
    through unchanged unless `least_area` of it is covered with a probability above `sure_threshold`.

    Args:
        image_size: int, height and width of faces in pixels, a multiple of 16.
        channels: 1 for grey, 3 for colour.
        width: float, factor on the number of filters.
        blind: bool, whether there is a mask head. Without, the mask is part of the input.
        fill: what the generator sees in the hole, see `fer_keras.layers.HoleFill`.
        mask_threshold: float in (0, 1).
        sure_threshold: float in (0, 1).
        mask_margin: int, pixels.
        least_area: float, share of the picture, 0-1.
        **kwargs: passed to `keras.Model`.

    Call arguments:
        inputs: faces, raw pixels 0-255, `(batch, image_size, image_size, channels)`; or a dict of them, `face`, and of
            `mask`, `(batch, image_size, image_size, 1)`, true, or above 0.5, for covered pixels, used as it is.

    Returns:
        A dict of `restored`, float32 0-255 of the faces' shape, and `mask`, the pixels that were painted, float32 0 or
        1 of shape `(batch, image_size, image_size, 1)`.

    Raises:
        ValueError: an argument is out of its range, faces or masks have another shape, or there is neither a mask nor a
            head that predicts one.

    Example:
    >>> restorer = FaceRestorer(blind=False)
    >>> restorer({"face": faces, "mask": masks})["restored"]
    """

    def __init__(
        self,
        image_size=48,
        channels=1,
        width=1.0,
        blind=True,
        fill="mean",
        mask_threshold=0.5,
        sure_threshold=0.85,
        mask_margin=1,
        least_area=0.01,
        **kwargs,
    ):
        # Raw pixels would be rounded in half precision; the networks inside follow the global policy.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.mask_threshold = number("mask_threshold", mask_threshold, above=0, below=1)
        self.sure_threshold = number("sure_threshold", sure_threshold, above=0, below=1)
        self.mask_margin = whole_number("mask_margin", mask_margin, least=0)
        self.least_area = number("least_area", least_area, least=0, most=1)
        self._options = {"image_size": image_size, "channels": channels, "width": width, "fill": fill}
        self.generator = restoration_generator(**self._options)
        self.mask_head = occlusion_mask_head(image_size, channels, width) if blind else None
        self.built = True

    @property
    def face_shape(self):
        """Shape of one face: `(height, width, channels)`."""
        return (self._options["image_size"],) * 2 + (self._options["channels"],)

    @property
    def blind(self):
        """Whether masks are predicted where none is given."""
        return self.mask_head is not None

    def build(self, input_shape=None):
        """Does nothing; the networks are built when the model is made."""

    def call(self, inputs, training=False):
        """Returns the restored faces and the masks of what was painted."""
        given = inputs if isinstance(inputs, dict) else {"face": inputs}
        faces, mask = given["face"], given.get("mask")
        if mask is None and not self.blind:
            raise ValueError(f"{self.name} has no mask head: expected a dict of `face` and `mask`. Received: no mask")
        check_shapes(self.face_shape, face=faces, mask=mask)
        mask = self.find_mask(self.mask_head(faces, training=training)) if mask is None else as_mask(mask)
        painted = self.generator({"face": faces, "mask": mask}, training=training)
        return {"restored": composite(faces, painted, mask), "mask": mask}

    def find_mask(self, logits):
        """The mask that is painted, from the mask head's answer.

        Args:
            logits: tensor of shape `(batch, height, width, 1)`.

        Returns:
            A float32 tensor of that shape, 0 or 1, without a gradient.
        """
        probability = ops.sigmoid(ops.cast(ops.stop_gradient(logits), "float32"))
        covered = ops.cast(probability > self.mask_threshold, "float32")
        sure = ops.cast(probability > self.sure_threshold, "float32")
        is_occluded = ops.mean(sure, axis=(1, 2, 3), keepdims=True) >= self.least_area
        if self.mask_margin:
            covered = ops.max_pool(covered, 2 * self.mask_margin + 1, strides=1, padding="same")
        return ops.where(is_occluded, covered, 0.0)

    def inference_model(self):
        """A functional model that shares the weights, from faces, or without a mask head from the dict, to the dict."""
        inputs = keras.Input(self.face_shape, name="face")
        if not self.blind:
            inputs = {"face": inputs, "mask": keras.Input((*self.face_shape[:2], 1), name="mask")}
        return keras.Model(inputs, self(inputs), name=f"{self.name}_inference")

    def export(self, filepath, format="tf_saved_model", **kwargs):  # noqa: A002 (Keras's name)
        """Exports `inference_model()`, see `keras.Model.export`."""
        self.inference_model().export(filepath, format=format, **kwargs)

    def get_config(self):
        """Returns the model's configuration."""
        return {
            **super().get_config(),
            **self._options,
            "blind": self.blind,
            "mask_threshold": self.mask_threshold,
            "sure_threshold": self.sure_threshold,
            "mask_margin": self.mask_margin,
            "least_area": self.least_area,
        }


def restore(restorer, images, masks=None, batch_size=256):
    """Restores many faces.

    Args:
        restorer: a `FaceRestorer`.
        images: array of faces `(n, height, width, channels)`, values 0-255.
        masks: optional array `(n, height, width, 1)` of the covered pixels; without, the restorer's head finds them.
        batch_size: int, faces a step.

    Returns:
        A pair of NumPy arrays: the restored faces, float32, and the masks of what was painted, bool.

    Raises:
        InputError: faces or masks have another shape, or a pixel is no finite number.
    """
    images = np.asarray(images)
    masks = None if masks is None else np.asarray(masks, "float32")
    check_shapes(restorer.face_shape, face=images, mask=masks)
    broken = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
    if len(broken):
        raise InputError(f"expected finite pixels 0-255; face {broken[0]} has one that is infinite or no number")
    if not len(images):  # on which Keras's predict fails
        return images.astype("float32"), np.zeros((*images.shape[:3], 1), bool)
    inputs = images if masks is None else {"face": images, "mask": masks}
    answer = restorer.predict(inputs, batch_size=batch_size, verbose=0)
    return answer["restored"], answer["mask"] > 0.5


def as_mask(mask):
    """A mask of any type, true or above 0.5 for covered pixels, as float32 0 or 1."""
    return ops.cast(ops.cast(mask, "float32") > 0.5, "float32")


def composite(faces, painted, mask):
    """Faces with the covered pixels replaced; all others are bit-identical, as float32.

    Args:
        faces: tensor of shape `(batch, height, width, channels)`.
        painted: float32 tensor of that shape.
        mask: float32 tensor of shape `(batch, height, width, 1)`, 0 or 1.

    Returns:
        A float32 tensor of the faces' shape.
    """
    return ops.where(mask > 0.5, painted, ops.cast(faces, "float32"))
