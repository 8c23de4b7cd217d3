"""The report of the occlusion experiment as one HTML page."""

import pathlib

import numpy as np

from fer_keras.corpora.face_set import load_faces
from fer_keras.experiments import drawings, sections, wording
from fer_keras.experiments.occlusion import HEADLINE, conditions
from fer_keras.experiments.real_occlusion import WAYS, masks_by_landmarks
from fer_keras.faces.image import encode_png
from fer_keras.models.face_restorer import restore
from fer_keras.report import Bullets, Figure, Gallery, Note, Page, Table
from fer_keras.report.extra import check_report_extra
from fer_keras.training.restoration import RestorationConfig
from fer_keras.training.restoration_run import load_restorer
from fer_keras.training.sample_grid import picture_grid, sample_grid

_TITLES = {
    "random_block": "random block",
    "surgical_mask": "mask",
    "small_sunglasses": "sunglasses",
    "eyes": "eyes black",
    "mouth": "mouth black",
    "upper_half": "upper half black",
    "lower_half": "lower half black",
    "left_half": "left half black",
    "right_half": "right half black",
}
_CANNOT_TELL = {"hinge": ("hinge", 2), "least_squares": ("least-squares", 0.25)}
_MAGNIFIED = 2  # pixels of a grid for one of a face
_SHOWN = 2  # faces of a kind of occluder in a grid


def write_occlusion_report(results, test, folder, path):
    """Writes the report.

    Args:
        results: dict, what is in `results.json`; see `fer_keras.experiments.occlusion.run_occlusion_experiment`.
        test: the `FaceSet` that was tested on.
        folder: the experiment's folder.
        path: the HTML file.

    Raises:
        InputError: the extra `report` is not installed.
    """
    check_report_extra()
    folder = pathlib.Path(folder)
    page = Page("Occluded faces, restored and read", _lead(results))
    page.add("In short", *_in_short(results))
    page.add("Lost accuracy that comes back", *_recovered(results))
    page.add("By occluder", *_accuracy(results, "occluder"), *_closeness(results, "occluder"))
    page.add("By covered area", *_by_area(results), *_accuracy(results, "area"), *_closeness(results, "area"))
    page.add("Open faces", *_open_faces(results))
    page.add("Restored faces", *_grids(results, test, folder))
    page.add("Training", *_training(results))
    if results["real_occlusion"]:
        page.add("Real occlusion", *_real(results), *_real_grid(results["real_occlusion"], folder))
    page.add("How to make it again", *sections.again(results))
    page.write(path)


def _lead(results):
    people, more = len(results["test_subjects"]), results["restorer_faces"] - results["faces"]
    return (
        f"Recognisers {'' if more else 'and restorers '}learnt from {wording.count(results['faces'], 'face')} of "
        f"{wording.count(results['subjects'], 'subject')}"
        + (f", restorers from these and {wording.count(more, 'face')} of other corpora" if more else "")
        + "; all figures are of "
        f"{wording.count(results['test_faces'], 'face')} of {people} others, the first of {results['folds']} "
        f"subject-wise folds, over {wording.count(results['seeds'], 'seed')}. {len(results['label_names'])} classes."
        + (" Parts of the faces are black, as in studies on CK+; no object." if results["protocol"] == "parts" else "")
    )


def _first(results, way):
    """The paper's restorer with the mask given, or blind."""
    return next(row for row in results["approaches"] if row["mask"] == way and not row["name"].startswith("opencv"))


def _group(results, by, name):
    return next((group for group in results["groups"] if (group["by"], group["name"]) == (by, name)), None)


def approach_title(row):
    """What people read of one of a result's `approaches`."""
    return row["title"] + (f", {'mask given' if row['mask'] == 'given' else 'blind'}" if row["mask"] else "")


def _in_short(results):
    notes, lines = [], []
    if results["built_in"]:
        notes.append(
            Note(
                "These faces were drawn by a program. The figures let the approaches be compared on drawings; they say "
                "nothing about people."
            )
        )
    if results["quick"]:
        notes.append(Note("A quick trial: few steps and epochs. Expect the figures below those of a whole run."))
    both = _group(results, "headline", "both")
    for way in ("given", "blind"):
        row = _first(results, way)
        if both and row["name"] in both["figures"]:
            sentence = _share_sentence(results, both["figures"][row["name"]]["recovered"])
            lines.append(f"{approach_title(row)}: {sentence}")
    if both:
        figures = both["figures"]
        best = max(
            (row["name"] for row in results["approaches"] if "opencv" in row["name"]), key=lambda n: figures[n]["psnr"]
        )
        ours = figures[_first(results, "given")["name"]]["psnr"]
        lines.append(
            f"In these holes the restored face has a PSNR of {ours:.1f} dB with the mask given; OpenCV's better method "
            f"{figures[best]['psnr']:.1f} dB (difference {_signed(ours - figures[best]['psnr'], 1)} dB)."
        )
    blind = _first(results, "blind")["name"]
    passed = results["clean"].get(blind.removesuffix("_blind"))
    if passed:
        touched = both["figures"].get(blind, {}).get("painted") if both else None
        lines.append(
            f"Of open faces {wording.percent(passed['untouched'])} % pass the blind restorer untouched, "
            f"{wording.percent(passed['above_35'])} % with a PSNR above 35 dB"
            + (f"; of these occluded ones it paints {wording.percent(touched)} %." if touched is not None else ".")
        )
    lines.append(
        f"Pixels outside of the mask that was painted: the greatest change in all restored faces is "
        f"{results['changed_outside']:g} of 255."
    )
    lines.append(
        "A restored face looks plausible. It is not what was behind the occluder, and tells nobody's identity."
    )
    return (*notes, Bullets(tuple(lines)))


def _middling(results, between):
    """What the headline's occluders cover of the face, in per cent."""
    shown = [f"{100 * area:.0f}" for area in results["areas"] if HEADLINE[0] <= area <= HEADLINE[1]]
    return between.join(dict.fromkeys((shown[0], shown[-1]))) + " %"


def _share_sentence(results, one):
    covered = f"blocks and sunglasses of {_middling(results, ' to ')} of the face"
    if one["share"] is None:
        return f"no accuracy was lost that could come back, with {covered}."
    low = "no interval" if one["low"] is None else f"95 % interval {_points(one['low'])} to {_points(one['high'])} %"
    return (
        f"with {covered}, {_points(one['share'])} % of the lost accuracy "
        f"({_points(one['lost'])} points) comes back ({low}, over subjects)."
    )


def _points(share):
    return wording.minus(f"{100 * share:.0f}")


def _signed(value, digits):
    return wording.minus(f"{value:+.{digits}f}")


def _recovered(results):
    rows = []
    for group in results["groups"]:
        for row in results["approaches"]:
            one = group["figures"].get(row["name"])
            if one is None or row["name"] == "none" or group["by"] == "area":
                continue
            recovered = one["recovered"]
            low, high = recovered["low"], recovered["high"]
            rows.append(
                (
                    group_title(results, group),
                    approach_title(row),
                    _points(recovered["lost"]),
                    "–" if recovered["share"] is None else _points(recovered["share"]),
                    "–" if low is None else f"{_points(low)} to {_points(high)}",
                    _over_seeds([seed["share"] for seed in one["by_seed"]]),
                )
            )
    return (
        "Lost is the accuracy of the plain recogniser on the open faces less that on the occluded ones, in points. "
        "What comes back is the gain over no restoration as a share of it; below 0 an approach makes things worse. "
        "Intervals are over subjects (percentile bootstrap), and missing where too many resamples lose nothing; beside "
        "them mean ± standard deviation over the seeds.",
        Table(("faces", "approach", "lost", "comes back, %", "95 % interval", "over seeds"), tuple(rows)),
    )


def _over_seeds(shares):
    known = [share for share in shares if share is not None]
    return f"{_points(np.mean(known))} ± {_points(np.std(known, ddof=1))}" if len(known) > 1 else "–"


def group_title(results, group):
    """What people read of one of a result's `groups`."""
    title = _TITLES.get(group["name"], group["name"])
    if group["by"] == "headline":
        title += f" of {_middling(results, '–')}"
    return title.replace(" %", "\u00a0%")  # else a line of a table's head holds nothing but the sign


def _names(results, groups):
    return (group_title(results, group) for group in groups)


def _restorer(results, name):
    """What the reader sees of a restorer."""
    return next(row["title"] for row in results["approaches"] if row["name"] == f"{name}_given")


def _groups(results, by):
    return [group for group in results["groups"] if group["by"] == by]


def _accuracy(results, by):
    groups = _groups(results, by)
    rows = [("open faces", *(wording.percent(group["figures"]["clean"]["accuracy"]["mean"]) for group in groups))]
    for row in results["approaches"]:
        cells = [group["figures"].get(row["name"]) for group in groups]
        if any(cells):
            shares = ("–" if one is None else wording.percent(one["accuracy"]["mean"]) for one in cells)
            rows.append((approach_title(row), *shares))
    rows.append(("covered, % of the face", *(_points(group["share"]) for group in groups)))
    rows.append(("faces", *(group["faces"] for group in groups)))
    return (Table(("approach", *_names(results, groups)), tuple(rows), "Accuracy, %"),)


def _closeness(results, by):
    groups = _groups(results, by)
    tables = []
    for score, title, digits, unit in (
        ("psnr", "PSNR in the hole, dB", 1, 1),
        ("ssim", "SSIM in the hole", 3, 1),
        ("l1", "Mean absolute difference in the hole, % of white", 2, 0.01),
    ):
        rows = []
        for row in results["approaches"]:
            cells = [group["figures"].get(row["name"], {}).get(score) for group in groups]
            if any(cell is not None for cell in cells):
                rows.append((approach_title(row), *(wording.number(cell, digits, unit) for cell in cells)))
        tables.append(Table(("approach", *_names(results, groups)), tuple(rows), title))
    return tuple(tables)


def _by_area(results):
    groups = _groups(results, "area")
    shown = [row for row in results["approaches"] if row["name"] in ("none", "augmented")]
    shown += [_first(results, way) for way in ("given", "blind")]
    shown += [row for row in results["approaches"] if row["name"] == "opencv_telea"]

    def series(figure):
        return {
            approach_title(row): {group["share"]: figure(group["figures"][row["name"]]) for group in groups}
            for row in shown
            if all(figure(group["figures"].get(row["name"], {})) is not None for group in groups)
        }

    accuracy = series(lambda one: 100 * one["accuracy"]["mean"] if one else None)
    return (
        "All kinds of occluders together, by what they cover of the face (within the outline of its landmarks), to the "
        "nearest tenth. Kinds differ in size: a large share is of masks and scarves, a small one of blocks.",
        Gallery(
            (
                drawings.draw_by_area(accuracy, "accuracy, %"),
                drawings.draw_by_area(series(lambda one: one.get("psnr")), "PSNR in the hole, dB"),
            )
        ),
    )


def open_title(results, name):
    """What people read of an answer to open faces, a key of a result's `clean`."""
    known = {"recognizer": "plain recogniser", "augmented": "recogniser trained with occluders"}
    return known[name] if name in known else f"{_restorer(results, name)}, blind"


def _open_faces(results):
    rows = []
    for name, one in results["clean"].items():
        accuracy = one["accuracy"]
        interval = (
            "–"
            if accuracy["low"] is None
            else f"{wording.percent(accuracy['low'])}–{wording.percent(accuracy['high'])}"
        )
        passed = (
            (
                wording.percent(one["untouched"]),
                wording.percent(one["above_35"]),
                wording.number(one["psnr"], 1),
                wording.number(one["psnr_of_changed"], 1),
            )
            if "psnr" in one
            else ("–",) * 4
        )
        rows.append((open_title(results, name), wording.percent(accuracy["mean"]), interval, *passed))
    return (
        "A blind restorer decides by itself whether anything is covered. Equal pictures count as 100 dB in the mean.",
        Table(
            ("answers to open faces", "accuracy, %", "95 % interval", "untouched, %", "above 35 dB, %", "PSNR, dB",
             "PSNR of those changed"),
            tuple(rows),
        ),
    )  # fmt: skip


def _grids(results, test, folder):
    name = _first(results, "given")["name"].removesuffix("_given")
    restorer = load_restorer(folder / "seed-0" / name)
    chosen = [
        (one.images[rows], one.truth.images[rows], one.masks[rows])
        for one in conditions(test, results["protocol"], RestorationConfig(**results["restorer"]), (0.3,))
        for rows in [np.linspace(0, len(one.truth) - 1, _SHOWN).round().astype(int)]
    ]
    images, truth, masks = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    figures = []
    for way, given in (("mask given", masks), *((("blind", None),) if restorer.blind else ())):
        restored, painted = restore(restorer, images, given)
        grid = sample_grid(images, restored, truth, painted)
        said = f"Occluded, restored, truth, mask that was painted: {way}"
        figures.append(_figure(grid, f"{said}; {len(images)} faces of people outside of the training"))
    return (
        "By the first seed's restorer, of people that it did not see; kinds of occluders take turns.",
        Gallery(tuple(figures)),
    )


def _figure(grid, said):
    grid = grid.repeat(_MAGNIFIED, axis=0).repeat(_MAGNIFIED, axis=1)
    return Figure(encode_png(grid), said, said)


def _training(results):
    names = list(dict.fromkeys(row["name"] for row in results["training"]))
    curves = {
        _restorer(results, name): np.array(
            [[logs["l1_hole"] for logs in row["history"]] for row in results["training"] if row["name"] == name]
        )
        for name in names
    }
    rows = []
    for name in names:
        runs = [row for row in results["training"] if row["name"] == name]
        last = [row["history"][-1] for row in runs]
        rows.append(
            (
                _restorer(results, name),
                len(runs),
                "yes" if all(row["finite"] for row in runs) else "no",
                *(
                    _range([logs.get(part) for logs in last], 3)
                    for part in ("l1_hole", "mask_iou", "d_global", "d_local")
                ),
                _range(results["diversity"][name], 2),
                _range([row["seconds"] / 60 for row in runs], 1),
            )
        )
    loss, cannot_tell = _CANNOT_TELL[results["restorer"]["adversarial_loss"]]
    return (
        f"{results['restorer_epochs']} epochs, as near to {results['steps']:,} steps of "
        f"{results['restorer']['batch_size']} faces as whole epochs come; the first {results['warm_up_epochs']} "
        "without discriminators. Restorers learnt from "
        f"{wording.count(results['restorer_faces'], 'face')}. Diversity is how much restored faces differ from each "
        "other in the hole, relative to true ones: a collapsed restorer paints the same face into every hole and comes "
        f"near 0. A discriminator's {loss} loss is {cannot_tell} where it cannot tell, 0 where it sees through "
        "everything.",
        Gallery((drawings.draw_curves(curves, "L1 in the hole, share of white"),)),
        Table(
            (
                *("restorer", "seeds", "all losses finite", "L1 in the hole", "mask IoU", "global d.", "local d."),
                *("diversity", "minutes"),
            ),
            tuple(rows),
            "At the end of training, on training faces, least to greatest over the seeds; minutes of the last sitting",
        ),
    )  # fmt: skip


def _range(values, digits):
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    low, high = (wording.number(end(known), digits) for end in (min, max))
    return low if low == high else f"{low}–{high}"


def _real(results):
    real = results["real_occlusion"]

    def cells(one):
        interval = "–" if one["low"] is None else f"{wording.percent(one['low'])}–{wording.percent(one['high'])}"
        return wording.percent(one["mean"]), interval

    rows = [("open faces, no restoration", *cells(real["open"]), "")]
    if real["open_blind"]:
        rows.append(("open faces, through the blind restorer", *cells(real["open_blind"]), ""))
    for way, title in WAYS.items():
        if way in real["ways"]:
            one = real["ways"][way]
            gain = one["gain"]
            told = (
                ""
                if way == "none"
                else f"{_signed(100 * gain['mean'], 1)}"
                + (
                    ""
                    if gain["low"] is None
                    else f" ({_signed(100 * gain['low'], 1)} to {_signed(100 * gain['high'], 1)})"
                )
            )
            rows.append((f"occluded faces, {title}", *cells(one), told))
    rows.append(("open faces, HOG + SVM", *cells(real["hog"]["open"]), ""))
    rows.append(("occluded faces, HOG + SVM", *cells(real["hog"]["occluded"]), ""))
    chosen = ", ".join(f"{key}={value}" for key, value in results["real_where"].items())
    return (
        f"{results['real'][0]}" + (f" ({chosen})" if chosen else "") + ": "
        f"{wording.count(real['faces'], 'open face')} and {wording.count(real['occluded_faces'], 'face')} with "
        f"{wording.join(real['occluders'])} of "
        f"{wording.count(real['subjects'], 'subject')}, {len(real['label_names'])} classes, {real['folds']} "
        "subject-wise folds. Recognisers and the reference learnt from the open faces of the other folds; restorers "
        "saw none of these people. Below some 20 subjects such intervals are too narrow.",
        Table(("faces", "accuracy, %", "95 % interval", "gain over no restoration, points"), tuple(rows)),
        *(
            (f"{wording.count(real['without_landmarks'], 'face')} had no landmarks to put a mask on.",)
            if real["without_landmarks"]
            else ()
        ),
    )  # fmt: skip


def _real_grid(real, folder, most=12):
    shards = sorted((folder / "real" / "records").glob("*.tfrecord.gz"))
    faces = load_faces(list(map(str, shards)), real["label_names"], 48, 1)
    covered = faces.select(np.isin(faces.attributes["occlusion"], real["occluders"]))
    covered = covered.select(np.linspace(0, len(covered) - 1, min(most, len(covered))).round().astype(int))
    restorer = load_restorer(folder / "seed-0" / "dual")
    masks = masks_by_landmarks(covered)
    columns, said = [covered.images], ["Occluded"]
    for way, given in (*((("blind", None),) if restorer.blind else ()), ("mask by landmarks", masks)):
        restored, painted = restore(restorer, covered.images, given)
        columns += [restored, 255.0 * painted]
        said += [f"restored, {way}", "its mask"]
    return (
        _figure(
            picture_grid(*columns),
            f"{', '.join(said)}; {len(covered)} faces; no open picture in the same pose is at hand",
        ),
    )
