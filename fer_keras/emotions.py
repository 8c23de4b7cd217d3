"""The canonical emotion labels, and every corpus's own numbering and spelling mapped to them.

Everything else in the project speaks canonical names only; an alias or a corpus's integer is translated here and
nowhere else.
"""

from fer_keras.errors import InputError

EMOTIONS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""The canonical labels, in the canonical order."""

ALIASES = {
    "angry": "anger",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "smiling": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}
"""Other spellings, mapped to the canonical label."""

CK_PLUS_CODES = dict(enumerate(("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")))
"""The integers of CK+'s `_emotion.txt` files (Lucey et al. 2010)."""

LABEL_SETS = {
    "ck_plus": ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
    "mmi": ("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
}
"""The label sets of the paper's Table 1, by corpus."""


def canonical(name):
    """Translates a label's spelling to its canonical name.

    Args:
        name: string, a canonical label or an alias of one, in any case.

    Returns:
        One of `EMOTIONS`.

    Raises:
        InputError: no label or alias is spelled like this.
    """
    key = str(name).strip().lower()
    key = ALIASES.get(key, key)
    if key not in EMOTIONS:
        raise InputError(
            f"unknown label {name!r}; expected one of {', '.join(EMOTIONS)} or {', '.join(sorted(ALIASES))}"
        )
    return key


def in_canonical_order(names):
    """Sorts distinct label names into the canonical order.

    Args:
        names: iterable of canonical labels; repeated ones count once.

    Returns:
        A tuple of canonical labels.
    """
    present = {canonical(name) for name in names}
    return tuple(name for name in EMOTIONS if name in present)
