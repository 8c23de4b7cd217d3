"""What the improved Island loss does beside softmax, centre loss and the original Island loss.

    .venv/bin/python benchmarks/island.py --out runs/island

Trains AlexNet-Emotion on the built-in corpus (`small`, CK+ layout, 7 labels, 20 drawn people) with each loss and seed,
4/5 of the people for training, 1/5 held out (seed s holds out fold s mod 5; every loss sees the same split, order and
initial weights). Prints, as mean ± standard deviation over the seeds: the epochs until the held-out accuracy first
reaches the target, the final held-out accuracy (mean of the last five epochs), and the ratio of the mean distance
within a class to the mean distance between class means, of FC7 features of held-out faces. Runs are kept in --out and
not done again. About 13 minutes on two cores. The figures say nothing about real people.
"""

import argparse
import dataclasses
import json
import pathlib

import keras
import matplotlib
import numpy as np

from fer_keras import corpora
from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.prepare import prepare
from fer_keras.training.static import StaticConfig, train_static

FOLDS = 5
LOSSES = {
    "softmax": {"metric_weight": 0.0},
    "centre": {"pair_weight": 0.0, "threshold": 0.0},
    "original Island": {"threshold": 0.0},
    "improved Island, τ=30": {"threshold": 30.0},
    "improved Island, τ=60": {"threshold": 60.0},
}


def distance_ratio(features, labels):
    """Mean distance to the own class mean over mean distance between class means."""
    classes = np.unique(labels)
    means = np.stack([features[labels == label].mean(axis=0) for label in classes])
    within = np.mean(
        [
            np.linalg.norm(features[labels == label] - mean, axis=1).mean()
            for label, mean in zip(classes, means, strict=True)
        ]
    )
    between = np.linalg.norm(means[:, None] - means[None], axis=-1)
    return float(within / between[~np.eye(len(classes), dtype=bool)].mean())


def train_one(faces, folds, config):
    """Held-out accuracy by epoch, and the distance ratio at the end."""
    held_out = np.array([folds[subject] == config.seed % FOLDS for subject in faces.subjects])
    train, test = faces.select(~held_out), faces.select(held_out)
    accuracy = []
    model = train_static(
        train, config, validation=test, on_epoch=lambda epoch, logs: accuracy.append(float(logs["val_accuracy"]))
    )
    features = model.backbone.predict(test.images, verbose=0)
    return {"accuracy": accuracy, "ratio": distance_ratio(features, test.labels)}


def main():
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/island"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--target", type=float, default=0.7, help="held-out accuracy to reach")
    options = parser.parse_args()

    corpus = corpora.read("synthetic", options.out / "corpus")
    folds = corpora.assign_folds(corpus.subjects, FOLDS)
    base = StaticConfig(epochs=options.epochs)
    manifest = prepare(corpus, options.out / "records")
    faces = load_faces(manifest["shards"], corpus.label_names, base.image_size, base.channels)
    runs = {}
    for seed in range(options.seeds):
        for number, (name, settings) in enumerate(LOSSES.items()):
            config = dataclasses.replace(base, seed=seed, **settings)
            file = options.out / f"loss-{number}-seed-{seed}-epochs-{options.epochs}.json"
            if not file.exists():
                result = {"config": dataclasses.asdict(config), **train_one(faces, folds, config)}
                file.write_text(json.dumps(result))
                keras.utils.clear_session()
                print(f"seed {seed}, {name}: {np.mean(result['accuracy'][-5:]):.3f}", flush=True)
            runs.setdefault(name, []).append(json.loads(file.read_text()))

    print(f"\nbuilt-in corpus small, 1 fold of {FOLDS} held out, seeds 0-{options.seeds - 1}, {options.epochs} epochs")
    print(f"| loss | epochs to {options.target:.2f} | final accuracy | within / between distance |")
    print("|---|---|---|---|")
    for name, results in runs.items():
        reached = [
            next((epoch for epoch, value in enumerate(one["accuracy"], 1) if value >= options.target), np.nan)
            for one in results
        ]
        final = [np.mean(one["accuracy"][-5:]) for one in results]
        ratio = [one["ratio"] for one in results]
        never = f" ({np.isnan(reached).sum()} never)" if np.isnan(reached).any() else ""
        print(
            f"| {name} | {np.nanmean(reached):.1f} ± {np.nanstd(reached, ddof=1):.1f}{never} "
            f"| {np.mean(final):.3f} ± {np.std(final, ddof=1):.3f} "
            f"| {np.mean(ratio):.3f} ± {np.std(ratio, ddof=1):.3f} |"
        )
    draw(runs, options.out / "island.png")
    print(f"figure: {options.out / 'island.png'}")


def draw(runs, path):
    """Held-out accuracy by epoch, mean and range over the seeds."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for name, results in runs.items():
        curves = np.array([one["accuracy"] for one in results])
        epochs = np.arange(1, curves.shape[1] + 1)
        (line,) = axes.plot(epochs, curves.mean(axis=0), label=name)
        axes.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.12, color=line.get_color())
    axes.set(
        xlabel="epoch", ylabel="held-out accuracy", title="Built-in corpus (drawn faces), mean and range over seeds"
    )
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
