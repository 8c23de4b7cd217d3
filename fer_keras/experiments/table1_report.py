"""The report of Table 1: printed and measured figures, and what the paper's Figures 6 to 8 show, as one HTML page."""

import pathlib
import zipfile

import numpy as np

from fer_keras.errors import InputError
from fer_keras.experiments import drawings, sections, wording
from fer_keras.models.preset import load_preset
from fer_keras.report import Bullets, Gallery, Note, Page, Table
from fer_keras.report.extra import check_report_extra

_CORPORA = {"ck_plus": "CK+", "mmi": "MMI"}  # of the paper
_PAPER_FOLDS = 10
_LEVELS = ("frame", "sequence")


def write_report(results, faces, folder, path):
    """Writes the report of Table 1.

    Args:
        results: dict, what is in `results.json`; see `fer_keras.experiments.experiment.run_experiment`.
        faces: the `FaceSet` that was cross-validated.
        folder: the experiment's folder, with `answers.npz` and `systems/<name>/model-of-fold-0`. A model that is
            missing leaves out what it would show.
        path: the HTML file.

    Raises:
        InputError: the extra `report` is not installed, there is no system, or `answers.npz` is missing, damaged or of
            other faces.
    """
    check_report_extra()
    systems = results["systems"]
    if not systems:
        raise InputError("the results have no system; expected at least one")
    answers = _read_answers(pathlib.Path(folder, "answers.npz"), faces, [system["name"] for system in systems])
    groups = [system for system in systems if system["kind"] == "group"]
    peers = [system for system in systems if system["kind"] == "peer"]
    shown, models = groups or peers, _Models(folder)
    main = next((group for group in groups if group["name"] == "pre"), shown[-1])

    page = Page(f"Table 1 on {_corpus(results)}", _lead(results))
    page.add("In short", *_in_short(results, main))
    page.add("Table 1, printed and measured", *_table1(results))
    page.add("Accuracy by fold", *sections.by_fold(shown))
    page.add("Training by epoch", *sections.by_epoch(shown))
    for heading, some in (("Confusion: the groups", groups), ("Confusion: the peers", peers)):
        if some:
            page.add(heading, *sections.confusion(some, results["label_names"]))
    page.add("Recall by class", *sections.recalls(systems, shown, results["label_names"]))
    page.add("Calibration", *sections.calibration(systems, shown, faces, answers))
    page.add("The features of FC7", *sections.features(groups, faces, answers["fold_of"], models, results["seed"]))
    page.add("Where the model looks", *sections.looks(main, faces, answers, models))
    page.add("Subject by subject", *sections.subjects(shown, main, faces, answers))
    page.add("By what the corpus states of the faces", *sections.slices(main, faces, answers))
    page.add("Differences between systems", *sections.comparisons(results))
    page.add("Size and time", *sections.sizes(results))
    page.add("How to make it again", *sections.again(results))
    page.write(path)


class _Models:
    """The models of fold 0, loaded once."""

    def __init__(self, folder):
        self.folder, self.loaded = pathlib.Path(folder, "systems"), {}

    def get(self, name):
        """The model of a system, or `None` where there is none."""
        if name not in self.loaded:
            place = self.folder / name / "model-of-fold-0"
            self.loaded[name] = load_preset(place)[0] if place.exists() else None
        return self.loaded[name]


def _read_answers(file, faces, names):
    """Fold and probabilities of every face."""
    try:
        with np.load(file) as held:
            answers = dict(held)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: cannot be read; expected the answers of the experiment, resume it") from error
    for name, shape in {"fold_of": (len(faces),), **dict.fromkeys(names, (len(faces), len(faces.label_names)))}.items():
        found = answers[name].shape if name in answers else "nothing"
        if found != shape:
            raise InputError(f"{file}: {name}: expected an array of shape {shape} for these faces, found {found}")
    return answers


def _corpus(results):
    name = _CORPORA.get(results["corpus"], results["corpus"])
    if not results["built_in"]:
        return name
    return f"drawn faces in the layout of {name}" if results["corpus"] in _CORPORA else f"drawn faces ({name})"


def _lead(results):
    systems = wording.count(len(results["systems"]), "system")
    return (
        f"{systems}, {results['folds']}-fold cross-validation over whole subjects: {results['faces']:,} faces in "
        f"{results['sequences']:,} sequences of {wording.count(results['subjects'], 'subject')}, "
        f"{len(results['label_names'])} classes."
    )


def _in_short(results, main):
    best = max(results["systems"], key=lambda system: system["pooled"]["sequence"]["accuracy"])
    reached, recall, most = (
        wording.percent(system["pooled"]["sequence"][name])
        for system, name in ((main, "accuracy"), (main, "uar"), (best, "accuracy"))
    )
    confidence, epochs = wording.interval(main, "sequence"), wording.count(results["epochs"], "epoch")
    interval = f" (95 % interval over subjects {confidence})" if confidence != "–" else ""
    return (
        *_cautions(results),
        Bullets(
            (
                f"{main['title']}: {reached} % of the sequences right{interval}, unweighted average recall {recall} %.",
                f"Highest accuracy of all {len(results['systems'])}: {best['title']}, {most} %. Which differences are "
                "more than chance is told under Differences between systems.",
                f"Protocol: {results['folds']} folds by the {results['fold_rule']} rule, no subject in two of them; "
                f"{epochs} for every system, fixed beforehand; seed {results['seed']}, fold k adds k. The test fold "
                "chooses nothing.",
                f"Classes: {', '.join(results['label_names'])}.",
                "A sequence's answer is the mean of its frames' probabilities. Where a section does not say frames, "
                "its figures are by sequence.",
            )
        ),
    )


def _cautions(results):
    notes = []
    if results["built_in"]:
        notes.append(
            "These faces were drawn by a program. The figures show that everything runs and let the systems be "
            "compared on drawings; they say nothing about people, and nothing about the figures that the paper prints."
        )
    elif results["corpus"] not in _CORPORA:
        notes.append(
            f"The paper measured on CK+ and MMI; this is {results['corpus']}. The printed figures stand beside the "
            "measured ones for orientation: they are of other faces and cannot be compared with them."
        )
    if results["quick"]:
        notes.append("A quick trial: few folds and few epochs. Expect the figures below those of a whole run.")
    elif results["folds"] != _PAPER_FOLDS:
        notes.append(f"The paper has {_PAPER_FOLDS} folds, this experiment {results['folds']}.")
    return tuple(
        Note(text) for text in [*notes, *(wording.sentence(text[:1].upper() + text[1:]) for text in results["remarks"])]
    )


def _table1(results):
    printed_of = _printed_corpora(results)
    rows = []
    for system in results["systems"]:
        pooled, mean, std = system["pooled"], system["mean"], system["std"]
        rows.append(
            (
                system["title"],
                *(wording.number(system["printed"].get(corpus), 2) for corpus in printed_of),
                *(
                    f"{wording.percent(mean[level]['accuracy'])} ± {wording.percent(std[level]['accuracy'])}"
                    for level in _LEVELS
                ),
                wording.percent(pooled["sequence"]["accuracy"]),
                wording.interval(system, "sequence"),
                wording.percent(pooled["sequence"]["uar"]),
                wording.percent(pooled["sequence"]["macro_f1"]),
            )
        )
    printed = "printed, of people" if results["built_in"] else "printed in the paper"
    measured = ("frames, by fold", "sequences, by fold", "sequences, together", "95 % interval", "UAR", "macro F1")
    table = Table(
        ("system", *(_CORPORA[corpus] for corpus in printed_of), *measured),
        tuple(rows),
        "Accuracy in per cent; by fold: mean ± standard deviation over the folds; together: all test answers at once, "
        "with a bootstrap interval over subjects, unweighted average recall and macro F1",
        (("", 1), (printed, len(printed_of)), (f"measured here, {_corpus(results)}", len(measured))),
    )
    comparable = results["corpus"] in _CORPORA and not results["built_in"]
    return (
        *(_protocol(results) if comparable else ()),
        table,
        Gallery((_intervals(results, comparable),)),
        "The interval tells where the figure might lie had other people been tested on the same models. It does not "
        "hold the chance of training (another seed), and below some 20 subjects it is too narrow.",
        Bullets(tuple(_what(system) for system in results["systems"])),
    )


def _what(system):
    after = f" After {wording.sentence(system['paper'])}" if system["paper"] else ""
    return f"{system['title']}: {wording.sentence(system['what'])}{after}"


def _printed_corpora(results):
    return (results["corpus"],) if results["corpus"] in _CORPORA else tuple(_CORPORA)


def _protocol(results):
    return (
        f"Printed and measured figures are of the same corpus, {_corpus(results)}, but not surely of the same "
        "protocol: the paper does not print its folds, nor which frames of a sequence it takes, nor whether it counts "
        "frames or sequences. A difference of a few points in either direction may come from there.",
    )


def _intervals(results, comparable):
    rows = []
    for system in results["systems"]:
        ends = system["pooled"]["confidence"]["sequence"]["accuracy"]
        printed = system["printed"].get(results["corpus"]) if comparable else None
        accuracy = system["pooled"]["sequence"]["accuracy"]
        printed = None if printed is None else printed / 100
        rows.append((wording.short(system["title"]), accuracy, ends["low"], ends["high"], printed))
    confusion = np.array(results["systems"][0]["pooled"]["sequence"]["confusion"])
    return drawings.draw_intervals(rows, confusion.sum(axis=1).max() / confusion.sum())
