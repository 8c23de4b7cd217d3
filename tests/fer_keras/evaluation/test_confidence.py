import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.errors import InputError
from fer_keras.evaluation.confidence import subject_intervals
from fer_keras.evaluation.metrics import by_sequence, summarize

NAMES = ("accuracy", "uar", "macro_f1")


def simulate(random, people, clips=6, frames=3, num_classes=4):
    """People of different skill (4/6 in the mean) whose frames of one clip are all right or all wrong."""
    skill = np.repeat(random.beta(4, 2, people), clips)
    labels = random.integers(0, num_classes, people * clips)
    answers = np.where(random.random(people * clips) < skill, labels, (labels + 1) % num_classes)
    subjects = np.array([f"s{number // clips}" for number in range(people * clips)])
    sequences = np.array([f"s{number // clips}/{number}" for number in range(people * clips)])
    return (
        np.repeat(labels, frames),
        np.eye(num_classes)[np.repeat(answers, frames)],
        np.repeat(subjects, frames),
        np.repeat(sequences, frames),
    )


def slow_bootstrap(labels, probabilities, subjects, sequences, resamples, seed):
    """Draws subjects, gathers their rows and summarizes, one resample after the other."""
    random, found = np.random.default_rng(seed), {"frame": [], "sequence": []}
    names = sorted(set(subjects))
    for _ in range(resamples):
        rows, twins = [], []
        for turn, name in enumerate(random.choice(names, len(names))):
            own = np.flatnonzero(subjects == name)
            rows.extend(own)
            twins.extend(f"{turn}/{sequences[row]}" for row in own)  # someone drawn twice has twice as many clips
        drawn = labels[rows], probabilities[rows]
        for level, figures in (("frame", summarize(*drawn)), ("sequence", summarize(*by_sequence(*drawn, twins)))):
            found[level].append([figures[name] for name in NAMES])
    return {level: np.quantile(values, [0.025, 0.975], axis=0) for level, values in found.items()}


def test_agrees_with_a_slow_loop():
    random = np.random.default_rng(0)
    labels, _, subjects, sequences = simulate(random, 12)
    probabilities = 0.75 * random.dirichlet(np.ones(4), len(labels)) + 0.25 * np.eye(4)[labels]
    found = subject_intervals(labels, probabilities, subjects, sequences, resamples=4000, seed=1)
    expected = slow_bootstrap(labels, probabilities, subjects, sequences, resamples=1500, seed=2)
    for level in ("frame", "sequence"):
        for column, name in enumerate(NAMES):
            interval = found[level][name]
            # The accuracy of clips goes in steps of 1 / 72.
            assert [interval["low"], interval["high"]] == pytest.approx(expected[level][:, column], abs=0.02)


def test_a_true_interval_holds_the_truth_as_often_as_it_says():
    """Simulated: 95 % intervals by subject keep their word; frames taken as independent do not."""
    random, by_subject, by_frame, runs = np.random.default_rng(0), 0, 0, 200
    for _ in range(runs):
        labels, probabilities, subjects, sequences = simulate(random, 30)
        rows = np.arange(len(labels))
        one = subject_intervals(labels, probabilities, subjects, sequences, resamples=400)["frame"]["accuracy"]
        naive = subject_intervals(labels, probabilities, rows, rows, resamples=400)["frame"]["accuracy"]
        by_subject += one["low"] <= 4 / 6 <= one["high"]
        by_frame += naive["low"] <= 4 / 6 <= naive["high"]
    assert 0.90 <= by_subject / runs <= 0.98
    assert by_frame / runs < 0.75


def test_every_picture_its_own_subject_is_the_ordinary_bootstrap():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 900)
    answers = np.where(random.random(900) < 0.8, labels, (labels + 1) % 3)
    rows = np.arange(900).astype(str)
    found = subject_intervals(labels, np.eye(3)[answers], rows, rows)
    assert found["subjects"] == 900
    accuracy = (labels == answers).mean()
    spread = np.sqrt(accuracy * (1 - accuracy) / 900)
    for level in ("frame", "sequence"):
        assert found[level]["accuracy"]["low"] == pytest.approx(accuracy - 1.96 * spread, abs=0.003)
        assert found[level]["accuracy"]["high"] == pytest.approx(accuracy + 1.96 * spread, abs=0.003)


def test_one_subject_has_no_interval():
    found = subject_intervals([0, 1], np.eye(2), ["s", "s"], ["a", "b"])
    assert found["subjects"] == 1
    for level in ("frame", "sequence"):
        assert found[level] == {name: {"low": None, "high": None} for name in NAMES}


def test_subjects_that_are_alike_have_an_interval_of_no_width():
    found = subject_intervals([0, 1] * 4, np.eye(2)[[0, 0] * 4], np.repeat(list("abcd"), 2), list("stuvwxyz"))
    assert found["frame"]["accuracy"] == {"low": 0.5, "high": 0.5}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(2, 8), st.floats(0.5, 0.99), st.integers(0, 2**16))
def test_ranges_and_the_order_of_samples(people, level, seed):
    random = np.random.default_rng(seed)
    labels, probabilities, subjects, sequences = simulate(random, people, clips=3, frames=2)
    found = subject_intervals(labels, probabilities, subjects, sequences, level, resamples=100, seed=seed)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for one in ("frame", "sequence"):
        for name in NAMES:
            assert 0 <= found[one][name]["low"] <= found[one][name]["high"] <= 1
    rows = random.permutation(len(labels))
    renamed = np.array([f"{name[::-1]}-{name}" for name in subjects])
    again = subject_intervals(
        labels[rows], probabilities[rows], renamed[rows], sequences[rows], level, resamples=100, seed=seed
    )
    assert again == found


def test_a_higher_level_is_wider_and_a_seed_repeats():
    drawn = simulate(np.random.default_rng(0), 20)
    narrow, wide = (subject_intervals(*drawn, level=level)["frame"]["uar"] for level in (0.5, 0.99))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert subject_intervals(*drawn, seed=3) == subject_intervals(*drawn, seed=3)
    assert subject_intervals(*drawn, seed=3) != subject_intervals(*drawn, seed=4)


def test_resamples_in_blocks_are_the_same_draws(monkeypatch):
    drawn = simulate(np.random.default_rng(0), 20)
    whole = subject_intervals(*drawn, resamples=300)
    monkeypatch.setattr("fer_keras.evaluation.confidence._CELLS", 140)
    assert subject_intervals(*drawn, resamples=300) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": ["s"]}, "a subject and a sequence for each of the 2 samples"),
        ({"sequences": ["a", "b", "c"]}, "a subject and a sequence for each"),
        ({"labels": [0, 0], "sequences": ["a", "a"]}, "sequence 'a' is of the subjects 's' and 't'"),
        ({"level": 1.0}, "level=1.0"),
        ({"resamples": 0}, "resamples=0"),
        ({"labels": [0, 5]}, "label 5"),
    ],
)
def test_bad_input(change, message):
    good = {"labels": [0, 1], "probabilities": np.eye(2), "subjects": ["s", "t"], "sequences": ["a", "b"]}
    with pytest.raises(InputError, match=message):
        subject_intervals(**{**good, **change})
