"""Checks of what restorers are given, before Keras or TensorFlow stumble over it."""

from fer_keras.errors import InputError
from fer_keras.layers.arguments import fits


def check_shapes(face_shape, **given):
    """Sees to it that faces, masks and true faces have the shapes that a restorer takes.

    Args:
        face_shape: shape of one face, `(height, width, channels)`.
        **given: `face`, `mask` and `truth`, any of them: arrays, tensors or `tf.TensorSpec`; a size that is not known
            passes.

    Raises:
        InputError: one has another shape, or there are not as many of them.
    """
    counts = {}
    for name, value in given.items():
        shape = getattr(value, "shape", None)
        if shape is None or getattr(shape, "rank", 0) is None:  # a list, or a tensor of which nothing is known
            continue
        expected = (*face_shape[:2], 1) if name == "mask" else face_shape
        if not fits(tuple(shape), (None, *expected)):
            sizes = ", ".join(map(str, expected))
            raise InputError(f"expected `{name}` of shape (batch, {sizes}), received {tuple(shape)}")
        counts[name] = shape[0]
    if len(set(counts.values()) - {None}) > 1:
        received = " and ".join(f"{count} of `{name}`" for name, count in counts.items())
        raise InputError(f"expected as many masks and true faces as faces, received {received}")


def check_batch(face_shape, x, y, sample_weight=None):
    """Sees to it that a restorer can learn from what `fit` was given.

    Args:
        face_shape: shape of one face, `(height, width, channels)`.
        x: dict of `face` and `mask`, see `check_shapes`.
        y: the true faces.
        sample_weight: nothing.

    Raises:
        InputError: something is missing, or there are sample weights; or see `check_shapes`.
    """
    if not isinstance(x, dict) or not {"face", "mask"} <= set(x) or y is None or sample_weight is not None:
        held = f"a dict of {', '.join(map(str, x)) or 'nothing'}" if isinstance(x, dict) else type(x).__name__
        raise InputError(
            "expected x as a dict of `face` and `mask`, y as the true faces, and no sample weights; received x as "
            f"{held}, {'no y' if y is None else 'y'}{'' if sample_weight is None else ' and sample weights'}"
        )
    check_shapes(face_shape, face=x["face"], mask=x["mask"], truth=y)
