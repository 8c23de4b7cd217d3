import dataclasses
import json

import pytest

from fer_keras.augmentation import AugmentationStrength
from fer_keras.errors import InputError
from fer_keras.training.config_file import read_config
from fer_keras.training.restoration import RestorationConfig
from fer_keras.training.static import StaticConfig


@pytest.mark.parametrize(
    "config",
    [
        StaticConfig(),
        StaticConfig(augmentation=None, patience=3, layer_rates={"conv*": 0.1}),
        StaticConfig(augmentation=AugmentationStrength(rotation=3), metric_weight=1),
        RestorationConfig(),
        RestorationConfig(discriminators=(), occluders=("hand",), coverage=(0.2, 1)),
    ],
)
def test_a_configuration_comes_back(config, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dataclasses.asdict(config)))
    assert type(config)(**read_config(file, type(config))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"learning_rat": 1}', "unknown key learning_rat; did you mean learning_rate?"),
        ('{"augmentation": {"rotatoin": 1}}', "unknown key augmentation.rotatoin; did you mean augmentation.rotation?"),
        ('{"zzz": 1}', "unknown key zzz; expected some of backbone, image_size"),
        ('{"epochs": "30"}', 'epochs must be a whole number, received "30"'),
        ('{"epochs": true}', "epochs must be a whole number, received true"),
        ('{"angle_map": 1}', "angle_map must be true or false"),
        ('{"augmentation": 2}', "augmentation must be an object or null"),
        ('{"augmentation": {"rotation": "3"}}', "augmentation.rotation must be a number"),
        ('{"layer_rates": {"conv*": "x"}}', "layer_rates must be numbers"),
        ('{"alpha": 2}', "alpha must be from 0 to 1"),
        ("[]", "expected a JSON object"),
        ("{", "is no JSON"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text, message, tmp_path):
    assert message in fault(tmp_path, text, StaticConfig)


def fault(folder, text, kind):
    """What is said of a file with this text, behind its name."""
    file = folder / "config.json"
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        read_config(file, kind)
    assert str(raised.value).startswith(f"{file}: ")
    return str(raised.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json: No such file"):
        read_config(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"occluders": "hand"}', 'occluders must be a list, received "hand"'),
        ('{"occluders": ["hand", ["scarf"]]}', 'occluders[1] must be a text, received ["scarf"]'),
        ('{"coverage": [0.1, "half"]}', 'coverage[1] must be a number, received "half"'),
        ('{"coverage": [0.1]}', "coverage must be (least, greatest)"),
        ('{"coverage": [0.1, null]}', "coverage[1] must be a number, received null"),
        ('{"discriminators": ["middle"]}', "discriminators must be some of global, local"),
        ('{"fold": 1}', "unknown key fold"),
    ],
)
def test_a_wrong_configuration_of_a_restorer(text, message, tmp_path):
    assert message in fault(tmp_path, text, RestorationConfig)
