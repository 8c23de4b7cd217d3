"""Key-point angle map: how the angles of a face differ from its neutral state ("angle variance", Ge et al. 2022)."""

import keras
import numpy as np
from keras import ops

from fer_keras.landmarks import MIRRORED_LANDMARKS
from fer_keras.layers.arguments import fits, number, whole_number

# Triplets of the 68 iBUG landmarks; the angle is at the middle one. The image-right half mirrors the image-left half.
_LEFT = (
    [(17, 18, 19), (18, 19, 20), (19, 20, 21)]  # bend of the brow
    + [(19, 36, 39), (21, 39, 36)]  # height of the brow and of its inner end above the eye
    + [(37, 36, 41), (38, 39, 40), (36, 37, 38), (37, 38, 39), (39, 40, 41), (40, 41, 36)]  # opening of the eye
    + [(30, 31, 33), (30, 31, 48)]  # wing of the nose, and the fold to the corner of the mouth
    + [(49, 48, 59), (61, 60, 67), (48, 49, 50), (58, 59, 48), (33, 48, 57)]  # corner of the mouth
)
_MIDLINE = (
    [(31, 30, 35), (31, 33, 35), (48, 33, 54)]  # width of the nose, and of the mouth seen from it
    + [(50, 51, 52), (48, 51, 54), (56, 57, 58), (48, 57, 54)]  # outer lips
    + [(61, 62, 63), (60, 62, 64), (65, 66, 67), (60, 66, 64)]  # inner lips
)

KEY_POINT_TRIPLETS = np.array([*_LEFT, *MIRRORED_LANDMARKS[np.array(_LEFT)], *_MIDLINE])
"""int array of shape `(47, 3)`: the triplets of landmarks whose angles `KeyPointAngles` compares."""
KEY_POINT_TRIPLETS.flags.writeable = False

# Arms whose lengths multiply to less than this, in squared widths of the crop, have no angle.
_LEAST_ARMS = 1e-8
# Crops; a face turned or cut off may reach beyond its own, but never as far as pixels do.
_FARTHEST = 10.0


@keras.saving.register_keras_serializable("fer_keras")
class KeyPointAngles(keras.layers.Layer):
    """Draws the change of a face's angles as a map, to be stacked on its picture as a channel.

    For every triplet (a, m, b) of `KEY_POINT_TRIPLETS`, around brows, eyes, nose and mouth, the interior angle at the
    middle point is `θ = atan2(|u × v|, u · v)` with `u = a − m`, `v = b − m`. The map is
    `M(p) = Σ_k (θ_k − θ⁰_k) exp(−‖p − m_k‖² / 2σ²)`, with the reference angles θ⁰ of the neutral (or first) frame of
    the same face where its landmarks are given, else the mean angles of the training faces that `adapt` saw. Until
    `adapt` they are 0, and the map shows the angles themselves.

    A face without landmarks (all zeros), or whose reference has none, gives a map of zeros. So does a triplet whose
    points coincide. It computes in float32 at least, whatever the dtype policy.

    Args:
        image_size: int, or pair of height and width of the map in pixels.
        sigma: float σ > 0, radius of the Gaussians as a share of the map's width.
        drop_rate: float in [0, 1), share of faces whose landmarks are left out in training, so that a model learns to
            answer without.
        seed: int or `None`, for the faces that are left out.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        landmarks: float tensor of shape `(batch, 68, 2)`, x and y of the iBUG landmarks in [0, 1] of the crop; zeros
            where none were found. Points beyond the crop are drawn as far as they reach into it: landmarks in pixels
            would give maps of zeros.
        reference: optional tensor of the same shape, the landmarks of each face's neutral or first frame.
        training: bool, whether to leave faces out.

    Returns:
        A tensor of shape `(batch, height, width, 1)`, in radians: a lone Gaussian peaks within [−π, π].

    Raises:
        ValueError: an argument is out of its range, or landmarks are not of the shape above.

    Example:
    >>> angles = KeyPointAngles(48, drop_rate=0.2)
    >>> angles.adapt(training_landmarks)
    >>> x = keras.layers.Concatenate()([faces, angles(landmarks)])  # (batch, 48, 48, 2)

    Reference:
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022 (the print names the feature and
          its map; the triplets and the drawing are ours).
    """

    def __init__(self, image_size, sigma=0.04, drop_rate=0.0, seed=None, **kwargs):
        # Landmarks keep their precision: in float16 a short arm's angle would be off by a percent.
        super().__init__(autocast=False, **kwargs)
        sides = tuple(image_size) if isinstance(image_size, (list, tuple)) else (image_size,)
        if len(sides) not in (1, 2):
            raise ValueError(f"`image_size` must be one number or (height, width). Received: image_size={image_size}")
        height, width = (whole_number("image_size", side, least=1) for side in (sides[0], sides[-1]))
        self.image_size = (height, width)
        self.sigma = number("sigma", sigma, above=0)
        self.drop_rate = number("drop_rate", drop_rate, least=0, below=1)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, landmarks_shape, reference_shape=None):
        """Creates the reference angles."""
        _check_shape(landmarks_shape)
        if reference_shape is not None:
            _check_shape(reference_shape)
        self.reference_angles = self.add_weight(
            name="reference_angles",
            shape=(len(KEY_POINT_TRIPLETS),),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def adapt(self, landmarks):
        """Takes the mean angles of training faces as reference.

        Args:
            landmarks: float array of shape `(faces, 68, 2)` as for `call`, or an iterable of such batches, such as a
                `tf.data.Dataset`. Faces without landmarks (all zeros) are passed over.

        Raises:
            ValueError: no face has landmarks, they are pixels or not finite, or a shape is wrong.
        """
        batches = [landmarks] if hasattr(landmarks, "shape") else landmarks
        total, count = 0.0, 0.0
        for batch in batches:
            if isinstance(batch, (tuple, dict)):
                raise ValueError(
                    "`adapt` needs batches of landmarks alone, such as `dataset.map(lambda x, y: x['landmarks'])`. "
                    f"Received: a batch that is a {type(batch).__name__}"
                )
            batch = ops.cast(batch, "float64")
            _check_shape(batch.shape)
            farthest = float(np.max(np.abs(batch), initial=0.0))
            if not farthest < _FARTHEST:
                raise ValueError(
                    "`adapt` needs finite landmarks in [0, 1] of the crop, not in pixels. "
                    f"Received: values up to {farthest:.3g}"
                )
            if not self.built:
                self.build(batch.shape)
                self.built = True
            angles, valid = self._angles(batch)
            total = total + np.sum(np.where(valid, angles, 0), axis=0)
            count = count + np.sum(valid, axis=0)
        if not np.any(count):
            raise ValueError("`adapt` needs a face with landmarks. Received: none, or zeros alone")
        self.reference_angles.assign(total / np.maximum(count, 1))

    def call(self, landmarks, reference=None, training=False):
        """Returns the maps."""
        _check_shape(landmarks.shape)
        landmarks = ops.cast(landmarks, keras.backend.result_type(self.compute_dtype, "float32"))
        angles, valid = self._angles(landmarks)
        if reference is None:
            reference_angles = ops.cast(self.reference_angles, angles.dtype)
        else:
            _check_shape(reference.shape, landmarks.shape[0])
            reference_angles, reference_valid = self._angles(ops.cast(reference, angles.dtype))
            valid = ops.logical_and(valid, reference_valid)
        if training and self.drop_rate > 0:
            draws = keras.random.uniform((ops.shape(landmarks)[0], 1), seed=self.seed_generator)
            valid = ops.logical_and(valid, draws >= self.drop_rate)
        changes = ops.where(valid, angles - reference_angles, 0)
        return ops.cast(self._draw(changes, landmarks), self.compute_dtype)

    def _angles(self, landmarks):
        """Interior angles of every triplet, `(batch, triplets)`, and whether they exist."""
        found = ops.any(landmarks != 0, axis=(1, 2))
        height, width = self.image_size
        points = landmarks * ops.convert_to_tensor([1.0, height / width], dtype=landmarks.dtype)
        a, m, b = (ops.take(points, column, axis=1) for column in KEY_POINT_TRIPLETS.T)
        u, v = a - m, b - m
        dot = ops.sum(u * v, axis=-1)
        cross = ops.abs(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])
        valid = ops.square(dot) + ops.square(cross) > _LEAST_ARMS**2
        # Where the angle does not exist, neither does its gradient: both take the place of a right angle.
        angles = ops.arctan2(ops.where(valid, cross, 1), ops.where(valid, dot, 0))
        return angles, ops.logical_and(valid, found[:, None])

    def _draw(self, values, landmarks):
        """Gaussians of given heights at the middle points, as a product of rows and columns."""
        middle = ops.take(landmarks, KEY_POINT_TRIPLETS[:, 1], axis=1)
        height, width = self.image_size

        def falloff(positions, pixels, sigma):
            centres = (ops.arange(pixels, dtype=landmarks.dtype) + 0.5) / pixels
            return ops.exp(-0.5 * ops.square((positions[..., None] - centres) / sigma))

        columns = falloff(middle[..., 0], width, self.sigma)
        rows = falloff(middle[..., 1], height, self.sigma * width / height)
        maps = ops.matmul(ops.transpose(rows * values[..., None], (0, 2, 1)), columns)
        return maps[..., None]

    def compute_output_shape(self, landmarks_shape, reference_shape=None):
        """Returns the shape of the maps."""
        return (landmarks_shape[0], *self.image_size, 1)

    def get_config(self):
        """Returns the layer's configuration."""
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "sigma": self.sigma,
            "drop_rate": self.drop_rate,
            "seed": self.seed,
        }


def _check_shape(shape, batch=None):
    if not fits(tuple(shape), (batch, 68, 2)):
        raise ValueError(
            f"KeyPointAngles expects landmarks of shape ({batch or 'batch'}, 68, 2). Received: shape {tuple(shape)}"
        )
