import dataclasses

import numpy as np
import pytest

from fer_keras.corpora import assign_folds
from fer_keras.evaluation.hog_svm import cross_validate_hog_svm, hog_features

pytest.importorskip("sklearn")


def test_blocks_are_normalised_and_see_orientation():
    ramp = np.tile(np.arange(48.0) * 5, (48, 1))
    pictures = np.stack([ramp, ramp.T, 255 - ramp])[..., None]
    features = hog_features(pictures)
    assert features.shape == (3, 5 * 5 * 36)
    assert np.linalg.norm(features.reshape(3, 25, 36), axis=-1).max() <= 1.0
    assert np.abs(features[0] - features[1]).max() > 0.1  # another orientation
    np.testing.assert_allclose(features[0], features[2], atol=1e-6)  # the same, with the other sign
    np.testing.assert_allclose(features[0], hog_features(pictures[:1] * 0.5 + 20)[0], atol=1e-4)  # light


def test_every_face_is_answered_by_a_machine_that_did_not_see_its_subject(toy_faces):
    folds = assign_folds(toy_faces.subjects, 5)
    figures = cross_validate_hog_svm(toy_faces, folds)
    assert figures["mean"]["frame"]["accuracy"] > 0.9
    np.testing.assert_allclose(figures["probabilities"].sum(axis=1), 1, rtol=1e-5)
    # Labels that only the subject tells cannot be told of new subjects.
    own = dataclasses.replace(toy_faces, labels=np.array([int(s[1:]) % 7 for s in toy_faces.subjects], "int32"))
    assert cross_validate_hog_svm(own, folds)["mean"]["frame"]["accuracy"] < 0.5


def test_what_may_not_be_learnt_from_is_answered_all_the_same(toy_faces):
    folds = assign_folds(toy_faces.subjects, 5)
    usable = np.arange(70) % 14 < 7  # of every two subjects the first
    shuffled = dataclasses.replace(
        toy_faces, labels=np.where(usable, toy_faces.labels, 6 - toy_faces.labels).astype("int32")
    )
    figures = cross_validate_hog_svm(shuffled, folds, usable)
    answers = figures["probabilities"].argmax(axis=1)
    assert (answers == toy_faces.labels).mean() > 0.9  # as if there were no wrong labels
