"""CorpusExampleGen: a corpus on disk to records of faces or clips, one split a fold."""

import json
import logging
import pathlib

import apache_beam as beam
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from fer_keras import corpora
from fer_keras.corpora.beam_shards import WriteShards
from fer_keras.corpora.clip_examples import clip_examples
from fer_keras.corpora.prepare import corpus_fingerprint
from fer_keras.corpora.records import FEATURES
from fer_keras.corpora.shards import ShardWriter, plan_clip_shards, plan_shards
from fer_keras.errors import InputError
from tfx_pipeline.driver import FindingDriver
from tfx_pipeline.local_path import local_path
from tfx_pipeline.spans import newest_span

_log = logging.getLogger(__name__)

_SHOWN = 5  # skipped pictures that are named in the log
ORDER = "order"
"""Feature of the records: the sample's place in the corpus, for training in a fixed order."""


def plan_fold_shards(corpus, folds, directory, clips=False):
    """Deals a corpus out to folds by subject, and the folds to files.

    Args:
        corpus: a `Corpus`.
        folds: int, number of folds.
        directory: folder of the Examples artifact.
        clips: keep all frames of a clip in one file.

    Returns:
        For every fold a list of `fer_keras.corpora.shards.Shard`, in which samples keep the order of the corpus.
    """
    fold_of = corpora.assign_folds(corpus.subjects, folds)
    by_fold = [[] for _ in range(folds)]
    for place, sample in enumerate(corpus.samples):
        by_fold[fold_of[sample.subject]].append((place, sample))
    directory = pathlib.Path(directory)
    plan = plan_clip_shards if clips else plan_shards
    return [
        plan(samples, directory / f"Split-fold-{fold}", directory / "notes" / f"fold-{fold}")
        for fold, samples in enumerate(by_fold)
    ]


class RecordWriter(ShardWriter):
    """Writes landmarks in every record, zeros where none are known.

    Of a feature that some records lack SchemaGen makes a sparse one, and one that a whole fold lacks it leaves out.
    """

    def record(self, sample):
        """Makes the record of one sample, see `ShardWriter.record`."""
        record = super().record(sample)
        landmarks = record.features.feature["landmarks"].float_list.value
        if not landmarks:
            landmarks.extend(FEATURES["landmarks"].default_value)
        return record


class ClipWriter(ShardWriter):
    """Writes a record for every clip, see `fer_keras.corpora.clip_examples`; all frames of a clip are in one shard."""

    def pack(self, records, skipped):
        """Makes clips of a shard's faces, see `ShardWriter.pack`."""
        examples, left_out = clip_examples(records)
        skipped.extend(left_out)
        return examples


class Executor(base_beam_executor.BaseBeamExecutor):
    """Runs the reading as a Beam pipeline over shards."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Reads the corpus and writes one split a fold; see `CorpusExampleGen`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        folds, strict, clips = (exec_properties[name] for name in ("folds", "strict", "clips"))
        corpus = _read(exec_properties)
        by_fold = plan_fold_shards(corpus, folds, local_path(examples.uri), clips)
        writer = ClipWriter() if clips else RecordWriter()
        shards = [shard for shards in by_fold for shard in shards]
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | "Shards" >> beam.Create(shards) | "WriteShards" >> WriteShards(writer)
        client = getattr(pipeline.result, "client", None)  # Dask's, which Beam leaves open
        if client:
            client.close()
        found = [[shard.read_notes() for shard in shards] for shards in by_fold]
        faces = [sum(len(note["faces"]) for note in notes) for notes in found]
        unusable = [tuple(item) for notes in found for note in notes for item in note["skipped"]]
        skipped = sorted([*map(tuple, corpus.skipped), *unusable])
        notes = local_path(examples.uri) / "skipped.txt"
        notes.write_text("".join(f"{path}: {reason}\n" for path, reason in skipped))
        for path, reason in skipped[:_SHOWN]:
            _log.warning("skipped %s: %s", path, reason)
        if len(skipped) > _SHOWN:
            _log.warning("skipped %d pictures in all, see %s", len(skipped), notes)
        if strict and skipped:
            path, reason = skipped[0]
            raise InputError(f"{path}: {reason} ({len(skipped)} such in all; without --strict they are skipped)")
        if 0 in faces:
            raise InputError(
                f"{exec_properties['directory']}: no face was found on any picture of fold {faces.index(0)}"
                + (f"; the first: {skipped[0][0]}: {skipped[0][1]}" if skipped else "")
            )
        examples.split_names = artifact_utils.encode_split_names([f"fold-{fold}" for fold in range(folds)])
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        examples.set_int_custom_property("faces", sum(faces))
        examples.set_int_custom_property("skipped", len(skipped))
        _log.info(
            "%d faces of %d subjects in %d folds, %d skipped", sum(faces), len(corpus.subjects), folds, len(skipped)
        )


class Driver(FindingDriver):
    """Adds the corpus's fingerprint, so that a changed corpus is read again and an unchanged one is not."""

    def find(self, input_dict, properties):
        """Returns the fingerprint."""
        return {"fingerprint": corpus_fingerprint(_read(properties))}


class CorpusExampleGenSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `CorpusExampleGen`."""

    PARAMETERS = {  # noqa: RUF012
        "corpus": component_spec.ExecutionParameter(type=str),
        "directory": component_spec.ExecutionParameter(type=str),
        "label_names": component_spec.ExecutionParameter(type=str),
        "folds": component_spec.ExecutionParameter(type=int),
        "strict": component_spec.ExecutionParameter(type=int),
        "clips": component_spec.ExecutionParameter(type=int),
        "code": component_spec.ExecutionParameter(type=str),
        "fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012


class CorpusExampleGen(base_beam_component.BaseBeamComponent):
    """Reads a corpus in its official layout into records of faces, or of whole clips, one split a fold.

    Subjects go to folds by `fer_keras.corpora.assign_folds`, which hash buckets could not reproduce. The artifact's
    properties `faces` and `skipped` hold the counts; its `skipped.txt` names every picture that could not be used.

    Args:
        corpus: name of a corpus, one of `fer_keras.corpora.CORPORA`.
        directory: string, the corpus's folder.
        label_names: the labels to keep.
        folds: int, number of folds; the splits are `fold-0`, `fold-1`, ...
        strict: fail if any picture cannot be used.
        clips: a record for every clip, with all its frames, in place of one for every face.
        code: anything that changes when the code does; part of the cache's key.
    """

    SPEC_CLASS = CorpusExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, corpus, directory, label_names, folds, strict=False, clips=False, code=""):
        spec = CorpusExampleGenSpec(
            corpus=corpus,
            directory=directory,
            label_names=json.dumps(list(label_names)),
            folds=folds,
            strict=int(strict),
            clips=int(clips),
            code=code,
            examples=channel.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)


def _read(properties):
    """The corpus that the execution's properties name; on Kubeflow the folder of a span is found only here."""
    labels = json.loads(properties["label_names"])
    options = {"peak_frames": None} if properties["clips"] else {}
    return corpora.read(
        properties["corpus"],
        newest_span(properties["directory"]),
        labels,
        strict=bool(properties["strict"]),
        **options,
    )
