"""From a corpus on disk to face records: detect, align, crop, write."""

import collections
import contextlib
import functools
import hashlib
import importlib.util
import json
import logging
import os
import pathlib
import threading
import warnings

import numpy as np

from fer_keras.corpora.folds import assign_folds
from fer_keras.corpora.record_folder import NOTES, claim_folder, write_manifest
from fer_keras.corpora.shards import CROPPED, SHARD_SIZE, ShardWriter, plan_shards
from fer_keras.errors import InputError
from fer_keras.faces import make_detector

_IN_PROCESS = 4  # shards that are done before other processes have started


def prepare(corpus, out, faces="blaze_face", folds=10, workers=None, runner=None, runner_options=(), on_progress=None):
    """Writes a corpus as face records with a manifest.

    The folder holds shards `faces-00000-of-00004.tfrecord.gz` and, written last, `manifest.json`: faces by label,
    subject and fold, every skipped picture with its reason, the shards with their SHA-256. A run that was interrupted
    continues; of one that is complete the records are checked, and what is damaged or gone is written again. The same
    corpus gives the same bytes, whatever runs it.

    Args:
        corpus: a `Corpus`.
        out: folder to write; every worker must see it.
        faces: how faces are found where the corpus does not say: a name of `fer_keras.faces.DETECTORS`, or `"cropped"`
            for pictures that are face crops already.
        folds: int, the folds that the manifest counts by; fewer where there are fewer subjects.
        workers: int, processes; by default the processor's cores for a large corpus (needs apache-beam), 1 for a small
            one.
        runner: name of a Beam runner to use instead of this machine's processes, such as `"DaskRunner"`.
        runner_options: list of options of the runner, such as `"--dask_client_address=tcp://host:8786"`.
        on_progress: optional callable `(done, total)` over pictures.

    Returns:
        The manifest, a dict; `"shards"` lists the paths of the record files, `"sha256"` has their digests by name.

    Raises:
        InputError: `out` cannot be written or holds the records of something else, no face is left, there is no such
            way to find faces or no such runner, its options are none, or apache-beam is missing.
    """
    if runner_options and not runner:
        raise InputError(f"received the option {runner_options[0]} of a Beam runner, and no runner")
    astray = next((option for option in runner_options if not option.startswith("--")), None)
    if astray is not None:
        raise InputError(f"received {astray!r} as an option of {runner}; expected it as --name=value")
    if faces != CROPPED:
        make_detector(faces)  # what is missing or misspelt is said before anything is written
    out = pathlib.Path(out)
    other = "the faces of another or an older corpus, or found in another way"
    claim_folder(out, corpus_fingerprint(corpus) + faces, "prepare", other)
    shards = plan_shards(list(enumerate(corpus.samples)), out, out / NOTES, size=SHARD_SIZE)
    missing = [shard for shard in shards if not shard.is_whole()]
    if missing:
        for shard in missing:
            shard.discard()
        writer = ShardWriter(faces, corpus.skipped.strict)
        total = len(corpus.samples)
        if workers is None:
            workers = (os.cpu_count() or 1) if len(missing) > _IN_PROCESS and _has_beam() else 1
        if workers == 1 and not runner:
            _write_here(missing, writer, total, on_progress)
        else:
            _write_on_beam(shards, missing, writer, total, on_progress, runner, workers, runner_options)
    manifest = _manifest(corpus, shards, faces, folds)
    write_manifest(out, manifest)
    if not manifest["faces"]:
        path, reason = manifest["skipped"][0]
        raise InputError(f"no face was found in {manifest['pictures']} pictures; the first: {path}: {reason}")
    return {**manifest, "shards": [str(out / name) for name in manifest["sha256"]]}


def corpus_fingerprint(corpus):
    """Identifies what a corpus holds without reading pictures: all facts, and the files' sizes and times of change."""
    digest = hashlib.sha256()

    @functools.lru_cache(maxsize=2)  # many samples may be parts of one file
    def state(file):
        try:
            found = file.stat() if file else None
        except OSError:  # gone since it was listed: the reading of it will say so
            return None
        return [found.st_size, found.st_mtime_ns] if found else None

    for sample in corpus.samples:
        facts = [sample.key, sample.label, sample.votes, sample.split, sample.cropped, sample.occlusion]
        facts += [sample.action_units, sample.attributes, state(sample.image), state(sample.mask)]
        facts += [None if sample.landmarks is None else np.asarray(sample.landmarks, float).tolist()]
        digest.update(json.dumps(facts, sort_keys=True, default=float).encode())
    return digest.hexdigest()


def _has_beam():
    return importlib.util.find_spec("apache_beam") is not None


def _write_here(missing, writer, total, on_progress):
    done = total - sum(len(shard.samples) for shard in missing)

    def one_more():
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, total)

    for shard in missing:
        writer(shard, one_more)


def _write_on_beam(shards, missing, writer, total, on_progress, runner, workers, options):
    if not _has_beam():
        raise InputError("several workers need apache-beam; run: pip install 'fer-keras[beam]', or use one worker")
    _quiet_beam()
    from fer_keras.corpora.beam_shards import run_writer

    runner = runner or "DirectRunner"
    with _watch(shards, total, on_progress):
        run_writer(missing, writer, runner, workers, options)
    unseen = [shard.records for shard in missing if not shard.is_noted()]
    if unseen:
        raise InputError(f"{unseen[0]}: was not written; the workers of {runner} must see this folder")


def _quiet_beam():
    """Keeps off the terminal what every worker process would say, none of it about pictures."""
    # Google's libraries, which Beam imports, warn of their own end on older Pythons, each of them.
    news = "google.api_core._python_version_support"
    warnings.filterwarnings("ignore", category=FutureWarning, module=news)
    asked = os.environ.get("PYTHONWARNINGS", "")
    if news not in asked:
        os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [asked, f"ignore::FutureWarning:{news}"]))
    # Workers warn of options and folders that are none of the user's; what goes wrong with a picture is in the notes.
    logging.getLogger("apache_beam.runners.portability.local_job_service").setLevel(logging.ERROR)


@contextlib.contextmanager
def _watch(shards, total, on_progress, every=0.5):
    """Tells the progress by the notes on disk, which every worker of every runner writes."""
    stop = threading.Event()

    def look():
        over = False
        while not over:
            over = stop.wait(every)
            on_progress(sum(len(shard.samples) for shard in shards if shard.is_noted()), total)

    thread = threading.Thread(target=look, daemon=True)
    if on_progress:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if on_progress:
            thread.join()


def _manifest(corpus, shards, faces, folds):
    notes = [shard.read_notes() for shard in shards]
    found = [corpus.samples[place] for note in notes for place in note["faces"]]
    subjects = corpus.subjects
    by_label = collections.Counter(sample.label for sample in found)
    by_subject = collections.Counter(sample.subject for sample in found)
    people = {label: {sample.subject for sample in found if sample.label == label} for label in corpus.label_names}
    folds = min(folds, len(subjects))
    fold_of = assign_folds(subjects, folds) if folds > 1 else {}
    by_fold = collections.Counter(fold_of.get(sample.subject) for sample in found)
    return {
        "corpus": corpus.name,
        "faces_found_by": faces,
        "pictures": len(corpus.samples) + len(corpus.skipped),
        "faces": len(found),
        "faces_by_label": {label: by_label[label] for label in corpus.label_names},
        "subjects": len(by_subject),
        "subjects_by_label": {label: len(names) for label, names in people.items()},
        # Where every picture is its own subject, a line for each would say nothing.
        "faces_by_subject": dict(sorted(by_subject.items())) if len(by_subject) < len(found) else {},
        "faces_by_fold": [by_fold[fold] for fold in range(folds)] if fold_of else [],
        "differences": list(corpus.differences),
        "skipped": [*map(list, corpus.skipped), *(item for note in notes for item in note["skipped"])],
        "sha256": {pathlib.Path(shard.records).name: note["sha256"] for shard, note in zip(shards, notes, strict=True)},
    }
