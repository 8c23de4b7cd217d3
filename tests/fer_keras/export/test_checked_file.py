import keras
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.export import export_tflite
from fer_keras.export.checked_file import face_signature, write_checked
from fer_keras.models import AlexNetEmotion
from fer_keras.testing.policy import dtype_policy


@pytest.fixture
def inference():
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0, 1, (4, 2, 2, 1)).astype("float32")


def test_the_file_is_run_before_it_has_its_name(inference, faces, tmp_path):
    path = tmp_path / "new" / "file"

    def run(aside, batch):
        assert not path.exists()
        assert aside.read_bytes() == b"content"
        answer = keras.ops.softmax(inference.predict(batch, verbose=0)).numpy()
        answer[2] = np.roll(answer[2], 1)
        return answer

    expected = keras.ops.softmax(inference.predict(faces, verbose=0)).numpy()
    file = write_checked(path, b"content", run, inference, faces, 1.0)
    assert path.read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]
    assert (file.path, file.size, file.faces, file.same_label) == (path, 7, 4, 0.75)
    assert file.difference == pytest.approx(np.abs(expected[2] - np.roll(expected[2], 1)).max())


@pytest.mark.parametrize("answer", [0.0, np.nan])
def test_wrong_answers_leave_nothing(inference, faces, tmp_path, answer):
    with pytest.raises(InputError, match="differ from Keras's"):
        write_checked(tmp_path / "file", b"", lambda *_: np.full((4, 3), answer), inference, faces, 0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_run_leaves_nothing(inference, faces, tmp_path):
    def run(*_):
        raise RuntimeError("no kernel")

    with pytest.raises(InputError, match="the converted model does not run: no kernel; nothing was written"):
        write_checked(tmp_path / "file", b"", run, inference, faces, 0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_models_that_take_landmarks_are_refused(tmp_path, policy):
    with dtype_policy(policy):
        model = AlexNetEmotion(("a", "b"), width=0.25, angle_map=True, name="with_map")
    message = "with_map: takes landmarks beside the face, for its angle map"
    with pytest.raises(InputError, match=message):
        face_signature(model)
    with pytest.raises(InputError, match=message):
        export_tflite(model, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
