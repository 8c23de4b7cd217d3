"""PictureGen: the pictures of a folder, without labels, to records of faces."""

import logging
import pathlib

import apache_beam as beam
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from fer_keras.corpora import Corpus, Sample, SkipLog
from fer_keras.corpora.beam_shards import WriteShards
from fer_keras.corpora.listing import files, folders
from fer_keras.corpora.prepare import corpus_fingerprint
from fer_keras.corpora.shards import plan_shards
from fer_keras.errors import InputError
from tfx_pipeline.driver import FindingDriver
from tfx_pipeline.example_gen import RecordWriter
from tfx_pipeline.local_path import local_path

_log = logging.getLogger(__name__)

SPLIT = "pictures"
SKIPPED_FILE = "skipped.txt"
"""File in the Examples artifact with a line for every picture that could not be used."""
NAME = "pictures"
"""Name of the corpus in the records; `sequence` holds a picture's path within the folder."""


def read_pictures(directory):
    """Lists the pictures in a folder and the folders in it.

    Args:
        directory: path of the folder.

    Returns:
        A `Corpus` without labels, in the order of the paths; every picture is its own sequence.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such folder; expected one with pictures")
    skips, waiting, found = SkipLog(), [directory], []
    while waiting:
        folder = waiting.pop()
        found += files(folder, skips)
        waiting += folders(folder, skips)
    if not found:
        raise InputError(f"{directory}: holds no picture")
    names = sorted(str(path.relative_to(directory)) for path in found)
    return Corpus(NAME, [Sample(NAME, name, name, directory / name) for name in names], skips)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the pictures as a Beam pipeline over shards."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Writes the one split; see `PictureGen`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        corpus = read_pictures(exec_properties["directory"])
        root = local_path(examples.uri)
        shards = plan_shards(list(enumerate(corpus.samples)), root / f"Split-{SPLIT}", root / "notes")
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | "Shards" >> beam.Create(shards) | "WriteShards" >> WriteShards(RecordWriter())
        notes = [shard.read_notes() for shard in shards]
        skipped = sorted([*map(tuple, corpus.skipped), *(tuple(one) for note in notes for one in note["skipped"])])
        faces = sum(len(note["faces"]) for note in notes)
        (root / SKIPPED_FILE).write_text("".join(f"{path}: {reason}\n" for path, reason in skipped))
        if not faces:
            path, reason = skipped[0]
            raise InputError(f"{exec_properties['directory']}: no face was found; the first: {path}: {reason}")
        examples.split_names = artifact_utils.encode_split_names([SPLIT])
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        examples.set_int_custom_property("faces", faces)
        examples.set_int_custom_property("skipped", len(skipped))
        _log.info("%d faces, %d pictures skipped", faces, len(skipped))


class Driver(FindingDriver):
    """Adds the pictures' fingerprint."""

    def find(self, input_dict, properties):
        """Returns the fingerprint."""
        return {"fingerprint": corpus_fingerprint(read_pictures(properties["directory"]))}


class PictureGenSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `PictureGen`."""

    PARAMETERS = {  # noqa: RUF012
        "directory": component_spec.ExecutionParameter(type=str),
        "code": component_spec.ExecutionParameter(type=str),
        "fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012


class PictureGen(base_beam_component.BaseBeamComponent):
    """Reads the pictures of a folder into records of one face each, in the one split `pictures`.

    Args:
        directory: string, the folder.
        code: anything that changes when the code does; part of the cache's key.
    """

    SPEC_CLASS = PictureGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, directory, code=""):
        examples = channel.Channel(type=standard_artifacts.Examples)
        super().__init__(spec=PictureGenSpec(directory=directory, code=code, examples=examples))
