import subprocess
import sys

import pytest

import fer_keras


@pytest.mark.parametrize("name", fer_keras.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fer_keras, name).__name__.rpartition(".")[2] == name
    assert name in dir(fer_keras)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Islandloss'"):
        fer_keras.Islandloss  # noqa: B018


@pytest.mark.slow
def test_keras_loads_our_models_where_only_the_package_was_imported(tmp_path):
    fer_keras.AlexNetEmotion(["neutral", "anger"]).save(tmp_path / "model.keras")
    program = "import keras, fer_keras; print(type(keras.saving.load_model('model.keras')).__name__)"
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "AlexNetEmotion"
