#!/usr/bin/env python3
"""Trains the preset `alexnet_emotion_fer2013`, and scores it once.

    .venv/bin/python scripts/train_fer2013_preset.py --corpus fer2013 --data ~/fer2013 --out runs/fer2013
    .venv/bin/python scripts/train_fer2013_preset.py ... --publish     # scores PublicTest and writes the preset

Trains on nine tenths of FER2013's Training part; the last tenth, stratified by label, chooses between configurations.
It can be interrupted at any time and goes on where it was. `--publish`, once the choice is made, measures PublicTest
(the split `validation`) and writes the preset with its model card into the package. PrivateTest is never read.

`--corpus folder` takes pictures with a labels.csv whose column `usage` says Training or PublicTest; `--corpus fer_plus`
the csv files with FER+'s votes, and trains on those.
"""

import argparse
import dataclasses
import json
import pathlib
import shlex
import sys

from fer_keras.console import load_libraries

PRESET = pathlib.Path(__file__).parents[1] / "fer_keras" / "presets" / "alexnet_emotion_fer2013"


def main():
    """Trains what is missing and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="fer2013", choices=("fer2013", "fer_plus", "folder"))
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/fer2013"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--config", default="{}", help="JSON of StaticConfig fields that differ from the recipe")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    load_libraries()

    from fer_keras.augmentation import AugmentationStrength
    from fer_keras.corpora.folds import hold_out_subjects
    from fer_keras.evaluation.cross_validation import evaluate_model
    from fer_keras.json_file import write_json
    from fer_keras.training.static import StaticConfig, train_static

    config = StaticConfig(
        epochs=options.epochs,
        batch_size=128,
        learning_rate=2e-3,
        weight_decay=5e-2,
        label_smoothing=0.1,
        class_balance=0.3,
        soft_labels=options.corpus == "fer_plus",
        augmentation=AugmentationStrength(
            rotation=15.0, scale=0.15, shift=0.08, brightness=0.1, contrast=0.25, cutout=0.3
        ),
    )
    config = dataclasses.replace(config, **json.loads(options.config))
    faces = load_part(options, "train", config)
    held_out = hold_out_subjects(faces.subjects, faces.labels, 0.1, seed=0)
    kept_aside = [subject in held_out for subject in faces.subjects]
    training, tenth = faces.select([not each for each in kept_aside]), faces.select(kept_aside)
    print(f"training on {len(training)} faces, choosing on {len(tenth)}", flush=True)

    def show(epoch, logs):
        print(
            f"epoch {epoch} of {config.epochs}: loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.3f}, "
            f"on the tenth {logs['val_accuracy']:.4f}",
            flush=True,
        )

    model = train_static(training, config, tenth, checkpoint_dir=options.out / "checkpoints", on_epoch=show)
    model.save_to_preset(options.out / "model", {"config": dataclasses.asdict(config)})
    chosen_on = evaluate_model(model, tenth)["frame"]
    write_json(options.out / "tenth.json", chosen_on)
    print(f"on the tenth of Training kept aside: accuracy {chosen_on['accuracy']:.4f}, UAR {chosen_on['uar']:.4f}")
    if options.publish:
        publish(model, config, options, chosen_on, len(training))
    return 0


def load_part(options, split, config):
    """The faces of one published part, as records under --out."""
    from fer_keras import corpora
    from fer_keras.corpora.face_set import load_faces
    from fer_keras.corpora.prepare import prepare

    where = {"split": split}
    if options.corpus == "folder":
        where = {"usage": {"train": "Training", "validation": "PublicTest"}[split]}
    corpus = corpora.read(options.corpus, options.data, where=where)
    manifest = prepare(corpus, options.out / f"records-{split}", faces="cropped")
    return load_faces(manifest["shards"], corpus.label_names, config.image_size, config.channels)


def publish(model, config, options, chosen_on, trained_on):
    """Scores PublicTest and writes the preset."""
    from fer_keras.evaluation.cross_validation import evaluate_model

    public = evaluate_model(model, load_part(options, "validation", config))["frame"]
    print(f"PublicTest: accuracy {public['accuracy']:.4f}, UAR {public['uar']:.4f}, ECE {public['ece']:.3f}")
    about = {
        "corpus": options.corpus,
        "protocol": "FER2013: nine tenths of Training to train, one tenth to choose, PublicTest scored once",
        "seed": config.seed,
        "trained_on": trained_on,
        "config": dataclasses.asdict(config),
        "tenth": chosen_on,
        "public_test": public,
        "command": shlex.join(["python", *sys.argv]),
    }
    model.save_to_preset(PRESET, about)
    print(f"preset: {PRESET}")


if __name__ == "__main__":
    sys.exit(main())
