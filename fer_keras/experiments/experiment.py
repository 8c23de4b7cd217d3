"""What experiments have in common: faces of a corpus, systems on the same folds, figures and comparisons."""

import dataclasses
import functools
import importlib.metadata
import inspect
import itertools
import os
import pathlib
import platform

import numpy as np

from fer_keras import corpora
from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.folds import deal_folds
from fer_keras.corpora.prepare import corpus_fingerprint, prepare
from fer_keras.evaluation.comparison import corrected_t_test, mcnemar_test
from fer_keras.evaluation.cross_validation import cross_validate, fold_numbers, plan_folds, run_folds, untrained_classes
from fer_keras.json_file import write_json
from fer_keras.models.baselines import Recipe
from fer_keras.models.model_size import count_multiply_adds, count_parameters
from fer_keras.training.run import EpochCount, Quiet, claim_run
from fer_keras.training.static import StaticConfig, build_static, check_start

_INPUT = (48, 1)  # side in pixels and channels of the faces


@dataclasses.dataclass(frozen=True)
class System:
    """One row of an experiment.

    Args:
        name: short name, also of its folder.
        title: what the reader sees.
        what: a sentence on what it is.
        config: the `StaticConfig` or `Recipe` that is trained on every fold.
        kind: `"group"` of our own or `"peer"`.
        paper: the paper that a peer follows.
        printed: dict of corpus to the figure printed in the paper, in per cent.
    """

    name: str
    title: str
    what: str
    config: object
    kind: str = "group"
    paper: str = ""
    printed: dict = dataclasses.field(default_factory=dict)


def run_experiment(
    name, corpus, data, out, systems, settings, folds=10, labels=None, where=None, strict=False, resume=False,
    workers=None, on_progress=None, command="",
):  # fmt: skip
    """Cross-validates systems on the same subject-wise folds of a corpus, and compares them.

    Corpora of sequences that begin with a neutral face (CK+, MMI) bring it along for the systems that need it; it is a
    label only where `labels` names it.

    The folder gets `run.json` (what was asked for), `records/`, `systems/<name>/` with the folds of each, `answers.npz`
    (the fold of every face, and every system's probabilities by the models that did not see its subject) and
    `results.json`.

    Args:
        name: of the experiment.
        corpus: one of `fer_keras.corpora.CORPORA`.
        data: the corpus's folder.
        out: folder of the experiment.
        systems: list of `System`.
        settings: dict of plain data that the systems follow from (seed, epochs, ...), kept in the results.
        folds: int, number of subject-wise folds, by the published rule.
        labels: as for `fer_keras.corpora.read`.
        where: as for `fer_keras.corpora.read`.
        strict: as for `fer_keras.corpora.read`.
        resume: continue the experiment in `out`.
        workers: see `cross_validate`.
        on_progress: optional object with `update(name, done, total, note)`.
        command: the command line, for the reader to repeat it; an experiment that is resumed keeps its first.

    Returns:
        A pair of the results, plain data as in `results.json`, and the `FaceSet`.

    Raises:
        InputError: the corpus cannot be read, its subjects do not make so many folds, or `out` holds another run, or
            one and `resume` is false, or what a system starts from does not fit.
    """
    out, progress = pathlib.Path(out), on_progress or Quiet()
    plain = corpora.read(corpus, data, labels, where, strict)
    everything = _with_neutral(plain, corpus, data, where, strict)
    by_subject = deal_folds(plain, folds)
    asked = {
        **corpus_facts(name, corpus, data, everything, where, folds),
        "label_names": list(plain.label_names),
        **settings,
    }
    configs = {system.name: dataclasses.asdict(system.config) for system in systems}
    starts = {
        (system.config.pretrained, *system.config.layer_rates): system.config
        for system in systems
        if isinstance(system.config, StaticConfig)
    }
    for config in starts.values():
        check_start(plain.label_names, config)
    command = claim_run(out, {**asked, "systems": configs}, resume, command)

    manifest = prepare(everything, out / "records", on_progress=lambda *n: progress.update("faces", *n))
    faces = load_faces(manifest["shards"], plain.label_names, *_INPUT)
    neutral = load_faces(manifest["shards"], ("neutral",), *_INPUT) if everything is not plain else None
    fold_of = fold_numbers(faces, by_subject)
    folders = {system.name: out / "systems" / system.name for system in systems}
    counts = {}
    for system in systems:
        show = functools.partial(progress.update, system.title)
        counts[folders[system.name]] = EpochCount(folds, system.config.total_epochs, show)
    jobs = []
    for system in systems:
        planned = plan_folds(faces, fold_of, system.config, folders[system.name], neutral)
        for fold in set(range(folds)) - {job.fold for job in planned}:
            counts[folders[system.name]].fold(fold)
        jobs += planned
    # One queue for all: no core waits for the last fold of a system, and no process starts anew for the next.
    run_folds(
        jobs,
        workers,
        lambda job, epoch, logs: counts[job.directory].epoch(job.fold, epoch, logs),
        lambda job: counts[job.directory].fold(job.fold),
    )
    rows, answers = [], {"fold_of": fold_of}
    for system in systems:
        figures = cross_validate(faces, by_subject, system.config, folders[system.name], neutral, 0)
        answers[system.name] = figures.pop("probabilities")
        rows.append(
            {
                **{field: getattr(system, field) for field in ("name", "title", "what", "kind", "paper", "printed")},
                "config": configs[system.name],
                **_size(system.config, faces),
                **figures,
            }
        )
    aside = out / ".answers.npz"
    np.savez(aside, **answers)
    aside.replace(out / "answers.npz")
    results = {
        **asked,
        "faces": len(faces),
        "subjects": len(set(faces.subjects)),
        "sequences": len(set(faces.sequences)),
        "skipped": len(manifest["skipped"]),
        "remarks": untrained_classes(faces, fold_of),
        "records": manifest["sha256"],
        "command": command,
        "versions": versions(),
        "cores": os.cpu_count(),
        "seconds": sum(row["seconds"] for row in rows),
        "systems": rows,
        "comparisons": compare(rows, answers, faces),
    }
    write_json(out / "results.json", results)
    return results, faces


def corpus_facts(experiment, corpus, data, found, where, folds):
    """What every experiment keeps of the corpus that it was asked to run on.

    Args:
        experiment: name of the experiment.
        corpus: one of `fer_keras.corpora.CORPORA`.
        data: its folder.
        found: the `Corpus` that was read.
        where: as for `fer_keras.corpora.read`.
        folds: int, number of subject-wise folds, by the published rule.

    Returns:
        A dict of plain data.
    """
    return {
        "experiment": experiment,
        "corpus": corpus,
        "built_in": corpus in corpora.BUILT_IN or pathlib.Path(data, "synthetic.json").exists(),
        "data": str(data),
        "fingerprint": corpus_fingerprint(found),
        "label_names": list(found.label_names),
        "where": where or {},
        "folds": folds,
        "fold_rule": "published",
    }


def _with_neutral(plain, name, data, where, strict):
    """The corpus with the neutral first frames of its sequences, where it has such and they are no label already."""
    if "neutral" in plain.label_names or "neutral_first" not in inspect.signature(corpora.CORPORA[name]).parameters:
        return plain
    found = corpora.read(name, data, None, where, strict, neutral_first=True)
    kept = [sample for sample in found.samples if sample.label in (*plain.label_names, "neutral")]
    return plain if "neutral" not in found.label_names else dataclasses.replace(found, samples=kept)


def compare(rows, answers, faces):
    """Tests every pair of our own groups, and our last group against every peer, on the same folds.

    Args:
        rows: list of the systems' results.
        answers: dict of system to probabilities `(n, K)`.
        faces: `FaceSet`.

    Returns:
        A list of dicts: `a`, `b`, `mcnemar` and `corrected_t`, as dicts of what the tests of
        `fer_keras.evaluation.comparison` return and their `verdict`.
    """
    groups = [row for row in rows if row["kind"] == "group"]
    pairs = list(itertools.combinations(reversed(groups), 2))
    pairs += [(groups[-1], row) for row in rows if groups and row["kind"] == "peer"]
    found = []
    for a, b in pairs:
        names = (a["title"], b["title"])
        tests = {
            "mcnemar": mcnemar_test(faces.labels, answers[a["name"]], answers[b["name"]], faces.sequences, names),
            "corrected_t": corrected_t_test(
                *([fold["sequence"]["accuracy"] for fold in row["folds"]] for row in (a, b)), names=names
            ),
        }
        plain = {
            test: {**dataclasses.asdict(result), "names": list(names), "verdict": result.verdict}
            for test, result in tests.items()
        }
        found.append({"a": a["name"], "b": b["name"], **plain})
    return found


def versions():
    """Versions of what the figures depend on."""
    names = ("fer-keras", "tensorflow", "keras", "numpy", "opencv-python-headless")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def _size(config, faces):
    build = config.build if isinstance(config, Recipe) else lambda names: build_static(names, config)
    model = build(faces.label_names).inference_model()
    return {"parameters": count_parameters(model), "multiply_adds": count_multiply_adds(model)}
