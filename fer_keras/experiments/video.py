"""What the paper argues of videos: recurrences and poolings over the same frames' features, on the same folds."""

import dataclasses
import functools
import os
import pathlib

import numpy as np

from fer_keras import corpora
from fer_keras.corpora.clip_set import load_clips
from fer_keras.corpora.folds import deal_folds
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.sequence_records import write_sequences
from fer_keras.errors import InputError
from fer_keras.evaluation.comparison import corrected_t_test
from fer_keras.evaluation.cross_validation import (
    cross_validate,
    fold_numbers,
    join_folds,
    load_fold,
    plan_folds,
    predict_probabilities,
    run_folds,
    untrained_classes,
)
from fer_keras.evaluation.metrics import summarize
from fer_keras.experiments.experiment import corpus_facts, versions
from fer_keras.json_file import write_json
from fer_keras.models.preset import load_preset
from fer_keras.training.run import EpochCount, Quiet, claim_run
from fer_keras.training.static import StaticConfig, check_start
from fer_keras.training.video import VideoConfig, peak_faces

EPOCHS, ENCODER_EPOCHS, TUNE_EPOCHS = 40, 20, 8
QUICK = {"epochs": 5, "encoder_epochs": 3, "tune_epochs": 1}

_PAPER = {"scaled_attention": False}
VARIANTS = {
    "attention": ("IRNN, attention", _PAPER),
    "scaled_attention": ("IRNN, scaled attention", {"scaled_attention": True}),
    "last": ("IRNN, last state", {"pooling": "last"}),
    "mean": ("IRNN, mean of states", {"pooling": "mean"}),
    "lstm": ("LSTM, attention", {"recurrence": "lstm", **_PAPER}),
    "gru": ("GRU, attention", {"recurrence": "gru", **_PAPER}),
    "frame_attention": ("no recurrence, attention", {"recurrence": "none", **_PAPER}),
    "frame_average": ("no recurrence, mean of features", {"recurrence": "none", "pooling": "mean"}),
    "fine_tuned": ("IRNN, attention, everything fine-tuned (one seed)", _PAPER),
}
"""Name of a variant to what the reader sees and how its `VideoConfig` differs; the first is the paper's."""

_SINGLE_FRAMES = "single_frames"


def run_video_experiment(
    corpus, data, out, folds=None, seeds=None, frames=16, epochs=None, encoder_epochs=None, quick=False, names=None,
    pretrained="", labels=None, where=None, strict=False, resume=False, workers=None, on_progress=None, command="",
):  # fmt: skip
    """Cross-validates the variants of `VARIANTS` on the same subject-wise folds of a corpus of clips.

    For every seed and fold an encoder learns single frames around the apex of the training clips; all variants get the
    features of its frames, which stay as they are but for `fine_tuned`. Beside them stands what the encoder alone
    says, the mean of its frames' probabilities.

    The folder gets `run.json`, `records/`, `sequences/`, `seed-s/encoder/` and `seed-s/<variant>/` with the folds, and
    `results.json`.

    Args:
        corpus: one of `fer_keras.corpora.CORPORA` whose reader takes `peak_frames`.
        data: the corpus's folder.
        out: folder of the experiment.
        folds: int, number of subject-wise folds, by the published rule, the same for all seeds; 10 by default.
        seeds: int, how many seeds, from 0; 3 by default.
        frames: int, frames a clip at most, evenly spread.
        epochs: int, passes over the clips; 40 by default.
        encoder_epochs: int, passes over single frames; 20 by default.
        quick: bool, by default two folds, one seed and a few epochs, to see everything run.
        names: optional list of the variants to run.
        pretrained: preset that the encoder starts from; `""` for random weights.
        labels: as for `fer_keras.corpora.read`.
        where: as for `fer_keras.corpora.read`.
        strict: as for `fer_keras.corpora.read`.
        resume: continue the experiment in `out`.
        workers: see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it.

    Returns:
        A pair of the results, plain data as in `results.json`, and the `ClipSet`. The results hold facts of the corpus;
        `variants`, a list of dicts: `name`, `title`, `accuracy` and `uar` by clip of every seed and fold, their `mean`
        and `std` (of accuracy), `against`, a corrected t-test against the first variant on the same seeds and folds,
        and every seed's `pooled` figures; and `apex`, see `attention_at_apex`, for every variant with attention.

    Raises:
        InputError: the corpus, the folder or the preset cannot be used, or a variant is unknown.
    """
    unknown = set(names or ()) - set(VARIANTS)
    if unknown:
        raise InputError(f"unknown variant {min(unknown)!r}; expected some of {', '.join(VARIANTS)}")
    names = [name for name in VARIANTS if names is None or name in names]
    if not names:
        raise InputError(f"no variant is named; expected some of {', '.join(VARIANTS)}")
    if pretrained:
        load_preset(pretrained)  # a wrong one is noticed before anything is drawn, prepared or claimed
    folds, seeds = folds or (2 if quick else 10), seeds or (1 if quick else 3)
    epochs = epochs or (QUICK["epochs"] if quick else EPOCHS)
    encoder_epochs = encoder_epochs or (QUICK["encoder_epochs"] if quick else ENCODER_EPOCHS)
    out, progress = pathlib.Path(out), on_progress or Quiet()
    found = corpora.read(corpus, data, labels, where, strict, peak_frames=None)
    by_subject = deal_folds(found, folds)
    asked = {
        **corpus_facts("video", corpus, data, found, where, folds),
        "seeds": seeds,
        "frames": frames,
        "epochs": epochs,
        "encoder_epochs": encoder_epochs,
        "tune_epochs": QUICK["tune_epochs"] if quick else TUNE_EPOCHS,
        "pretrained": str(pretrained),
        "quick": quick,
        "variants": names,
    }
    check_start(found.label_names, _encoder(asked, 0))
    command = claim_run(out, asked, resume, command)
    manifest = prepare(found, out / "records", on_progress=lambda *n: progress.update("faces", *n))
    sequences = write_sequences(manifest["shards"], out / "sequences")
    clips = load_clips(sequences["shards"], found.label_names, 48, 1)
    fold_of = fold_numbers(clips, by_subject)
    runs = [_run_seed(seed, clips, by_subject, fold_of, asked, out, workers, progress) for seed in range(seeds)]
    results = {
        **asked,
        "clips": len(clips),
        "subjects": len(set(clips.subjects)),
        "subjects_of_fold_0": sorted(set(clips.subjects[fold_of == 0].tolist())),
        "lengths": [int(clips.lengths.min()), int(np.median(clips.lengths)), int(clips.lengths.max())],
        "skipped": len(manifest["skipped"]) + len(sequences["skipped"]),
        "remarks": untrained_classes(clips, fold_of),
        "records": sequences["sha256"],
        "command": command,
        "versions": versions(),
        "cores": os.cpu_count(),
        "seconds": sum(one["seconds"] for run in runs for one in run.values()),
        "variants": _summarize(runs),
        "apex": _apex(runs, clips.sample(frames), fold_of),
    }
    write_json(out / "results.json", results)
    return results, clips


def _run_seed(seed, clips, by_subject, fold_of, asked, out, workers, progress):
    """Trains the encoders of a seed, then its variants; the figures by name, the encoder's own among them."""
    folder, folds = out / f"seed-{seed}", asked["folds"]
    peaks = peak_faces(clips)
    of_peaks = fold_numbers(peaks, by_subject)
    encoder = _encoder(asked, seed)
    jobs = plan_folds(peaks, of_peaks, encoder, folder / "encoder", keep_models=True)
    _run(jobs, workers, folds, {folder / "encoder": (f"seed {seed}: encoders", encoder)}, progress)

    frame_model = str(folder / "encoder" / "model-of-fold-{fold}")
    shared = VideoConfig(
        encoder=encoder, frame_model=frame_model, frames=asked["frames"], epochs=asked["epochs"], seed=seed
    )
    configs = {
        name: dataclasses.replace(shared, **VARIANTS[name][1], fine_tune_epochs=_tune_epochs(name, asked))
        for name in asked["variants"]
        if seed == 0 or name != "fine_tuned"
    }
    shown = {folder / name: (f"seed {seed}: {VARIANTS[name][0]}", config) for name, config in configs.items()}
    jobs = [job for name, config in configs.items() for job in plan_folds(clips, fold_of, config, folder / name)]
    _run(jobs, workers, folds, shown, progress)
    figures = {name: cross_validate(clips, by_subject, config, folder / name) for name, config in configs.items()}
    for name, one in figures.items():
        if VARIANTS[name][1].get("pooling", "attention") == "attention":
            one["attention"] = [load_fold(folder / name, fold)["attention"] for fold in range(folds)]
    return {**figures, _SINGLE_FRAMES: _single_frames(clips.sample(asked["frames"]), fold_of, frame_model, folder)}


def _encoder(asked, seed):
    """The configuration of a seed's encoders."""
    return StaticConfig(
        epochs=asked["encoder_epochs"],
        batch_size=32,
        pretrained=asked["pretrained"],
        learning_rate=1e-3 if asked["pretrained"] else 2e-3,
        seed=seed,
    )


def _tune_epochs(name, asked):
    return asked["tune_epochs"] if name == "fine_tuned" else 0


def _run(jobs, workers, folds, shown, progress):
    """Runs folds, of several systems in one queue, and shows each system's progress."""
    counts = {
        folder: EpochCount(folds, config.total_epochs, functools.partial(progress.update, title))
        for folder, (title, config) in shown.items()
    }
    for folder, count in counts.items():
        for fold in set(range(folds)) - {job.fold for job in jobs if job.directory == folder}:
            count.fold(fold)
    run_folds(
        jobs,
        workers,
        lambda job, epoch, logs: counts[job.directory].epoch(job.fold, epoch, logs),
        lambda job: counts[job.directory].fold(job.fold),
    )


def _single_frames(clips, fold_of, frame_model, folder):
    """Figures of the mean of the encoders' probabilities over the frames that the variants see."""
    file = folder / "single_frames.npy"
    if not file.exists():
        answers = np.zeros((len(clips), len(clips.label_names)), "float32")
        for fold in np.unique(fold_of):
            test = clips.select(fold_of == fold)
            model = load_preset(frame_model.replace("{fold}", str(fold)))[0]
            of_frames = predict_probabilities(model, test.faces())
            answers[fold_of == fold] = np.add.reduceat(of_frames, test.offsets[:-1]) / test.lengths[:, None]
        np.save(folder / ".single_frames.npy", answers)
        (folder / ".single_frames.npy").replace(file)
    answers = np.load(file)
    folds = []
    for fold in np.unique(fold_of):
        one = summarize(clips.labels[fold_of == fold], answers[fold_of == fold])
        folds.append({"frame": one, "sequence": one})
    return {**join_folds(clips, folds, answers), "seconds": 0.0}


def _summarize(runs):
    rows, first = [], None
    titles = {**{name: title for name, (title, _) in VARIANTS.items()}, _SINGLE_FRAMES: "single frames, mean answer"}
    for name in runs[0]:
        of_seeds = [run[name] for run in runs if name in run]
        accuracy, uar = (
            np.array([[fold["sequence"][figure] for fold in one["folds"]] for one in of_seeds])
            for figure in ("accuracy", "uar")
        )
        first = accuracy if first is None else first
        row = {
            "name": name,
            "title": titles[name],
            "seeds": len(of_seeds),
            "accuracy": accuracy.tolist(),
            "uar": uar.tolist(),
            "mean": float(accuracy.mean()),
            "std": float(accuracy.std(ddof=1)),
            "pooled": [one["pooled"]["sequence"] for one in of_seeds],
            "confidence": [one["pooled"]["confidence"]["sequence"]["accuracy"] for one in of_seeds],
            "histories": [one.get("histories", []) for one in of_seeds],
        }
        if rows:
            common = min(len(accuracy), len(first))  # some variants have one seed only
            test = corrected_t_test(
                accuracy[:common].ravel(),
                first[:common].ravel(),
                test_to_train=1 / (accuracy.shape[1] - 1),
                names=(titles[name], rows[0]["title"]),
            )
            row["against"] = {**dataclasses.asdict(test), "names": list(test.names), "verdict": test.verdict}
        rows.append(row)
    return rows


def _apex(runs, clips, fold_of):
    """`attention_at_apex` of every variant with attention, over all seeds."""
    order = np.concatenate([np.flatnonzero(fold_of == fold) for fold in range(fold_of.max() + 1)])
    found = {}
    for name in runs[0]:
        of_seeds = [run[name]["attention"] for run in runs if name in run and "attention" in run[name]]
        rows = [np.concatenate([_widen(fold, clips) for fold in folds])[np.argsort(order)] for folds in of_seeds]
        if rows:
            found[name] = attention_at_apex(clips, rows)
    return found


def _widen(attention, clips):
    return np.pad(attention, ((0, 0), (0, int(clips.lengths.max()) - attention.shape[1])))


def attention_at_apex(clips, attentions, resamples=2000, seed=0):
    """Whether attention looks at the apex more often than chance would.

    Clips without an annotated apex, and those that are all apex, tell nothing and are left out.

    Args:
        clips: `ClipSet` as the model saw it.
        attentions: list of float arrays `(n, frames)`, one a seed.
        resamples: int, for the interval, a bootstrap over subjects.
        seed: int, of the bootstrap.

    Returns:
        A dict: `clips`, how many tell something; `hits`, share of clips whose greatest weight lies on an apex frame;
        `chance`, the mean share of apex frames, what weights without regard to the frames would hit; `low` and `high`,
        a 95 % interval of `hits − chance` by subject; `mass`, the mean weight that lies on apex frames altogether; and
        `profile`, the mean weight of frames relative to the even one by their place between onset (0) and the end (1)
        of the clip, in 10 steps, with the share of apex frames there, `apex`.
    """
    apex = clips.phases == "apex"
    rows, profile = [], np.zeros((2, 10))
    counts = np.zeros(10)
    for row in range(len(clips)):
        marked = apex[clips.offsets[row] : clips.offsets[row + 1]]
        if not 0 < marked.sum() < len(marked):
            continue
        places = (np.arange(len(marked)) / len(marked) * 10).astype(int)
        for attention in attentions:
            weights = attention[row, : len(marked)]
            rows.append((clips.subjects[row], marked[weights.argmax()], marked.mean(), weights[marked].sum()))
            np.add.at(profile[0], places, weights * len(marked))
            np.add.at(profile[1], places, marked)
            np.add.at(counts, places, 1)
    if not rows:
        return {"clips": 0, "hits": None, "chance": None, "low": None, "high": None, "mass": None, "profile": None}
    subjects, hits, chance, mass = (np.array(column) for column in zip(*rows, strict=True))
    people, owner = np.unique(subjects, return_inverse=True)
    differences = np.bincount(owner, hits - chance) / np.bincount(owner)
    draws = np.random.default_rng(seed).integers(0, len(people), (resamples, len(people)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    curve, marked = profile / np.maximum(counts, 1)
    return {
        "clips": len(rows) // len(attentions),
        "hits": float(hits.mean()),
        "chance": float(chance.mean()),
        "low": float(low),
        "high": float(high),
        "mass": float(mass.mean()),
        "profile": {"weight": curve.tolist(), "apex": marked.tolist()},
    }
