"""Table 1 of the paper: four groups of AlexNet-Emotion and five peers, on the same ten subject-wise folds."""

import dataclasses

from fer_keras.errors import InputError
from fer_keras.experiments.experiment import System, run_experiment
from fer_keras.models import baselines
from fer_keras.models.preset import load_preset
from fer_keras.training.static import StaticConfig

PRETRAINED = "alexnet_emotion_fer2013"
"""The preset that all groups but `init` start from."""

PRINTED = {
    "audn": (93.70, 75.85),
    "derl": (96.57, 72.67),
    "il_cnn": (94.39, 70.67),
    "inception": (93.20, 77.60),
    "iacnn": (95.37, 71.55),
    "init": (94.41, 65.88),
    "softmax": (96.45, 76.89),
    "without_angles": (93.73, 71.84),
    "pre": (97.14, 78.68),
}
"""Accuracy printed in Table 1, per cent, on CK+ and on MMI."""

FOLDS = 10
QUICK_FOLDS = 2
EPOCHS = 25
QUICK_EPOCHS = 4


def run_table1(
    corpus, data, out, folds=None, epochs=None, seed=0, quick=False, names=None, pretrained=PRETRAINED, where=None,
    strict=False, resume=False, workers=None, on_progress=None, command="",
):  # fmt: skip
    """Runs Table 1.

    Args:
        corpus: name of a corpus, such as `"ck_plus"` and `"mmi"`.
        data: its folder.
        out: folder of the experiment.
        folds: int, number of subject-wise folds; 10 by default.
        epochs: int, passes over the training faces, the same for all systems; 25 by default.
        seed: int.
        quick: bool, by default two folds and a few epochs, to see everything run.
        names: optional list of the systems to run, keys of `PRINTED`.
        pretrained: preset that all groups but `init` start from.
        where: as for `fer_keras.corpora.read`.
        strict: as for `fer_keras.corpora.read`.
        resume: continue the experiment in `out`.
        workers: folds side by side, see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it.

    Returns:
        A pair of the results, see `run_experiment`, and the `FaceSet`.

    Raises:
        InputError: the corpus, the folder or the preset cannot be used.
    """
    unknown = set(names or ()) - set(PRINTED)
    if unknown:
        raise InputError(f"unknown system {min(unknown)!r}; expected some of {', '.join(PRINTED)}")
    folds = folds or (QUICK_FOLDS if quick else FOLDS)
    epochs = epochs or (QUICK_EPOCHS if quick else EPOCHS)
    chosen = [system for system in systems(epochs, seed, pretrained) if names is None or system.name in names]
    if any(isinstance(system.config, StaticConfig) and system.config.pretrained for system in chosen):
        load_preset(pretrained)  # a wrong one is noticed before anything is drawn, prepared or claimed
    settings = {"epochs": epochs, "seed": seed, "quick": quick, "pretrained": str(pretrained)}
    return run_experiment(
        *("table1", corpus, data, out, chosen, settings, folds),
        where=where,
        strict=strict,
        resume=resume,
        workers=workers,
        on_progress=on_progress,
        command=command,
    )


def systems(epochs, seed=0, pretrained=PRETRAINED):
    """The nine systems.

    Args:
        epochs: int, passes over the training faces.
        seed: int.
        pretrained: preset that all groups but `init` start from.

    Returns:
        A list of `System`.
    """
    scratch = StaticConfig(angle_map=True, epochs=epochs, batch_size=32, seed=seed)
    full = dataclasses.replace(scratch, pretrained=str(pretrained), learning_rate=1e-3)
    groups = [
        ("init", "init", "from scratch, with the Island loss and the angle map", scratch),
        (
            "softmax",
            "softmax loss",
            f"starts from {pretrained}; softmax loss alone, with the angle map",
            dataclasses.replace(full, metric_weight=0.0),
        ),
        (
            "without_angles",
            "w/o angle variance",
            f"starts from {pretrained}; with the Island loss, without the angle map",
            dataclasses.replace(full, angle_map=False),
        ),
        ("pre", "pre", f"starts from {pretrained}; with the Island loss and the angle map", full),
    ]
    found = [
        System(name, f"AlexNet-Emotion, {title}", what, config, printed=_printed(name))
        for name, title, what, config in groups
    ]
    for name, recipe in baselines.RECIPES.items():
        options = {"derl": {"generator_epochs": epochs}, "audn": {"machine_epochs": epochs}}.get(name, {})
        found.append(
            System(
                name,
                recipe.title,
                recipe.__doc__.partition("\n")[0].removeprefix(f"{recipe.title}: "),
                recipe(epochs=epochs, seed=seed, **options),
                "peer",
                recipe.paper,
                _printed(name),
            )
        )
    return found


def _printed(name):
    return dict(zip(("ck_plus", "mmi"), PRINTED[name], strict=True))
