import dataclasses

import numpy as np
import pytest


@pytest.fixture
def toy_faces():
    """70 noisy pictures of 10 subjects in 7 classes; a bright column tells the class."""
    from fer_keras.corpora.face_set import FaceSet

    random = np.random.default_rng(0)
    labels = np.arange(70, dtype="int32") % 7
    images = random.integers(0, 255, (70, 48, 48, 1), dtype="uint8")
    for image, label in zip(images, labels, strict=True):
        image[:, 5 * label + 6 : 5 * label + 11] = 255
    subjects = np.array([f"s{row // 7}" for row in range(70)])
    sequences = np.array([f"s{row // 7}/{row % 7}" for row in range(70)])
    names = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
    return FaceSet(images, labels, subjects, sequences, names)


@pytest.fixture(scope="session")
def tiny_ck_plus(tmp_path_factory):
    """The built-in corpus of three people with four frames a sequence: 63 labelled pictures."""
    from fer_keras.corpora import synthetic

    size = dataclasses.replace(synthetic.SIZES["small"], subjects=3, frames=4)
    return synthetic.write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck_plus", size=size)


@pytest.fixture(scope="session")
def tiny_mmi(tmp_path_factory):
    """The built-in corpus of four people as clips, from neutral over the apex and back."""
    from fer_keras.corpora import synthetic

    size = dataclasses.replace(synthetic.SIZES["small"], subjects=4)
    return synthetic.write_mmi(tmp_path_factory.mktemp("corpus") / "mmi", size=size)
