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

STAGES = (
    {
        "epochs": 60,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "weight_decay": 5e-2,
        "label_smoothing": 0.1,
        "class_balance": 0.3,
        "augmentation": {
            "rotation": 15.0,
            "scale": 0.15,
            "shift": 0.08,
            "brightness": 0.1,
            "contrast": 0.25,
            "cutout": 0.3,
        },
    },
    # After the first stage a face was learnt no better than one not seen: the second asks for less.
    {
        "epochs": 40,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "weight_decay": 5e-2,
        "label_smoothing": 0.1,
        "dropout": 0.1,
        "metric_weight": 0.003,
        "augmentation": {"rotation": 10.0, "scale": 0.1, "shift": 0.06, "cutout": 0.15},
    },
)
"""The fields of each stage's `StaticConfig`; a stage starts from the weights of the one before."""


def main():
    """Trains what is missing and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="fer2013", choices=("fer2013", "fer_plus", "folder"))
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/fer2013"))
    parser.add_argument("--config", default="{}", help="JSON of StaticConfig fields that differ from both stages")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    load_libraries()

    from fer_keras.corpora.folds import hold_out_subjects
    from fer_keras.evaluation.cross_validation import evaluate_model
    from fer_keras.json_file import write_json
    from fer_keras.models import AlexNetEmotion
    from fer_keras.training.static import StaticConfig, train_static

    stages = [
        StaticConfig(**{**common, "soft_labels": options.corpus == "fer_plus", **json.loads(options.config)})
        for common in STAGES
    ]
    faces = load_part(options, "train", stages[0])
    held_out = hold_out_subjects(faces.subjects, faces.labels, 0.1, seed=0)
    kept_aside = [subject in held_out for subject in faces.subjects]
    training, tenth = faces.select([not each for each in kept_aside]), faces.select(kept_aside)
    print(f"training on {len(training)} faces, choosing on {len(tenth)}", flush=True)

    def show(epoch, logs):
        print(
            f"stage {number}, epoch {epoch} of {config.epochs}: loss {logs['loss']:.3f}, "
            f"accuracy {logs['accuracy']:.3f}, on the tenth {logs['val_accuracy']:.4f}",
            flush=True,
        )

    before = ""
    for number, config in enumerate(stages, 1):
        folder = options.out / f"stage-{number}"
        if not (folder / "model").exists():
            config = dataclasses.replace(config, pretrained=before)
            model = train_static(training, config, tenth, checkpoint_dir=folder / "checkpoints", on_epoch=show)
            model.save_to_preset(folder / "model", {"config": dataclasses.asdict(config)})
        before = str(folder / "model")
    model = AlexNetEmotion.from_preset(before)
    chosen_on = evaluate_model(model, tenth)["frame"]
    write_json(options.out / "tenth.json", chosen_on)
    print(f"on the tenth of Training kept aside: accuracy {chosen_on['accuracy']:.4f}, UAR {chosen_on['uar']:.4f}")
    if options.publish:
        publish(model, stages, options, chosen_on, len(training))
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


def publish(model, stages, options, chosen_on, trained_on):
    """Scores PublicTest and writes the preset."""
    from fer_keras.evaluation.cross_validation import evaluate_model

    public = evaluate_model(model, load_part(options, "validation", stages[0]))["frame"]
    print(f"PublicTest: accuracy {public['accuracy']:.4f}, UAR {public['uar']:.4f}, ECE {public['ece']:.3f}")
    about = {
        "corpus": options.corpus,
        "protocol": "FER2013: nine tenths of Training to train, one tenth to choose, PublicTest scored once",
        "seed": stages[0].seed,
        "trained_on": trained_on,
        "stages": [dataclasses.asdict(stage) for stage in stages],
        "tenth": chosen_on,
        "public_test": public,
        "command": shlex.join(["python", *sys.argv]),
    }
    model.save_to_preset(PRESET, about)
    (PRESET / "README.md").write_text(card(about, model.label_names))
    print(f"preset: {PRESET}")


def card(about, names):
    """The model card, Markdown, from the figures."""
    public, tenth, stages = about["public_test"], about["tenth"], about["stages"]

    def per_cent(value):
        return "-" if value is None else f"{100 * value:.1f} %"

    def row(name, number):
        matrix = public["confusion"]
        missed = [(matrix[number][other], names[other]) for other in range(len(names)) if other != number]
        count, other = max(missed)
        return (
            f"| {name} | {sum(matrix[number])} | {per_cent(public['recall'][number])} | "
            f"{per_cent(public['precision'][number])} | {other}, {count} times |"
        )

    weakest = min(range(len(names)), key=lambda number: public["recall"][number])
    by_class = "\n".join(row(name, number) for number, name in enumerate(names))
    text = CARD.format(
        accuracy=per_cent(public["accuracy"]),
        uar=per_cent(public["uar"]),
        macro_f1=f"{public['macro_f1']:.3f}",
        ece=f"{public['ece']:.3f}",
        tenth=per_cent(tenth["accuracy"]),
        trained_on=f"{about['trained_on']:,}",
        weakest=names[weakest],
        weakest_recall=per_cent(public["recall"][weakest]),
        names=", ".join(names),
        by_class=by_class,
        epochs=" and ".join(str(stage["epochs"]) for stage in stages),
        seed=about["seed"],
        command=about["command"],
    )
    return text


CARD = """# alexnet_emotion_fer2013

AlexNet-Emotion (48×48 grey pixels, 0.5 million parameters, 20 million multiply-adds a face) for faces in the wild, with
seven classes: {names}.

```python
import fer_keras

recognizer = fer_keras.Recognizer.from_preset("alexnet_emotion_fer2013")
model = fer_keras.AlexNetEmotion.from_preset("alexnet_emotion_fer2013")  # to fine-tune
```

## Data and its terms

FER2013 (Goodfellow et al. 2013, ICML challenge): 35,887 photographs found by web search for words of emotion; people
threw out what did not fit, and all were cut to 48×48 grey pixels. The photographs carry no licence from their owners
and are no part of this project; who they show is not stated, nor was anyone asked. People themselves agree with the
labels on about 65 % of the pictures (Goodfellow et al. 2013).

## Protocol

Trained on {trained_on} faces, nine tenths of the part Training; the last tenth, stratified by label, was kept aside to
choose by. The part PublicTest (3,589 faces) was scored once, for this card. PrivateTest was not touched. No person is
named in FER2013, so one may be on both sides. Two stages of {epochs} epochs, the second with less augmentation and
dropout, from the weights of the first; seed {seed}, one run. Class imbalance is met in the first stage, by weights in
proportion to the number of faces of a class to the power of -0.3.

    {command}

The folder behind `--data` was FER2013 as pictures with a `labels.csv` and the parts in its column `split`; `--corpus
fer2013` reads the official csv instead.

## Figures

| | accuracy | UAR | macro F1 | ECE |
|---|---:|---:|---:|---:|
| PublicTest | {accuracy} | {uar} | {macro_f1} | {ece} |
| tenth of Training kept aside | {tenth} | | | |

By class, on PublicTest:

| class | faces | recall | precision | most often taken for |
|---|---:|---:|---:|---|
{by_class}

## Known failures

- {weakest} is found least often ({weakest_recall} of its faces).
- Fear, sadness, anger and neutral are taken for each other; so do the people who labelled them.
- Faint smiles with closed lips are often taken for neutral: of 60 posed ones in the London set (DeBruine & Jones 2017)
  32 are found, of 60 neutral faces there 56 (`fer-keras evaluate --model alexnet_emotion_fer2013 --corpus folder`).
- Contempt is not among the classes: such a face gets another name.
- Trained on posed and acted pictures from the web, mostly frontal; profiles, glasses, masks, children, and people
  whom the web shows rarely are not measured here.
- A face must be found and aligned first (`fer_keras.faces`), and be some 40 pixels wide or more.

## Use

Intended: research, teaching, a start to fine-tune from on labelled faces of your own setting, with figures measured
there on people that were not trained on.

Not intended: to tell what a person feels (an expression is not a feeling), to judge people in hiring, work, school,
police or border work, insurance or health. In the EU, inferring emotions at work and in
education is forbidden but for medical and safety reasons, and emotion recognition elsewhere is high-risk (Regulation
(EU) 2024/1689, the AI Act: Article 5(1)(f), Annex III point 1(c)).

## Licence

The weights are under this project's licence, Apache-2.0, as far as rights of ours are concerned. Whether weights are
bound by the rights in the photographs that they were trained on is not settled; who needs certainty trains anew on
pictures with a licence, with the same script.
"""


if __name__ == "__main__":
    sys.exit(main())
