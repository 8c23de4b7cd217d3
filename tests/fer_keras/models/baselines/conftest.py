import numpy as np
import pytest

NAMES = ("disgust", "happiness", "surprise")


@pytest.fixture(scope="session")
def drawn_faces():
    """Faces of the built-in corpus, 48×48 grey: three labels of 24 persons, and the persons' neutral faces.

    They are aligned by their exact landmarks; nothing has to be written or found.
    """
    from fer_keras.corpora.face_set import FaceSet
    from fer_keras.corpora.synthetic import SIZES, draw_sequence
    from fer_keras.faces.align import align_face, landmarks_to_eyes

    labelled, neutral = [], []
    for subject in range(24):
        for label, emotion in enumerate(NAMES):
            frames = draw_sequence(SIZES["small"], 0, subject, label + 1, emotion)
            crops = [align_face(frame.image, landmarks_to_eyes(frame.landmarks), 48) for frame in frames]
            crops = [np.rint(crop.reshape(48, 48, -1).mean(axis=-1, keepdims=True)).astype("uint8") for crop in crops]
            labelled += [(crop, label, f"S{subject:02}", f"S{subject:02}/{label}") for crop in crops[-3:]]
            neutral.append((crops[0], 0, f"S{subject:02}", f"S{subject:02}/{label}"))

    def face_set(rows, names):
        images, labels, subjects, sequences = (np.array(column) for column in zip(*rows, strict=True))
        return FaceSet(images, labels.astype("int32"), subjects, sequences, names)

    return face_set(labelled, NAMES), face_set(neutral, ("neutral",))
