import json
import os
import pathlib

import numpy as np
import pytest

from fer_keras import AlexNetEmotion, Recognizer, corpora
from fer_keras.errors import InputError
from fer_keras.models.preset import SHIPPED, load_preset, preset_names

NAME = "alexnet_emotion_fer2013"


def test_small_enough_for_the_package_and_with_a_card():
    assert NAME in preset_names()
    for name in preset_names():
        folder = SHIPPED / name
        assert sum(file.stat().st_size for file in folder.iterdir()) < 10e6
        assert sorted(file.name for file in folder.iterdir()) == ["README.md", "model.keras", "preset.json"]


def test_the_card_states_the_figures_of_the_preset():
    about = json.loads((SHIPPED / NAME / "preset.json").read_text())
    card = (SHIPPED / NAME / "README.md").read_text()
    public = about["public_test"]
    assert np.sum(public["confusion"]) == 3589
    assert public["accuracy"] == pytest.approx(np.trace(public["confusion"]) / 3589)
    assert f"| PublicTest | {100 * public['accuracy']:.1f} % |" in card
    for heading in ("Data and its terms", "Protocol", "Figures", "Known failures", "Use", "Licence"):
        assert f"## {heading}\n" in card
    assert about["command"] in card


def test_loads_by_name_untrained_optimizer_and_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = AlexNetEmotion.from_preset(NAME)
    assert model.label_names == ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
    assert model.face_shape == (48, 48, 1)
    assert getattr(model, "optimizer", None) is None
    (tmp_path / NAME).mkdir()  # an empty folder of that name does not hide it, one with a model does
    assert load_preset(NAME)[0].label_names == model.label_names
    AlexNetEmotion(("yes", "no"), width=0.25).save_to_preset(tmp_path / NAME)
    assert load_preset(NAME)[0].label_names == ("yes", "no")
    with pytest.raises(InputError, match=f"presets that come with the package: .*{NAME}"):
        load_preset("alexnet_emotion_fer2031")


@pytest.mark.slow
@pytest.mark.skipif("FER_TEST_FACES" not in os.environ, reason="FER_TEST_FACES names no folder of real faces")
def test_answers_sensibly_on_real_people():
    corpus = corpora.read("folder", pathlib.Path(os.environ["FER_TEST_FACES"], "london_faces"))
    recognizer = Recognizer.from_preset(NAME, min_confidence=0.0)
    hits = []
    for sample in corpus.samples:
        (face,) = recognizer(sample.read())
        two = {label: face.probabilities[label] for label in ("neutral", "happiness")}
        hits.append(max(two, key=two.get) == sample.label)
    assert np.mean(hits) >= 0.7
