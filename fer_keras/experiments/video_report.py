"""The report of the video experiment: variants on the same folds, and where attention looks, as one HTML page."""

import pathlib

import numpy as np

from fer_keras.evaluation.cross_validation import predict_attention, predict_probabilities
from fer_keras.experiments import drawings, sections, wording
from fer_keras.experiments.film_strip import draw_film_strip
from fer_keras.models.preset import load_preset
from fer_keras.report import Bullets, Figure, Gallery, Note, Page, Table
from fer_keras.report.extra import check_report_extra

_SHOWN_CLIPS = 6


def write_video_report(results, clips, folder, path):
    """Writes the report.

    Args:
        results: dict, what is in `results.json`; see `fer_keras.experiments.video.run_video_experiment`.
        clips: the `ClipSet` that was cross-validated.
        folder: the experiment's folder. A model that is missing leaves out what it would show.
        path: the HTML file.

    Raises:
        InputError: the extra `report` is not installed.
    """
    check_report_extra()
    page = Page(f"Video on {_corpus(results)}", _lead(results))
    page.add("In short", *_in_short(results))
    page.add("Recurrence and pooling", *_variants(results))
    page.add("Accuracy by fold", *_by_fold(results))
    page.add("Training by epoch", *_by_epoch(results))
    page.add("Does attention find the apex?", *_apex(results))
    page.add("Attention under its frames", *_strips(results, clips, pathlib.Path(folder)))
    page.add("Confusion", *_confusion(results))
    seeds = f"0 to {results['seeds'] - 1}" if results["seeds"] > 1 else "0"
    page.add("How to make it again", *sections.again({**results, "seed": seeds}))
    page.write(path)


def _corpus(results):
    names = {"ck_plus": "CK+", "mmi": "MMI"}
    name = names.get(results["corpus"], results["corpus"])
    return f"drawn faces in the layout of {name}" if results["built_in"] else name


def _lead(results):
    least, middle, most = results["lengths"]
    lengths = f"{least} to {most} frames (median {middle})" if least < most else wording.count(most, "frame")
    return (
        f"{wording.count(len(results['variants']), 'system')}, {results['folds']}-fold cross-validation over whole "
        f"subjects, {wording.count(results['seeds'], 'seed')}: {wording.count(results['clips'], 'clip')} of "
        f"{lengths} of {wording.count(results['subjects'], 'subject')}, {len(results['label_names'])} classes."
    )


def _figure(row):
    return f"{wording.percent(row['mean'])} ± {wording.percent(row['std'])}"


def _in_short(results):
    first, *others = results["variants"]
    notes = []
    if results["built_in"]:
        notes.append(
            Note(
                "These faces were drawn by a program. The figures let the variants be compared on drawings; they say "
                "nothing about people."
            )
        )
    if results["quick"]:
        notes.append(Note("A quick trial: few folds and few epochs. Expect the figures below those of a whole run."))
    notes += [Note(wording.sentence(text[:1].upper() + text[1:])) for text in results["remarks"]]
    lines = [
        f"{first['title']}: {_figure(first)} % of the clips right (mean ± standard deviation over folds and seeds)."
    ]
    lines += [f"{row['title']}: {_figure(row)} %; {wording.minus(row['against']['verdict'])}." for row in others]
    apex = results["apex"].get(first["name"])
    if apex and apex["clips"]:
        lines.append(_apex_sentence(first["title"], apex))
    return (*notes, Bullets(tuple(lines)))


def _apex_sentence(title, apex):
    low, high = (100 * apex[end] for end in ("low", "high"))
    return wording.minus(
        f"{title}: the frame of greatest weight lies within the annotated apex in {wording.percent(apex['hits'])} % of "
        f"{wording.count(apex['clips'], 'clip')}; {wording.percent(apex['chance'])} % would by chance (difference "
        f"{low:+.1f} to {high:+.1f} points, 95 % interval over subjects)."
    )


def _variants(results):
    rows = []
    for row in results["variants"]:
        against = row.get("against")
        low, high = (min(one["low"] for one in row["confidence"]), max(one["high"] for one in row["confidence"]))
        rows.append(
            (
                row["title"],
                str(row["seeds"]),
                _figure(row),
                wording.percent(float(np.mean(row["uar"]))),
                f"{wording.percent(low)}–{wording.percent(high)}",
                wording.minus(f"{100 * against['difference']:+.1f}") if against else "",
                wording.p_value(against["p_value"]) if against else "",
            )
        )
    return (
        f"All see the same at most {results['frames']} frames of a clip, evenly spread, through the same encoder. It "
        f"learnt {results['encoder_epochs']} epochs of single frames around the apex of the training clips of its "
        "fold, and stays as it is, but for the fine-tuned variant. The rest learns "
        f"{results['epochs']} epochs. The test fold chooses nothing.",
        Table(
            (
                *("system", "seeds", "accuracy, %", "UAR, %", "95 % interval", "against the first, points"),
                "p, corrected t",
            ),
            tuple(rows),
            "By clip: mean ± standard deviation over folds and seeds; the interval, over subjects, spans those of all "
            "seeds; differences on the same seeds and folds, corrected resampled t-test",
        ),
    )


def _by_fold(results):
    return (
        "Mean over the seeds.",
        Gallery(
            tuple(drawings.draw_folds(row["title"], np.mean(row["accuracy"], axis=0)) for row in results["variants"])
        ),
    )


def _by_epoch(results):
    loss, accuracy = {}, {}
    for row in results["variants"]:
        histories = [history for seed in row["histories"] for history in seed]
        if not histories:
            continue
        epochs = max(len(history) for history in histories)
        for series, name in ((loss, "loss"), (accuracy, "test_accuracy")):
            table = np.full((len(histories), epochs), np.nan)
            for place, history in enumerate(histories):
                values = [epoch.get(name, np.nan) for epoch in history]
                table[place, : len(values)] = values
            series[row["title"]] = table
    if not loss:
        return ("No history was kept.",)
    return (
        "Mean over folds and seeds as a line, from the least to the greatest as a band.",
        Gallery(
            (
                drawings.draw_curves(loss, "training loss"),
                drawings.draw_curves(accuracy, "accuracy on the test fold, %", percent=True),
            )
        ),
    )


def _apex(results):
    told = [
        (row["title"], results["apex"][row["name"]]) for row in results["variants"] if row["name"] in results["apex"]
    ]
    told = [(title, apex) for title, apex in told if apex["clips"]]
    if not told:
        return ("No clip has an annotated apex beside other phases.",)
    figures = tuple(
        drawings.draw_profile(title, apex["profile"]["weight"], apex["profile"]["apex"]) for title, apex in told
    )
    return (
        Bullets(tuple(_apex_sentence(title, apex) for title, apex in told)),
        "Weight of a frame, 1 if all weighed alike, by its place in the clip, and how often a frame there belongs to "
        "the apex:",
        Gallery(figures),
    )


def _strips(results, clips, folder):
    name = results["variants"][0]["name"]
    place = folder / "seed-0" / name / "model-of-fold-0"
    if not place.exists():
        return ("The model of fold 0 was not kept.",)
    model, _ = load_preset(place)
    test = clips.select(np.isin(clips.subjects, results["subjects_of_fold_0"])).sample(results["frames"])
    shown, seen = [], set()
    for row in range(len(test)):  # one of each class, then whoever comes
        if test.labels[row] not in seen:
            seen.add(int(test.labels[row]))
            shown.append(row)
    shown = (shown + [row for row in range(len(test)) if row not in shown])[:_SHOWN_CLIPS]
    test = test.select(shown)
    answers, attention = predict_probabilities(model, test), predict_attention(model, test)
    figures = []
    for row in range(len(test)):
        clip = test.clip(row)
        best = int(answers[row].argmax())
        said = (
            f"{test.subjects[row]}: {test.label_names[test.labels[row]]}, answered {test.label_names[best]} "
            f"({100 * answers[row, best]:.0f} %)"
        )
        figures.append(Figure(draw_film_strip(clip, attention[row, : len(clip.images)]), said, said))
    return (
        f"Clips of people that the model of fold 0 did not see ({results['variants'][0]['title']}, seed 0). The bars "
        "are the frames' weights, the highest in the clip at full height; frames of the annotated apex have a line "
        "below.",
        *figures,
    )


def _confusion(results):
    shown, left = results["variants"][:4], results["variants"][4:]
    said = "Of the first seed, all folds together."
    if left:
        said += f" results.json has those of: {'; '.join(row['title'] for row in left)}."  # titles have commas
    return (
        said,
        Gallery(
            tuple(
                drawings.draw_confusion(row["title"], row["pooled"][0]["confusion"], results["label_names"])
                for row in shown
            )
        ),
    )
