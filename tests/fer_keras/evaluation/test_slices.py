import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.errors import InputError
from fer_keras.evaluation.metrics import summarize
from fer_keras.evaluation.slices import summarize_slices


def test_slices_by_hand():
    labels, probabilities = np.array([0, 0, 1, 1]), np.eye(2)[[0, 1, 1, 1]]
    found = summarize_slices(labels, probabilities, ["sunglasses", "sunglasses", "none", "none"], min_count=2)
    assert list(found) == ["none", "sunglasses"]
    assert (found["none"]["accuracy"], found["sunglasses"]["accuracy"]) == (1.0, 0.5)
    assert found["none"]["recall"] == [None, 1.0]
    assert [one["count"] for one in found.values()] == [2, 2]
    assert not any(one["small"] for one in found.values())


def test_unknown_values_are_one_slice_at_the_end():
    found = summarize_slices([0, 0, 1, 1], np.eye(2)[[0, 0, 1, 1]], ["young", None, "", "zeal"])
    assert list(found) == ["young", "zeal", "unknown"]
    assert found["unknown"]["count"] == 2


def test_a_slice_of_few_samples_or_people_is_small():
    labels, probabilities = np.zeros(70, int), np.eye(2)[[0] * 70]
    values = ["few"] * 29 + ["many"] * 41
    assert {name: one["small"] for name, one in summarize_slices(labels, probabilities, values).items()} == {
        "few": True,
        "many": False,
    }
    subjects = [f"s{row % 10}" for row in range(29)] + [f"s{row % 4}" for row in range(41)]
    found = summarize_slices(labels, probabilities, values, subjects, min_count=20, min_subjects=10)
    assert not found["few"]["small"]  # exactly as many as asked for
    found = summarize_slices(labels, probabilities, values, subjects, min_count=20)
    assert {name: (one["subjects"], one["small"]) for name, one in found.items()} == {
        "few": (10, False),
        "many": (4, True),
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["left", "right", "straight", ""]), min_size=1, max_size=40), st.integers(0, 2**16))
def test_slices_are_the_figures_of_their_rows(values, seed):
    random = np.random.default_rng(seed)
    labels, probabilities = random.integers(0, 3, len(values)), random.dirichlet(np.ones(3), len(values))
    found = summarize_slices(labels, probabilities, values)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert sum(one["count"] for one in found.values()) == len(values)
    hits = sum(one["count"] * one["accuracy"] for one in found.values())
    assert hits == pytest.approx(np.sum(probabilities.argmax(axis=1) == labels))
    for value in set(values):
        mask = np.array([one == value for one in values])
        expected = summarize(labels[mask], probabilities[mask])
        assert {name: found[value or "unknown"][name] for name in expected} == expected
    rows = random.permutation(len(values))
    again = summarize_slices(labels[rows], probabilities[rows], [values[row] for row in rows])
    assert [(name, one["confusion"]) for name, one in again.items()] == [
        (name, one["confusion"]) for name, one in found.items()
    ]


def test_values_may_be_arrays_of_numbers():
    found = summarize_slices([0, 1], np.eye(2), np.array([1, 0]), subjects=np.array(["a", "b"]))
    assert list(found) == ["0", "1"]


@pytest.mark.parametrize("change", [{"values": ["x"]}, {"values": ["x", "y"], "subjects": ["s"]}])
def test_one_value_a_sample(change):
    with pytest.raises(InputError, match="for 2 samples; expected one each"):
        summarize_slices([0, 1], np.eye(2), **change)
