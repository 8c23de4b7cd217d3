import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.evaluation.restoration_metrics import mean_scores, restoration_scores


def ssim_map(first, second):
    """SSIM of one channel by loops over the windows, as Wang et al. 2004 define it."""
    places = np.arange(11) - 5
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    rows, columns = first.shape[0] - 10, first.shape[1] - 10
    answer = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            x, y = (picture[row : row + 11, column : column + 11].astype(float) for picture in (first, second))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            covariance = (weights * (x - mx) * (y - my)).sum()
            answer[row, column] = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return answer


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (4, 20, 24, 3)).astype("uint8")
    masks = np.zeros((4, 20, 24, 1), bool)
    masks[0, 4:12, 6:15] = masks[1, 0:3, :] = masks[3, 8:14, 8:14] = True  # the second in the border, the third open
    restored = np.where(masks, np.clip(truth + rng.normal(0, 30, truth.shape), 0, 255), truth).astype("float32")
    restored[3] = truth[3]
    return restored, truth, masks


def test_scores_are_those_of_the_definitions(batch):
    scores = restoration_scores(*batch, batch_size=3)
    for row, (restored, truth, mask) in enumerate(zip(*batch, strict=True)):
        hole, difference = mask[..., 0], restored.astype(float) - truth
        similar = np.mean([ssim_map(restored[..., channel], truth[..., channel]) for channel in range(3)], axis=0)
        assert scores["l1"][row] == pytest.approx(np.abs(difference).mean() / 255)
        assert scores["ssim"][row] == pytest.approx(similar.mean(), abs=1e-4)
        if difference.any():
            assert scores["psnr"][row] == pytest.approx(20 * np.log10(255 / np.sqrt((difference**2).mean())))
        if row in (0, 1):
            inside = difference[hole]
            assert scores["l1_hole"][row] == pytest.approx(np.abs(inside).mean() / 255)
            assert scores["psnr_hole"][row] == pytest.approx(20 * np.log10(255 / np.sqrt((inside**2).mean())))
        if row == 0:
            assert scores["ssim_hole"][row] == pytest.approx(similar[hole[5:-5, 5:-5]].mean(), abs=1e-4)
    assert np.isnan(scores["ssim_hole"][1])  # no window fits about these pixels
    assert all(np.isnan(scores[name][2]) for name in ("l1_hole", "psnr_hole", "ssim_hole"))
    assert (scores["psnr"][3], scores["psnr_hole"][3], scores["l1_hole"][3]) == (100, 100, 0)
    assert scores["ssim_hole"][3] == pytest.approx(1)


def test_means_leave_out_what_there_is_not(batch):
    scores = restoration_scores(*batch)
    means = mean_scores(scores)
    assert means["l1_hole"] == pytest.approx(scores["l1_hole"][[0, 1, 3]].mean())
    assert means["l1"] == pytest.approx(scores["l1"].mean())
    nothing = mean_scores(restoration_scores(*(part[2:3] for part in batch)))
    assert nothing["l1_hole"] is None
    assert nothing["psnr"] == 100


def test_wrong_shapes(batch):
    restored, truth, masks = batch
    with pytest.raises(InputError, match="expected restored and true faces of one shape"):
        restoration_scores(restored, truth[:2], masks)
    with pytest.raises(InputError, match="expected restored and true faces of one shape"):
        restoration_scores(restored, truth, masks[..., 0])
    with pytest.raises(InputError, match="expected faces of at least 11×11"):
        restoration_scores(restored[:, :8], truth[:, :8], masks[:, :8])
