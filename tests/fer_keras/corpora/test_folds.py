import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_keras.corpora.corpus import Corpus, Sample, SkipLog
from fer_keras.corpora.folds import assign_folds, assign_stratified_folds, deal_folds, hold_out_subjects
from fer_keras.errors import InputError

SAMPLES = st.lists(st.tuples(st.text(min_size=1, max_size=3), st.sampled_from(["anger", "fear", "sadness"])))


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


@settings(deadline=None)
@given(SAMPLES, st.integers(2, 5), st.integers(0, 9), st.randoms())
def test_stratified_folds_part_subjects_whatever_the_order(samples, folds, seed, random):
    subjects, labels = [subject for subject, _ in samples], [label for _, label in samples]
    if len(set(subjects)) < folds:
        with pytest.raises(InputError, match="fewer than"):
            assign_stratified_folds(subjects, labels, folds, seed)
        return
    assigned = assign_stratified_folds(subjects, labels, folds, seed)
    assert set(assigned) == set(subjects)
    assert set(assigned.values()) <= set(range(folds))
    random.shuffle(samples)
    again = assign_stratified_folds([one for one, _ in samples], [label for _, label in samples], folds, seed)
    assert again == assigned


def test_stratified_folds_spread_a_rare_label():
    # 40 people, of whom five show fear besides; in steps of five they would all fall into one fold.
    pairs = [(f"p{number:02d}", "anger") for number in range(40)] + [
        (f"p{number:02d}", "fear") for number in range(0, 25, 5)
    ]
    folds = assign_stratified_folds([subject for subject, _ in pairs], [label for _, label in pairs], 5)
    assert sorted(folds[subject] for subject, label in pairs if label == "fear") == [0, 1, 2, 3, 4]
    assert len({assign_folds(folds, 5)[subject] for subject, label in pairs if label == "fear"}) == 1


@settings(deadline=None)
@given(SAMPLES, st.sampled_from([0.1, 0.2, 0.5]))
def test_validation_subjects_are_some_and_not_all(samples, share):
    subjects, labels = [subject for subject, _ in samples], [label for _, label in samples]
    if len(set(subjects)) < 2:
        with pytest.raises(InputError, match="at least 2 subjects"):
            hold_out_subjects(subjects, labels, share)
        return
    held_out = hold_out_subjects(subjects, labels, share)
    assert held_out < set(subjects)


def test_about_the_asked_share_is_held_out():
    subjects = [f"p{number // 4}" for number in range(400)]
    held_out = hold_out_subjects(subjects, ["anger", "fear", "sadness", "surprise"] * 100, 0.1)
    assert len(held_out) == 10
    with pytest.raises(InputError, match=r"share=0\.9"):
        hold_out_subjects(subjects, ["anger"] * 400, 0.9)


def test_rules_of_folds(tmp_path):
    samples = [
        Sample("folder", f"p{number // 2}", "s", tmp_path / "a.png", label=["anger", "fear"][number % 2])
        for number in range(12)
    ]
    corpus = Corpus("folder", samples, SkipLog())
    assert deal_folds(corpus, 3) == {f"p{number}": number % 3 for number in range(6)}
    assert deal_folds(corpus, 3, "leave_one_out") == {f"p{number}": number for number in range(6)}
    assert sorted(deal_folds(corpus, 3, "stratified").values()) == [0, 0, 1, 1, 2, 2]
    with pytest.raises(InputError, match="unknown rule of folds 'random'; expected one of published"):
        deal_folds(corpus, 3, "random")


def test_stratified_folds_count_clips_and_not_frames(tmp_path):
    """However many frames of a clip are read, its person stays in one fold."""
    clips = [(f"p{number:02d}", f"s{turn}", "abc"[(number * turn) % 3]) for number in range(30) for turn in range(4)]

    def deal(frames_of):
        samples = [
            Sample("folder", subject, sequence, tmp_path / "a.png", label=label, frame=frame)
            for place, (subject, sequence, label) in enumerate(clips)
            for frame in range(frames_of(place))
        ]
        return deal_folds(Corpus("folder", samples, SkipLog()), 5, "stratified")

    assert deal(lambda place: 3) == deal(lambda place: 1) == deal(lambda place: 5 + 37 * place % 50)
