"""The simple alternative to a trained restorer: OpenCV's inpainting from the border of the hole."""

import cv2
import numpy as np

METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}
_RADIUS = 3  # pixels around a point that it is painted from


def inpaint_faces(images, masks, method="telea"):
    """Fills the covered pixels of faces.

    Args:
        images: uint8 array of shape `(n, height, width, channels)`, 1 or 3 channels.
        masks: array of shape `(n, height, width, 1)`, true for covered pixels.
        method: one of `METHODS`: Telea 2004, or the Navier-Stokes equations of Bertalmio et al. 2001.

    Returns:
        A uint8 array of the images' shape.
    """
    holes = 255 * np.asarray(masks)[..., 0].astype("uint8")
    filled = [
        cv2.inpaint(np.ascontiguousarray(image), hole, _RADIUS, METHODS[method])
        for image, hole in zip(images, holes, strict=True)
    ]
    return np.reshape(filled, images.shape).astype("uint8")
