"""Which parts of AlexNet-Emotion help on a corpus, and by how much: each left out in turn, over several seeds."""

import dataclasses
import pathlib

import numpy as np

from fer_keras import corpora
from fer_keras.corpora.folds import deal_folds
from fer_keras.errors import InputError
from fer_keras.evaluation.hog_svm import cross_validate_hog_svm
from fer_keras.experiments.experiment import System, corpus_facts, run_experiment
from fer_keras.experiments.table1 import PRETRAINED
from fer_keras.json_file import write_json
from fer_keras.training.run import check_folder, claim_run, train_run
from fer_keras.training.static import StaticConfig, check_start

EPOCHS = 30
DRAWN_EPOCHS = 40


def run_ablation(
    corpus, data, out, folds=10, epochs=EPOCHS, seeds=3, names=None, pretrained=PRETRAINED, labels=None, where=None,
    strict=False, resume=False, workers=None, on_progress=None, command="",
):  # fmt: skip
    """Cross-validates AlexNet-Emotion whole and with one part less at a time, and the reference, on the same folds.

    Args:
        corpus: one of `fer_keras.corpora.CORPORA`.
        data: its folder.
        out: folder of the experiment; gets a folder for every seed, `drawn/`, the model that learnt from drawn faces,
            and `ablation.json`.
        folds: int, number of subject-wise folds; the same for all seeds.
        epochs: int, passes over the training faces.
        seeds: int, how many seeds, from 0.
        names: optional list of the variants to run, see `variants`.
        pretrained: preset that all but `scratch` and `drawn` start from.
        labels: as for `fer_keras.corpora.read`.
        where: as for `fer_keras.corpora.read`.
        strict: as for `fer_keras.corpora.read`.
        resume: continue what is in `out`.
        workers: see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it.

    Returns:
        The summary, plain data as in `ablation.json`: facts of the corpus; `reference`, the figures of HOG and SVM; and
        `variants`, a list of dicts: `name`, `what`, `accuracy` of every fold (seeds × folds), their `mean` and `std`,
        the mean `difference` to the first variant on the same seeds and folds, and every seed's `pooled` accuracy with
        its `confidence` interval by subject.

    Raises:
        InputError: see `run_experiment`.
    """
    out = pathlib.Path(out)
    known = variants(epochs, 0, pretrained, out)
    unknown = set(names or ()) - set(known)
    if unknown:
        raise InputError(f"unknown variant {min(unknown)!r}; expected some of {', '.join(known)}")
    names = [name for name in known if names is None or name in names]
    check_folder(out, "ablation", resume)
    found = corpora.read(corpus, data, labels, where, strict)
    fold_of = deal_folds(found, folds)
    for name in set(names) - {"drawn"}:
        check_start(found.label_names, known[name][1])
    settings = {"epochs": epochs, "seeds": seeds, "variants": names, "pretrained": str(pretrained)}
    asked = {**corpus_facts("ablation", corpus, data, found, where, folds), **settings}
    command = claim_run(out, asked, resume, command)
    if "drawn" in names and not (out / "drawn" / "model").exists():
        drawn = corpora.read("synthetic", out / "drawn" / "corpus")
        config = StaticConfig(epochs=DRAWN_EPOCHS, angle_map=True)
        train_run(drawn, out / "drawn", config, 0, resume=_is_begun(out / "drawn"), on_progress=on_progress)
    runs = []
    for seed in range(seeds):
        of_seed = variants(epochs, seed, pretrained, out)
        systems = [System(name, f"seed {seed}: {name}", of_seed[name][0], of_seed[name][1]) for name in names]
        folder = out / f"seed-{seed}"
        results, faces = run_experiment(
            *("ablation", corpus, data, folder, systems, {"epochs": epochs, "seed": seed}, folds),
            labels=labels,
            where=where,
            strict=strict,
            resume=_is_begun(folder),
            workers=workers,
            on_progress=on_progress,
            command=command,
        )
        runs.append(results)
    reference = cross_validate_hog_svm(faces, fold_of)
    del reference["probabilities"]
    summary = {
        **asked,
        **{fact: runs[0][fact] for fact in ("faces", "subjects", "remarks", "records", "versions", "command")},
        "reference": {"what": "HOG + SVM on the same aligned crops and folds", **reference},
        "variants": _summarize(runs, names),  # their figures, instead of their names
    }
    write_json(out / "ablation.json", summary)
    return summary


def _is_begun(folder):
    return (folder / "run.json").exists()


def variants(epochs, seed, pretrained, out):
    """What is compared: dict of name to a sentence and a `StaticConfig`; the first is the whole."""
    whole = StaticConfig(
        angle_map=True, pretrained=str(pretrained), epochs=epochs, learning_rate=5e-4, batch_size=16, seed=seed
    )
    scratch = {"pretrained": "", "learning_rate": 2e-3, "epochs": 3 * epochs}
    changes = {
        "all": ("starts from FER2013, Island loss with τ = 0, angle map", {}),
        "softmax": ("without the Island loss", {"metric_weight": 0.0}),
        "threshold": ("Island loss with τ = 30", {"threshold": 30.0}),
        "without_angles": ("without the angle map", {"angle_map": False}),
        "slow_convolutions": ("convolutions learn at a tenth of the rate", {"layer_rates": {"conv*": 0.1}}),
        "drawn": ("starts from the built-in corpus of drawn faces instead", {"pretrained": str(out / "drawn")}),
        "scratch": ("starts from random weights, three times the epochs", scratch),
    }
    return {name: (what, dataclasses.replace(whole, **change)) for name, (what, change) in changes.items()}


def _summarize(runs, names):
    rows = []
    for name in names:
        systems = [next(one for one in run["systems"] if one["name"] == name) for run in runs]
        accuracy = np.array([[fold["frame"]["accuracy"] for fold in one["folds"]] for one in systems])
        whole = accuracy if not rows else np.array(rows[0]["accuracy"])
        rows.append(
            {
                "name": name,
                "what": systems[0]["what"],
                "accuracy": accuracy.tolist(),
                "mean": float(accuracy.mean()),
                "std": float(accuracy.std(ddof=1)),
                "difference": float((accuracy - whole).mean()),
                "pooled": [one["pooled"]["frame"]["accuracy"] for one in systems],
                "confidence": [one["pooled"]["confidence"]["frame"]["accuracy"] for one in systems],
            }
        )
    return rows
