import csv
import os
import pathlib

import pytest

from fer_keras.faces import MTCNN, BlazeFace, read_image


@pytest.fixture(scope="session")
def detector():
    return BlazeFace()


@pytest.fixture(scope="session")
def thorough_detector():
    return BlazeFace(thorough=True)


@pytest.fixture(scope="session")
def mtcnn_detector():
    pytest.importorskip("mtcnn", reason="needs the extra mtcnn")
    return MTCNN()


@pytest.fixture
def back_end(request):
    """The detector of the fixture that a test is parametrized with."""
    return request.getfixturevalue(request.param)


def _real_faces(corpus):
    """Rows of a corpus of real photographs, each with its pixels; the project itself carries none."""
    if not os.environ.get("FER_TEST_FACES"):
        pytest.skip("needs photographs of faces: set FER_TEST_FACES to a folder with london_faces/ and cmu_faces/")
    folder = pathlib.Path(os.environ["FER_TEST_FACES"], corpus)
    with (folder / "labels.csv").open(newline="") as table:
        return [row | {"folder": folder, "image": read_image(folder / row["path"])} for row in csv.DictReader(table)]


@pytest.fixture(scope="session")
def london_faces():
    return _real_faces("london_faces")


@pytest.fixture(scope="session")
def cmu_faces():
    return _real_faces("cmu_faces")
