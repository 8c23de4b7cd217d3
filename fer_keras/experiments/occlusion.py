"""What restoration gains: recognisers on clean, occluded and restored faces of people outside of the training."""

import dataclasses
import functools
import os
import pathlib
import time

import keras
import numpy as np

from fer_keras import corpora
from fer_keras.augmentation import occlude_faces
from fer_keras.corpora.face_set import FaceSet, join_faces, load_faces
from fer_keras.corpora.folds import deal_folds
from fer_keras.corpora.prepare import corpus_fingerprint, prepare
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import FoldJob, fold_numbers, load_fold, predict_probabilities, run_folds
from fer_keras.evaluation.face_parts import PARTS, every_part
from fer_keras.evaluation.fold_pool import fold_workers, run_in_processes
from fer_keras.evaluation.inpainting import METHODS, inpaint_faces
from fer_keras.evaluation.occluded_faces import AREAS, every_occlusion
from fer_keras.evaluation.recovery import mean_with_interval, recovered_share
from fer_keras.evaluation.restoration_metrics import diversity_ratio, restoration_scores
from fer_keras.experiments.experiment import corpus_facts, versions
from fer_keras.experiments.real_occlusion import read_real, run_real_occlusion
from fer_keras.experiments.table1 import PRETRAINED
from fer_keras.json_file import write_json
from fer_keras.models.face_restorer import restore
from fer_keras.models.preset import load_preset
from fer_keras.occlusion import OCCLUDERS
from fer_keras.training.epoch_log import EpochLog
from fer_keras.training.restoration import RestorationConfig, open_faces
from fer_keras.training.restoration_run import RESTORER_FILE, load_restorer, note, train_restorer
from fer_keras.training.run import EpochCount, Quiet, claim_run
from fer_keras.training.static import StaticConfig, steps_per_epoch

RESTORERS = {
    "dual": ("global and local discriminator", ("global", "local")),
    "global_only": ("global discriminator (first seed)", ("global",)),
    "local_only": ("local discriminator (first seed)", ("local",)),
    "reconstruction": ("no discriminator", ()),
}
"""Name of a restorer to what the reader sees and its discriminators; the first is the paper's."""

FOLDS, SEEDS, STEPS, WARM_UP, EPOCHS, COPIES = 5, 3, 1200, 0.5, 24, 3
"""Folds, seeds, steps of a restorer and the share of them without discriminators, epochs of a recogniser, occluded
copies of a face for the one that is trained with occluders."""

HEADLINE = (0.2, 0.3)
"""Least and greatest share of the face that is covered in what the report begins with."""

QUICK = {"folds": 2, "seeds": 1, "steps": 12, "epochs": 1, "areas": (0.2,), "restorers": ("dual", "reconstruction")}

RESTORER = RestorationConfig(
    width=0.75,
    fill="smooth",
    batch_size=16,
    learning_rate=2e-3,
    discriminator_rate=1e-3,
    average_decay=0.99,
    occluded=0.8,
)
"""What restorers are trained with, besides what follows from the number of steps: for runs of minutes."""

FIXED = {"image_size", "channels", "epochs", "warm_up_epochs", "discriminators", "feature_model", "seed"}
"""Fields of a restorer's configuration that the experiment itself sets."""

PROTOCOLS = ("occluders", "parts")
"""What covers the faces of the test: objects and blocks that are drawn, or black parts of the face."""

_FIRST_SEED_ONLY = ("global_only", "local_only")


@dataclasses.dataclass(frozen=True)
class RestorerJob:
    """A restorer to train.

    Args:
        faces: `FaceSet` to train on.
        config: `RestorationConfig`.
        directory: its folder.
    """

    faces: FaceSet
    config: RestorationConfig
    directory: pathlib.Path


def run_restorer(job, report):
    """Trains a restorer; a killed training goes on from its last checkpoint.

    Args:
        job: `RestorerJob`.
        report: callable `(epoch, logs)`, epochs from 1.
    """
    started = time.monotonic()
    shown = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(epoch + 1, dict(logs)))
    train_restorer(job.faces, job.config, job.directory, [shown])
    write_json(job.directory / "seconds.json", time.monotonic() - started)
    keras.backend.clear_session()


def run_occlusion_experiment(
    corpus, data, out, folds=None, seeds=None, steps=None, quick=False, restorer=RESTORER, pretrained=PRETRAINED,
    also=(), protocol="occluders", real=None, real_where=None, labels=None, where=None, strict=False, resume=False,
    workers=None, on_progress=None, command="",
):  # fmt: skip
    """Trains recognisers and restorers on all subject-wise folds but the first, and tests them on that one.

    The folder gets `run.json`, `records/`, `seed-s/<network>/` with every trained network, each of which is finished,
    or goes on from its last checkpoint, on its own, and beside them `measured.npz`, what came of them; `answers.npz`,
    what came of every occluded face; and `results.json`.

    Args:
        corpus: one of `fer_keras.corpora.CORPORA`.
        data: its folder.
        out: folder of the experiment.
        folds: int, number of subject-wise folds, by the published rule, 5 by default; the first is tested on.
        seeds: int, how many seeds, from 0, of networks and occluders; 3 by default.
        steps: int, of a restorer's training; 1,200 by default. Half of them are without discriminators.
        quick: bool, two restorers and one area; by default two folds, one seed and a few steps; to see everything run.
        restorer: `RestorationConfig` without regard to the fields `FIXED`: faces are of 48×48 grey pixels, epochs
            follow from `steps`, and the recogniser of the same seed is the feature model.
        pretrained: preset that recognisers start from; `""` for random weights.
        also: pairs of a corpus and its folder, whose open faces restorers learn from as well.
        protocol: one of `PROTOCOLS`: what faces are tested with, see `every_occlusion` and `every_part`. Training is
            the same.
        real: optional folder with a `labels.csv` whose column `occlusion` says what covers a face, see
            `fer_keras.experiments.real_occlusion`; restorers do not learn from it.
        real_where: as for `fer_keras.corpora.read`, of `real`.
        labels: as for `fer_keras.corpora.read`.
        where: as for `fer_keras.corpora.read`.
        strict: as for `fer_keras.corpora.read`.
        resume: continue the experiment in `out`.
        workers: networks side by side, see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it.

    Returns:
        A pair of the results, plain data as in `results.json`, and the `FaceSet` that was tested on. The results hold
        facts of the corpus; `clean`, accuracy on open faces and what blind restorers do to them; `groups`, a list of
        groups of occluded faces, by occluder and by covered area, with the figures of every approach; `training` and
        `diversity` of the restorers; and `real_occlusion`, see `run_real_occlusion`, or `None`.

    Raises:
        InputError: the corpora or the folder cannot be used, or the same folder is given twice.
    """
    out, progress = pathlib.Path(out), on_progress or Quiet()
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, received {protocol!r}")
    if real is None and real_where:
        raise InputError("real_where chooses among the pictures of real (--real), which is missing")
    _check_folders(data, [folder for _, folder in also], real)
    names = tuple(RESTORERS)
    epochs, areas = EPOCHS, AREAS
    if quick:
        epochs, areas, names = (QUICK[key] for key in ("epochs", "areas", "restorers"))
    folds, seeds = folds or (QUICK["folds"] if quick else FOLDS), seeds or (QUICK["seeds"] if quick else SEEDS)
    steps = steps or (QUICK["steps"] if quick else STEPS)
    if pretrained:
        load_preset(pretrained)  # a wrong one is noticed before anything is drawn, prepared or claimed
    found = corpora.read(corpus, data, labels, where, strict)
    others = [(name, folder, corpora.read(name, folder, None, None, strict)) for name, folder in also]
    real_corpus = None if real is None else read_real(real, real_where, strict)
    by_subject = deal_folds(found, folds)
    recognizer = StaticConfig(
        epochs=epochs, batch_size=32, pretrained=str(pretrained), learning_rate=1e-3 if pretrained else 2e-3
    )
    asked = {
        **corpus_facts("occlusion", corpus, data, found, where, folds),
        "seeds": seeds,
        "steps": steps,
        "quick": quick,
        "protocol": protocol,
        "recognizer": dataclasses.asdict(recognizer),
        "restorer": dataclasses.asdict(restorer),
        "also": [[name, str(folder), corpus_fingerprint(one)] for name, folder, one in others],
        "real": None if real is None else [str(real), corpus_fingerprint(real_corpus)],
        "real_where": real_where or {},
    }
    command = claim_run(out, asked, resume, command)
    manifest = prepare(found, out / "records", on_progress=lambda *n: progress.update("faces", *n))
    faces = open_faces(load_faces(manifest["shards"], found.label_names, 48, 1), restorer)
    held_out = fold_numbers(faces, by_subject) == 0
    training, test = faces.select(~held_out), faces.select(held_out)
    more = [
        _more_faces(one, out / f"also-{number}", faces, restorer, progress) for number, (_, _, one) in enumerate(others)
    ]
    split = _Split(training, test, join_faces([training, *more]))

    folders = [out / f"seed-{seed}" for seed in range(seeds)]
    _train_recognizers(split, recognizer, restorer, folders, workers, progress)
    restorers = [
        job for seed in range(seeds) for job in _restorer_jobs(split, restorer, steps, names, seed, folders[seed])
    ]
    _train_restorers(restorers, workers, progress)
    parts = []
    for seed in range(seeds):
        progress.update("measuring", seed, seeds)
        occlude = functools.partial(conditions, test, protocol, restorer, areas, seed)
        parts.append(_measure_once(test, folders[seed], occlude, seed))
    progress.update("measuring", seeds, seeds)
    table = _join([part["table"] for part in parts])
    aside = out / ".answers.npz"
    np.savez(aside, **table)
    aside.replace(out / "answers.npz")
    results = {
        **asked,
        "seed": f"0 to {seeds - 1}",
        "epochs": f"{epochs} of recognisers, {restorers[0].config.epochs} of restorers",
        "restorer_epochs": restorers[0].config.epochs,
        "warm_up_epochs": restorers[0].config.warm_up_epochs,
        "faces": len(training),
        "restorer_faces": len(split.restorers),
        "test_faces": len(test),
        "subjects": len(set(training.subjects)),
        "test_subjects": sorted(set(test.subjects.tolist())),
        "skipped": len(manifest["skipped"]),
        "records": manifest["sha256"],
        "command": command,
        "versions": versions(),
        "cores": os.cpu_count(),
        "areas": list(areas),
        "approaches": _approaches(names),
        "clean": _join_clean([part["clean"] for part in parts], test.subjects),
        "groups": _groups(table, areas),
        "training": [_training(job) for job in restorers],
        "diversity": {
            name: [part["diversity"][name] for part in parts if name in part.get("diversity", ())] for name in names
        },
        "changed_outside": max(part["changed_outside"] for part in parts),
        "recognizer_seconds": sum(
            load_fold(folder / name, 0)["seconds"] for folder in folders for name in ("recognizer", "augmented")
        ),
        "real_occlusion": None,
    }
    if real is not None:
        results["real_occlusion"] = run_real_occlusion(
            *(real_corpus, out / "real", [folder / names[0] for folder in folders], pretrained, quick),
            workers=workers,
            on_progress=progress,
        )
    write_json(out / "results.json", results)
    return results, test


@dataclasses.dataclass(frozen=True)
class _Split:
    """Faces that recognisers learn from, those that all are tested on, and those that restorers learn from."""

    recognizers: FaceSet
    test: FaceSet
    restorers: FaceSet


def _check_folders(data, also, real):
    """Raises `InputError` where people who are tested on would be learnt from."""
    known = set()
    for folder in (data, *also, *([] if real is None else [real])):
        place = pathlib.Path(folder).expanduser().resolve()
        if place in known:
            raise InputError(f"{folder}: is given twice; nobody who is tested on may be learnt from")
        known.add(place)


def _more_faces(corpus, folder, like, restorer, progress):
    """The open faces of another corpus; their labels do not matter."""
    manifest = prepare(corpus, folder, on_progress=lambda *n: progress.update(f"faces of {corpus.name}", *n))
    faces = open_faces(load_faces(manifest["shards"], corpus.label_names, 48, 1), restorer)
    return dataclasses.replace(faces, labels=np.zeros_like(faces.labels), label_names=like.label_names, votes=None)


def _train_recognizers(split, config, restorer, folders, workers, progress):
    """Trains for every seed a recogniser, and one that learns from occluded copies as well, in as many steps."""
    fewer = max(1, round(config.epochs / (1 + COPIES)))
    jobs, counts = [], {}
    for seed, folder in enumerate(folders):
        for name, epochs in (("recognizer", config.epochs), ("augmented", fewer)):
            directory = folder / name
            counts[directory] = _count(directory, epochs, progress)
            if not (directory / "fold-0.npz").exists():  # else drawing occluders was in vain
                faces = split.recognizers if name == "recognizer" else _with_copies(split.recognizers, restorer, seed)
                asked = dataclasses.replace(config, seed=seed, epochs=epochs)
                fold_of = np.repeat([1, 0], [len(faces), len(split.test)])
                jobs.append(FoldJob(join_faces([faces, split.test]), fold_of, 0, asked, directory))
    run_folds(jobs, workers, lambda job, epoch, logs: counts[job.directory].epoch(0, epoch, logs))


def _with_copies(faces, restorer, seed):
    copies = [
        occlude_faces(faces.images, faces.landmarks, (seed, copy), restorer.occluders, 1.0, restorer.coverage)
        for copy in range(COPIES)
    ]
    return join_faces([faces, *(dataclasses.replace(faces, images=images.numpy()) for images, _, _ in copies)])


def _restorer_jobs(split, config, steps, names, seed, folder):
    per_epoch = steps_per_epoch(split.restorers, config)
    epochs = max(2, round(steps / per_epoch))
    config = dataclasses.replace(
        config,
        epochs=epochs,
        warm_up_epochs=round(WARM_UP * epochs),
        feature_model=str(folder / "recognizer" / "model-of-fold-0"),
        seed=seed,
    )
    return [
        RestorerJob(split.restorers, dataclasses.replace(config, discriminators=RESTORERS[name][1]), folder / name)
        for name in names
        if seed == 0 or name not in _FIRST_SEED_ONLY
    ]


def _train_restorers(jobs, workers, progress):
    counts = [_count(job.directory, job.config.epochs, progress, note) for job in jobs]
    places = [place for place, job in enumerate(jobs) if not (job.directory / "seconds.json").exists()]
    waiting = [jobs[place] for place in places]
    workers = fold_workers(len(waiting)) if workers is None else workers

    def report(place, epoch, logs):
        counts[places[place]].epoch(0, epoch, logs)

    if workers and waiting:
        for _ in run_in_processes(run_restorer, waiting, workers, report):
            pass
    else:
        for place, job in enumerate(waiting):
            run_restorer(job, functools.partial(report, place))


def _count(directory, epochs, progress, words=None):
    title = f"{directory.parent.name}: {directory.name}"
    return EpochCount(1, epochs, functools.partial(progress.update, title), words)


def conditions(test, protocol, restorer, areas=AREAS, seed=0):
    """What recognisers and restorers are tested on.

    Args:
        test: `FaceSet` of open faces.
        protocol: one of `PROTOCOLS`.
        restorer: `RestorationConfig`, whose occluders are drawn.
        areas: as for `every_occlusion`.
        seed: int, of the occluders.

    Returns:
        A list of `OccludedFaces`.
    """
    return every_part(test) if protocol == "parts" else every_occlusion(test, restorer.occluders, areas, seed)


def _measure_once(test, folder, occlude, seed):
    """`_measure`, unless its answer is on disk: a run that is stopped later on need not do it again."""
    file = folder / "measured.npz"
    if not file.exists():
        aside = folder / f".{file.name}"
        np.savez(aside, **_flat(_measure(test, folder, occlude(), seed)))
        aside.replace(file)
    with np.load(file) as held:
        return _nested(held)


def _flat(parts, above=""):
    """A dict of dicts of arrays as one dict, whose names are the paths with colons."""
    flat = {}
    for name, value in parts.items():
        flat |= _flat(value, f"{above}{name}:") if isinstance(value, dict) else {above + name: value}
    return flat


def _nested(flat):
    """What `_flat` was made of."""
    parts = {}
    for path, value in flat.items():
        place, (*above, name) = parts, path.split(":")
        for one in above:
            place = place.setdefault(one, {})
        place[name] = value if value.ndim else value.item()
    return parts


def _measure(test, folder, occluded, seed):
    """What comes of occluded faces of the test fold with the networks of a seed."""
    recognizer, augmented = (load_preset(folder / name / "model-of-fold-0")[0] for name in ("recognizer", "augmented"))
    restorers = {name: load_restorer(folder / name) for name in RESTORERS if (folder / name / RESTORER_FILE).exists()}
    clean = {
        "recognizer": _hits(recognizer, test),
        "augmented": _hits(augmented, test),
        **{name: _pass_through(restorer, recognizer, test) for name, restorer in restorers.items() if restorer.blind},
    }
    tables, changed = [], 0.0
    for one in occluded:
        pictures = {f"opencv_{method}": inpaint_faces(one.images, one.masks, method) for method in METHODS}
        touched = {}
        for name, restorer in restorers.items():
            for way, masks in (("given", one.masks), ("blind", None)) if restorer.blind else (("given", one.masks),):
                restored, painted = restore(restorer, one.images, masks)
                pictures[f"{name}_{way}"] = restored
                changed = max(changed, float(np.abs(np.where(painted, 0, restored - one.images)).max()))
                if way == "blind":
                    touched[f"painted/{name}_blind"] = painted.any(axis=(1, 2, 3)).astype(float)
        columns = {
            "occluder": np.full(len(one.truth), one.occluder),
            "share": one.shares if one.area is None else np.full(len(one.truth), one.area),
            "asked": np.full(len(one.truth), np.nan if one.area is None else one.area),
            "subject": one.truth.subjects,
            "seed": np.full(len(one.truth), seed),
            "hit/clean": clean["recognizer"][one.rows],
            "hit/clean_augmented": clean["augmented"][one.rows],
            "hit/none": _hits(recognizer, one.truth, one.images),
            "hit/augmented": _hits(augmented, one.truth, one.images),
            **touched,
        }
        for name, restored in pictures.items():
            columns[f"hit/{name}"] = _hits(recognizer, one.truth, restored)
            scores = restoration_scores(restored, one.truth.images, one.masks)
            columns |= {f"{score}/{name}": scores[f"{score}_hole"] for score in ("psnr", "ssim", "l1")}
        tables.append(columns)
    diversity = _diversity(restorers, test, occluded)
    return {"table": _join(tables), "clean": clean, "changed_outside": changed, "diversity": diversity}


def _diversity(restorers, test, occluded):
    """Of every restorer, under blocks of middling size, or without blocks under a part of the face."""
    whole = [one for one in occluded if len(one.rows) == len(test)]
    shown = [one for one in whole if one.occluder == "random_block"] or whole
    if not shown:
        return {}
    masks = shown[len(shown) // 2].masks
    return {name: diversity_ratio(restorer, test.images, masks) for name, restorer in restorers.items()}


def _hits(model, faces, images=None):
    """1 where the model's answer is right, else 0; to the faces' own pictures or to others in their place."""
    faces = faces if images is None else dataclasses.replace(faces, images=images)
    return (predict_probabilities(model, faces).argmax(axis=1) == faces.labels).astype(float)


def _pass_through(restorer, recognizer, test):
    restored, painted = restore(restorer, test.images)
    scores = restoration_scores(restored, test.images, painted)
    untouched = ~painted.any(axis=(1, 2, 3))
    return {"hit": _hits(recognizer, test, restored), "psnr": scores["psnr"], "untouched": untouched}


def _join(tables):
    """Rows of all tables; NaN where one has no such column."""
    names = list(dict.fromkeys(name for table in tables for name in table))
    rows = [len(table["seed"]) for table in tables]
    return {
        name: np.concatenate(
            [table.get(name, np.full(count, np.nan)) for table, count in zip(tables, rows, strict=True)]
        )
        for name in names
    }


def _join_clean(parts, subjects):
    found = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        of_seeds = [part[name] for part in parts if name in part]
        everyone = np.tile(subjects, len(of_seeds))
        if isinstance(of_seeds[0], dict):
            psnr, untouched, hit = (
                np.concatenate([one[key] for one in of_seeds]) for key in ("psnr", "untouched", "hit")
            )
            found[name] = {
                **{"accuracy": mean_with_interval(hit, everyone), "psnr": float(psnr.mean())},
                "psnr_of_changed": float(psnr[~untouched].mean()) if not untouched.all() else None,
                "above_35": float((psnr > 35).mean()),
                "untouched": float(untouched.mean()),
            }
        else:
            found[name] = {"accuracy": mean_with_interval(np.concatenate(of_seeds), everyone)}
    return found


def _approaches(names):
    """Name, title and what is known of the mask, of all that is compared on occluded faces."""
    rows = [("none", "no restoration", ""), ("augmented", "recogniser trained with occluders", "")]
    rows += [(f"opencv_{method}", f"OpenCV, {method.replace('_', '-')}", "given") for method in METHODS]
    rows += [(f"{name}_{way}", RESTORERS[name][0], way) for way in ("given", "blind") for name in names]
    return [dict(zip(("name", "title", "mask"), row, strict=True)) for row in rows]


def _groups(table, areas):
    """Figures by occluder, by covered area, and for the headline: blocks and sunglasses of 20 to 30 % of the face."""
    kind, share, asked = table["occluder"], np.round(table["share"], 3), table["asked"]
    own_size = np.isnan(asked) | (kind == "random_block")
    groups = [("occluder", name, (kind == name) & own_size) for name in (*OCCLUDERS, *PARTS)]
    groups += [("area", f"{round(100 * area)} %", (share >= area - 0.05) & (share < area + 0.05)) for area in areas]
    middling = (asked >= HEADLINE[0]) & (asked <= HEADLINE[1])
    blocks, glasses = middling & (kind == "random_block"), middling & (kind == "sunglasses")
    groups += [("headline", "blocks", blocks), ("headline", "small_sunglasses", glasses)]
    groups += [("headline", "both", blocks | glasses)]
    return [{"by": by, "name": name, **_figures(table, rows)} for by, name, rows in groups if rows.any()]


def _figures(table, rows):
    one = {name: values[rows] for name, values in table.items()}
    figures = {}
    for name in [name.removeprefix("hit/") for name in one if name.startswith("hit/")]:
        known = ~np.isnan(one[f"hit/{name}"])
        if not known.any():
            continue
        hit, clean, none, subjects, seeds = (
            one[key][known] for key in (f"hit/{name}", "hit/clean", "hit/none", "subject", "seed")
        )
        scores = {
            score: one[f"{score}/{name}"][known]
            for score in ("psnr", "ssim", "l1", "painted")
            if f"{score}/{name}" in one
        }
        figures[name] = {
            "accuracy": mean_with_interval(hit, subjects),
            "recovered": recovered_share(clean, none, hit, subjects),
            "gain": mean_with_interval(hit - none, subjects),
            **{score: float(np.nanmean(values)) for score, values in scores.items()},
            "by_seed": [
                {
                    "seed": int(seed),
                    "accuracy": float(hit[of_seed].mean()),
                    "share": recovered_share(*(part[of_seed] for part in (clean, none, hit, subjects)))["share"],
                    **{score: float(np.nanmean(values[of_seed])) for score, values in scores.items()},
                }
                for seed in np.unique(seeds)
                for of_seed in [seeds == seed]
            ],
        }
    return {
        "faces": len(one["seed"]),
        "subjects": len(set(one["subject"])),
        "share": float(np.nanmean(one["share"])),
        "figures": figures,
    }


def _training(job):
    history = EpochLog(job.directory / "epochs.jsonl").read()
    values = [value for logs in history for value in logs.values()]
    return {
        "name": job.directory.name,
        "seed": job.config.seed,
        "seconds": float((job.directory / "seconds.json").read_text()),
        "finite": bool(np.isfinite(values).all()),
        "history": history,
    }
