import json

import pytest

from fer_keras import corpora
from fer_keras.errors import InputError
from fer_keras.models import AlexNetEmotion
from fer_keras.training.run import check_folder, claim_run, train_run
from fer_keras.training.static import StaticConfig

ASKED = {"experiment": "train", "corpus": "folder", "fingerprint": "1", "config": {"epochs": 3, "rates": (1, 2)}}


def test_a_run_is_taken_up_with_its_first_command(tmp_path):
    assert check_folder(tmp_path / "run", "train", False) is None
    assert claim_run(tmp_path / "run", ASKED, False, "fer-keras train") == "fer-keras train"
    assert claim_run(tmp_path / "run", ASKED, True, "fer-keras train --resume") == "fer-keras train"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"config": {"epochs": 4, "rates": (1, 2)}}, "started with another value of epochs"),
        ({"fingerprint": "2"}, "another corpus .*times of change"),
        ({"experiment": "table1", "systems": {}}, r"something else \(train, not table1\)"),
    ],
)
def test_another_run_is_refused(tmp_path, change, expected):
    claim_run(tmp_path / "run", ASKED, False)
    held = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(InputError, match=expected):
        claim_run(tmp_path / "run", {**ASKED, **change}, True)
    assert (tmp_path / "run" / "run.json").read_bytes() == held


def test_an_experiment_is_no_run_of_train(tmp_path):
    claim_run(tmp_path / "run", {"experiment": "table1", "systems": {}}, False)  # without `config`
    with pytest.raises(InputError, match="table1, not train"):
        claim_run(tmp_path / "run", ASKED, True)


@pytest.mark.parametrize(("held", "expected"), [("[1]", "damaged"), ("{", "damaged"), ("{}", "an older version")])
def test_files_that_hold_no_run(tmp_path, held, expected):
    (tmp_path / "run.json").write_text(held)
    with pytest.raises(InputError, match=expected):
        check_folder(tmp_path, "train", True)


def test_what_a_kill_has_left_is_no_obstacle(tmp_path):
    (tmp_path / ".corpus.123.tmp").mkdir()
    (tmp_path / ".run.json.tmp").write_text("{")
    assert check_folder(tmp_path, "train", False) is None


def test_the_same_corpus_by_another_path(tmp_path):
    claim_run(tmp_path / "run", {**ASKED, "data": "corpus"}, False)
    claim_run(tmp_path / "run", {**ASKED, "data": "/home/me/corpus"}, True)


def test_nothing_to_resume_and_other_files(tmp_path):
    with pytest.raises(InputError, match="no run to resume"):
        check_folder(tmp_path / "new", "train", True)
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="not empty and holds no run"):
            check_folder(folder, "train", False)
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["notes.txt"]'


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pretrained": "nowhere"}, "no model found"),
        ({"pretrained": "wide"}, "same backbone and width"),
        ({"layer_rates": {"convolution*": 0.0}}, "'convolution.*', and the model has no such layer.* conv1,"),
    ],
)
def test_what_a_run_starts_from_is_checked_before_its_folder_is_taken(tiny_ck_plus, tmp_path, config, expected):
    AlexNetEmotion(("neutral", "happiness"), width=0.5).save_to_preset(tmp_path / "wide")
    if config.get("pretrained") == "wide":
        config = {"pretrained": str(tmp_path / "wide")}
    with pytest.raises(InputError, match=expected):
        train_run(corpora.read("ck_plus", tiny_ck_plus), tmp_path / "run", StaticConfig(width=0.25, **config), 3)
    assert not (tmp_path / "run").exists()
