import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.errors import InputError
from fer_keras.occlusion import OCCLUDERS, occlude, occluder_layer

KINDS = sorted(OCCLUDERS)
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5)


def make_face(size=112, seed=0, yaw=0.0, roll=0.0, channels=3):
    """A noisy picture and the landmarks of a face in it, placed as in an aligned crop."""
    rng = np.random.default_rng(seed)
    pose = Pose((0.5 * size, 0.26 * size), 0.32 * size, yaw=yaw, roll=roll)
    landmarks = project(move_points(make_person(rng), {}), pose)[:68]
    image = rng.integers(60, 200, (size, size, channels), np.uint8)
    return (image if channels == 3 else image[..., 0]), landmarks


def is_covered(mask, point):
    return bool(mask[int(point[1]), int(point[0])])


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(48, 256),
    st.integers(0, 2**32),
    st.floats(-45, 45),
    st.floats(-40, 40),
    st.sampled_from([1, 3]),
)
def test_pixels_outside_the_mask_are_untouched(kind, size, seed, yaw, roll, channels):
    image, landmarks = make_face(size, seed, yaw, roll, channels)
    before = image.copy()
    occluded, mask = occlude(image, landmarks, kind, np.random.default_rng(seed))
    assert occluded.dtype == np.uint8
    assert occluded.shape == image.shape
    assert mask.dtype == bool
    assert mask.shape == (size, size)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(occluded[~mask], image[~mask])
    assert (occluded[mask] != image[mask]).mean() > 0.5
    assert 0.005 < mask.mean() < 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_same_state_same_occluder_other_state_another(kind):
    image, landmarks = make_face()
    first, second, other = (occlude(image, landmarks, kind, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for one, another in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, another)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("kind", KINDS)
def test_variety(kind):
    """Shapes and colours differ; not one picture of each kind."""
    image, landmarks = make_face()
    drawn = [occlude(image, landmarks, kind, np.random.default_rng(seed)) for seed in range(12)]
    areas = [mask.sum() for _, mask in drawn]
    tones = [picture[mask].mean() for picture, mask in drawn]
    assert np.std(areas) / np.mean(areas) > 0.03
    if kind != "hand":  # which has the colour of the face
        assert np.std(tones) > 8


@pytest.mark.parametrize("size", [48, 112, 256])
@pytest.mark.parametrize("seed", range(8))
def test_sunglasses_cover_the_eyes_and_not_the_mouth(size, seed):
    image, landmarks = make_face(size, seed, yaw=20 * (seed % 3 - 1), roll=10 * (seed % 4 - 2))
    _, mask = occlude(image, landmarks, "sunglasses", np.random.default_rng(seed))
    assert is_covered(mask, landmarks[36:42].mean(axis=0))
    assert is_covered(mask, landmarks[42:48].mean(axis=0))
    assert not any(is_covered(mask, point) for point in landmarks[48:68])


@pytest.mark.parametrize("kind", ["surgical_mask", "scarf"])
@pytest.mark.parametrize("size", [48, 112, 256])
@pytest.mark.parametrize("seed", range(8))
def test_mask_and_scarf_cover_the_mouth_and_not_the_eyes(kind, size, seed):
    image, landmarks = make_face(size, seed, yaw=20 * (seed % 3 - 1), roll=10 * (seed % 4 - 2))
    _, mask = occlude(image, landmarks, kind, np.random.default_rng(seed))
    assert all(is_covered(mask, point) for point in landmarks[[57, 58, 56, 8]])
    assert not any(is_covered(mask, landmarks[eye].mean(axis=0)) for eye in (slice(36, 42), slice(42, 48)))


@pytest.mark.parametrize("seed", range(20))
def test_a_hand_covers_a_part_of_the_face(seed):
    image, landmarks = make_face(112, seed)
    _, mask = occlude(image, landmarks, "hand", np.random.default_rng(seed))
    hidden = sum(is_covered(mask, point) for point in landmarks[17:])
    assert 4 <= hidden <= 45


def test_a_hand_has_the_colour_of_the_face():
    image, landmarks = make_face()
    fair, dark = np.full_like(image, (220, 190, 170)), np.full_like(image, (90, 60, 45))
    tones = []
    for face in (fair, dark):
        occluded, mask = occlude(face, landmarks, "hand", np.random.default_rng(2))
        tones.append(np.median(occluded[mask], axis=0))
    assert np.all(tones[0] - tones[1] > 60)
    assert np.all(np.diff(tones, axis=1) < 0)  # red above green above blue in both


def pixels_in_hull(landmarks, size):
    """Pixels whose centre lies in the landmarks' convex hull, point by point."""
    corners = cv2.convexHull(landmarks.astype(np.float32))
    return np.array(
        [[cv2.pointPolygonTest(corners, (x + 0.5, y + 0.5), False) >= 0 for x in range(size)] for y in range(size)]
    )


@pytest.mark.parametrize("size", [48, 112, 160])
@pytest.mark.parametrize("coverage", COVERAGES)
def test_a_block_covers_the_share_that_was_asked_for(size, coverage):
    for seed in range(6):
        image, landmarks = make_face(size, seed, yaw=10 * (seed - 3), roll=5 * (seed - 3))
        _, mask = occlude(image, landmarks, "random_block", np.random.default_rng(seed), coverage=coverage)
        hull = pixels_in_hull(landmarks, size)
        assert (mask & hull).sum() / hull.sum() == pytest.approx(coverage, abs=0.02)


@pytest.mark.parametrize("coverage", [0.2, 0.3, 0.4])
def test_sunglasses_cover_the_share_that_was_asked_for_and_the_eyes(coverage):
    for seed in range(6):
        image, landmarks = make_face(48, seed, yaw=10 * (seed - 3), roll=5 * (seed - 3))
        _, mask = occlude(image, landmarks, "sunglasses", np.random.default_rng(seed), coverage=coverage)
        hull = pixels_in_hull(landmarks, 48)
        assert (mask & hull).sum() / hull.sum() == pytest.approx(coverage, abs=0.03)
        assert is_covered(mask, landmarks[36:42].mean(axis=0))
        assert is_covered(mask, landmarks[42:48].mean(axis=0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_layer_laid_over_the_face_is_the_occluded_face(kind, channels):
    image, landmarks = make_face(64, channels=channels)
    expected, mask = occlude(image, landmarks, kind, np.random.default_rng(3))
    layer = occluder_layer(image, landmarks, kind, np.random.default_rng(3))
    colour, coverage = layer[..., :-1], layer[..., -1:]
    np.testing.assert_array_equal(coverage[..., 0] > 0, mask)
    laid = np.clip(image.reshape(64, 64, channels) * (1 - coverage) + colour, 0, 255)
    np.testing.assert_allclose(laid, expected.reshape(64, 64, channels), atol=0.51)


def test_a_block_that_covers_all():
    image, landmarks = make_face(64)
    _, mask = occlude(image, landmarks, "random_block", np.random.default_rng(0), coverage=1.0)
    assert (mask & pixels_in_hull(landmarks, 64)).sum() / pixels_in_hull(landmarks, 64).sum() > 0.98


@pytest.mark.parametrize("kind", KINDS)
def test_grey_in_three_channels_stays_grey(kind):
    image, landmarks = make_face(channels=1)
    grey, mask = occlude(image, landmarks, kind, np.random.default_rng(3))
    three, same = occlude(np.stack([image] * 3, axis=-1), landmarks, kind, np.random.default_rng(3))
    np.testing.assert_array_equal(mask, same)
    np.testing.assert_array_equal(three, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("kind", KINDS)
def test_the_occluder_follows_the_face(kind):
    """In a picture twice as large, shifted, the same occluder lies at the same place of the face."""
    image, landmarks = make_face(96, seed=1)
    large = np.full((400, 380, 3), 128, np.uint8)
    _, mask = occlude(np.full_like(image, 128), landmarks, kind, np.random.default_rng(4))
    _, moved = occlude(large, 2 * landmarks + (100, 130), kind, np.random.default_rng(4))
    there = moved[130:322:2, 100:292:2] | moved[131:323:2, 101:293:2]
    assert (mask & there).sum() / (mask | there).sum() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_tilted_faces_get_tilted_occluders(kind):
    """Compared after the turn is taken back."""
    size = 161
    image = np.full((size, size, 3), 128, np.uint8)
    landmarks = make_face(size, 0)[1] * 0.6 + 0.2 * size
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    _, mask = occlude(image, landmarks, kind, np.random.default_rng(9))
    _, tilted = occlude(image, (landmarks - size / 2) @ turn.T + size / 2, kind, np.random.default_rng(9))
    back = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), 25, 1.0)
    level = cv2.warpAffine(tilted.astype(np.uint8), back, (size, size)) > 0
    # Corners of the picture leave it in the turn.
    inner = (slice(24, -24),) * 2
    assert (mask & level)[inner].sum() / (mask | level)[inner].sum() > 0.85


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_at_the_border_of_a_large_picture(kind):
    image = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
    landmarks = make_face(150, seed=3)[1] + (400, -20)
    occluded, mask = occlude(image, landmarks, kind, np.random.default_rng(1))
    np.testing.assert_array_equal(occluded[~mask], image[~mask])
    assert not mask[:, :200].any()


def broken_landmarks():
    good = make_face()[1]
    missing = good.copy()
    missing[7, 1] = np.nan
    return {
        "finite": missing,
        "shape": good[:67],
        "all zero": np.zeros((68, 2)),
        "pixels apart": np.full((68, 2), 50.0),
        "outside the picture": good + 1000,
        "pixels apart in": good * 100,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", broken_landmarks())
def test_landmarks_that_are_no_face(kind, message):
    image, _ = make_face()
    with pytest.raises(InputError, match=message):
        occlude(image, broken_landmarks()[message], kind, np.random.default_rng(0))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 48, 3), np.float32),
        np.zeros((48, 48, 1), np.uint8),
        np.zeros((48, 48, 4), np.uint8),
        np.zeros((0, 48, 3), np.uint8),
        np.zeros(48, np.uint8),
    ],
)
def test_pictures_of_another_type(image):
    with pytest.raises(InputError, match="the picture must be uint8"):
        occlude(image, make_face(48)[1], "hand", np.random.default_rng(0))


def test_other_arguments():
    image, landmarks = make_face()
    with pytest.raises(InputError, match="unknown occluder 'beard'; expected one of sunglasses, "):
        occlude(image, landmarks, "beard", np.random.default_rng(0))
    with pytest.raises(InputError, match="coverage is for random_block and sunglasses alone"):
        occlude(image, landmarks, "hand", np.random.default_rng(0), coverage=0.3)
    for coverage in (0.0, 1.1, -0.2, float("nan")):
        with pytest.raises(InputError, match=r"coverage must be in \(0, 1\]"):
            occlude(image, landmarks, "random_block", np.random.default_rng(0), coverage=coverage)
