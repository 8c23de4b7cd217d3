import pytest

from fer_keras.cli import _print_trials
from fer_keras.cli_options import Progress, split_names
from fer_keras.errors import InputError


def test_a_log_gets_a_line_at_every_tenth(capsys):
    with Progress() as progress:
        for done in range(41):
            progress.update("folds", done, 40, f"[{done}]")
        progress.faces(1, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"folds: {done} of 40, [{done}]" for done in range(4, 41, 4)] + ["faces: 1 of 1"]


def test_names_are_distinct():
    assert split_names("pre, il_cnn") == ["pre", "il_cnn"]
    with pytest.raises(InputError, match="--systems 'pre,,pre': pre stands there twice"):
        split_names("pre,,pre", "--systems")


def test_a_table_of_trials_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["learning_rate", "threshold", "metric_weight", "pair_weight", "alpha", "augmentation_strength"]
    rows = [
        {
            **{"trial": trial, "status": "COMPLETED", "epochs": 12, "val_loss": 1.25, "val_accuracy": 0.5},
            "values": {name: 1.234e-5 for name in names},
        }
        for trial in range(20)
    ]
    _print_trials(rows, "val_loss")
    out = capsys.readouterr().out
    assert "Trials by val_loss, the best 4 of 20" in out
    assert out.count("1.23e-05") == 4 * len(names)
    assert all(name in out for name in ["val_loss", "val_accuracy", *names])
    assert max(map(len, out.splitlines())) <= 80
