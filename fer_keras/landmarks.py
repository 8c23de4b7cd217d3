"""The 68 landmarks of iBUG, in which every corpus, detector and model here speaks of a face's points."""

import numpy as np

MIRRORED_LANDMARKS = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
)
"""int array of shape `(68,)`: the landmark that takes each one's place when the picture is mirrored."""
MIRRORED_LANDMARKS.flags.writeable = False
