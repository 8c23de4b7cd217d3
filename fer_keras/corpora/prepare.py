"""From a corpus on disk to face records: detect, align, crop, write."""

import hashlib
import json
import pathlib

import cv2
import numpy as np

from fer_keras.corpora.records import make_record, write_records
from fer_keras.errors import InputError
from fer_keras.faces.align import align_face, alignment_matrix, landmarks_to_eyes, transform_points
from fer_keras.faces.blaze_face import BlazeFace
from fer_keras.faces.image import encode_png
from fer_keras.json_file import write_json

CROP_SIZE = 112  # pixels; models resize to their own input
MANIFEST_FILE = "manifest.json"
_SHARD_SIZE = 256


def face_record(sample, detector=None):
    """Makes the record of one sample: its face found, aligned and cropped.

    Landmarks that the corpus brings place the eyes; else the detector finds the face, the largest where there are
    several.

    Args:
        sample: a `Sample`.
        detector: a `FaceDetector`; the default is `BlazeFace`.

    Returns:
        A `tf.train.Example`, see `fer_keras.corpora.records`.

    Raises:
        InputError: the picture cannot be read or shows no face.
    """
    image = sample.read()
    if sample.cropped:
        return make_record(_encode(_fit_square(image)), sample)
    landmarks = sample.landmarks
    if landmarks is not None:
        eyes = landmarks_to_eyes(landmarks)
    else:
        faces = (detector or BlazeFace()).detect([image])[0]
        if not faces:
            raise InputError(f"{sample.place}: no face found; expected a picture of a face")
        face = max(faces, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
        eyes, landmarks = face.eyes, face.landmarks
    if landmarks is not None:
        landmarks = transform_points(landmarks, alignment_matrix(eyes, CROP_SIZE)) / CROP_SIZE
    return make_record(_encode(align_face(image, eyes, CROP_SIZE)), sample, landmarks)


def _fit_square(image):
    """A picture that is a crop already: as it is if small and square, else resized; enlarging would add nothing."""
    height, width = image.shape[:2]
    side = min(CROP_SIZE, max(height, width))
    return image if height == width == side else cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def _encode(crop):
    """PNG; of one channel where the crop is grey, which takes a third of the space."""
    grey = crop[..., 0]
    is_grey = np.array_equal(grey, crop[..., 1]) and np.array_equal(grey, crop[..., 2])
    return encode_png(np.ascontiguousarray(grey) if is_grey else crop)


def prepare(corpus, out, on_progress=None):
    """Writes a corpus as face records with a manifest.

    The folder holds shards `faces-00000-of-00004.tfrecord.gz` and, written last, `manifest.json` with counts, the
    subjects by label and every skipped picture with its reason. A run that was interrupted continues; one that is
    complete is left as it is.

    Args:
        corpus: a `Corpus`.
        out: folder to write.
        on_progress: optional callable `(done, total)` over pictures.

    Returns:
        The manifest, a dict; `"shards"` lists the record files.

    Raises:
        InputError: `out` holds the records of something else, or no face is left.
    """
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    fingerprint = corpus_fingerprint(corpus)
    _claim(out, fingerprint)
    manifest_file = out / MANIFEST_FILE
    if not manifest_file.exists():
        write_json(manifest_file, {**_write_shards(corpus, out, on_progress), "fingerprint": fingerprint})
    manifest = json.loads(manifest_file.read_text())
    if not manifest["faces"]:
        path, reason = manifest["skipped"][0]
        raise InputError(f"no face was found in {manifest['pictures']} pictures; the first: {path}: {reason}")
    return {**manifest, "shards": [str(out / name) for name in manifest["shards"]]}


def corpus_fingerprint(corpus):
    """Identifies what a corpus holds without reading pictures: keys, labels, sizes and times of change."""
    digest = hashlib.sha256()
    for sample in corpus.samples:
        state = sample.image.stat()
        digest.update(f"{sample.key}|{sample.label}|{state.st_size}|{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _claim(out, fingerprint):
    claim = out / ".fingerprint"
    if not claim.exists():
        if {child.name for child in out.iterdir()} - {"corpus"}:  # where the built-in corpus is drawn
            raise InputError(f"{out}: is not empty; expected a new folder, or one that `prepare` wrote")
        claim.write_text(fingerprint)
    elif claim.read_text() != fingerprint:
        raise InputError(f"{out}: holds the faces of another or an older corpus; choose another folder, or remove it")


def _write_shards(corpus, out, on_progress):
    detector = None if all(sample.landmarks is not None for sample in corpus.samples) else BlazeFace()
    total = len(corpus.samples)
    shards = range(0, total, _SHARD_SIZE)
    names, skipped, counts = [], [], {}
    for number, start in enumerate(shards):
        name = f"faces-{number:05d}-of-{len(shards):05d}.tfrecord.gz"
        notes = out / f".{name}.json"  # the shard's counts and skipped pictures; written after the shard
        if not notes.exists():
            records, skips, faces = [], [], {}
            for offset, sample in enumerate(corpus.samples[start : start + _SHARD_SIZE]):
                try:
                    records.append(face_record(sample, detector))
                    faces[sample.label] = faces.get(sample.label, 0) + 1
                except InputError as error:
                    if corpus.skipped.strict:
                        raise
                    skips.append((sample.place, str(error).removeprefix(f"{sample.place}: ")))
                if on_progress:
                    on_progress(start + offset + 1, total)
            write_records(out / name, records)
            write_json(notes, {"skipped": skips, "faces": faces})
        shard = json.loads(notes.read_text())
        names.append(name)
        skipped += shard["skipped"]
        for label, count in shard["faces"].items():
            counts[label] = counts.get(label, 0) + count
    subjects = {
        label: sorted({sample.subject for sample in corpus.samples if sample.label == label})
        for label in corpus.label_names
    }
    return {
        "corpus": corpus.name,
        "pictures": total + len(corpus.skipped),
        "faces": sum(counts.values()),
        "faces_by_label": {label: counts.get(label, 0) for label in corpus.label_names},
        "subjects_by_label": subjects,
        "skipped": [*corpus.skipped, *skipped],
        "shards": names,
    }
