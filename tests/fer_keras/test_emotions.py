import pytest

from fer_keras.emotions import ALIASES, CK_PLUS_CODES, EMOTIONS, LABEL_SETS, canonical, in_canonical_order
from fer_keras.errors import InputError


@pytest.mark.parametrize("name", EMOTIONS)
def test_canonical_names_stay(name):
    assert canonical(name) == name
    assert canonical(f" {name.upper()} ") == name


def test_aliases_lead_to_canonical_names():
    assert set(ALIASES.values()) <= set(EMOTIONS)
    assert canonical("Happy") == "happiness"
    assert canonical("angry") == "anger"


def test_unknown_label_says_what_was_expected():
    with pytest.raises(InputError, match=r"unknown label 'bored'.*neutral.*happy"):
        canonical("bored")


def test_order_is_canonical():
    assert in_canonical_order(["sad", "happy", "neutral", "happy"]) == ("neutral", "happiness", "sadness")


def test_ck_plus_codes_as_published():
    assert [CK_PLUS_CODES[code] for code in range(8)] == [
        "neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise",
    ]  # fmt: skip
    assert len(LABEL_SETS["ck_plus"]) == 7
    assert "neutral" not in LABEL_SETS["ck_plus"]
    assert set(LABEL_SETS["ck_plus"]) - set(LABEL_SETS["mmi"]) == {"contempt"}
