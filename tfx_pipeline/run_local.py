"""Runs the pipeline on this machine, one component after the other."""

import contextlib
import dataclasses
import datetime
import functools
import logging
import os
import pathlib
import sys
import time
import traceback

from fer_keras.errors import InputError

LOG_DIR = "logs"


class PipelineError(RuntimeError):
    """A component failed; the message is one line and names the log."""


@dataclasses.dataclass(frozen=True)
class PipelineResult:
    """What a run came to.

    Args:
        version: path of the pushed version, or `None`.
        reason: why nothing was pushed, `""` if something was.
        accuracy: share of the test fold's faces that the model names rightly.
        accuracy_by_label: the same by label.
        faces: number of faces in all folds.
        skipped: number of pictures that could not be used.
        seconds: dict of component to its wall time; what was cached takes next to none.
        log: file with everything that the libraries had to say.
    """

    version: pathlib.Path | None
    reason: str
    accuracy: float
    accuracy_by_label: dict
    faces: int
    skipped: int
    seconds: dict
    log: pathlib.Path


def run_local(config, on_progress=None):
    """Runs the pipeline of a configuration.

    What the libraries print goes to a log file under the pipeline's root. A run that was killed is continued by the
    next one with the same configuration.

    Args:
        config: a `PipelineConfig`.
        on_progress: optional callable that gets one line of text at a time: every component with its duration, and
            the messages of the pipeline's own code.

    Returns:
        A `PipelineResult`.

    Raises:
        InputError: the corpus or the configuration cannot be used.
        PipelineError: a component failed.
    """
    now = datetime.datetime.now()
    log = config.pipeline_root / LOG_DIR / f"{now:%Y%m%d-%H%M%S}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with _noise_to(log) as noise:

        def report(line):
            if on_progress:
                with noise.lifted():
                    on_progress(line)

        started, step = time.monotonic(), "the pipeline"
        from tfx.orchestration.metadata import Metadata

        from tfx_pipeline import metadata
        from tfx_pipeline.pipeline import create_pipeline

        report(f"loaded TFX ({time.monotonic() - started:.1f} s)")
        try:
            pipeline = create_pipeline(config)
            seconds = {}
            with _own_messages(report):
                for step, launch in _components(pipeline, run_id=now.isoformat()):
                    started = time.monotonic()
                    launch()
                    seconds[step] = time.monotonic() - started
                    with Metadata(pipeline.metadata_connection_config) as store:
                        cached = metadata.is_cached(store.store, now.isoformat(), step)
                    report(f"{step} ({'cached' if cached else f'{seconds[step]:.1f} s'})")
            with Metadata(pipeline.metadata_connection_config) as store:
                outcome = metadata.read_outcome(store.store, now.isoformat(), config.min_accuracy)
        except InputError:
            raise
        except Exception as error:
            with log.open("a") as file:
                traceback.print_exc(file=file)
            first = str(error).strip().partition("\n")[0]
            raise PipelineError(f"{step} failed: {type(error).__name__}: {first[:300]}; the log is {log}") from error
    return PipelineResult(**outcome, seconds=seconds, log=log)


def _components(pipeline, run_id):
    """Yields every component's name and a function that runs it alone, as a part of the one run."""
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.portable import runtime_parameter_utils

    whole = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(whole, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    for index, node in enumerate(whole.nodes):
        if node.pipeline_node.node_info.id == "Pusher":
            # It sees for itself whether the model is there; TFX does not know if someone removed the version.
            node.pipeline_node.execution_options.caching_options.enable_cache = False
        alone = type(whole)()
        alone.CopyFrom(whole)
        for other, skipped in enumerate(alone.nodes):
            if other != index:
                skipped.pipeline_node.execution_options.skip.SetInParent()
        yield node.pipeline_node.node_info.id, functools.partial(LocalDagRunner().run_with_ir, alone)


class _Noise:
    """Standard output and error of the process sent to a file; by descriptor, since C++ writes there as well."""

    def __init__(self, log):
        self._file = log.open("ab")
        self._terminal = os.dup(1), os.dup(2)

    def start(self):
        self._switch(self._file.fileno(), self._file.fileno())

    def stop(self):
        self._switch(*self._terminal)

    @contextlib.contextmanager
    def lifted(self):
        """Gives the terminal back for a moment."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def close(self):
        for descriptor in self._terminal:
            os.close(descriptor)
        self._file.close()

    def _switch(self, output, error):
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(output, 1)
        os.dup2(error, 2)


@contextlib.contextmanager
def _noise_to(log):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    noise = _Noise(log)
    noise.start()
    try:
        yield noise
    finally:
        noise.stop()
        noise.close()


@contextlib.contextmanager
def _own_messages(report):
    """Reports what the pipeline's own modules log."""
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: report(f"  {record.getMessage()}")
    logger = logging.getLogger("tfx_pipeline")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
