import numpy as np
import pytest

from fer_keras.models import restoration_losses as losses


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    painted, truth = rng.uniform(0, 255, (2, 3, 6, 6, 2)).astype("float32")
    mask = (rng.uniform(size=(3, 6, 6, 1)) > 0.5).astype("float32")
    mask[2] = 0
    return painted, truth, mask


def test_l1_and_psnr_are_over_the_covered_pixels(batch):
    l1, psnr = losses.masked_l1(*batch).numpy(), losses.masked_psnr(*batch).numpy()
    for row, (painted, truth, mask) in enumerate(zip(*batch, strict=True)):
        hole = mask[..., 0] > 0
        if not hole.any():
            assert l1[row] == 0
            continue
        difference = painted[hole].astype("float64") - truth[hole]
        assert l1[row] == pytest.approx(np.mean(np.abs(difference)) / 255, rel=1e-5)
        assert psnr[row] == pytest.approx(20 * np.log10(255 / np.sqrt(np.mean(difference**2))), rel=1e-5)
    np.testing.assert_allclose(losses.masked_psnr(batch[0], batch[0], batch[2]), 100, rtol=1e-5)
    np.testing.assert_array_equal(losses.has_hole(batch[2]), [1, 1, 0])


def test_feature_distance(batch):
    features, expected = batch[0].reshape(3, -1), batch[1].reshape(3, -1)
    wanted = [np.linalg.norm(a - b) ** 2 / np.linalg.norm(b) ** 2 for a, b in zip(features, expected, strict=True)]
    np.testing.assert_allclose(losses.feature_distance(*batch[:2]), wanted, rtol=1e-5)
    assert np.isfinite(losses.feature_distance(features, np.zeros_like(features))).all()


def test_mask_cross_entropy(batch):
    logits, mask = batch[0][..., :1] / 64 - 2, batch[2]
    probability = 1 / (1 + np.exp(-logits.astype("float64")))
    wanted = -np.mean(mask * np.log(probability) + (1 - mask) * np.log(1 - probability), axis=(1, 2, 3))
    np.testing.assert_allclose(losses.mask_cross_entropy(logits, mask), wanted, rtol=1e-5)


def test_mask_iou(batch):
    found, mask = (batch[0][..., :1] > 100).astype("float32"), batch[2]
    found[2] = 0
    wanted = [
        1.0 if not (a | b).any() else (a & b).sum() / (a | b).sum() for a, b in zip(found > 0, mask > 0, strict=True)
    ]
    np.testing.assert_allclose(losses.mask_iou(found, mask), wanted, rtol=1e-6)
    assert wanted[2] == 1
