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

MMI_CODES = {1: "anger", 2: "disgust", 3: "fear", 4: "happiness", 5: "sadness", 6: "surprise"}
"""The integers of the `Emotion` metatag in MMI's session files (Valstar & Pantic 2010)."""

FER2013_CODES = dict(enumerate(("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")))
"""The integers of FER2013's column `emotion` (Goodfellow et al. 2013)."""

FER_PLUS_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""The columns of votes of FER+ (Barsoum et al. 2016), in the file's order; `unknown` and `NF` follow."""

RAF_DB_CODES = dict(enumerate(("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), start=1))
"""The integers of RAF-DB's `list_patition_label.txt` (Li, Deng & Du 2017)."""

AFFECT_NET_CODES = dict(
    enumerate(("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"))
)
"""The integers of AffectNet (Mollahosseini et al. 2017); 8 none, 9 uncertain and 10 no face are no emotion."""

JAFFE_CODES = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
"""The two letters in JAFFE's file names (Lyons et al. 1998)."""

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
