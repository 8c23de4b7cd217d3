import numpy as np
import pytest

from fer_keras.evaluation.metrics import by_sequence, confusion_matrix, summarize


def test_figures_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.eye(3)[[0, 0, 1, 1, 1, 0]]
    figures = summarize(labels, probabilities)
    assert figures["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["uar"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figures["macro_f1"] == pytest.approx((2 * 2 / 6 + 2 * 2 / 5 + 0) / 3)


def test_absent_classes_do_not_count():
    figures = summarize(np.array([0, 0, 1]), np.eye(5)[[0, 0, 1]])
    assert (figures["accuracy"], figures["uar"], figures["macro_f1"]) == (1.0, 1.0, 1.0)


def test_agrees_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 7, 300), random.random((300, 7))
    answers = probabilities.argmax(axis=1)
    figures = summarize(labels, probabilities)
    assert figures["uar"] == pytest.approx(sklearn.balanced_accuracy_score(labels, answers))
    assert figures["macro_f1"] == pytest.approx(sklearn.f1_score(labels, answers, average="macro"))
    np.testing.assert_array_equal(confusion_matrix(labels, answers, 7), sklearn.confusion_matrix(labels, answers))


def test_a_clip_answers_with_the_mean_of_its_frames():
    probabilities = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    labels, means = by_sequence([0, 0, 1, 0], probabilities, ["a", "a", "a", "b"])
    assert labels.tolist() == [0, 1, 0]  # frames of one clip with another label are another clip
    np.testing.assert_allclose(means, [[0.65, 0.35], [0.2, 0.8], [0.3, 0.7]])
