"""The sections of an experiment's report: every function returns the parts of one, see `fer_keras.report`.

`systems` and `shown` are lists of rows of `results["systems"]`, `system` and `main` one of them; `answers` holds the
fold of every face, `fold_of`, and the probabilities of every system by name; `models` gives a system's model of fold 0
by its name, or `None`.
"""

import hashlib

import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.comparison import SIGNIFICANCE
from fer_keras.evaluation.metrics import calibration_bins
from fer_keras.evaluation.slices import summarize_slices
from fer_keras.experiments import drawings, wording
from fer_keras.experiments.feature_space import centres_of, compactness, features_of, plane
from fer_keras.experiments.looks import draw_looks, faces_to_show, look_at
from fer_keras.report import Bullets, Code, Figure, Gallery, Table

_LEVELS = ("frame", "sequence")
_TESTS = ("mcnemar", "corrected_t")
_STATED = ("pose", "occlusion", "age", "gender", "ethnicity")  # asked of every corpus
_MOST_VALUES = 12  # of an attribute that is shown by its values
_FEWEST_FEATURES = 8  # faces below which there is no picture of the features
_MOST_SUBJECTS = 5  # named as the best, and as the worst


def by_fold(systems):
    """Accuracy on every fold, as the paper's Figures 6 and 8."""
    drawn = [
        drawings.draw_folds(wording.short(system["title"]), [fold["sequence"]["accuracy"] for fold in system["folds"]])
        for system in systems
    ]
    return (
        "Accuracy on every test fold, by sequence; the dashed line is their mean. The paper's Figures 6 and 8 show the "
        "same. A fold is a small test set: bars rise and fall with who is in it, for all systems alike.",
        Gallery(tuple(drawn)),
    )


def by_epoch(systems):
    """Loss and accuracy by epoch, as the paper's Figure 7."""
    loss = {wording.short(system["title"]): _curve(system, _softmax_loss) for system in systems}
    accuracy = {
        wording.short(system["title"]): _curve(system, lambda logs, _: logs.get("test_accuracy")) for system in systems
    }
    drawn = [
        drawings.draw_curves({title: values for title, values in series.items() if values.size}, name, percent)
        for series, name, percent in (
            (loss, "training loss", False),
            (accuracy, "accuracy on the test fold, %", True),
        )
        if any(values.size for values in series.values())
    ]
    if not drawn:
        return ("No epoch was recorded.",)
    return (
        "The mean over the folds as a line, from the lowest to the highest fold as a band, as in the paper's Figure 7. "
        "The loss is softmax's: the weighted metric loss, which the system without it does not have, is taken off. "
        "Accuracy is by frame; it is only watched, and no epoch was chosen by it.",
        Gallery(tuple(drawn)),
        _speed(accuracy),
    )


def _softmax_loss(logs, system):
    weight = (system.get("config") or {}).get("metric_weight") or 0.0
    return logs["loss"] - weight * logs.get("metric_loss", 0.0)


def _curve(system, quantity):
    """A quantity by fold and epoch, NaN where a fold has none."""
    histories = [{logs["epoch"]: quantity(logs, system) for logs in history} for history in system["histories"]]
    epochs = range(1, max((epoch for history in histories for epoch in history), default=0) + 1)
    values = np.array([[history.get(epoch) for epoch in epochs] for history in histories], float)
    return values[:, ~np.isnan(values).all(axis=0)]


def _speed(accuracy):
    rows = []
    for title, values in accuracy.items():
        if values.size:
            mean = np.nanmean(values, axis=0)
            reached = int((mean >= 0.95 * mean[-1]).argmax()) + 1
            rows.append((title, wording.percent(mean[0]), wording.percent(mean[-1]), reached))
    caption = "How fast: mean accuracy on the test folds, by frame"
    return Table(("system", "first epoch, %", "last epoch, %", "epochs to 95 % of the last"), tuple(rows), caption)


def confusion(systems, label_names):
    """Confusion matrices."""
    drawn = [
        drawings.draw_confusion(
            f"{wording.short(system['title'])}, {wording.percent(system['pooled']['sequence']['accuracy'])} %",
            system["pooled"]["sequence"]["confusion"],
            label_names,
        )
        for system in systems
    ]
    return (
        "Sequences of all test folds together. A row is the label, a column the answer; numbers are sequences, shades "
        "the share of the row.",
        Gallery(tuple(drawn)),
    )


def recalls(systems, shown, label_names):
    """Recall by class: a drawing of the systems `shown`, a table of all."""
    recalls = {wording.short(system["title"]): system["pooled"]["sequence"]["recall"] for system in shown}
    counts = np.sum(systems[0]["pooled"]["sequence"]["confusion"], axis=1).tolist()
    rows = tuple(
        (wording.short(system["title"]), *(wording.percent(value) for value in system["pooled"]["sequence"]["recall"]))
        for system in systems
    )
    table = Table(
        ("system", *label_names), (*rows, ("sequences", *counts)), "Recall by class, per cent of its sequences"
    )
    return (Gallery((drawings.draw_recalls(recalls, label_names),)), table)


def calibration(systems, shown, faces, answers):
    """Reliability diagrams of the systems `shown`, a table of all."""
    drawn = [
        drawings.draw_reliability(
            wording.short(system["title"]),
            calibration_bins(faces.labels, answers[system["name"]]),
            system["pooled"]["frame"]["ece"],
        )
        for system in shown
    ]
    rows = tuple(
        (
            system["title"],
            *(wording.percent(system["pooled"][level]["ece"]) for level in _LEVELS),
            wording.number(system["pooled"]["frame"]["nll"], 3),
            wording.number(system["pooled"]["frame"]["brier"], 3),
        )
        for system in systems
    )
    columns = ("system", "ECE, frames", "ECE, sequences", "log loss, nats", "Brier score")
    return (
        "How often answers of a confidence are right: bars on the dashed line would be calibrated, below it the model "
        "is too sure of itself, above it too modest. By frame, in 15 bins; the stepped line tells how many answers a "
        "bar stands on. The expected calibration error (ECE) depends on the bins and on the number of samples: compare "
        "it only within this page.",
        Gallery(tuple(drawn)),
        Table(columns, rows, "Calibration: ECE in per cent; log loss and Brier score by frame. 0 is best in all"),
    )


def features(groups, faces, fold_of, models, seed):
    """The features of the held-out faces of fold 0, of the groups `pre` and `softmax`."""
    held_out = faces.select(fold_of == 0)
    wanted = [group for group in groups if group["name"] in ("pre", "softmax")]
    missing = [group["title"] for group in wanted if models.get(group["name"]) is None]
    parts = [f"The model of fold 0 of {' and of '.join(missing)} is not in the folder; its features are left out."]
    parts = parts if missing else []
    found = [(group, models.get(group["name"])) for group in reversed(wanted) if models.get(group["name"]) is not None]
    if not found:
        return (*parts, "There is no model to take features from.")
    if len(held_out) < _FEWEST_FEATURES or len(np.unique(held_out.labels)) < 2:
        return (*parts, f"Fold 0 has {len(held_out)} faces: too few, or of one class, for a picture of their features.")
    drawn, rows = [], []
    for group, model in found:
        features, centres = features_of(model, held_out), centres_of(model)
        title = wording.short(group["title"])
        points = plane(features, centres, seed)
        drawn.append(drawings.draw_scatter(title, points[0], held_out.labels, held_out.label_names, points[1]))
        spread = compactness(features, held_out.labels)
        rows.append((title, *(wording.number(spread[name], 2) for name in ("within", "between", "ratio"))))
    columns = ("system", "face to its class's mean", "between means", "ratio")
    caption = "Mean Euclidean distances in all dimensions of the feature; the lower the ratio, the clearer the classes"
    return (
        *parts,
        f"The {len(held_out)} faces of fold 0, which these models did not see, by their features, laid into the plane "
        f"by t-SNE (seed {seed}). Stars are the class centres of the metric loss, where the model has one.",
        Gallery(tuple(drawn)),
        "t-SNE keeps neighbours together and nothing else: distances between groups of points, their sizes and their "
        "density mean nothing, the axes have no unit, and another seed gives another picture. A centre tells only "
        "which faces it is near. Whether classes are apart is for the figures below, which are measured in the "
        "features themselves.",
        Table(columns, tuple(rows), caption),
    )


def looks(system, faces, answers, models):
    """Grad-CAM of a system on held-out faces of fold 0."""
    model, held_out = models.get(system["name"]), faces.select(answers["fold_of"] == 0)
    if model is None:
        return (f"The model of fold 0 of {system['title']} is not in the folder; its maps are left out.",)
    names, given = held_out.label_names, answers[system["name"]][answers["fold_of"] == 0].argmax(axis=1)
    chosen = faces_to_show(held_out.labels, held_out.subjects)
    rows = [row for some in chosen.values() for row in some]
    try:
        maps = dict(zip(rows, look_at(model, held_out.select(rows)), strict=True))
    except InputError as error:
        return (f"Grad-CAM cannot take this model, and its maps are left out: {error}",)
    drawn = []
    for label, some in chosen.items():
        picture = draw_looks(held_out.images[some], np.stack([maps[row] for row in some]))
        said = ", ".join(names[given[row]] for row in some)
        alt = f"{wording.count(len(some), 'face')} labelled {names[label]}, and below each where the model looks for it"
        drawn.append(Figure(picture, alt, f"{names[label]}; answered: {said}"))
    return (
        f"Grad-CAM of {system['title']} on faces of fold 0, which the model did not see: the orange places raise the "
        "score of the face's own label, also where the answer was another. Every map is scaled to its own strongest "
        "place, on the coarse grid of the last convolution; a face without orange has no place there that speaks for "
        "its label. The maps tell where the model looked, not why, and not whether it was right to.",
        Gallery(tuple(drawn)),
    )


def subjects(shown, main, faces, answers):
    """The spread over subjects; of `main` the lowest and the highest."""
    drawn, rows = [], []
    for system in shown:
        slices = summarize_slices(faces.labels, answers[system["name"]], faces.subjects)
        accuracies = [one["accuracy"] for one in slices.values()]
        drawn.append(drawings.draw_spread(wording.short(system["title"]), accuracies))
        quarters = np.quantile(accuracies, (0, 0.25, 0.5, 0.75, 1))
        rows.append((wording.short(system["title"]), *(wording.percent(value) for value in quarters)))
    columns = ("system", "lowest", "lower quarter", "median", "upper quarter", "highest")
    return (
        "A good mean can hide people for whom the system does not work. Accuracy by frame of every subject, by the "
        "model that did not see this subject.",
        Gallery(tuple(drawn)),
        Table(columns, tuple(rows), "Accuracy over subjects, per cent of their frames"),
        _extreme_subjects(main, faces, answers),
    )


def _extreme_subjects(system, faces, answers):
    slices = summarize_slices(faces.labels, answers[system["name"]], faces.subjects)
    ranked = sorted(slices, key=lambda name: (slices[name]["accuracy"], name))
    if len(ranked) > 2 * _MOST_SUBJECTS:
        ranked = ranked[:_MOST_SUBJECTS] + ranked[-_MOST_SUBJECTS:]
    rows = tuple(
        (
            name,
            slices[name]["count"],
            wording.percent(slices[name]["accuracy"]),
            _weakest(slices[name], faces.label_names),
        )
        for name in ranked
    )
    caption = f"{wording.short(system['title'])}: the lowest and the highest subjects"
    return Table(("subject", "frames", "accuracy, %", "lowest recall"), rows, caption)


def slices(system, faces, answers):
    """A system's figures by what the corpus states of the faces."""
    tables, silent = [], [name for name in _STATED if not any(faces.attributes.get(name, ()))]
    for name in sorted(faces.attributes, key=lambda name: (name not in _STATED, name)):
        values = [_value(name, value) for value in faces.attributes[name]]
        if name != "split" and any(values) and 1 < len(set(values)) <= _MOST_VALUES:
            tables.append(_slice_table(name, values, system, faces, answers))
        elif name in _STATED and any(values):
            one = f"is “{values[0]}” for every face" if len(set(values)) == 1 else "has too many values for a table"
            tables.append(f"The attribute {name} {one}.")
    said = f"The corpus does not state {wording.join(silent)}: how the system fares by it cannot be told."
    about = (
        f"{system['title']}, by frame. Slices differ in their mix of classes, which accuracy follows: compare the "
        "unweighted average recall (UAR). Slices of fewer than 30 frames or 5 people are marked: their figures are "
        "shown, and prove little."
    )
    return (
        *((about,) if any(isinstance(table, Table) for table in tables) else ()),
        *tables,
        *((said,) if silent else ()),
    )


def _value(name, value):
    """An attribute's value; ages by decade."""
    try:
        return f"{int(float(value)) // 10 * 10} to {int(float(value)) // 10 * 10 + 9}" if name == "age" else str(value)
    except ValueError:
        return str(value)


def _slice_table(name, values, system, faces, answers):
    slices = summarize_slices(faces.labels, answers[system["name"]], values, faces.subjects)
    rows = tuple(
        (
            value,
            one["count"],
            one["subjects"],
            wording.percent(one["accuracy"]),
            wording.percent(one["uar"]),
            _weakest(one, faces.label_names),
            _small(one),
        )
        for value, one in slices.items()
    )
    return Table((name, "frames", "people", "accuracy, %", "UAR, %", "lowest recall", "note"), rows)


def _weakest(one, label_names):
    known = [(recall, name) for recall, name in zip(one["recall"], label_names, strict=True) if recall is not None]
    recall, name = min(known)
    return f"{name} {100 * recall:.0f}\N{NO-BREAK SPACE}%" if recall < 1 else "none wrong"


def _small(one):
    return "few" if one["small"] else ""


def comparisons(results):
    """Tests of pairs of systems."""
    found = results["comparisons"]
    if not found:
        return ("No two systems were compared.",)
    titles = {system["name"]: wording.short(system["title"]) for system in results["systems"]}
    limit = SIGNIFICANCE / len(found)
    rows, held = [], []
    for pair in found:
        names, p_values = (titles[pair["a"]], titles[pair["b"]]), [pair[test]["p_value"] for test in _TESTS]
        both = max(p_values) < limit
        held += [f"{names[0]} and {names[1]}"] if both else []
        t = pair["corrected_t"]
        counts = (pair["mcnemar"]["only_a"], pair["mcnemar"]["only_b"])
        rows.append(
            (
                *names,
                *counts,
                wording.p_value(p_values[0]),
                wording.minus(f"{100 * t['difference']:+.1f}"),
                wording.p_value(p_values[1]),
                "yes" if both else "no",
            )
        )
    sentences = [
        f"By sequence (McNemar): {wording.sentence(wording.short(pair['mcnemar']['verdict']))} By fold (corrected "
        f"t-test): {wording.minus(wording.sentence(wording.short(pair['corrected_t']['verdict'])))}"
        for pair in found
    ]
    outcome = f"Both tests hold it for {'; '.join(held)}." if held else "Both tests hold it for no pair."
    columns = (
        "first",
        "second",
        "only first",
        "only second",
        "p, McNemar",
        "difference, points",
        "p, corrected t",
        "holds",
    )
    many = (
        f"Who tries {len(found)} pairs finds some that differ by chance: a difference is to be relied on where p is "
        f"below {SIGNIFICANCE} / {len(found)} = {limit:.2g} (Bonferroni). "
    )
    return (
        f"{many if len(found) > 1 else ''}{outcome} A large p does not prove two systems equal.",
        Table(
            columns,
            tuple(rows),
            "Pairs of systems. Only first, only second: sequences that this one alone has right. Difference: of the "
            f"mean accuracy over the folds. Holds: both p below {limit:.2g}",
        ),
        f"In sentences, where more than chance means p below {SIGNIFICANCE}, before any correction:",
        Bullets(tuple(sentences)),
    )


def sizes(results):
    """Parameters, multiply-adds and time."""
    rows = tuple(
        (
            system["title"],
            wording.thousands(system["parameters"]),
            wording.number(system["multiply_adds"], 1, 1e6),
            wording.number(system["seconds"], 0),
        )
        for system in results["systems"]
    )
    return (
        f"Training and testing took {wording.duration(results['seconds'])} in all on "
        f"{wording.count(results['cores'], 'core')}. Seconds are of all folds of a system, on a machine that may have "
        "had other work.",
        Table(("system", "parameters", "million multiply-adds a face", "seconds"), rows),
    )


def again(results):
    """What it takes to repeat the experiment."""
    facts = (
        ("data", results["data"]),
        ("fingerprint of the corpus", results["fingerprint"]),
        ("records", _digest_of(results["records"])),
        ("folds", f"{results['folds']}, {results['fold_rule']} rule"),
        ("seed", str(results["seed"])),
        ("epochs", str(results["epochs"])),
        *((f"version of {name}", str(version)) for name, version in results["versions"].items()),
    )
    return (Code(results["command"]), Table(("what", "value"), facts))


def _digest_of(records):
    """One digest of all records, and how to see it."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(records.items()))
    shown = hashlib.sha256(lines.encode()).hexdigest()
    ending = sorted(records)[0].partition(".")[2] if records else ""
    return f"SHA-256 {shown}, as printed by: sha256sum *.{ending} | sha256sum"
