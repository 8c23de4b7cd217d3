import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_keras.corpora.folds import assign_folds
from fer_keras.errors import InputError


def test_sorted_subjects_in_steps_of_ten():
    subjects = [f"S{number:03d}" for number in range(25, 0, -1)]
    folds = assign_folds(subjects, 10)
    assert [folds[name] for name in sorted(subjects)] == [number % 10 for number in range(25)]


@given(st.sets(st.text(min_size=1), min_size=2, max_size=60), st.integers(2, 12), st.randoms())
def test_every_subject_has_one_fold_whatever_the_order(subjects, folds, random):
    if len(subjects) < folds:
        with pytest.raises(InputError, match="fewer than"):
            assign_folds(subjects, folds)
        return
    shuffled = [*subjects, *subjects]
    random.shuffle(shuffled)
    assigned = assign_folds(shuffled, folds)
    assert assigned == assign_folds(sorted(subjects), folds)
    assert set(assigned) == subjects
    sizes = [list(assigned.values()).count(fold) for fold in range(folds)]
    assert max(sizes) - min(sizes) <= 1


def test_one_fold_is_no_cross_validation():
    with pytest.raises(InputError, match="at least 2 folds"):
        assign_folds(["a", "b"], 1)
