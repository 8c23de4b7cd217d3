"""How near restored faces come to the true ones, over the whole picture and in the hole."""

import numpy as np
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.models.face_restorer import restore

_MOST_DECIBELS = 100.0
_WINDOW = 11  # of SSIM, pixels


def restoration_scores(restored, truth, masks, batch_size=256):
    """L1, PSNR and SSIM of every face.

    - L1: mean absolute difference, a share of white.
    - PSNR: `−10 log10(mean squared difference)` in shares of white, dB; at most 100, which equal pictures have.
    - SSIM (Wang et al. 2004): with an 11×11 Gaussian window of standard deviation 1.5, K1 = 0.01, K2 = 0.03, the mean
      over the windows that lie within the picture, and over the channels. In the hole: of those whose middle is
      covered.

    Args:
        restored: array of shape `(n, height, width, channels)`, values 0-255, both sides at least 11.
        truth: array of that shape.
        masks: array of shape `(n, height, width, 1)`, true, or above 0.5, where the face was covered.
        batch_size: int, faces a step.

    Returns:
        A dict of float arrays of shape `(n,)`: `l1`, `psnr`, `ssim`, and `l1_hole`, `psnr_hole`, `ssim_hole`, which are
        NaN for faces without a hole; `ssim_hole` also where no window fits about the middle of a covered pixel.

    Raises:
        InputError: the shapes do not belong together, or there is no face.
    """
    restored, truth, masks = np.asarray(restored), np.asarray(truth), np.asarray(masks)
    if restored.ndim != 4 or restored.shape != truth.shape or masks.shape != (*restored.shape[:3], 1):
        raise InputError(
            "expected restored and true faces of one shape (n, height, width, channels) and masks (n, height, width, "
            f"1); received {restored.shape}, {truth.shape} and {masks.shape}"
        )
    if not len(restored) or min(restored.shape[1:3]) < _WINDOW:
        raise InputError(f"expected faces of at least {_WINDOW}×{_WINDOW} pixels, received the shape {restored.shape}")
    parts = [
        _scores(*(part[start : start + batch_size] for part in (restored, truth, masks)))
        for start in range(0, len(restored), batch_size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def diversity_ratio(restorer, images, masks):
    """How different restored faces are from each other, relative to the true ones.

    A restorer that has collapsed, and paints the same into every hole, comes near 0. Every face is paired with another,
    and both are restored under the same mask; the ratio is of the mean absolute differences in the hole, of what is
    painted and of the truth.

    Args:
        restorer: a `FaceRestorer`.
        images: array of open faces `(n, height, width, channels)`, values 0-255, sorted by person.
        masks: bool array of shape `(n, height, width, 1)`.

    Returns:
        A float; 1 where restored faces differ as much as true ones.
    """
    partners = np.roll(images, len(images) // 2, axis=0)
    painted, others = (restore(restorer, faces, masks)[0] for faces in (images, partners))
    true, made = (
        np.abs(one.astype("float64") - other)[np.broadcast_to(masks, one.shape)].sum()
        for one, other in ((images, partners), (painted, others))
    )
    return float(made / true)


def mean_scores(scores):
    """Means over the faces that have a score, see `restoration_scores`.

    Args:
        scores: dict of float arrays of shape `(n,)`.

    Returns:
        A dict of floats under the same names; `None` where no face has the score.
    """
    kept = {name: values[~np.isnan(values)] for name, values in scores.items()}
    return {name: float(values.mean()) if len(values) else None for name, values in kept.items()}


def _scores(restored, truth, masks):
    holes = (masks > 0.5) if masks.dtype != bool else masks
    restored, truth = restored.astype("float32"), truth.astype("float32")
    difference = (restored.astype("float64") - truth) / 255
    ssim = tf.image.ssim(restored, truth, 255.0, return_index_map=True).numpy().astype("float64")
    edge = _WINDOW // 2
    inner = holes[:, edge:-edge, edge:-edge, 0]
    everywhere = np.ones_like(holes)
    return {
        "l1": _mean(np.abs(difference), everywhere),
        "psnr": _decibels(_mean(difference**2, everywhere)),
        "ssim": ssim.mean(axis=(1, 2)),
        "l1_hole": _mean(np.abs(difference), holes),
        "psnr_hole": _decibels(_mean(difference**2, holes)),
        "ssim_hole": _mean(ssim, inner),
    }


def _mean(values, chosen):
    """Means over chosen pixels, NaN where there are none."""
    chosen = np.broadcast_to(chosen, values.shape)
    axes = tuple(range(1, values.ndim))
    count = chosen.sum(axis=axes)
    total = np.where(chosen, values, 0).sum(axis=axes)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _decibels(error):
    return -10 * np.log10(np.maximum(error, 10 ** (-_MOST_DECIBELS / 10)))
