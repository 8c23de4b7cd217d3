"""What the Evaluator measured of a single split, as one HTML page: TFMA's own files are binary."""

import json
import pathlib

import numpy as np
from tfx.utils import path_utils

from fer_keras import corpora
from fer_keras.experiments import drawings, wording
from fer_keras.export.serving_assets import EXTRA_DIR, LABELS_FILE
from fer_keras.report import Bullets, Figure, Gallery, Page, Table, draw
from tfx_pipeline.cross_validation import REPORT_FILE
from tfx_pipeline.evaluation import read_details, read_evaluation
from tfx_pipeline.learnt_from import TRAINING_FILE
from tfx_pipeline.metadata import outputs_of
from tfx_pipeline.pipeline import PIPELINE_NAME, RELEASE_NAME
from tfx_pipeline.tuner_files import TRIALS_FILE

_TRIALS = 10  # that are shown
_SMALL = 30  # records: the figures of a smaller slice prove little


def write_run_page(store, run, folder):
    """Writes the page of a run.

    Args:
        store: `ml_metadata.MetadataStore`.
        run: `tfx_pipeline.status.Run`.
        folder: where the page goes; created if missing.

    Returns:
        The path of the page; of a cross-validation that of its report, which is written in the run; `None` for a run
        that has measured nothing, or not yet.

    Raises:
        InputError: the extra `report` is not installed.
    """
    outputs = outputs_of(store, run.name)
    gathered = outputs.get((f"{RELEASE_NAME}.CrossValidationReport", "cross_validation"))
    if gathered is not None:
        path = pathlib.Path(gathered.uri, REPORT_FILE)
        return path if path.exists() else None
    evaluation, model = (
        outputs.get((f"{PIPELINE_NAME}.{component}", name))
        for component, name in (("Evaluator", "evaluation"), ("Trainer", "model"))
    )
    if evaluation is None or not pathlib.Path(evaluation.uri, "eval_config.json").exists():
        return None
    extra = pathlib.Path(path_utils.serving_model_path(model.uri), EXTRA_DIR)
    label_names = (extra / LABELS_FILE).read_text().split()
    about = json.loads((extra / TRAINING_FILE).read_text()) if (extra / TRAINING_FILE).exists() else {}
    path = pathlib.Path(folder) / f"{run.name.replace(':', '')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = outputs.get((f"{PIPELINE_NAME}.BestTrial", "tuner_results"))
    found = found or outputs.get((f"{PIPELINE_NAME}.Tuner", "tuner_results"))
    trials = json.loads(pathlib.Path(found.uri, TRIALS_FILE).read_text()) if found else []
    figures, details = read_evaluation(evaluation.uri), read_details(evaluation.uri, len(label_names))
    page_of(run, figures, details, label_names, about, trials).write(path)
    return path


def page_of(run, evaluation, details, label_names, about, trials=()):
    """Makes the page.

    Args:
        run: `tfx_pipeline.status.Run`.
        evaluation: dict, see `tfx_pipeline.evaluation.read_evaluation`.
        details: dict, see `tfx_pipeline.evaluation.read_details`.
        label_names: the model's classes.
        about: what `tfx_pipeline.learnt_from` notes, `{}` where it noted nothing.
        trials: table of the search's trials, the best first, as the Tuner wrote it; empty without a search.

    Returns:
        A `Page`.
    """
    confusion = details["confusion"]
    page = Page("Evaluation of a held-out fold", _lead(run, int(confusion.sum()), about))
    page.add("In short", Bullets(tuple(_in_short(run, evaluation, confusion, label_names))))
    page.add("Accuracy by slice", *_slices(details["slices"]))
    title = f"the model, accuracy {wording.percent(evaluation['accuracy'])} %"
    said = "A row is the label, a column the answer; numbers are records, shades the share of the row."
    page.add("Confusion", said, Gallery((drawings.draw_confusion(title, confusion, label_names),)))
    page.add("Calibration", *_calibration(details["calibration"], label_names))
    if trials:
        page.add("Search", *_search(trials))
    return page


def _search(trials):
    names = sorted(trials[0]["values"])
    rows = tuple(
        (
            place + 1,
            wording.number(one["val_loss"], 3),
            wording.percent(one["val_accuracy"]),
            *(f"{one['values'][name]:.3g}" if name in one["values"] else "–" for name in names),
        )
        for place, one in enumerate(trials[:_TRIALS])
    )
    done = sum(one["status"] == "COMPLETED" for one in trials)
    return (
        f"{wording.count(len(trials), 'trial')}, {done} completed, judged on people held out of the training folds. "
        "The model was trained with the values of the first. The best of many trials is partly the luckiest.",
        Table(("place", "validation loss", "accuracy, %", *names), rows, f"The best {len(rows)}" if rows[1:] else ""),
    )


def _lead(run, count, about):
    fold = f"fold {about['test_fold']} of {about['folds']} of {about['corpus']}" if about else "the held-out fold"
    drawn = " Drawn faces: the figures say nothing about people." if about.get("corpus") in corpora.BUILT_IN else ""
    return (
        f"Run {run.name}: {count:,} records (faces, or clips) of {fold}, whose people the model was not trained on; "
        f"measured by TFX's Evaluator on the SavedModel.{drawn}"
    )


def _in_short(run, evaluation, confusion, label_names):
    totals = confusion.sum(axis=1)
    recalls = np.diag(confusion)[totals > 0] / totals[totals > 0]
    yield (
        f"Accuracy {wording.percent(evaluation['accuracy'])} %; unweighted average recall (UAR) "
        f"{wording.percent(recalls.mean())} %."
    )
    yield wording.constant_answer(totals, label_names)
    if evaluation["baseline_accuracy"] is not None:
        yield f"The model that was served before: {wording.percent(evaluation['baseline_accuracy'])} %, same records."
    blessed = {None: "not judged", True: "blessed", False: "not blessed"}[run.blessed]
    yield f"The model was {blessed}{f', and pushed as version {pathlib.Path(run.pushed).name}' if run.pushed else ''}."


def _slices(slices):
    if set(slices) == {""}:
        return ("The run was not asked for slices.",)
    parts = [
        "Slices differ in their mix of classes, which accuracy follows. A record may be in several slices. Slices of "
        f"fewer than {_SMALL} records are marked: their figures are shown, and prove little."
    ]
    for feature in sorted(set(slices) - {""}):
        rows = tuple(
            (value or "not stated", count, wording.percent(accuracy), "few" if count < _SMALL else "")
            for value, count, accuracy in slices[feature]
        )
        parts.append(Table((feature, "records", "accuracy, %", "note"), rows))
    return parts


def _calibration(calibration, label_names):
    if calibration is None:
        return ("The run did not measure it.",)
    together = calibration.sum(axis=0)
    number = len(together)
    ends = [f"{100 * place // number}–{100 * (place + 1) // number}" for place in range(number)]
    rows = tuple(
        (end, int(count), wording.percent(total / count), wording.percent(hits / count))
        for end, (count, total, hits) in zip(ends, together, strict=True)
        if count
    )
    by_class = tuple(
        (name, wording.percent(total / count), wording.percent(hits / count), wording.percent(_error(bins)))
        for name, bins in zip(label_names, calibration, strict=True)
        for count, total, hits in [bins.sum(axis=0)]
    )
    return (
        "Every probability that the model gave, of every class on every record, against how often the record was of "
        f"that class; {number} bins. On the dashed line it would be calibrated, below it is too sure. Calibration "
        "error is the mean distance over the bins, weighted by their counts; it depends on the bins and is too great "
        "on few records: compare it only within this page.",
        Gallery((_draw_calibration(together),)),
        Table(("probability, %", "answers", "mean probability, %", "of that class, %"), rows, "All classes together"),
        Table(
            ("class", "mean probability, %", "records of the class, %", "calibration error, %"),
            by_class,
            "By class, over all records",
        ),
    )


def _error(bins):
    """Mean distance between probability and share, weighted by counts."""
    return np.abs(bins[:, 1] - bins[:, 2]).sum() / bins[:, 0].sum()


def _draw_calibration(bins):
    bins = bins[bins[:, 0] > 0]
    given, found = 100 * bins[:, 1] / bins[:, 0], 100 * bins[:, 2] / bins[:, 0]

    def points(axes):
        axes.plot([0, 100], [0, 100], "--", color="#d55e00", linewidth=1.4, label="where it should be")
        axes.plot(given, found, "o-", color="#1a7bbd", label="the model")
        axes.set(xlabel="mean probability, %", ylabel="of that class, %", xlim=(0, 100), ylim=(0, 102))
        axes.legend(loc="upper left")

    said = ", ".join(f"{one:.0f} %: {other:.0f} %" for one, other in zip(given, found, strict=True))
    return Figure(draw(points, 4.6, 3.2), f"Calibration curve: mean probability, and share of that class. {said}")
