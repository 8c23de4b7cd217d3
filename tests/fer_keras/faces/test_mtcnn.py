import importlib.util
import os
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.errors import InputError
from fer_keras.faces import MTCNN, make_detector


def test_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"mtcnn is missing; install it: pip install 'fer-keras\[mtcnn\]'"):
        make_detector("mtcnn")


def test_broken_package(mtcnn_detector, monkeypatch):
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(InputError, match=r"mtcnn cannot be imported \(.*lz4.*\); install it"):
        pickle.loads(pickle.dumps(mtcnn_detector)).detect([np.zeros((40, 40, 3), np.uint8)])


@pytest.mark.parametrize(
    "arguments", [{"min_score": 0.0}, {"min_score": 1.0}, {"min_face": 0.0}, {"min_face": 0.6}, {"min_face": np.nan}]
)
def test_bad_arguments(mtcnn_detector, arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=rf"{name} must be in .* Received: {name}="):
        MTCNN(**arguments)


def test_settings_survive_pickling(mtcnn_detector):
    copy = pickle.loads(pickle.dumps(MTCNN(min_score=0.9, min_face=0.1)))
    assert (copy.min_score, copy.min_face) == (0.9, 0.1)


def test_min_face(mtcnn_detector, london_faces):
    scene = np.full((400, 600, 3), 160, np.uint8)
    scene[:300, :300] = cv2.resize(london_faces[0]["image"], (300, 300))
    scene[300:360, 500:560] = cv2.resize(london_faces[1]["image"], (60, 60), interpolation=cv2.INTER_AREA)
    assert [len(MTCNN(min_face=least).detect([scene])[0]) for least in (0.02, 0.25)] == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("legacy", ["0", "1"])
def test_in_another_process(mtcnn_detector, tmp_path, legacy):
    """Also where tensorflow_transform has turned TensorFlow's `keras` into Keras 2, beside a file of the wrong name."""
    if legacy == "1" and importlib.util.find_spec("tf_keras") is None:
        pytest.skip("needs tf-keras, which comes with TFX")
    *_, apex = draw_sequence(SIZES["small"], 0, 0, 1, "happiness")
    image = cv2.cvtColor(apex.image, cv2.COLOR_GRAY2RGB)
    (tmp_path / "pnet.lz4").write_bytes(b"not these weights")
    (tmp_path / "work").write_bytes(pickle.dumps((mtcnn_detector, image)))
    code = "import pickle; one, image = pickle.load(open('work', 'rb')); print(one.detect([image])[0][0].box)"
    environment = os.environ | {"TF_USE_LEGACY_KERAS": legacy, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    box = [float(number) for number in done.stdout.strip().strip("()").split(",")]
    np.testing.assert_allclose(box, mtcnn_detector.detect([image])[0][0].box, atol=0.01)
    assert "Exception ignored" not in done.stderr
