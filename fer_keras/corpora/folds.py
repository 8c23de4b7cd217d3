"""Subject-independent folds: no person is ever on both sides of a split."""

from fer_keras.errors import InputError


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
