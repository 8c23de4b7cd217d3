"""How much of the accuracy that occlusion costs a restorer brings back, with intervals over subjects."""

import numpy as np

_RESAMPLES = 2000
_ENDS = (0.025, 0.975)


def recovered_share(clean, occluded, restored, subjects, seed=0):
    """The share of the lost accuracy that is recovered: `(restored − occluded) / (clean − occluded)`.

    The interval is a percentile bootstrap over whole subjects, see `subject_intervals` for what it says. Where more
    than a fortieth of the resamples lose nothing at all, the share has no interval.

    Args:
        clean: float array of shape `(n,)`, 1 where the answer to the open face is right, 0 where it is wrong, or shares
            between.
        occluded: the same of the occluded face.
        restored: the same of the restored face.
        subjects: array of n names.
        seed: int, of the resamples.

    Returns:
        A dict: `lost`, clean less occluded accuracy; `share`, `low` and `high`, the last three `None` where they do
        not exist.
    """
    clean, occluded, restored = (np.asarray(values, float) for values in (clean, occluded, restored))
    lost, regained = _resample([clean - occluded, restored - occluded], subjects, seed)
    found = {"lost": float(np.mean(clean - occluded)), "share": None, "low": None, "high": None}
    if found["lost"] > 0:
        found["share"] = float(np.mean(restored - occluded) / found["lost"])
        if np.mean(lost <= 0) < _ENDS[0]:
            found["low"], found["high"] = np.quantile(regained[lost > 0] / lost[lost > 0], _ENDS).tolist()
    return found


def mean_with_interval(values, subjects, seed=0):
    """The mean of values, such as right answers or their differences, with its interval over subjects.

    Args:
        values: float array of shape `(n,)`.
        subjects: array of n names.
        seed: int, of the resamples.

    Returns:
        A dict of `mean`, `low` and `high`; the last two are `None` for a single subject.
    """
    values = np.asarray(values, float)
    found = {"mean": float(values.mean()), "low": None, "high": None}
    if len(set(subjects)) > 1:
        total, count = _resample([values, np.ones_like(values)], subjects, seed)
        found["low"], found["high"] = np.quantile(total / count, _ENDS).tolist()
    return found


def _resample(columns, subjects, seed):
    """Sums of columns over subjects drawn with replacement: one array a column."""
    people, owner = np.unique(subjects, return_inverse=True)
    draws = np.random.default_rng(seed).integers(0, len(people), (_RESAMPLES, len(people)))
    return [np.bincount(owner, column, minlength=len(people))[draws].sum(axis=1) for column in columns]
