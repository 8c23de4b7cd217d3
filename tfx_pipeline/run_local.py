"""Runs the pipeline on this machine, one component after the other."""

import contextlib
import dataclasses
import datetime
import fcntl
import functools
import logging
import os
import pathlib
import shutil
import socket
import sys
import time
import traceback
import types

from fer_keras.errors import InputError
from tfx_pipeline.run_lock import one_run

LOG_DIR = "logs"

_CHIEF_SECONDS = 1800  # its run may read the corpus first
_RUN = "%Y%m%d-%H%M%S"  # of a run's log and of its name


class PipelineError(RuntimeError):
    """A component failed; the message is one line and names the log."""


@dataclasses.dataclass(frozen=True)
class PipelineResult:
    """What a run came to.

    Args:
        version: path of the version that holds the model, or `None` where it is not good enough.
        reason: why nothing was pushed, `""` if something was.
        accuracy: share of the test fold's faces that the model names rightly; of a cross-validation the mean over the
            folds.
        accuracy_by_label: the same by label; of a cross-validation over the faces of all folds together.
        faces: number of faces in all folds.
        skipped: number of pictures that could not be used.
        seconds: dict of component to its wall time; what was cached takes next to none. Components of a fold have its
            number in front.
        log: file with everything that the libraries had to say.
        slices: accuracy by `feature:value`, of a single split.
        baseline_accuracy: that of the model that was served, on the same fold; `None` where there was none.
        baseline_remark: whether that model learnt from this fold's people, a relative clause; `""` where it did not.
        accuracy_std: of a cross-validation, over the folds.
        cross_validation: of a cross-validation, the folder with `results.json` and `report.html`.
        run: name of the run, see `fer-keras pipeline status`.
        newly_pushed: whether this run pushed the version; an earlier one may have.
    """

    version: pathlib.Path | None
    reason: str
    accuracy: float
    accuracy_by_label: dict
    faces: int
    skipped: int
    seconds: dict
    log: pathlib.Path
    slices: dict = dataclasses.field(default_factory=dict)
    baseline_accuracy: float | None = None
    baseline_remark: str = ""
    accuracy_std: float | None = None
    cross_validation: pathlib.Path | None = None
    run: str = ""
    newly_pushed: bool = True


def run_local(config, on_progress=None):
    """Runs the pipeline of a configuration, or of a cross-validation the pipelines.

    What the libraries print goes to a log file under the pipeline's root. A run that was killed is continued by the
    next one with the same configuration.

    Args:
        config: a `PipelineConfig`.
        on_progress: optional callable that gets one line of text at a time: every component with its duration, and
            the messages of the pipeline's own code.

    Returns:
        A `PipelineResult`.

    Raises:
        InputError: the corpus or the configuration cannot be used, or another run is under way below the same folder.
        PipelineError: a component failed.
    """
    if "KERASTUNER_ORACLE_IP" in os.environ:
        _check_shared_search(config)
        if os.environ.get("KERASTUNER_TUNER_ID") != "chief":
            raise InputError("KERASTUNER_ORACLE_IP is set: expected KERASTUNER_TUNER_ID=chief, or `pipeline tune`")
    log, run_id = _new_run(config.pipeline_root)
    with one_run(config.pipeline_root), _reported(log, on_progress) as report:
        started = time.monotonic()
        from tfx_pipeline import metadata, pipeline

        report(f"loaded TFX ({time.monotonic() - started:.1f} s)")
        with _failures_in(log):
            if config.cross_validate:
                seconds = _run_cross_validation(config, run_id, log, report)
            else:
                seconds = _run(pipeline.create_pipeline(config), run_id, report)
            with _store(config) as store:
                outcome = metadata.read_outcome(store, run_id, config)
    return PipelineResult(**outcome, seconds=seconds, log=log, run=run_id)


def tune_local(config, on_progress=None):
    """Takes part in the search of a run elsewhere, as a worker of KerasTuner's chief, on records of its own.

    The run's process has `KERASTUNER_TUNER_ID=chief`, that of a worker another id, and all have `KERASTUNER_ORACLE_IP`
    and `KERASTUNER_ORACLE_PORT`, where the chief listens.

    Args:
        config: the run's `PipelineConfig`, with another `pipeline_root`.
        on_progress: as for `run_local`.

    Raises:
        InputError: the variables name no chief, or the configuration has no search that can be shared.
        PipelineError: a component or the search failed.
    """
    name = os.environ.get("KERASTUNER_TUNER_ID", "")
    if "KERASTUNER_ORACLE_IP" not in os.environ or name in ("", "chief"):
        raise InputError(
            "expected KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT of a run with KERASTUNER_TUNER_ID=chief, and a "
            f"KERASTUNER_TUNER_ID of one's own such as tuner0; received {name!r}"
        )
    _check_shared_search(config)
    if not os.environ.get("KERASTUNER_ORACLE_PORT", "").isdigit():
        raise InputError("KERASTUNER_ORACLE_PORT is missing, or no number; expected the port where the chief listens")
    log, run_id = _new_run(config.pipeline_root)
    with one_run(config.pipeline_root), _reported(log, on_progress) as report, _failures_in(log):
        from tfx_pipeline import pipeline, tuner

        data, _ = _run_data(config, run_id, report)
        _wait_for_chief(report)
        asked = types.SimpleNamespace(
            train_files=[f"{data['transformed']}/Split-{split}/*" for split in config.train_splits],
            custom_config=pipeline.search_request(config),
        )
        directory = config.pipeline_root / "search"
        shutil.rmtree(directory, ignore_errors=True)  # of a worker that was killed
        with _own_messages(report):
            tuner.search_splits(asked, directory)
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for_chief(report):
    """Returns when the chief of a search listens, which is when the run has come to its Tuner."""
    address = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    place, started = ":".join(address), time.monotonic()
    report(f"waiting for the chief at {place}, {_CHIEF_SECONDS // 60} minutes at most")
    while time.monotonic() - started < _CHIEF_SECONDS:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=5):
            return
        time.sleep(1)
    raise InputError(
        f"no chief answers at {place}, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT; expected a `pipeline run` with "
        "KERASTUNER_TUNER_ID=chief that is in its Tuner"
    )


def _check_shared_search(config):
    """Refuses a run without a search, or with several, of which all would ask one chief."""
    several = "cross_validate" if config.cross_validate else "tuning.parallel_trials"
    if not config.tuning or config.cross_validate or config.tuning.parallel_trials > 1:
        raise InputError(
            "KerasTuner's variables are set: its chief and workers share one search, of one held-out fold; expected "
            f"tuning without cross_validate or parallel_trials, received {several if config.tuning else 'no tuning'}"
        )


def infer_local(pictures, model, out, on_progress=None):
    """Lets a served model answer to all pictures of a folder.

    Args:
        pictures: the folder; of pictures with several faces the largest is taken, those without one are skipped.
        model: folder of a SavedModel, or the base path of a served model.
        out: folder for everything that is written; `answers.csv` is the answer, and `skipped.txt` names what has none.
        on_progress: as for `run_local`.

    Returns:
        A triple of the path of `answers.csv`, the number of answers, and the number of pictures that were skipped,
        which `skipped.txt` beside it names.

    Raises:
        InputError: the pictures or the model cannot be used.
        PipelineError: a component failed.
    """
    out = pathlib.Path(out)
    log, run_id = _new_run(out)
    with one_run(out), _reported(log, on_progress) as report:
        from tfx.orchestration.metadata import Metadata

        from tfx_pipeline import infer, metadata
        from tfx_pipeline.picture_gen import SKIPPED_FILE

        with _failures_in(log):
            artifact = infer.model_artifact(model, out)
            pipeline = infer.create_inference_pipeline(pictures, artifact, out, ["--runner=FnApiRunner"])
            _run(pipeline, run_id, report)
            with Metadata(pipeline.metadata_connection_config) as handle:
                found = metadata.outputs_of(handle.store, run_id)
            examples = found[f"{infer.PIPELINE_NAME}.PictureGen", "examples"]
            answers = out / infer.ANSWERS_FILE
            count = infer.write_answers(found[f"{infer.PIPELINE_NAME}.BulkInferrer", "inference_result"].uri, answers)
            shutil.copyfile(pathlib.Path(examples.uri, SKIPPED_FILE), out / SKIPPED_FILE)
    return answers, count, examples.custom_properties["skipped"].int_value


def _new_run(out):
    """The log and the name of a run that begins now."""
    now = datetime.datetime.now()
    return out / LOG_DIR / f"{now:{_RUN}}.log", now.isoformat(timespec="milliseconds")


def _run_data(config, run_id, report):
    """The pipeline from the corpus to Transform. Returns a dict of name to address, and seconds."""
    from tfx_pipeline import metadata, pipeline

    seconds = _run(pipeline.create_data_pipeline(config), run_id, report)
    with _store(config) as store:
        return metadata.artifact_uris(store, run_id, pipeline.DATA_NAME, pipeline.DATA_ARTIFACTS), seconds


def _run_cross_validation(config, run_id, log, report):
    """The pipelines of a cross-validation, one run to ML Metadata; folds are side by side. Returns seconds."""
    from fer_keras.evaluation.fold_pool import fold_workers, run_in_processes
    from tfx_pipeline import metadata, pipeline

    data, seconds = _run_data(config, run_id, report)
    jobs = [_Fold(config, fold, data, run_id, log.with_suffix("")) for fold in range(config.folds)]
    workers = fold_workers(config.folds) if config.fold_workers is None else min(config.fold_workers, config.folds)
    report(f"{config.folds} folds, {f'{workers} side by side' if workers else 'one after the other'}")
    if workers:
        done = run_in_processes(run_fold_pipeline, jobs, workers, lambda fold, line: report(line))
    else:
        done = (
            (job.fold, _run_fold(job, lambda line, fold=job.fold: report(f"fold {fold}: {line.strip()}")))
            for job in jobs
        )
    for fold, of_fold in done:
        seconds |= {f"{fold} {component}": value for component, value in of_fold.items()}
    with _store(config) as store:
        folds = [
            metadata.artifact_uris(store, run_id, pipeline.fold_name(fold), pipeline.FOLD_ARTIFACTS)
            for fold in range(config.folds)
        ]
    return seconds | _run(pipeline.create_release_pipeline(config, data, folds), run_id, report)


@dataclasses.dataclass(frozen=True)
class _Fold:
    config: object
    fold: int
    data: dict
    run_id: str
    logs: pathlib.Path


def run_fold_pipeline(job, report):
    """Runs the pipeline of one fold; called in a process of its own, which the libraries' noise is kept from as well.

    Args:
        job: `_Fold`.
        report: callable that gets one line of text at a time.

    Returns:
        A dict of component to its wall time.
    """
    log = job.logs.with_name(f"{job.logs.name}-fold-{job.fold}.log")
    with (
        _reported(log, lambda line: report(f"fold {job.fold}: {line.strip()}")) as show,
        _failures_in(log, f"fold {job.fold}: "),
        _metadata_in_turn(job.config.metadata),
    ):
        return _run_fold(job, show)


@contextlib.contextmanager
def _metadata_in_turn(where):
    """Lets one process at a time open the metadata, where they are a file: SQLite fails some of two that write."""
    if "://" in where:
        yield
        return
    from tfx.orchestration.metadata import Metadata

    enter, leave, depth = Metadata.__enter__, Metadata.__exit__, 0

    def wait_and_enter(self):
        nonlocal depth
        if not depth:
            fcntl.flock(file, fcntl.LOCK_EX)  # the system lets go of it if the process is killed
        opened = enter(self)
        depth += 1
        return opened

    def leave_to_others(self, *exception):
        nonlocal depth
        try:
            leave(self, *exception)
        finally:
            depth -= 1
            if not depth:
                fcntl.flock(file, fcntl.LOCK_UN)

    with open(f"{where}.lock", "w") as file:
        Metadata.__enter__, Metadata.__exit__ = wait_and_enter, leave_to_others
        try:
            yield
        finally:
            Metadata.__enter__, Metadata.__exit__ = enter, leave


def _run_fold(job, report):
    from tfx_pipeline.pipeline import create_fold_pipeline

    return _run(create_fold_pipeline(job.config, job.fold, job.data), job.run_id, report)


def _run(pipeline, run_id, report):
    """Runs the components of a pipeline. Returns a dict of component to its wall time."""
    from tfx.orchestration.metadata import Metadata

    from tfx_pipeline import metadata

    name, seconds = pipeline.pipeline_info.pipeline_name, {}
    with _own_messages(report):
        for step, launch in _components(pipeline, run_id):
            started = time.monotonic()
            try:
                launch()
            except Exception as error:
                error.step = step
                raise
            seconds[step] = time.monotonic() - started
            if step.startswith("import-"):
                continue
            with Metadata(pipeline.metadata_connection_config) as store:
                cached = metadata.is_cached(store.store, run_id, f"{name}.{step}")
            report(f"{step} ({'cached' if cached else f'{seconds[step]:.1f} s'})")
    return seconds


@contextlib.contextmanager
def _failures_in(log, prefix=""):
    """Turns what fails into one line, and writes all of it to the log."""
    try:
        yield
    except (InputError, PipelineError):
        raise
    except Exception as error:
        with log.open("a") as file:
            traceback.print_exc(file=file)
        first = str(error).strip().partition("\n")[0]
        step = getattr(error, "step", "the pipeline")
        raise PipelineError(
            f"{prefix}{step} failed: {type(error).__name__}: {first[:300]}; the log is {log}"
        ) from error


@contextlib.contextmanager
def _store(config):
    """The metadata store of a configuration."""
    from tfx.orchestration.metadata import Metadata

    from tfx_pipeline.metadata_store import connection_config

    with Metadata(connection_config(config.metadata)) as handle:
        yield handle.store


# What TFX does not know: whether someone removed the version, which data passed last, how the server fares today.
_NOT_CACHED = ("Pusher", "DataGate", "ServingCheck", "InfraValidator")


def _components(pipeline, run_id):
    """Yields every component's name and a function that runs it alone, as a part of the one run."""
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.portable import runtime_parameter_utils

    whole = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(whole, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    for index, node in enumerate(whole.nodes):
        if node.pipeline_node.node_info.id in _NOT_CACHED:
            node.pipeline_node.execution_options.caching_options.enable_cache = False
        alone = type(whole)()
        alone.CopyFrom(whole)
        for other, skipped in enumerate(alone.nodes):
            if other != index:
                skipped.pipeline_node.execution_options.skip.SetInParent()
        yield node.pipeline_node.node_info.id, functools.partial(LocalDagRunner().run_with_ir, alone)


@contextlib.contextmanager
def _reported(log, on_progress):
    """Sends the libraries' noise to a log, and yields a function that shows a line to the user."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with _noise_to(log) as noise:

        def report(line):
            if on_progress:
                with noise.lifted():
                    on_progress(line)

        yield report


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
