import numpy as np
import pytest

from fer_keras.evaluation.inpainting import METHODS, inpaint_faces


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
def test_holes_are_filled_from_their_border_and_all_else_stays(method, channels):
    ramp = np.broadcast_to(np.arange(0, 240, 5, dtype="uint8")[None, :, None], (48, 48, channels))
    masks = np.zeros((2, 48, 48, 1), bool)
    masks[0, 20:26, 18:26] = True
    images = np.where(masks, 255, np.stack([ramp, ramp])).astype("uint8")
    filled = inpaint_faces(images, masks, method)
    assert filled.dtype == np.uint8
    assert filled.shape == images.shape
    np.testing.assert_array_equal(filled[1], images[1])
    assert np.abs(filled[0].astype(int) - ramp).max() < 30
    outside = ~np.broadcast_to(masks[0], ramp.shape)
    assert np.abs(filled[0].astype(int) - ramp)[outside].max() == 0
