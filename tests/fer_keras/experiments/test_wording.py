import pytest

from fer_keras.experiments import wording


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fine-tuned: -1.5 to +2.0", "fine-tuned: −1.5 to +2.0"),
        ("(-33.3 to -2)", "(−33.3 to −2)"),
        ("seeds 0-2, AU-4", "seeds 0-2, AU-4"),
    ],
)
def test_negative_numbers_have_a_minus_sign_and_names_their_hyphens(text, expected):
    assert wording.minus(text) == expected


def test_seeds_are_counted_from_0():
    assert [wording.seeds(count) for count in (1, 2, 10)] == ["seed 0", "seeds 0-1", "seeds 0-9"]
