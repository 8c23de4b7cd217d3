"""Subject-independent folds: no person is ever on both sides of a split."""

import numpy as np

from fer_keras.errors import InputError

FOLD_RULES = ("published", "stratified", "leave_one_out")
"""How a corpus is dealt out, see `deal_folds`."""


def assign_folds(subjects, folds=10):
    """Gives every subject a fold, by the rule published for CK+.

    Subjects are sorted as strings; subject *i* goes to fold *i mod folds*. Assign before any frame is dropped, so
    that a missed face does not move people between folds.

    Args:
        subjects: iterable of subject names; repeated ones count once.
        folds: int, number of folds, at least 2.

    Returns:
        A dict of subject name to fold number in `[0, folds)`.

    Raises:
        InputError: there are fewer subjects than folds, or fewer than two folds are asked for.
    """
    names = sorted(set(subjects))
    if folds < 2:
        raise InputError(f"cross-validation needs at least 2 folds (0 trains without), received folds={folds}")
    if len(names) < folds:
        raise InputError(
            f"the corpus has {len(names)} labelled subjects, fewer than the {folds} folds asked for; "
            f"use at most {len(names)} folds"
        )
    return {name: index % folds for index, name in enumerate(names)}


def assign_stratified_folds(subjects, labels, folds=10, seed=0):
    """Gives every subject a fold, such that labels are spread over the folds as evenly as their subjects allow.

    One subject after the other, those with the greatest share of a label first, goes to the fold that has least of
    what it brings. No fold stays empty.

    Args:
        subjects: sequence of n subject names, one a sample.
        labels: sequence of the n samples' labels.
        folds: int, number of folds, at least 2.
        seed: int ≥ 0; decides between subjects and folds that are alike.

    Returns:
        A dict of subject name to fold number in `[0, folds)`.

    Raises:
        InputError: there are fewer subjects than folds, or fewer than two folds are asked for.
    """
    assign_folds(subjects, folds)  # says what is wrong with the numbers
    names, columns = sorted(set(subjects)), sorted(set(labels))
    rows = {name: row for row, name in enumerate(names)}
    shares = np.zeros((len(names), len(columns)))
    for subject, label in zip(subjects, labels, strict=True):
        shares[rows[subject], columns.index(label)] += 1
    shares /= shares.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-shares.max(axis=1)[order], kind="stable")]
    held, people, fold_of = np.zeros((folds, len(columns))), np.zeros(folds), {}
    for row in order:
        # The rise of the sum of squared shares, which is least where labels are spread evenly.
        rise = (shares[row] * (2 * held + shares[row])).sum(axis=1)
        fold = int(np.lexsort((people, rise.round(12)))[0])
        held[fold] += shares[row]
        people[fold] += 1
        fold_of[names[row]] = fold
    return fold_of


def hold_out_subjects(subjects, labels, share=0.1, seed=0):
    """Chooses subjects to validate on, among those of the training folds.

    Args:
        subjects: sequence of n subject names, one a sample, none of them of the test fold.
        labels: sequence of the n samples' labels.
        share: float in (0, 0.5], of the samples, as nearly as whole subjects and labels allow.
        seed: int ≥ 0.

    Returns:
        The set of subjects held out.

    Raises:
        InputError: `share` is out of its range, or there are fewer than two subjects.
    """
    if not 0 < share <= 0.5:
        raise InputError(f"the share held out must be above 0 and at most 0.5, received share={share}")
    people = len(set(subjects))
    if people < 2:
        raise InputError(f"validation needs at least 2 subjects to hold some out, received {people}")
    fold_of = assign_stratified_folds(subjects, labels, min(round(1 / share), people), seed)
    return {subject for subject, fold in fold_of.items() if fold == 0}


def deal_folds(corpus, folds=10, rule="published", seed=0):
    """Gives every subject of a corpus a fold, the same whether whole clips are read or their peak alone.

    Args:
        corpus: a `Corpus`.
        folds: int, number of folds, at least 2; `"leave_one_out"` has as many as there are subjects.
        rule: `"published"`, see `assign_folds`; `"stratified"`, see `assign_stratified_folds`; or `"leave_one_out"`.
        seed: int ≥ 0, of the stratified folds.

    Returns:
        A dict of subject name to fold number.

    Raises:
        InputError: no such rule, or the subjects do not make so many folds.
    """
    if rule not in FOLD_RULES:
        raise InputError(f"unknown rule of folds {rule!r}; expected one of {', '.join(FOLD_RULES)}")
    if rule == "leave_one_out":
        return assign_folds(corpus.subjects, len(corpus.subjects))
    if rule == "stratified":
        # A clip counts once, so that nobody changes the fold with the number of frames that are read.
        clips = sorted({(sample.subject, sample.label, sample.sequence) for sample in corpus.samples if sample.label})
        return assign_stratified_folds([clip[0] for clip in clips], [clip[1] for clip in clips], folds, seed)
    return assign_folds(corpus.subjects, folds)
