"""What every detection back end promises."""

import concurrent.futures
import pickle

import cv2
import numpy as np
import pytest

from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.errors import InputError
from fer_keras.faces import DETECTORS, align_face, make_detector

EACH = ["detector", "thorough_detector", "mtcnn_detector"]
each = pytest.mark.parametrize("back_end", EACH, indirect=True)
# MTCNN takes a tenth of a second a picture.
each_at_length = pytest.mark.parametrize(
    "back_end", [*EACH[:2], pytest.param(EACH[2], marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module")
def drawn():
    """Six drawn people, RGB."""
    pictures = []
    for subject in range(6):
        *_, apex = draw_sequence(SIZES["small"], 0, subject, 1, "happiness")
        pictures.append(cv2.cvtColor(apex.image, cv2.COLOR_GRAY2RGB) if apex.image.ndim == 2 else apex.image[..., ::-1])
    return pictures


def gradient(height, width):
    """Sky over land."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    return (np.stack([90 + 80 * y, 130 + 40 * x, 230 - 150 * y], axis=-1)).astype(np.uint8)


def grey_noise(height, width):
    return np.repeat(np.random.default_rng(0).integers(0, 256, (height, width, 1), np.uint8), 3, axis=-1)


def middle(face):
    return np.array(face.box).reshape(2, 2).mean(axis=0)


def same(first, second):
    return len(first) == len(second) and all(
        one.box == two.box
        and one.score == two.score
        and np.array_equal(one.eyes, two.eyes)
        and (one.landmarks is two.landmarks is None or np.array_equal(one.landmarks, two.landmarks))
        for one, two in zip(first, second, strict=True)
    )


def test_names():
    assert sorted(DETECTORS) == ["blaze_face", "mtcnn"]
    assert isinstance(make_detector("blaze_face"), DETECTORS["blaze_face"])
    with pytest.raises(InputError, match="unknown face detector 'haar'; expected one of blaze_face, mtcnn"):
        make_detector("haar")


@each
@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
        grey_noise(240, 320),
        np.full((128, 120, 3), 128, np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((8, 3000, 3), 200, np.uint8),
        grey_noise(1, 3000),
        grey_noise(3000, 1),
        gradient(300, 400),
        gradient(800, 1200),
        gradient(4000, 6000),
    ],
    ids=["noise", "grey noise", "grey", "tiny", "pixel", "strip", "row", "column", "landscape", "large", "huge"],
)
def test_no_face(back_end, image):
    assert back_end.detect([image]) == [[]]


@each
def test_no_image(back_end):
    assert back_end.detect([]) == []


@each
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 50), np.uint8),
        np.zeros((50, 50, 3)),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
        [[0]],
    ],
)
def test_bad_array(back_end, image):
    with pytest.raises(ValueError, match=r"uint8 of shape \(height, width, 3\). Received:"):
        back_end.detect([image])


@each
def test_order_of_pictures_and_faces(back_end, drawn):
    """Pictures of several sizes, one without a face among them."""
    empty = np.full((200, 300, 3), 128, np.uint8)
    pair = np.hstack([drawn[0], drawn[2]])
    images = [drawn[0], empty, np.ascontiguousarray(drawn[4][:150]), pair]
    found = back_end.detect(images)
    assert [len(faces) for faces in found] == [1, 0, 1, 2]
    assert all(map(same, found, (back_end.detect([image])[0] for image in images)))
    scores = [face.score for face in found[3]]
    assert scores == sorted(scores, reverse=True)


@each
def test_threads_and_pickling_change_nothing(back_end, drawn):
    images = [np.roll(picture, shift, axis=1) for picture in drawn for shift in (-6, 0, 6)]
    alone = back_end.detect(images)
    copy = pickle.loads(pickle.dumps(back_end))
    assert all(map(same, alone, copy.detect(images)))
    for one in (back_end, copy):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda image, one=one: one.detect([image])[0], images))
        assert all(map(same, alone, together))


@each_at_length
def test_london(back_end, london_faces):
    found = back_end.detect([row["image"] for row in london_faces])
    assert [len(faces) for faces in found] == [1] * len(london_faces)
    for (face,) in found:
        assert face.landmarks.shape == (68, 2)
        assert face.eyes[0, 0] < face.eyes[1, 0]
        assert back_end.min_score <= face.score <= 1.0


# The least share of pictures with a face found, by pose, open eyes and sunglasses.
CMU = {
    "detector": {"straight": (0.98, 0.98), "left": (0.9, 0.9), "right": (0.9, 0.9), "up": (0.8, 0.8)},
    "thorough_detector": {"straight": (0.98, 0.98), "left": (0.9, 0.9), "right": (0.9, 0.9), "up": (0.8, 0.8)},
    "mtcnn_detector": {"straight": (0.98, 0.98), "left": (0.9, 0.2), "right": (0.7, 0.45), "up": (0.5, 0.35)},
}


@each_at_length
@pytest.mark.parametrize("pose", ["straight", "left", "right", "up"])
def test_cmu(back_end, cmu_faces, pose, request):
    least = CMU[request.node.callspec.params["back_end"]][pose]
    for occlusion, share in zip(("none", "sunglasses"), least, strict=True):
        rows = [row for row in cmu_faces if row["pose"] == pose and row["occlusion"] == occlusion]
        found = back_end.detect([row["image"] for row in rows])
        with_face = sum(len(faces) > 0 for faces in found)
        with_landmarks = sum(any(face.landmarks is not None for face in faces) for faces in found)
        print(f"{pose}, {occlusion}: {with_face} of {len(rows)} found, {with_landmarks} with landmarks")
        assert with_face >= share * len(rows)
        assert all(len(faces) <= 1 for faces in found)
        if pose == "straight":
            assert with_landmarks == with_face


@each_at_length
def test_several_faces(back_end, london_faces):
    pictures = [cv2.resize(row["image"], (200, 200), interpolation=cv2.INTER_AREA) for row in london_faces[:6]]
    group = np.vstack([np.hstack(pictures[:3]), np.hstack(pictures[3:])])
    (faces,) = back_end.detect([group])
    assert len(faces) == 6
    assert {tuple((middle(face) // 200).astype(int)) for face in faces} == {(x, y) for x in range(3) for y in range(2)}
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)


@each_at_length
def test_small_crops_without_border(back_end, london_faces):
    """FER-like pictures, 48×48 and full of face, and their enlargements."""
    crops = [
        cv2.resize(row["image"][50:240, 65:255], (48, 48), interpolation=cv2.INTER_AREA) for row in london_faces[::3]
    ]
    assert all(len(faces) == 1 for faces in back_end.detect(crops))
    enlarged = [cv2.resize(crop, (400, 400), interpolation=cv2.INTER_CUBIC) for crop in crops[::4]]
    for faces, small in zip(back_end.detect(enlarged), back_end.detect(crops[::4]), strict=True):
        np.testing.assert_allclose(faces[0].eyes * 48 / 400, small[0].eyes, atol=1.5)


@each_at_length
def test_own_crops_are_found_again(back_end, london_faces):
    images = [row["image"] for row in london_faces[::10]]
    crops = [
        align_face(image, face.eyes, 112) for image, (face, *_) in zip(images, back_end.detect(images), strict=True)
    ]
    for faces in back_end.detect(crops):
        np.testing.assert_allclose(faces[0].eyes, [[38.08, 29.12], [73.92, 29.12]], atol=2.5)


@pytest.mark.slow
def test_back_ends_agree(detector, mtcnn_detector, london_faces):
    """What was trained on the crops of one takes those of the other."""
    images = [row["image"] for row in london_faces[::3]]
    apart = []
    for (one, *_), (other, *_) in zip(detector.detect(images), mtcnn_detector.detect(images), strict=True):
        apart.append(np.hypot(*(one.eyes - other.eyes).T).max() / np.hypot(*(one.eyes[1] - one.eyes[0])))
    print(f"eyes differ by {np.mean(apart):.3f} eye distances, at most {max(apart):.3f}")
    assert np.mean(apart) < 0.03
    assert max(apart) < 0.1
