import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.faces.align import (
    EYE_DISTANCE,
    EYE_LINE,
    align_face,
    align_landmarks,
    alignment_matrix,
    landmarks_to_eyes,
    transform_points,
    warp,
)

coordinates = st.floats(-5000, 5000)
eye_pairs = st.tuples(coordinates, coordinates, st.floats(0.5, 2000), st.floats(-np.pi, np.pi)).map(
    lambda pair: np.array(
        [pair[:2], (pair[0] + pair[2] * np.cos(pair[3]), pair[1] + pair[2] * np.sin(pair[3]))],
    )
)
sizes = st.integers(16, 512)


@given(eyes=eye_pairs, size=sizes)
def test_eyes_land_where_the_geometry_says(eyes, size):
    left, right = transform_points(eyes, alignment_matrix(eyes, size)) / size
    np.testing.assert_allclose(left, [0.5 - EYE_DISTANCE / 2, EYE_LINE], atol=1e-6)
    np.testing.assert_allclose(right, [0.5 + EYE_DISTANCE / 2, EYE_LINE], atol=1e-6)


@given(eyes=eye_pairs, size=sizes)
def test_matrix_keeps_shapes(eyes, size):
    """No shear and no mirroring: what is below the eyes of a face stays below them."""
    linear = alignment_matrix(eyes, size)[:, :2]
    scale = EYE_DISTANCE * size / np.hypot(*(eyes[1] - eyes[0]))
    np.testing.assert_allclose(linear @ linear.T, scale**2 * np.eye(2), rtol=1e-6, atol=1e-9 * scale**2)
    assert np.linalg.det(linear) > 0


@given(eyes=eye_pairs, size=sizes, point=st.tuples(coordinates, coordinates))
def test_inverse_leads_back(eyes, size, point):
    matrix = alignment_matrix(eyes, size)
    back = transform_points(transform_points(point, matrix), cv2.invertAffineTransform(matrix))
    np.testing.assert_allclose(back, point, atol=1e-4)


@given(eyes=eye_pairs, size=st.integers(16, 128))
@settings(max_examples=25, deadline=None)
def test_crop_is_deterministic(eyes, size):
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    crop = align_face(image, eyes, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, align_face(image.copy(), eyes.copy(), size))


@given(
    scale=st.floats(1.0, 12.0),
    angle=st.floats(-np.pi, np.pi),
)
@settings(max_examples=40, deadline=None)
def test_pixels_land_where_the_points_do(scale, angle):
    """A disc painted at each eye is found in the crop at the eye's stated place."""
    image = np.zeros((700, 700, 3), np.uint8)
    middle, half = np.array([350.0, 350.0]), 20 * scale * np.array([np.cos(angle), np.sin(angle)])
    eyes = np.stack([middle - half, middle + half])
    for eye in eyes:
        cv2.circle(image, np.round((eye - 0.5) * 16).astype(int).tolist(), round(8 * scale * 16), (255,) * 3, -1, 0, 4)
    crop = align_face(image, eyes, 112)[..., 0].astype(float)
    y, x = np.mgrid[:112, :112] + 0.5
    for half_crop, eye in ((x < 56, -1), (x >= 56, 1)):
        weight = crop * half_crop
        centre = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(centre, [112 * (0.5 + eye * EYE_DISTANCE / 2), 112 * EYE_LINE], atol=0.35)


def test_landmarks_are_where_the_crop_shows_them():
    """A white dot on a landmark lies in the crop where `align_landmarks` says."""
    landmarks = np.random.default_rng(0).uniform(150, 350, (68, 2))
    eyes = np.array([[200.0, 210.0], [310.0, 240.0]])
    found = align_landmarks(landmarks, eyes)
    assert (found.dtype, found.shape) == (np.float32, (68, 2))
    for point, place in zip(landmarks[::9], found[::9], strict=True):
        image = np.zeros((500, 500, 3), np.uint8)
        cv2.circle(image, np.round(point - 0.5).astype(int).tolist(), 5, (255, 255, 255), -1)
        crop = align_face(image, eyes, 200)[..., 0].astype(float)
        y, x = np.mgrid[0.5:200, 0.5:200]
        centre = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
        np.testing.assert_allclose(place * 200, centre, atol=1)


def test_missing_landmarks_are_zeros():
    found = align_landmarks(None, np.array([[20.0, 30.0], [60.0, 30.0]]))
    assert (found.dtype, found.shape) == (np.float32, (68, 2))
    assert not found.any()


def test_mirrored_picture_gives_the_mirrored_crop():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8), (0, 0), 2)
    eyes = np.array([[40.0, 45.0], [75.0, 50.0]])
    mirrored = (eyes * [-1, 1] + [120, 0])[::-1]
    crop, other = align_face(image, eyes), align_face(np.ascontiguousarray(image[:, ::-1]), mirrored)
    assert np.abs(crop.astype(int) - other[:, ::-1]).mean() < 0.5


def test_shrinking_averages():
    """One-pixel stripes become even grey, not moiré."""
    image = np.zeros((900, 900, 3), np.uint8)
    image[:, ::2] = 255
    crop = align_face(image, np.array([[330.0, 400.0], [570.0, 400.0]]), 48)
    assert np.abs(crop.astype(int) - 128).max() < 30
    assert crop.std() < 8


def test_wider_spacing_leaves_no_pixel_out():
    image = np.zeros((400, 400, 3), np.uint8)
    matrix = np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]])
    for place in range(201, 209):
        image[:] = 0
        image[place, 200] = 255
        fine, coarse = (warp(image, matrix, 100, spacing).sum() for spacing in (1, 2))
        assert fine > 0
        assert coarse > 0
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8), (0, 0), 3)
    assert np.abs(warp(smooth, matrix, 100, 2).astype(int) - warp(smooth, matrix, 100)).max() <= 4


def test_same_scale_copies_pixels():
    image = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    np.testing.assert_array_equal(warp(image, [[1, 0, -10], [0, 1, -5]], 32), image[5:37, 10:42])


def test_border_is_repeated():
    crop = align_face(np.full((48, 48, 3), 90, np.uint8), np.array([[5.0, 5.0], [40.0, 5.0]]))
    assert (crop == 90).all()


def test_landmarks_to_eyes():
    landmarks = np.zeros((68, 2))
    landmarks[36:42] = [[0, 0], [1, -1], [2, -1], [3, 0], [2, 1], [1, 1]]
    landmarks[42:48] = landmarks[36:42] + [10, 2]
    np.testing.assert_allclose(landmarks_to_eyes(landmarks), [[1.5, 0], [11.5, 2]])
    with pytest.raises(ValueError, match=r"Received: shape \(5, 2\)"):
        landmarks_to_eyes(np.zeros((5, 2)))


@pytest.mark.parametrize(
    "eyes", [[[3, 4], [3, 4]], [[0, 0], [np.nan, 1]], [[0, 0], [np.inf, 1]], [1, 2], np.ones((3, 2))]
)
def test_bad_eyes(eyes):
    with pytest.raises(ValueError, match="eyes must be two distinct points"):
        alignment_matrix(eyes, 112)
