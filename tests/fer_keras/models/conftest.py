import numpy as np
import pytest


@pytest.fixture
def occluded_faces():
    """16 smooth pictures of 32×32, some with a hole: dict of `face`, `mask` and `truth`."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32] / 31
    slopes = rng.uniform(-80, 80, (2, 16, 1, 1))
    truth = np.clip(128 + slopes[0] * (rows - 0.5) + slopes[1] * (columns - 0.5), 0, 255).round()
    truth = truth[..., None].astype("uint8")
    mask = np.zeros((16, 32, 32, 1), "uint8")
    for row, (top, left) in enumerate(rng.integers(2, 16, (14, 2))):  # the last two faces are open
        mask[row, top : top + 12, left : left + 14] = 1
    face = np.where(mask, 10, truth).astype("uint8")
    return {"face": face, "mask": mask, "truth": truth}
