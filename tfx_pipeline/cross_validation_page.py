"""The report of a cross-validation in the pipeline, as one HTML page."""

import importlib.util
import logging

import numpy as np

from fer_keras.corpora.face_set import FaceSet
from fer_keras.experiments import sections, wording
from fer_keras.report import Bullets, Page, Table

_log = logging.getLogger(__name__)

_NAME = "model"


def write_page(results, faces, probabilities, path):
    """Writes the report; without the extra `report` there is none, and the log says so.

    Args:
        results: dict, what `CrossValidationReport` writes to `results.json`.
        faces: `FaceSet` of all folds, one after the other; its pictures are not looked at.
        probabilities: float array `(n, K)`, of every face by the model that did not see its subject.
        path: the HTML file.
    """
    missing = [name for name in ("jinja2", "matplotlib", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        _log.warning("no report.html: it needs %s; run: pip install 'fer-keras[report]'", missing[0])
        return
    page_of(results, faces, probabilities).write(path)


def page_of(results, faces, probabilities):
    """Makes the page; arguments are those of `write_page`."""
    system = {**results, "name": _NAME, "title": "the pipeline's model", "what": "", "kind": "group"}
    answers = {_NAME: np.asarray(probabilities)}
    page = Page(f"Cross-validation on {results['corpus']}", _lead(results))
    totals = np.bincount(faces.labels, minlength=len(results["label_names"]))
    page.add("In short", *_in_short(system, wording.constant_answer(totals, results["label_names"])))
    page.add("Accuracy by fold", *sections.by_fold([system]), _by_fold(results))
    page.add("Training by epoch", *sections.by_epoch([system]))
    page.add("Confusion", *sections.confusion([system], results["label_names"]))
    page.add("Recall by class", *sections.recalls([system], [system], results["label_names"]))
    page.add("Calibration", *sections.calibration([system], [system], faces, answers))
    if isinstance(faces, FaceSet) and faces.attributes:
        page.add("By what the corpus states of the faces", *sections.slices(system, faces, answers))
    return page


def _lead(results):
    what = "clips" if results["task"] == "video" else "faces"
    drawn = " Drawn faces: the figures say nothing about people." if results["built_in"] else ""
    return (
        f"{results['fold_count']}-fold cross-validation over whole subjects: {results['faces']:,} {what} of "
        f"{wording.count(results['subjects'], 'subject')}, {len(results['label_names'])} classes.{drawn}"
    )


def _in_short(system, constant):
    lines = []
    for level in ("frame", "sequence"):
        mean, std = (system[statistic][level] for statistic in ("mean", "std"))
        confidence = wording.interval(system, level)
        pooled = f"; pooled {wording.percent(system['pooled'][level]['accuracy'])} %, 95 % interval over subjects"
        lines.append(
            f"By {level}: accuracy {wording.percent(mean['accuracy'])} ± {wording.percent(std['accuracy'])} % (mean "
            f"and standard deviation over the folds), UAR {wording.percent(mean['uar'])} %, macro F1 "
            f"{wording.percent(mean['macro_f1'])} %{pooled} {confidence}."
        )
    lines.append(constant)
    lines.append("The test fold chooses nothing: epochs were fixed beforehand, a search looks at training folds alone.")
    return (Bullets((*lines, *system["remarks"])),)


def _by_fold(results):
    rows = tuple(
        (
            fold,
            wording.percent(one["frame"]["accuracy"]),
            wording.percent(evaluated),
            wording.percent(one["frame"]["uar"]),
        )
        for fold, (one, evaluated) in enumerate(zip(results["folds"], results["evaluated"], strict=True))
    )
    caption = "By frame. The Evaluator asks the SavedModel, the Trainer the Keras model."
    return Table(("fold", "accuracy, %", "accuracy by the Evaluator, %", "UAR, %"), rows, caption)
