"""The terms of a restorer's loss and what is measured beside them, each a tensor of shape `(batch,)`.

Faces are raw pixels 0-255, `(batch, height, width, channels)`; masks are float32 0 or 1, `(batch, height, width, 1)`.
"""

from keras import ops

_LEAST_ERROR = 1e-10  # of a share of white, squared: 100 dB, for faces that are equal


def has_hole(mask):
    """1.0 for faces with a covered pixel, 0.0 for others."""
    return ops.max(mask, axis=(1, 2, 3))


def masked_l1(painted, truth, mask):
    """Mean absolute difference of the covered pixels, a share of white; 0 where none is covered."""
    return _mean_in(mask, ops.abs(painted - truth) / 255.0)


def masked_psnr(restored, truth, mask):
    """Peak signal-to-noise ratio of the covered pixels, `−10 log10(mean squared error)` in shares of white; dB."""
    error = _mean_in(mask, ops.square((restored - truth) / 255.0))
    return -10.0 * ops.log10(ops.maximum(error, _LEAST_ERROR))


def feature_distance(features, expected):
    """Squared distance of features from those expected, relative to their squared length: `‖a − b‖² / ‖b‖²`."""
    features, expected = (
        ops.reshape(ops.cast(value, "float32"), (ops.shape(value)[0], -1)) for value in (features, expected)
    )
    length = ops.sum(ops.square(expected), axis=1)
    return ops.sum(ops.square(features - expected), axis=1) / ops.maximum(length, 1e-6)


def mask_cross_entropy(logits, mask):
    """Binary cross entropy of the mask head's logits, the mean over the pixels."""
    return ops.mean(ops.binary_crossentropy(mask, logits, from_logits=True), axis=(1, 2, 3))


def mask_iou(found, mask):
    """Intersection over union of two masks; 1 where both are empty."""
    both = ops.sum(found * mask, axis=(1, 2, 3))
    either = ops.sum(ops.maximum(found, mask), axis=(1, 2, 3))
    return ops.where(either > 0, both / ops.maximum(either, 1.0), 1.0)


def _mean_in(mask, values):
    count = ops.sum(mask, axis=(1, 2, 3)) * values.shape[-1]
    return ops.sum(values * mask, axis=(1, 2, 3)) / ops.maximum(count, 1.0)
