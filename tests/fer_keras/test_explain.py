import itertools
import re
import sys

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_keras import cli
from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.errors import InputError
from fer_keras.explain import METHODS, Explainer, grad_cam, occlusion_sensitivity, overlay, write_explanations
from fer_keras.faces import align_face, align_landmarks
from fer_keras.faces.image import read_image
from fer_keras.models import AlexNetEmotion, JointSupervision
from fer_keras.recognizer import Recognizer

NAMES = ("neutral", "happiness", "surprise")


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def small_model():
    keras.utils.set_random_seed(0)
    return AlexNetEmotion(NAMES, width=0.25)


@pytest.fixture
def faces(random):
    return random.integers(0, 256, (5, 48, 48, 1), dtype="uint8")


def linear_conv_model():
    """Maps that are linear in the pixels, and scores that are linear in the maps: (6, 7) maps of (8, 9) pixels."""
    return keras.Sequential(
        [
            keras.Input((8, 9, 1)),
            keras.layers.Conv2D(3, 3, use_bias=False, name="maps"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def corner_model(height=24, width=32, rows=6, columns=10):
    """Scores that depend on the upper right corner alone: class 1 is its brightness, class 0 none."""
    mask = np.zeros((1, height, width, 1), "float32")
    mask[:, :rows, -columns:] = 1
    inputs = keras.Input((height, width, 1))
    x = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="copy")(inputs)
    x = keras.layers.Lambda(lambda maps: maps * mask, name="corner")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant([[0.0, 0.2]]))(x)
    return keras.Model(inputs, outputs)


def resized(small, height, width):
    """Linear interpolation between pixel centres, the border continued."""

    def weights(length, new):
        matrix = np.zeros((new, length))
        for row in range(new):
            at = np.clip((row + 0.5) * length / new - 0.5, 0, length - 1)
            low = min(int(at), length - 2)
            matrix[row, low], matrix[row, low + 1] = low + 1 - at, at - low
        return matrix

    return weights(small.shape[0], height) @ small @ weights(small.shape[1], width).T


def cam_of(maps, weights, height, width):
    cam = resized(np.maximum((maps * weights).sum(axis=-1), 0), height, width)
    return cam / cam.max()


@pytest.mark.parametrize("index", [0, 1])
def test_grad_cam_is_its_closed_form_on_a_linear_model(random, index):
    model = linear_conv_model()
    face = random.uniform(0, 255, (8, 9, 1)).astype("float32")
    kernel, (dense, _) = model.get_layer("maps").get_weights()[0], model.layers[-1].get_weights()
    maps = np.zeros((6, 7, 3))
    for row, column, k in itertools.product(range(6), range(7), range(3)):
        maps[row, column, k] = (face[row : row + 3, column : column + 3, 0] * kernel[:, :, 0, k]).sum()
    weights = dense[:, index].reshape(6, 7, 3).mean(axis=(0, 1))  # of equation 1: the gradient is the dense kernel
    found = grad_cam(model, face[None], class_index=index)
    assert (found.dtype, found.shape) == (np.float32, (1, 8, 9))
    np.testing.assert_allclose(found[0], cam_of(maps, weights, 8, 9), atol=1e-5)


def test_gradient_weights_agree_with_finite_differences(random):
    tail = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(2, 2, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="tanh"),
        ]
    )
    head = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(3, 3, activation="tanh", name="maps")])
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, tail(head(inputs)))
    face = random.normal(size=(1, 6, 6, 1)).astype("float32")
    maps = head(face).numpy()
    gradient, step = np.zeros(maps.shape), 1e-2
    for place in np.ndindex(maps.shape):
        ends = []
        for sign in (1, -1):
            moved = maps.copy()
            moved[place] += sign * step
            ends.append(tail(moved).numpy()[0, 2])
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    expected = cam_of(maps[0], gradient.mean(axis=(0, 1, 2)), 6, 6)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(grad_cam(model, face, 2, "maps")[0], expected, atol=2e-3)


def test_default_layer_of_our_models_is_the_last_map_of_the_backbone(small_model, faces):
    found = grad_cam(small_model, faces, class_index=1)
    np.testing.assert_array_equal(found, grad_cam(small_model, faces, 1, "conv5_pool"))
    np.testing.assert_array_equal(found, grad_cam(small_model, faces, 1, small_model.backbone.get_layer("conv5_pool")))
    # And it is what a model cut out of the symbolic graph says.
    maps = small_model.backbone.get_layer("conv5_pool").output
    cut = keras.Model(small_model.backbone.inputs[0], [maps, small_model.head(small_model.backbone.output)])
    with tf.GradientTape() as tape:
        maps, scores = cut(faces, training=False)
        score = tf.reduce_sum(scores[:, 1])
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2)).numpy()
    assert found.max() == 1
    for heat, one, alpha in zip(found, maps.numpy(), weights, strict=True):
        if heat.any():
            np.testing.assert_allclose(heat, cam_of(one, alpha, 48, 48), atol=1e-4)
        else:
            assert (one @ alpha).max() <= 1e-6


def test_nested_and_frozen_models(random):
    inner = keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Conv2D(4, 3, name="deep"), keras.layers.ReLU()])
    inputs = keras.Input((8, 9, 1))
    x = keras.layers.Concatenate()([inputs] * 3)
    backbone = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inner(x)))
    model = JointSupervision(backbone, NAMES)
    faces = random.uniform(0, 1, (3, 8, 9, 1)).astype("float32")
    found = grad_cam(model, faces)
    best = model.predict(faces, verbose=0).argmax(axis=1)
    kernel = model.head.get_weights()[0]
    for face, heat, index in zip(faces, found, best, strict=True):
        maps = inner(np.repeat(face[None], 3, axis=-1)).numpy()[0]
        cam = np.maximum(maps @ kernel[:, index], 0)  # under a mean, the weights are the head's
        if cam.max() > 0:
            np.testing.assert_allclose(heat, cam_of(maps, kernel[:, index], 8, 9), atol=1e-4)
        else:
            assert not heat.any()
    assert found.max() == 1
    model.trainable = False
    np.testing.assert_array_equal(grad_cam(model, faces), found)
    assert not np.array_equal(grad_cam(model, faces, layer="deep"), found)


def test_maps_beside_the_way_to_the_score_are_passed_over(random):
    inputs = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(2, 3, name="used")(inputs)
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(maps))

    class WithShow(keras.Model):
        def __init__(self):
            super().__init__()
            self.part, self.show = keras.Model(inputs, scores), keras.layers.Conv2D(1, 3, name="shown")

        def call(self, x, training=False):
            answer = self.part(x)
            self.show(x)
            return answer

    model, faces = WithShow(), random.uniform(0, 1, (2, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(grad_cam(model, faces, 0), grad_cam(model, faces, 0, "used"))
    with pytest.raises(InputError, match="the layer 'shown' has maps behind its scores; expected"):
        grad_cam(model, faces, 0, "shown")


def test_the_model_is_left_as_it_was(small_model, faces, tmp_path):
    layers = small_model.backbone.layers
    before = small_model.predict(faces, verbose=0)
    grad_cam(small_model, faces)
    with pytest.raises(InputError):
        grad_cam(small_model, faces, class_index=7)
    assert not [layer.name for layer in layers if "call" in vars(layer)]
    np.testing.assert_array_equal(small_model.predict(faces, verbose=0), before)
    small_model.save(tmp_path / "model.keras")


def test_what_looks_at_a_corner_is_explained_by_that_corner(random):
    model = corner_model()
    faces = random.uniform(100, 255, (2, 24, 32, 1)).astype("float32")
    inside = np.zeros((24, 32), bool)
    inside[:6, -10:] = True
    cams = grad_cam(model, faces, class_index=1)
    assert (cams[:, inside] > 0.3).all()
    assert (cams[:, ~inside] == 0).all()
    drops = occlusion_sensitivity(model, faces, patch=2, stride=2, class_index=1, fill=0)
    assert (drops[:, inside] > 0).all()
    assert (drops[:, ~inside] == 0).all()
    # For the other class the same places speak against it.
    against = occlusion_sensitivity(model, faces, patch=2, stride=2, class_index=0, fill=0)
    np.testing.assert_allclose(against, -drops, atol=1e-6)


@pytest.mark.parametrize(("patch", "stride", "fill"), [(8, 5, None), (5, 5, 127.0), (3, 2, [9.0])])
def test_occlusion_sensitivity_agrees_with_a_loop(random, patch, stride, fill):
    model = keras.Sequential(
        [
            keras.Input((12, 16, 1)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(4, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    faces = random.uniform(0, 255, (3, 12, 16, 1)).astype("float32")

    def probability(face, index):
        scores = model(face[None]).numpy()[0].astype("float64")
        return np.exp(scores[index]) / np.exp(scores).sum()

    found = occlusion_sensitivity(model, faces, patch, stride, [1, 0, 1], fill, batch_size=4)
    for face, heat, index in zip(faces, found, [1, 0, 1], strict=True):
        total, count = np.zeros((12, 16)), np.zeros((12, 16))
        for row in [*range(0, 12 - patch, stride), 12 - patch]:
            for column in [*range(0, 16 - patch, stride), 16 - patch]:
                hidden = face.copy()
                hidden[row : row + patch, column : column + patch] = face.mean() if fill is None else fill
                total[row : row + patch, column : column + patch] += probability(face, index) - probability(
                    hidden, index
                )
                count[row : row + patch, column : column + patch] += 1
        assert np.abs(heat).max() > 0.01
        np.testing.assert_allclose(heat, total / count, atol=1e-5)


def test_probabilities_are_taken_as_they_are(random):
    logits = corner_model(12, 16, 5, 7)
    softmax = keras.Sequential([logits, keras.layers.Softmax()])
    faces = random.uniform(0, 255, (2, 12, 16, 1)).astype("float32")
    found = occlusion_sensitivity(softmax, faces, 4, 4, class_index=1, from_logits=False)
    np.testing.assert_allclose(found, occlusion_sensitivity(logits, faces, 4, 4, class_index=1), atol=1e-6)


@pytest.mark.parametrize("method", [grad_cam, occlusion_sensitivity])
def test_a_batch_is_explained_as_its_faces_one_by_one(small_model, faces, method):
    together = method(small_model, faces, batch_size=3)
    alone = np.concatenate([method(small_model, faces[row : row + 1]) for row in range(5)])
    assert np.abs(together).max() > 1e-4
    np.testing.assert_allclose(together, alone, atol=1e-4)
    classes = [0, 1, 2, 2, 0]
    together = method(small_model, faces, class_index=classes, batch_size=3)
    for row, index in enumerate(classes):
        alone = method(small_model, faces[row : row + 1], class_index=index)[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-4)


@pytest.mark.parametrize("method", [grad_cam, occlusion_sensitivity])
@pytest.mark.parametrize(
    ("shape", "index", "message"),
    [
        ((48, 48, 1), None, r"faces of shape \(48, 48, 1\); expected \(batch, height, width, channels\)"),
        ((0, 48, 48, 1), None, r"faces of shape \(0, 48, 48, 1\)"),
        ((1, 40, 48, 1), None, r"faces of shape \(1, 40, 48, 1\); .* takes \(None, 48, 48, 1\)"),
        ((2, 48, 48, 1), 3, "expected 0 to 2"),
        ((2, 48, 48, 1), -1, "expected 0 to 2"),
        ((2, 48, 48, 1), [0, 1, 2], r"expected an int, or ints of shape \(2,\), one a face"),
        ((2, 48, 48, 1), 0.5, "class_index=0.5; expected an int"),
    ],
)
def test_faces_and_classes_that_do_not_fit(small_model, method, shape, index, message):
    with pytest.raises(InputError, match=message):
        method(small_model, np.zeros(shape), class_index=index)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 49}, "patch=49; expected 1 to 48"),
        ({"patch": 0}, "patch=0"),
        ({"patch": 4, "stride": 5}, "stride=5; expected 1 to patch=4"),
        ({"fill": [1, 2, 3]}, r"fill of shape \(3,\); expected a number, or 1, one a channel"),
    ],
)
def test_squares_that_do_not_fit(small_model, faces, options, message):
    with pytest.raises(InputError, match=message):
        occlusion_sensitivity(small_model, faces, **options)


@pytest.fixture(scope="module")
def model_with_map():
    keras.utils.set_random_seed(0)
    return AlexNetEmotion(NAMES, width=0.25, angle_map=True)


@pytest.fixture
def landmarks(random):
    landmarks = random.uniform(0.1, 0.9, (5, 68, 2)).astype("float32")
    landmarks[3] = 0  # none found
    return landmarks


def of_these_landmarks(model, landmarks):
    """The same model, of faces alone: the landmarks are constants."""
    face = keras.Input((48, 48, 1))
    points = keras.layers.Lambda(lambda one: keras.ops.zeros_like(one[:, :1, :1, :]) + landmarks[None, ..., None])(face)
    points = keras.layers.Reshape((68, 2))(points)
    return keras.Model(face, model.head(model.backbone({"face": face, "landmarks": points})))


@pytest.mark.parametrize("method", [grad_cam, occlusion_sensitivity])
def test_landmarks_stay_as_they_are(model_with_map, faces, landmarks, method):
    options = {"layer": "conv5_pool"} if method is grad_cam else {"patch": 16, "stride": 16}
    classes = [0, 1, 2, 2, 0]
    found = method(
        model_with_map, {"face": faces, "landmarks": landmarks}, class_index=classes, batch_size=3, **options
    )
    assert found.shape == (5, 48, 48)
    for row, index in enumerate(classes):
        model = of_these_landmarks(model_with_map, landmarks[row])
        alone = method(model, faces[row : row + 1], class_index=index, **options)[0]
        np.testing.assert_allclose(found[row], alone, atol=1e-4)
    inputs = {"face": faces, "landmarks": 0 * landmarks}
    without = method(model_with_map, inputs, class_index=classes, batch_size=3, **options)
    changed = np.abs(found - without).max(axis=(1, 2)) > 1e-3
    assert not changed[3]
    assert changed.sum() >= 2


def test_inputs_are_left_as_they_were(model_with_map, faces, landmarks):
    inputs = {"face": faces.astype("float32"), "landmarks": landmarks}
    before = {name: value.copy() for name, value in inputs.items()}
    occlusion_sensitivity(model_with_map, inputs, patch=24, stride=24)
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("method", [grad_cam, occlusion_sensitivity])
def test_inputs_that_do_not_fit(small_model, model_with_map, faces, landmarks, method):
    for model, inputs, message in (
        (model_with_map, faces, f"received the inputs face; {model_with_map.name} takes face, landmarks"),
        (
            small_model,
            {"face": faces, "landmarks": landmarks},
            f"inputs face, landmarks; {small_model.name} takes face",
        ),
        (model_with_map, {"landmarks": landmarks}, "received a dict of landmarks; expected one with `face`"),
        (model_with_map, {"face": faces, "landmarks": landmarks[:4]}, r"received landmarks of shape \(4, 68, 2\); .*"),
        (model_with_map, {"face": faces, "landmarks": landmarks[:, :67]}, r"landmarks of shape \(5, 67, 2\); .* takes"),
    ):
        with pytest.raises(InputError, match=message):
            method(model, inputs)


def test_layers_that_do_not_fit(small_model, faces):
    with pytest.raises(InputError, match=r"layer='conv9', which 0 layers are called; expected one of .*conv5_pool"):
        grad_cam(small_model, faces, layer="conv9")
    with pytest.raises(InputError, match="the layer 'fc6' has maps behind its scores"):
        grad_cam(small_model, faces, layer="fc6")
    dense = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="no layer has maps behind its scores"):
        grad_cam(dense, faces)
    maps = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(InputError, match=r"expected scores of shape \(batch, classes\)"):
        grad_cam(maps, faces)


def test_overlay_tints_by_the_map(random):
    face = random.integers(0, 256, (20, 30, 3), dtype="uint8")
    grey = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    heat = np.zeros((20, 30))
    np.testing.assert_array_equal(overlay(face, heat), grey)
    heat[:, :10], heat[:, 20:] = 1, -0.5
    shown = overlay(face, heat).astype(int)
    np.testing.assert_array_equal(shown[:, 10:20], grey[:, 10:20])
    assert (shown[:, :10, 0] > shown[:, :10, 2]).all()  # red above blue
    assert (shown[:, 20:, 0] < shown[:, 20:, 2]).all()
    assert overlay(face[..., :1], np.zeros((5, 5))).shape == (20, 30, 3)
    np.testing.assert_array_equal(overlay(face[..., 0], heat), overlay(face[..., :1], heat))


@pytest.mark.parametrize(
    ("face", "heat", "message"),
    [
        ((8, 8, 2), np.zeros((8, 8)), r"face of shape \(8, 8, 2\)"),
        ((8, 8), np.zeros((8, 8, 1)), r"map of shape \(8, 8, 1\)"),
        ((8, 8), np.full((8, 8), 2.0), r"values in \[-1, 1\]"),
        ((8, 8), np.full((8, 8), np.nan), r"values in \[-1, 1\]"),
    ],
)
def test_overlay_refuses(face, heat, message):
    with pytest.raises(InputError, match=message):
        overlay(np.zeros(face, "uint8"), heat)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two drawn people, and a grey picture without a face."""
    directory = tmp_path_factory.mktemp("pictures")
    for person in range(2):
        *_, apex = draw_sequence(SIZES["small"], 0, person, 0, "happiness")
        cv2.imwrite(str(directory / f"person{person}.png"), apex.image)
    cv2.imwrite(str(directory / "grey.png"), np.full((100, 100, 3), 127, np.uint8))
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_explainer_shows_what_the_method_says_of_the_recognised_face(small_model, pictures, tmp_path, method):
    recognizer = Recognizer(small_model, min_confidence=0)
    (recognised,) = recognizer(pictures / "person0.png")
    (found,) = Explainer(recognizer, method)(pictures / "person0.png")
    assert found.label == recognised.label
    assert found.probability == pytest.approx(recognised.probabilities[found.label])
    (other,) = Explainer(recognizer, method, "Surprised")(pictures / "person0.png")
    assert other.label == "surprise"
    assert other.probability == pytest.approx(recognised.probabilities["surprise"])
    assert found.heat.shape == (48, 48)
    (file,) = write_explanations([found], tmp_path / "new", "photo")
    assert file.name == f"photo-face1-{found.label}-{found.probability:.2f}.png"
    assert found.picture.shape == (3 * 112 + 30, 2 * 3 * 112, 3)
    np.testing.assert_array_equal(read_image(file), found.picture)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_explainer_gives_the_model_the_landmarks_that_were_found(model_with_map, pictures, method):
    recognizer = Recognizer(model_with_map, min_confidence=0)
    (recognised,) = recognizer(pictures / "person0.png")
    (found,) = Explainer(recognizer, method)(pictures / "person0.png")
    assert found.probability == pytest.approx(recognised.probabilities[found.label])
    pixels = read_image(pictures / "person0.png")
    ((face,),) = recognizer.detector.detect([pixels])
    index, crop = NAMES.index(found.label), align_face(pixels, face.eyes)
    inputs = recognizer.inputs([crop], align_landmarks(face.landmarks, face.eyes)[None])
    expected = METHODS[method](model_with_map, inputs, class_index=index)[0]
    np.testing.assert_allclose(found.heat, expected, atol=1e-4)
    without = METHODS[method](model_with_map, recognizer.inputs([crop]), class_index=index)[0]
    assert np.abs(found.heat - without).max() > 1e-3


@pytest.fixture
def run(monkeypatch, capfd):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fer-keras", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def preset(small_model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("preset") / "model"
    small_model.save_to_preset(directory)
    return directory


def test_help_has_an_example(run):
    status, out, _ = run("explain", "--help")
    assert status == 0
    assert "fer-keras explain --model" in out


@pytest.mark.slow
def test_command_writes_one_picture_a_face(run, preset, pictures, tmp_path):
    out = tmp_path / "explained"
    status, printed, err = run("explain", "--model", preset, *sorted(pictures.iterdir()), "--out", out)
    assert status == 0
    assert "grey.png: no face found" in err
    assert len(err.splitlines()) == 1
    files = sorted(out.iterdir())
    assert [re.sub(r"-[a-z]+-\d\.\d\d\.png", "", file.name) for file in files] == ["person0-face1", "person1-face1"]
    assert printed.split() == [str(file) for file in files]
    assert run("explain", "--model", preset, pictures / "grey.png", "--out", out)[0] == 1


@pytest.mark.slow
def test_pictures_of_the_same_name_are_numbered(run, preset, pictures, tmp_path):
    other = tmp_path / "person0.png"
    other.write_bytes((pictures / "person1.png").read_bytes())
    out = tmp_path / "explained"
    status, *_ = run(
        "explain", "--model", preset, pictures / "person0.png", other, "--out", out,
        "--method", "occlusion", "--label", "surprise",
    )  # fmt: skip
    assert status == 0
    first, second = sorted(out.iterdir())
    assert first.name.startswith("1-person0-face1-surprise-")
    assert second.name.startswith("2-person0-face1-surprise-")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "lime"], "unknown method 'lime'; expected one of grad_cam, occlusion"),
        (["--label", "bored"], "unknown label 'bored'; the model knows neutral, happiness, surprise"),
    ],
)
def test_bad_options_are_one_line(run, preset, pictures, tmp_path, options, message):
    status, out, err = run("explain", "--model", preset, pictures / "person0.png", "--out", tmp_path / "x", *options)
    assert status == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert not (tmp_path / "x").exists()
