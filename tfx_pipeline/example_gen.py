"""CorpusExampleGen: a corpus on disk to face records, one split a fold."""

import dataclasses
import json
import logging
import pathlib

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_component, base_beam_executor, base_driver, executor_spec
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as run_driver
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from fer_keras import corpora
from fer_keras.corpora.prepare import corpus_fingerprint, face_record
from fer_keras.corpora.records import write_records
from fer_keras.errors import InputError
from fer_keras.faces import BlazeFace

_log = logging.getLogger(__name__)

SHARD_SIZE = 256  # pictures; what one worker takes at a time
_SHOWN = 5  # skipped pictures that are named in the log
ORDER = "order"
"""Feature that the pipeline adds to the records: the sample's place in the corpus, for training in a fixed order."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """Consecutive samples of one fold and the file that their records go to.

    Args:
        fold: int, number of the fold.
        path: the file to write.
        samples: tuple of pairs of the sample's place in the corpus and the `Sample`.
    """

    fold: int
    path: str
    samples: tuple


def plan_shards(corpus, folds, directory):
    """Deals a corpus out to folds by subject, and the folds to files.

    Args:
        corpus: a `Corpus`.
        folds: int, number of folds.
        directory: folder of the Examples artifact.

    Returns:
        A list of `Shard`; within a fold, samples keep the order of the corpus.
    """
    fold_of = corpora.assign_folds(corpus.subjects, folds)
    by_fold = [[] for _ in range(folds)]
    for place, sample in enumerate(corpus.samples):
        by_fold[fold_of[sample.subject]].append((place, sample))
    shards = []
    for fold, samples in enumerate(by_fold):
        starts = range(0, len(samples), SHARD_SIZE)
        for number, start in enumerate(starts):
            path = pathlib.Path(directory, f"Split-fold-{fold}", f"faces-{number:05d}-of-{len(starts):05d}.gz")
            shards.append(Shard(fold, str(path), tuple(samples[start : start + SHARD_SIZE])))
    return shards


class WriteShard(beam.DoFn):
    """Finds, aligns and crops the faces of a shard, writes it, and returns its counts as a line of JSON.

    The whole file is one unit of work, so a worker that is tried again writes the same bytes, and no picture travels
    between workers.
    """

    def setup(self):
        """Makes the worker's detector, which is not picklable."""
        self._detector = BlazeFace()
        self._faces = beam.metrics.Metrics.counter("fer_keras", "faces")
        self._skipped = beam.metrics.Metrics.counter("fer_keras", "skipped")

    def process(self, shard):
        """Writes one shard."""
        records, skipped = [], []
        for place, sample in shard.samples:
            try:
                record = face_record(sample, self._detector)
            except InputError as error:
                skipped.append((sample.place, str(error).removeprefix(f"{sample.place}: ")))
                self._skipped.inc()
                continue
            record.features.feature[ORDER].int64_list.value.append(place)
            records.append(record)
            self._faces.inc()
        tf.io.gfile.makedirs(str(pathlib.Path(shard.path).parent))
        write_records(shard.path, records)
        yield json.dumps({"fold": shard.fold, "faces": len(records), "skipped": skipped})


class Executor(base_beam_executor.BaseBeamExecutor):
    """Runs the reading as a Beam pipeline over shards."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Reads the corpus and writes one split a fold; see `CorpusExampleGen`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        folds, strict = exec_properties["folds"], bool(exec_properties["strict"])
        corpus = _read(exec_properties)
        shards = plan_shards(corpus, folds, examples.uri)
        counts = pathlib.Path(examples.uri, "counts")
        with self._make_beam_pipeline() as pipeline:
            (
                pipeline
                | "Shards" >> beam.Create(shards)
                | "Spread" >> beam.Reshuffle()
                | "WriteShard" >> beam.ParDo(WriteShard()).with_output_types(str)
                | "WriteCounts" >> beam.io.WriteToText(str(counts), file_name_suffix=".jsonl", shard_name_template="")
            )
        lines = [json.loads(line) for line in counts.with_suffix(".jsonl").read_text().splitlines()]
        faces = [sum(line["faces"] for line in lines if line["fold"] == fold) for fold in range(folds)]
        skipped = sorted([*map(tuple, corpus.skipped), *(tuple(item) for line in lines for item in line["skipped"])])
        notes = pathlib.Path(examples.uri, "skipped.txt")
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


class Driver(base_driver.BaseDriver, run_driver.BaseDriver):
    """Adds the corpus's fingerprint, so that a changed corpus is read again and an unchanged one is not."""

    def __init__(self, mlmd_connection):
        base_driver.BaseDriver.__init__(self, mlmd_connection)
        run_driver.BaseDriver.__init__(self, mlmd_connection)

    def run(self, execution_info):
        """Returns the execution's properties with the fingerprint."""
        properties = dict(execution_info.exec_properties)
        properties["fingerprint"] = corpus_fingerprint(_read(properties))
        result = driver_output_pb2.DriverOutput()
        for key, value in properties.items():
            if value is not None:
                data_types_utils.set_metadata_value(result.exec_properties[key], value)
        return result


class CorpusExampleGenSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `CorpusExampleGen`."""

    PARAMETERS = {  # noqa: RUF012
        "corpus": component_spec.ExecutionParameter(type=str),
        "directory": component_spec.ExecutionParameter(type=str),
        "label_names": component_spec.ExecutionParameter(type=str),
        "folds": component_spec.ExecutionParameter(type=int),
        "strict": component_spec.ExecutionParameter(type=int),
        "code": component_spec.ExecutionParameter(type=str),
        "fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012


class CorpusExampleGen(base_beam_component.BaseBeamComponent):
    """Reads a corpus in its official layout into face records, one split a fold.

    Subjects go to folds by `fer_keras.corpora.assign_folds`, which hash buckets could not reproduce. The artifact's
    properties `faces` and `skipped` hold the counts; its `skipped.txt` names every picture that could not be used.

    Args:
        corpus: name of a corpus, one of `fer_keras.corpora.CORPORA`.
        directory: the corpus's folder.
        label_names: the labels to keep.
        folds: int, number of folds; the splits are `fold-0`, `fold-1`, ...
        strict: fail if any picture cannot be used.
        code: anything that changes when the code does; part of the cache's key.
    """

    SPEC_CLASS = CorpusExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, corpus, directory, label_names, folds, strict=False, code=""):
        spec = CorpusExampleGenSpec(
            corpus=corpus,
            directory=str(directory),
            label_names=json.dumps(list(label_names)),
            folds=folds,
            strict=int(strict),
            code=code,
            examples=channel.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)


def _read(properties):
    """The corpus that the execution's properties name."""
    labels = json.loads(properties["label_names"])
    return corpora.read(properties["corpus"], properties["directory"], labels, strict=bool(properties["strict"]))
