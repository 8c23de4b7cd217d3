import pytest

from tfx_pipeline.learnt_from import LEARNT, PERHAPS, learnt_from_tested, write_training

OWN = {"corpus": "ck_plus", "folds": 10, "test_fold": 2, "subjects": 118}


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ({}, ""),
        ({"test_fold": 3}, LEARNT),
        ({"test_fold": None}, LEARNT),
        ({"test_fold": None, "folds": 5}, LEARNT),
        ({"folds": 5}, PERHAPS),
        ({"subjects": 123}, PERHAPS),
        ({"corpus": "mmi"}, PERHAPS),
    ],
)
def test_whether_a_served_model_learnt_from_the_tested_people(served, expected, tmp_path):
    for name, about in (("served", {**OWN, **served}), ("own", OWN)):
        (tmp_path / name).mkdir()
        write_training(tmp_path / name, **about)
    assert learnt_from_tested(tmp_path / "served", tmp_path / "own") == expected


def test_a_model_that_does_not_say_it(tmp_path):
    write_training(tmp_path, **OWN)
    assert learnt_from_tested(tmp_path / "older", tmp_path) == PERHAPS
