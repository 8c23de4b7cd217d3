"""Drawn sequences with an occluder on the face."""

import dataclasses

import numpy as np

from fer_keras.corpora.synthetic_sequence import Frame
from fer_keras.occlusion import occlude


@dataclasses.dataclass(frozen=True)
class OccludedFrame:
    """One picture of a drawn sequence with an occluder.

    Args:
        frame: the `Frame` with the face open.
        image: uint8 array of the shape of `frame.image`, BGR or grey, with the occluder.
        occlusion: kind of the occluder.
        mask: bool array of shape `(height, width)`, the covered pixels; exact.
    """

    frame: Frame
    image: np.ndarray
    occlusion: str
    mask: np.ndarray


def occlude_sequence(frames, kind, seed, coverage=None):
    """Lays the same occluder over every frame of a sequence; it follows the face.

    Args:
        frames: iterable of `Frame`, such as `draw_sequence` yields.
        kind: one of `fer_keras.occlusion.OCCLUDERS`.
        seed: int ≥ 0, or sequence of such, of the occluder's looks.
        coverage: share of the face for `"random_block"`, see `occlude`.

    Yields:
        One `OccludedFrame` a frame, in order.

    Raises:
        InputError: unknown kind, or a coverage that is out of range or given for another kind.
    """
    for frame in frames:
        colour = frame.image.ndim == 3
        picture = np.ascontiguousarray(frame.image[..., ::-1]) if colour else frame.image
        # Drawn anew from the same state for every frame, it has the same looks in all of them.
        occluded, mask = occlude(picture, frame.landmarks, kind, np.random.default_rng(seed), coverage)
        yield OccludedFrame(frame, np.ascontiguousarray(occluded[..., ::-1]) if colour else occluded, kind, mask)
