import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.errors import InputError
from fer_keras.evaluation.metrics import (
    by_sequence,
    calibration_bins,
    confusion_matrix,
    confusion_scores,
    expected_calibration_error,
    summarize,
)


def draw(seed, samples, num_classes):
    random = np.random.default_rng(seed)
    return random.integers(0, num_classes, samples), random.dirichlet(np.ones(num_classes), samples)


samples = st.builds(draw, st.integers(0, 2**16), st.integers(1, 60), st.integers(2, 8))


def slow_calibration_error(labels, probabilities, bins):
    """Σ_m |B_m| / n · |acc(B_m) − conf(B_m)|, one bin and one sample after the other."""
    error, edges = 0.0, np.linspace(0, 1, bins + 1)
    for low, high in itertools.pairwise(edges):
        inside = [row for row, chances in enumerate(probabilities) if low < max(chances) <= high]
        if inside:
            accuracy = sum(np.argmax(probabilities[row]) == labels[row] for row in inside) / len(inside)
            confidence = sum(max(probabilities[row]) for row in inside) / len(inside)
            error += len(inside) / len(labels) * abs(accuracy - confidence)
    return error


def test_figures_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.eye(3)[[0, 0, 1, 1, 1, 0]]
    figures = summarize(labels, probabilities)
    assert figures["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["uar"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figures["macro_f1"] == pytest.approx((2 * 2 / 6 + 2 * 2 / 5 + 0) / 3)
    assert figures["recall"] == pytest.approx([2 / 3, 1, 0])
    assert figures["precision"] == [pytest.approx(2 / 3), pytest.approx(2 / 3), None]
    assert figures["f1"] == pytest.approx([2 * 2 / 6, 2 * 2 / 5, 0])
    assert figures["brier"] == pytest.approx(2 * 2 / 6)  # a certain, wrong answer costs 2
    assert figures["ece"] == pytest.approx(1 - 4 / 6)


def test_probabilities_by_hand():
    figures = summarize([0, 1], [[0.7, 0.3], [0.6, 0.4]])
    assert figures["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.4)) / 2)
    assert figures["brier"] == pytest.approx((2 * 0.3**2 + 2 * 0.6**2) / 2)
    # 0.7 is in the bin (10/15, 11/15], 0.6 is the end of (8/15, 9/15].
    assert figures["ece"] == pytest.approx((abs(1 - 0.7) + abs(0 - 0.6)) / 2)


def test_absent_classes_do_not_count():
    figures = summarize(np.array([0, 0, 1]), np.eye(5)[[0, 0, 1]])
    assert (figures["accuracy"], figures["uar"], figures["macro_f1"]) == (1.0, 1.0, 1.0)
    assert figures["recall"] == figures["precision"] == figures["f1"] == [1, 1, None, None, None]


def test_a_class_that_is_absent_but_answered_has_precision_0_and_no_recall():
    figures = summarize(np.array([0, 0]), np.eye(3)[[0, 2]])
    assert figures["recall"] == [0.5, None, None]
    assert figures["precision"] == [1, None, 0]
    assert figures["f1"] == [pytest.approx(2 / 3), None, 0]
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(samples)
def test_agrees_with_scikit_learn(drawn):
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, probabilities = drawn
    answers, classes = probabilities.argmax(axis=1), range(probabilities.shape[1])
    figures = summarize(labels, probabilities)
    present = sorted(set(labels))
    recall = sklearn.recall_score(labels, answers, labels=present, average="macro", zero_division=0)
    assert figures["uar"] == pytest.approx(recall)
    assert figures["macro_f1"] == pytest.approx(sklearn.f1_score(labels, answers, average="macro"))
    np.testing.assert_array_equal(
        confusion_matrix(labels, answers, len(classes)), sklearn.confusion_matrix(labels, answers, labels=classes)
    )
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
        labels, answers, labels=classes, zero_division=np.nan
    )
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(np.array(figures[name], float), expected, err_msg=name)
    assert figures["nll"] == pytest.approx(sklearn.log_loss(labels, probabilities, labels=classes))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(samples, st.integers(1, 20))
def test_agrees_with_slow_loops(drawn, bins):
    labels, probabilities = drawn
    figures = summarize(labels, probabilities)
    brier = [
        sum((chance - (name == label)) ** 2 for name, chance in enumerate(chances))
        for label, chances in zip(labels, probabilities, strict=True)
    ]
    assert figures["brier"] == pytest.approx(np.mean(brier))
    assert figures["ece"] == pytest.approx(slow_calibration_error(labels, probabilities, 15))
    expected = slow_calibration_error(labels, probabilities, bins)
    assert expected_calibration_error(labels, probabilities, bins) == pytest.approx(expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(samples, st.randoms(use_true_random=False))
def test_ranges_and_the_order_of_samples_and_classes(drawn, random):
    labels, probabilities = drawn
    figures = summarize(labels, probabilities)
    for name in ("accuracy", "uar", "macro_f1", "ece"):
        assert 0 <= figures[name] <= 1
    assert 0 <= figures["brier"] <= 2
    assert figures["nll"] >= 0
    assert np.mean([one for one in figures["recall"] if one is not None]) == pytest.approx(figures["uar"])
    assert np.mean([one for one in figures["f1"] if one is not None]) == pytest.approx(figures["macro_f1"])
    json.dumps(figures, allow_nan=False)

    rows = random.sample(range(len(labels)), len(labels))
    classes = np.array(random.sample(range(probabilities.shape[1]), probabilities.shape[1]))
    again = summarize(np.argsort(classes)[labels][rows], probabilities[rows][:, classes])
    for name in ("accuracy", "uar", "macro_f1", "ece", "nll", "brier"):
        assert again[name] == pytest.approx(figures[name])
    assert again["recall"] == [figures["recall"][name] for name in classes]


def test_a_sure_and_right_classifier_is_calibrated():
    figures = summarize(np.arange(4), np.eye(4))
    assert (figures["ece"], figures["nll"], figures["brier"]) == (0, 0, 0)


def test_the_worst_answer_has_a_finite_likelihood():
    figures = summarize([0, 1], np.array([[0, 1], [1, 0]], "float32"))
    assert figures["nll"] == pytest.approx(87.3, abs=0.1)
    assert (figures["brier"], figures["ece"]) == (2, 1)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_lower_precision_is_accepted(kind):
    labels, probabilities = draw(0, 500, 8)
    expected, found = summarize(labels, probabilities), summarize(labels, probabilities.astype(kind))
    for name in ("nll", "brier", "ece"):
        assert found[name] == pytest.approx(expected[name], abs=5e-3)


def test_bins_of_a_reliability_diagram():
    found = calibration_bins([0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], bins=4)
    assert found["count"].tolist() == [0, 0, 1, 2]
    assert found["confidence"] == pytest.approx([0, 0, 0.6, 0.85])
    assert found["accuracy"] == pytest.approx([0, 0, 0, 1])
    ends = calibration_bins([0, 0], [[0.5, 0.5], [1.0, 0.0]], bins=2)
    assert ends["count"].tolist() == [1, 1]  # a bin holds its upper end, not its lower
    with pytest.raises(InputError, match="bins=0"):
        calibration_bins([0], [[1, 0]], bins=0)


def test_scores_of_many_confusion_matrices_at_once():
    random = np.random.default_rng(0)
    matrices = random.integers(0, 3, (4, 5, 3, 3))
    matrices[..., 0, 0] += 1
    scores = confusion_scores(matrices)
    for index in np.ndindex(4, 5):
        rows, columns = np.nonzero(matrices[index])
        counts = matrices[index][rows, columns]
        one = summarize(np.repeat(rows, counts), np.eye(3)[np.repeat(columns, counts)])
        for name, values in scores.items():
            assert values[index] == pytest.approx(one[name])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 3)), "no sample"),
        ([0, 1], [[1.0, 0.0]], r"received \(2,\) and \(1, 2\)"),
        ([0], [1.0, 0.0], "received"),
        ([0, 2], [[1.0, 0.0]] * 2, "row 1 has the label 2; expected 0 to 1"),
        ([-1], [[1.0, 0.0]], "row 0 has the label -1"),
        ([0.0], [[1.0, 0.0]], "labels must be integers"),
        ([0, 0], [[1.0, 0.0], [np.nan, np.nan]], "row 1 are not finite"),
        ([0, 0], [[1.0, 0.0], [3.0, -2.0]], "row 1 holds no probabilities"),
        ([0], [[3.0, 2.0]], "its sum 5; .* not logits"),
    ],
)
def test_bad_input(labels, probabilities, message):
    with pytest.raises(InputError, match=message):
        summarize(labels, probabilities)


def test_a_clip_answers_with_the_mean_of_its_frames():
    probabilities = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    labels, means = by_sequence([0, 0, 1, 0], probabilities, ["a", "a", "a", "b"])
    assert labels.tolist() == [0, 1, 0]  # frames of one clip with another label are another clip
    np.testing.assert_allclose(means, [[0.65, 0.35], [0.2, 0.8], [0.3, 0.7]])
