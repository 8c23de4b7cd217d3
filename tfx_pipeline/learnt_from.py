"""Which people a model learnt from, as far as its files say: whoever it is tested on should not be among them."""

import json
import pathlib

from fer_keras.export.serving_assets import EXTRA_DIR
from fer_keras.json_file import write_json

TRAINING_FILE = "training.json"
"""File in `assets.extra` of a SavedModel: the folds that it was trained on, and no name of a person."""

LEARNT, PERHAPS = "which learnt from these people", "which may have learnt from these people"

_FOLD_RULE = "subjects in order of their names, number i to fold i mod folds"  # `fer_keras.corpora.assign_folds`


def write_training(model_dir, corpus, folds, test_fold, subjects):
    """Notes in a SavedModel which folds it was trained on.

    Args:
        model_dir: folder of the SavedModel.
        corpus: name of the corpus.
        folds: int, the number of folds.
        test_fold: the fold that was held out, `None` for none.
        subjects: int, the subjects of all folds together: a corpus that has grown has other people in its folds.
    """
    extra = pathlib.Path(model_dir, EXTRA_DIR)
    extra.mkdir(exist_ok=True)
    about = {"corpus": corpus, "subjects": subjects, "folds": folds, "fold_rule": _FOLD_RULE, "test_fold": test_fold}
    write_json(extra / TRAINING_FILE, about)


def learnt_from_tested(version, model_dir):
    """Whether a served model learnt from the people that a candidate is tested on.

    Args:
        version: folder of the served version.
        model_dir: folder of the candidate's SavedModel.

    Returns:
        `""` if it did not, else `LEARNT` or, where the version does not say it or tells of other data, `PERHAPS`.
    """
    served, own = _read(version), _read(model_dir)
    if not served or not own or served.get("corpus") != own["corpus"]:
        return PERHAPS
    if served["test_fold"] is None:
        return LEARNT
    if any(served.get(name) != own[name] for name in ("subjects", "folds", "fold_rule")):
        return PERHAPS
    return "" if served["test_fold"] == own["test_fold"] else LEARNT


def _read(model_dir):
    """What a SavedModel says, `{}` for nothing."""
    file = pathlib.Path(model_dir, EXTRA_DIR, TRAINING_FILE)
    return json.loads(file.read_text()) if file.is_file() else {}
