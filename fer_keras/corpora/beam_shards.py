"""The writing of shards as a Beam transform: what `prepare --workers` and the pipeline's ExampleGen both run."""

import json

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from fer_keras.errors import InputError

# What each runner needs for shards, besides what the user gives.
_OPTIONS = {
    "DirectRunner": ["--direct_running_mode=multi_processing"],
    "DaskRunner": ["--dask_partition_size=1"],  # a shard is large enough to be shared out alone
}


class WriteShards(beam.PTransform):
    """From a collection of `Shard` to one of their notes as lines of JSON, with the path of the records.

    Every shard is one unit of work, see `fer_keras.corpora.shards`.

    Args:
        writer: a `ShardWriter`.
    """

    def __init__(self, writer):
        super().__init__()
        self._writer = writer

    def expand(self, shards):
        """Applies the transform."""
        spread = shards | "Spread" >> beam.Reshuffle()
        return spread | "Write" >> beam.ParDo(_WriteShard(self._writer)).with_output_types(str)


class _WriteShard(beam.DoFn):
    def __init__(self, writer):
        self._writer = writer
        self._faces = beam.metrics.Metrics.counter("fer_keras", "faces")
        self._skipped = beam.metrics.Metrics.counter("fer_keras", "skipped")

    def process(self, shard):
        notes = self._writer(shard)
        self._faces.inc(len(notes["faces"]))
        self._skipped.inc(len(notes["skipped"]))
        yield json.dumps({"records": shard.records, **notes})


def run_writer(shards, writer, runner, workers, options=()):
    """Writes shards on a Beam runner and waits for it.

    Args:
        shards: list of `Shard`, on a file system that every worker sees.
        writer: a `ShardWriter`.
        runner: name of a Beam runner, such as `"DirectRunner"`, `"DaskRunner"`, `"FlinkRunner"`.
        workers: int, processes of the DirectRunner.
        options: more options of the runner, as on a command line: `["--dask_client_address=tcp://host:8786"]`.

    Raises:
        InputError: there is no such runner, or it lacks an option.
    """
    known = [*_OPTIONS.get(runner, ()), *([f"--direct_num_workers={workers}"] if runner == "DirectRunner" else ())]
    flags = [f"--runner={_RUNNERS.get(runner, runner)}", *known, *options]
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(flags))
    except (ValueError, ImportError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"Beam cannot use {runner!r} as a runner: {reason}") from error
    with pipeline:
        _ = pipeline | beam.Create(shards) | WriteShards(writer)
    client = getattr(pipeline.result, "client", None)  # Dask's, which Beam leaves open
    if client:
        client.close()


# Beam knows its older runners by their names alone.
_RUNNERS = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}
