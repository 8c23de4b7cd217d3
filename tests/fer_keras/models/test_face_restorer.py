import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.layers import HoleFill
from fer_keras.models import FaceRestorer
from fer_keras.models.face_restorer import restore
from fer_keras.models.restoration_discriminator import restoration_discriminator
from fer_keras.models.restoration_generator import restoration_generator
from fer_keras.testing import check_config
from fer_keras.testing.policy import dtype_policy

TINY = {"image_size": 32, "width": 0.15}


def finds_dark(restorer, threshold=20.0):
    """Makes the mask head say that pixels darker than a threshold are covered: an identity through the network."""
    head = restorer.mask_head
    restorer.mask_head = keras.Sequential(
        [keras.Input(restorer.face_shape), keras.layers.Lambda(lambda face: threshold - face)], name=head.name
    )
    return restorer


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_known_pixels_are_bit_identical_and_holes_are_painted(occluded_faces, policy, dtype):
    with dtype_policy(policy):
        restorer = FaceRestorer(**TINY)
    faces = occluded_faces["face"].astype(dtype)
    if dtype == "float32":
        faces += np.random.default_rng(1).uniform(0, 0.5, faces.shape).astype("float32")
    answer = restorer.predict({"face": faces, "mask": occluded_faces["mask"]}, verbose=0)
    restored, covered = answer["restored"], occluded_faces["mask"] > 0
    assert restored.dtype == np.float32
    assert 0 <= restored.min() <= restored.max() <= 255
    np.testing.assert_array_equal(restored[~covered], faces[~covered].astype("float32"))
    assert np.mean(restored[covered] != faces[covered]) > 0.95
    np.testing.assert_array_equal(answer["mask"], occluded_faces["mask"])


def test_what_is_under_the_occluder_makes_no_difference(occluded_faces):
    restorer = FaceRestorer(**TINY)
    mask = occluded_faces["mask"]
    first = restorer({"face": occluded_faces["face"], "mask": mask})["restored"]
    other = restorer({"face": np.where(mask, 200, occluded_faces["face"]), "mask": mask.astype(bool)})["restored"]
    np.testing.assert_array_equal(first, other)


def test_blind_mode_paints_what_the_mask_head_finds_and_a_margin(occluded_faces):
    restorer = finds_dark(FaceRestorer(**TINY, mask_margin=2))
    answer = restorer(occluded_faces["face"])
    mask, found = occluded_faces["mask"], answer["mask"].numpy()
    rows, columns = np.nonzero(mask[0, ..., 0])
    expected = np.zeros((32, 32))
    expected[rows.min() - 2 : rows.max() + 3, columns.min() - 2 : columns.max() + 3] = 1
    np.testing.assert_array_equal(found[0, ..., 0], expected)
    restored = answer["restored"].numpy()
    np.testing.assert_array_equal(restored[found == 0], occluded_faces["face"][found == 0])


def test_an_open_face_passes_through_unchanged(occluded_faces):
    faces = occluded_faces["truth"].copy()
    faces[0, 5:7, 5:9] = 0  # 8 of 1024 pixels look covered: less than the least area
    faces[1, 5:8, 5:9] = 0  # 12 of them
    answer = finds_dark(FaceRestorer(**TINY, least_area=0.01))(faces)
    np.testing.assert_array_equal(answer["restored"][0], faces[0])
    np.testing.assert_array_equal(answer["restored"][2:], faces[2:])
    assert answer["mask"].numpy().any(axis=(1, 2, 3)).tolist() == [False, True] + [False] * 14


def test_a_face_is_painted_where_it_is_likely_covered_if_some_of_it_surely_is():
    restorer = FaceRestorer(**TINY, mask_threshold=0.4, sure_threshold=0.9, mask_margin=0, least_area=0.01)
    probability = np.full((2, 32, 32, 1), 0.1)
    probability[:, :16] = 0.5  # half of either face
    probability[0, 0, :10] = 0.95  # 10 of 1024 pixels: less than a hundredth
    probability[1, 0, :11] = 0.95
    found = restorer.find_mask(np.log(probability / (1 - probability))).numpy()
    assert not found[0].any()
    np.testing.assert_array_equal(found[1], probability[1] > 0.4)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "channels"), [(48, 1), (64, 3), (128, 1)])
def test_sizes(size, channels):
    restorer = FaceRestorer(size, channels, width=0.1)
    faces = np.random.default_rng(0).integers(0, 256, (2, size, size, channels), dtype="uint8")
    assert restorer(faces)["restored"].shape == faces.shape
    assert restorer.face_shape == (size, size, channels)


@pytest.mark.slow
@pytest.mark.parametrize(("blind", "fill"), [(True, "mean"), (False, "mean"), (True, "smooth")])
def test_file_and_export_answer_alike(occluded_faces, tmp_path, blind, fill):
    restorer = FaceRestorer(**TINY, blind=blind, fill=fill, mask_threshold=0.45, least_area=0.0, name="mine")
    check_config(restorer)
    inputs = occluded_faces["face"].astype("float32")
    if not blind:
        inputs = {"face": inputs, "mask": occluded_faces["mask"].astype("float32")}
    expected = restorer.predict(inputs, verbose=0)
    assert expected["mask"].any()
    restorer.save(tmp_path / "restorer.keras")
    restorer.export(tmp_path / "export", verbose=False)
    loaded = keras.models.load_model(tmp_path / "restorer.keras").predict(inputs, verbose=0)
    served = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    served = served(**(inputs if isinstance(inputs, dict) else {"face": tf.constant(inputs)}))
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value)
        np.testing.assert_allclose(served[name], value, atol=1e-3)


def test_wrong_arguments(occluded_faces):
    with pytest.raises(ValueError, match="has no mask head") as error:
        FaceRestorer(**TINY, blind=False)(occluded_faces["face"])
    assert len(str(error.value)) < 500  # no pixels
    with pytest.raises(ValueError, match="`image_size` must be a multiple of 16"):
        FaceRestorer(40)
    with pytest.raises(ValueError, match="`channels` must be 1"):
        FaceRestorer(channels=2)
    with pytest.raises(ValueError, match="`fill` must be one of"):
        FaceRestorer(fill="zeros")
    with pytest.raises(ValueError, match="`mask_threshold`"):
        FaceRestorer(mask_threshold=1.0)
    with pytest.raises(ValueError, match="`sure_threshold`"):
        FaceRestorer(sure_threshold=0.0)


def test_faces_and_masks_that_a_restorer_does_not_take(occluded_faces):
    restorer, faces, masks = FaceRestorer(**TINY), occluded_faces["face"], occluded_faces["mask"]
    with pytest.raises(ValueError, match=r"expected `face` of shape \(batch, 32, 32, 1\), received \(2, 20, 20, 1\)"):
        restorer(np.zeros((2, 20, 20, 1)))
    with pytest.raises(InputError, match=r"expected `face` .* received \(16, 32, 32, 3\)"):
        restore(restorer, faces.repeat(3, axis=-1))
    with pytest.raises(InputError, match=r"expected `mask` .* received \(16, 32, 32\)"):
        restore(restorer, faces, masks[..., 0])
    with pytest.raises(InputError, match="received 16 of `face` and 2 of `mask`"):
        restore(restorer, faces, masks[:2])
    broken = faces.astype("float32")
    broken[3, 5, 5], broken[7, 0, 0] = np.nan, np.inf
    with pytest.raises(InputError, match="expected finite pixels 0-255; face 3 has one"):
        restore(restorer, broken, masks)


def test_no_faces_are_restored_to_none(occluded_faces):
    restored, painted = restore(FaceRestorer(**TINY), occluded_faces["face"][:0])
    assert (restored.shape, restored.dtype) == ((0, 32, 32, 1), np.float32)
    assert (painted.shape, painted.dtype) == ((0, 32, 32, 1), bool)


@pytest.mark.slow
def test_the_generator_sees_the_whole_face():
    generator = restoration_generator(48, width=0.3, fill="noise")
    face, mask = np.full((1, 48, 48, 1), 128.0, "float32"), np.zeros((1, 48, 48, 1), "float32")
    mask[:, 40:, 40:] = 1
    other = face.copy()
    other[:, :4, :4] = 255  # in the corner across
    first, second = (generator({"face": one, "mask": mask}).numpy() for one in (face, other))
    assert abs(first - second)[0, 44, 44] > 0


def test_a_smooth_filling_is_what_the_generator_begins_with(occluded_faces):
    faces, mask = (occluded_faces[name].astype("float32") for name in ("face", "mask"))
    painted = restoration_generator(32, width=0.15, fill="smooth")({"face": faces, "mask": mask})
    filled = HoleFill("smooth")(faces, mask)
    assert abs(painted - filled).numpy().max() < 8
    assert abs(painted - filled).numpy().mean() < 2


def test_kernels_of_the_discriminator_have_spectral_norm_one():
    discriminator = restoration_discriminator(16, width=0.3)
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 1)).astype("float32")
    for _ in range(50):
        answers = discriminator(pictures, training=True)
    assert answers.shape == (4, 1)
    kernels = [layer.kernel.numpy() for layer in discriminator.layers if hasattr(layer, "kernel")]
    assert len(kernels) == 3
    for kernel in kernels:
        norm = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert norm == pytest.approx(1.0, abs=0.02)
