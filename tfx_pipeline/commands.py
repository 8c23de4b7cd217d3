"""The sub-command `pipeline` of `fer-keras`."""

import contextlib
import dataclasses
import importlib.util
import os
from pathlib import Path
from typing import Annotated

import typer

from fer_keras import plural
from fer_keras.errors import InputError

NOT_BLESSED = 3
"""Exit status of a run that went well and whose model was not good enough to be pushed; 2 is that of a wrong option."""

app = typer.Typer(help="The TFX pipeline: from a corpus to a pushed model.", no_args_is_help=True)


@app.callback()
def pipeline():
    """The TFX pipeline: from a corpus to a pushed model."""


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="The pipeline as YAML, or its training alone as JSON; options given here win over both."
    ),
]


@app.command(epilog="Example: fer-keras pipeline run --corpus folder --data my_faces --push-to saved_models/fer")
def run(
    config_file: ConfigOption = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="ck_plus, mmi, folder (a labels.csv), synthetic (built in, drawn into the run's folder) \\[synthetic]"
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the corpus, in its official layout.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for everything that runs write \\[runs/pipeline].")] = None,
    push_to: Annotated[
        Path | None, typer.Option(help="Base path of the served model; gets a new version \\[saved_models/fer].")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Only these labels, separated by commas.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Subject-wise folds [10].")] = None,
    test_fold: Annotated[
        int | None, typer.Option(min=0, help="The fold to test on; the others are trained on [0].")
    ] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Test on every fold in turn, then train the pushed model on all.")
    ] = False,
    # Not `--cross-validate/--no-cross-validate`, which takes a column of its own from the help of all options.
    no_cross_validate: Annotated[
        bool, typer.Option("--no-cross-validate", help="Hold one fold out, also where the file says cross_validate.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Folds side by side, one core each; 0: one after the other on all cores.")
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least accuracy on what is held out for the model to be pushed [0.5]."),
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far below the accuracy of the served model it may be [0].")
    ] = None,
    tune: Annotated[
        int | None, typer.Option(min=1, metavar="TRIALS", help="Search for a configuration before every training.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training faces, or clips.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation [0].")] = None,
    task: Annotated[
        str | None, typer.Option(help="static: single faces; video: whole clips; occluded: covered faces \\[static].")
    ] = None,
    frame_model: Annotated[
        str | None, typer.Option(help="video: preset that frames' features come from; else one is trained.")
    ] = None,
    encoder_epochs: Annotated[int | None, typer.Option(help="video: passes over single frames, where it is.")] = None,
    frames: Annotated[int | None, typer.Option(help="video: frames of a clip at most [16].")] = None,
    sampling: Annotated[str | None, typer.Option(help="video: uniform or all.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop if any picture cannot be used.")] = False,
):
    """Train, evaluate and push a model with TFX on this machine.

    Finished work is not done again. Exit status: 0 pushed, or served already; 1 failed; 2 wrong option;
    3 not good enough to be pushed.
    """
    from fer_keras.console import load_libraries

    if cross_validate and no_cross_validate:
        raise InputError("--cross-validate and --no-cross-validate: expected one of them, or neither")
    _check_at_once(config_file, out)
    load_libraries()
    from tfx_pipeline import run_local

    chosen = {
        "corpus": {"name": corpus, "data": data, "labels": _split(labels), "strict": strict or None},
        "thresholds": {"accuracy": min_accuracy, "max_drop": max_drop},
        "runner": {"workers": workers},
        "out": out,
        "push_to": push_to,
        "folds": folds,
        "test_fold": test_fold,
        "cross_validate": cross_validate or (False if no_cross_validate else None),
        "task": task,
    }
    of_clips = {"frame_model": frame_model, "encoder_epochs": encoder_epochs, "frames": frames, "sampling": sampling}
    config = _config(config_file, chosen, tune, {"epochs": epochs, "seed": seed}, of_clips)
    with _shown() as show:
        result = run_local.run_local(config, show)
    _print_result(result, config)
    if result.version is None:
        raise typer.Exit(NOT_BLESSED)


@contextlib.contextmanager
def _shown():
    """A function that shows a line of a run; what fails in it ends the command with one."""
    from rich.console import Console
    from rich.live import Live
    from rich.markup import escape
    from rich.spinner import Spinner

    from tfx_pipeline.run_local import PipelineError

    # A terminal of its own: the process's standard output belongs to the libraries while they run.
    with os.fdopen(os.dup(1), "w") as terminal:
        console = Console(file=terminal, highlight=False)
        spinner = Spinner("dots", "running the pipeline")
        with Live(spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
            try:
                yield lambda line: console.print(escape(line), soft_wrap=True)
            except PipelineError as error:
                console.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
                raise typer.Exit(1) from None
            except KeyboardInterrupt:
                console.print("interrupted; the same command goes on where it was")
                raise


@app.command(epilog="Example: fer-keras pipeline tune --config pipeline.yaml --out runs/tuner0")
def tune(
    config_file: Annotated[Path, typer.Option("--config", help="The run's YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder for this worker's records and trials, not the run's own.")],
):
    """Take part in the search of a `pipeline run` in another process or on another machine.

    KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT say which; the run itself is the chief.
    """
    from fer_keras.console import console, load_libraries

    _check_at_once(config_file, out)
    load_libraries()
    from tfx_pipeline import run_local

    config = _config(config_file, {"out": out}, None, {}, {})
    with _shown() as show:
        run_local.tune_local(config, show)
    console.print("The search is over; the run that is its chief goes on with what was found.")


@app.command(epilog="Example: fer-keras pipeline infer --data photos --model saved_models/fer --out runs/infer")
def infer(
    data: Annotated[Path, typer.Option(help="Folder of pictures, with those in folders below.")],
    model: Annotated[
        Path, typer.Option(help="A SavedModel, or the base path of a served model, whose newest version answers.")
    ] = Path("saved_models/fer"),
    out: Annotated[Path, typer.Option(help="Folder for answers.csv and what else is written.")] = Path("runs/infer"),
):
    """Let a model answer to every picture of a folder, with TFX's BulkInferrer."""
    from fer_keras.console import console, load_libraries
    from tfx_pipeline.run_lock import check_free

    check_free(out)
    load_libraries()
    from tfx_pipeline import run_local

    with _shown() as show:
        answers, count, skipped = run_local.infer_local(data, model, out, show)
    named = f", see {answers.with_name('skipped.txt')}" if skipped else ""
    said = f"{plural.count(count, 'answer')} in {answers}; skipped: {plural.count(skipped, 'picture')}{named}"
    console.print(said, soft_wrap=True, markup=False)


@app.command(epilog="Example: fer-keras pipeline rollback --push-to saved_models/fer --to 1764200000")
def rollback(
    push_to: Annotated[Path, typer.Option(help="Base path of the served model.")] = Path("saved_models/fer"),
    to: Annotated[
        int | None, typer.Option(help="The version to serve again; by default the newest with another model.")
    ] = None,
):
    """Serve an earlier version again: it becomes the newest one, whole; nothing is removed."""
    from fer_keras.console import console, load_libraries

    load_libraries()
    from tfx_pipeline.versions import roll_back

    earlier, version = roll_back(push_to, to)
    console.print(f"Version {earlier.name} is served again, as version {version.name}: {version}", soft_wrap=True)


@app.command("compile", epilog="Example: fer-keras pipeline compile --config pipeline.yaml --to runs/fer-kubeflow.yaml")
def compile_(
    config_file: Annotated[Path, typer.Option("--config", help="The pipeline as YAML, with a section kubeflow.")],
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path("runs/fer-kubeflow.yaml"),
):
    """Compile the pipeline for Kubeflow Pipelines v2; the corpus is read here for its labels, and nothing is run."""
    from fer_keras.console import console, load_libraries
    from tfx_pipeline.yaml_file import read_yaml

    if importlib.util.find_spec("tfx") and not importlib.util.find_spec("kfp"):
        raise InputError("compile needs the package kfp, which TFX brings up to Python 3.11: use such an environment")
    read_yaml(config_file)
    load_libraries()
    config = _config(config_file, {}, None, {}, {}, push_here=False)
    from tfx_pipeline.run_kubeflow import write_pipeline

    try:
        write_pipeline(config, to)
    except InputError as error:
        raise InputError(f"{config_file}: {error}") from error
    console.print(f"Compiled: {to}", soft_wrap=True)
    console.print("Next: see docs/guides/kubeflow.md for the command that submits it")


OutOption = Annotated[Path, typer.Option(help="Folder of the pipeline's runs.")]
MetadataOption = Annotated[
    str | None, typer.Option(help="File or URL of the metadata, where it is not metadata.sqlite in that folder.")
]


@app.command(epilog="Example: fer-keras pipeline status --out runs/pipeline")
def status(
    out: OutOption = Path("runs/pipeline"),
    metadata: MetadataOption = None,
    name: Annotated[
        str | None, typer.Option("--run", help="The components of this run; latest for the newest one.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many runs, from the newest back.")] = 10,
):
    """Show the runs of a pipeline, or the components of one: state, durations, artifacts, blessing."""
    with _runs(out, metadata) as (console, store):
        from tfx_pipeline.status import fold_figures, read_run, read_runs

        folds = []
        if name is None:
            table = _table(("run", "state", "done", "cached", "seconds", "blessed", "version"), folded="state")
            for run in read_runs(store, last):
                done, cached = (
                    sum(one.state in states for one in run.components) for states in (("complete",), ("cached",))
                )
                blessed = {None: "-", True: "yes", False: "no"}[run.blessed]
                figures = (str(done), str(cached), f"{run.seconds:.1f}")
                table.add_row(run.name, run.state, *figures, blessed, Path(run.pushed).name or "-")
        else:
            run = read_runs(store, 1)[0] if name == "latest" else read_run(store, name)
            table = _table(("pipeline", "component", "state", "seconds", "artifacts"), folded="artifacts")
            for one in run.components:
                shown = "\n".join(str(_below(uri, out)) for uri in one.artifacts)
                table.add_row(one.pipeline, one.name, one.state, f"{one.seconds:.1f}", shown)
            folds = fold_figures(store, run.name)
        console.print(table)
        if folds:
            table = _table(("fold", *folds[0]), folded="fold")
            for fold, figures in enumerate(folds):
                table.add_row(str(fold), *("-" if value is None else f"{value:.3f}" for value in figures.values()))
            console.print(table)


@app.command(epilog="Example: fer-keras pipeline report --out runs/pipeline --run latest")
def report(
    out: OutOption = Path("runs/pipeline"),
    metadata: MetadataOption = None,
    name: Annotated[str, typer.Option("--run", help="The run; latest for the newest one.")] = "latest",
):
    """Show where the time of a run went, and write what it measured as a page: by slice, confusion, calibration."""
    with _runs(out, metadata) as (console, store):
        from rich.table import Table

        from tfx_pipeline.evaluation_page import write_run_page
        from tfx_pipeline.status import overhead, read_run, read_runs

        run = read_runs(store, 1)[0] if name == "latest" else read_run(store, name)
        rows = overhead(run)
        table = Table("component", "times", "seconds", "training", "besides")
        for row in rows:
            figures = (f"{row[column]:.1f}" for column in ("seconds", "training", "overhead"))
            table.add_row(row["name"], str(row["count"]), *figures)
        total = [sum(row[column] for row in rows) for column in ("seconds", "training", "overhead")]
        table.add_row("all", "", *(f"{value:.1f}" for value in total), style="bold")
        console.print(table)
        largest = " and ".join(f"{row['name']} ({row['overhead']:.1f} s)" for row in rows[:2])
        console.print(
            f"Run {run.name}: {run.seconds:.1f} s by the clock, {total[1]:.1f} s of training. Largest besides:"
        )
        of_folds = len({one.pipeline for one in run.components}) > 1
        side_by_side = " Folds are side by side: their seconds add up to more than the clock's." if of_folds else ""
        console.print(f"{largest}.{side_by_side}")
        try:
            page = write_run_page(store, run, out / "reports")
        except InputError as error:  # the extra `report` is missing
            page = f"none: {error}"
        console.print(f"What was measured: {page or 'nothing, the run did not come so far'}", soft_wrap=True)


def _table(names, folded):
    """A table for 80 columns: the cells of one column are folded where they are too long, and none is cut."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name in names:
        table.add_column(name, no_wrap=name != folded, overflow="fold")
    return table


def _below(path, folder):
    """A path below a folder, or as it is where it is elsewhere."""
    path, folder = Path(path), folder.absolute()
    return path.relative_to(folder) if path.is_relative_to(folder) else path


@contextlib.contextmanager
def _runs(out, metadata):
    """The console, and the metadata of the runs below a folder."""
    from fer_keras.console import console, load_libraries

    load_libraries()
    from tfx_pipeline.status import open_store

    with open_store(metadata or out / "metadata.sqlite") as store:
        if not store.get_contexts_by_type("pipeline_run"):
            raise InputError(f"{metadata or out}: holds no run")
        yield console, store


def _check_at_once(file, out):
    """Raises `InputError` for what is wrong with a run and shows before TensorFlow is loaded, which takes seconds."""
    from tfx_pipeline.run_lock import check_free
    from tfx_pipeline.yaml_file import read_yaml

    values = read_yaml(file) if file and file.suffix != ".json" else {}
    named = values.get("out") if isinstance(values, dict) else None
    check_free(out or (named if isinstance(named, str) else "runs/pipeline"))


def _split(labels):
    """Names separated by commas, or `None` where the option was not given."""
    from fer_keras.cli_options import split_names

    names = split_names(labels)
    return None if names is None else tuple(names)


def _config(file, chosen, trials, of_training, of_clips, push_here=True):
    """The pipeline of a file and of options; `None` is an option that was not given."""
    from tfx_pipeline.config import Tuning
    from tfx_pipeline.config_file import PipelineFile, read_pipeline_file

    of_pipeline = file and file.suffix != ".json"
    asked = _replace(read_pipeline_file(file) if of_pipeline else PipelineFile(), chosen)
    if trials is not None:
        asked = dataclasses.replace(asked, tuning=dataclasses.replace(asked.tuning or Tuning(), trials=trials))
    training = _training(asked, None if of_pipeline else file, of_training, of_clips)
    asked.pipeline_config(training)  # what cannot work stops here, before the corpus is drawn or read
    found, data = _read(asked, push_here)
    return asked.pipeline_config(training, found.label_names, data)


def _replace(part, chosen):
    """A file, or a section of one, with what was chosen in place of what it says."""
    changes = {}
    for name, value in chosen.items():
        if isinstance(value, dict):
            changes[name] = _replace(getattr(part, name), value)
        elif value is not None:
            changes[name] = str(value) if isinstance(value, Path) else value
    return dataclasses.replace(part, **changes)


def _training(asked, file, chosen, of_clips):
    """The configuration of a training, from files and from options; `None` is an option that was not given."""
    from fer_keras.training.config_file import read_config
    from fer_keras.training.video import check_frame_model
    from tfx_pipeline.config import TASKS

    chosen, of_clips = (
        {name: value for name, value in options.items() if value is not None} for options in (chosen, of_clips)
    )
    if of_clips and asked.task != "video":
        raise InputError(f"--{next(iter(of_clips)).replace('_', '-')} is for --task video")
    if file:
        asked = dataclasses.replace(asked, training=read_config(file, TASKS[asked.task]))
    training = asked.training_config()
    if "encoder_epochs" in of_clips:
        of_clips["encoder"] = dataclasses.replace(training.encoder, epochs=of_clips.pop("encoder_epochs"))
    if asked.task == "occluded" and "epochs" in chosen:  # those of the restorer are the file's
        of_clips["classifier"] = dataclasses.replace(training.classifier, epochs=chosen.pop("epochs"))
    training = dataclasses.replace(training, **chosen, **of_clips)
    if asked.task == "video":
        check_frame_model(training)
        if training.frame_model and Path(training.frame_model).exists():  # not a name: the Trainer may run elsewhere
            training = dataclasses.replace(training, frame_model=str(Path(training.frame_model).absolute()))
    return training


def _read(asked, push_here):
    """The corpus, read before TFX is loaded, so that what is wrong with it or with the folds shows at once."""
    from fer_keras import corpora
    from tfx_pipeline.spans import newest_span

    corpus, out = asked.corpus, Path(asked.out)
    _check_folder("out", out.absolute())
    held = {child.name for child in out.iterdir()} if out.is_dir() else set()
    if held - {"corpus"} and not held & {"logs", "metadata.sqlite"}:
        raise InputError(f"--out {out}: is not empty and holds no pipeline; expected a folder of the pipeline's own")
    if not corpus.data and corpus.name not in corpora.BUILT_IN:
        raise InputError(f"--data, or corpus.data, is missing; expected the folder of a corpus ({corpus.name})")
    data = newest_span(corpus.data) if corpus.data else out / "corpus"
    if push_here:
        _check_push_to(Path(asked.push_to).absolute(), data)
        _check_server(asked.serving_check)
    if asked.data_gate.schema:
        _check_schema(asked.data_gate.schema)
    if corpus.name in corpora.BUILT_IN:
        _draw(corpora.BUILT_IN[corpus.name], data)
    whole = {"peak_frames": None} if asked.task == "video" else {}
    found = corpora.read(corpus.name, data, list(corpus.labels) or None, strict=corpus.strict, **whole)
    corpora.assign_folds(found.subjects, asked.folds)
    return found, data


def _check_push_to(push_to, data):
    """Raises `InputError` where the Pusher could not write: it is the last to come, after the training."""
    _check_folder("push_to", push_to)
    if data.resolve() in (push_to.resolve(), *push_to.resolve().parents):
        raise InputError(f"push_to {push_to}: is in the corpus {data}; expected a folder outside of it")


def _check_folder(name, folder):
    """Raises `InputError` where a folder can be neither made nor written to."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise InputError(f"{name} {folder}: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{name} {folder}: {there} may not be written; expected a folder")


def _check_server(server):
    """Raises `InputError` where a serving check is no program of this machine."""
    if server.startswith("/") and not (Path(server).is_file() and os.access(server, os.X_OK)):
        what = "is no program that may be run" if Path(server).exists() else "no such file"
        raise InputError(f"serving_check {server}: {what}; expected a tensorflow_model_server")


def _check_schema(file):
    """Raises `InputError` where a schema cannot be read."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        text_format.Parse(Path(file).read_text(), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"data_gate.schema {file}: is no schema as text (.pbtxt): {error}") from error


def _draw(write, directory):
    from rich.progress import Progress

    if directory.exists():
        write(directory)  # only looks whether it is the one
        return
    with Progress() as bars:
        task = bars.add_task("drawing the built-in corpus", total=None)
        write(directory, progress=lambda done, total: bars.update(task, completed=done, total=total))


def _print_result(result, config):
    from rich.markup import escape
    from rich.table import Table

    from fer_keras.console import console

    table = Table(show_header=False)
    table.add_row("faces", str(result.faces))
    table.add_row("skipped pictures", str(result.skipped))
    table.add_row("accuracy", _accuracy(result, config))
    if result.baseline_accuracy is not None:
        remark = result.baseline_remark and f", {result.baseline_remark}"
        table.add_row("model served before", f"{result.baseline_accuracy:.3f} on the same fold{remark}")
    table.add_row("blessed", "yes" if result.version else "no")
    if not result.newly_pushed or result.version is None:
        table.add_row("pushed", _not_pushed(result, config))
    console.print(table)
    # Paths are to be copied, and stand on lines of their own.
    pushed = result.version if result.newly_pushed else None
    report = result.cross_validation and result.cross_validation / "report.html"
    for name, path in (("Pushed", pushed), ("Report", report), ("Log", result.log)):
        if path:
            console.print(f"{name}: {escape(str(path))}", soft_wrap=True)


def _not_pushed(result, config):
    from rich.markup import escape

    if result.version is None:
        return escape(f"nothing: {result.reason}")
    from tfx_pipeline.versions import find_versions

    served = find_versions(config.push_dir)[0]
    if served.name == result.version.name:
        return f"nothing: version {served.name} with this model is served already"
    return f"nothing: version {result.version.name} holds this model, and version {served.name} is served"


def _accuracy(result, config):
    what = "clip" if config.of_clips else "picture"
    if config.cross_validate:
        figure = f"{result.accuracy:.3f} ± {result.accuracy_std:.3f} by {what}"
        return f"{figure} ({config.corpus}, mean over {config.folds} folds, seed {config.training.seed})"
    return (
        f"{result.accuracy:.3f} by {what} ({config.corpus}, fold {config.test_fold} of {config.folds} held out, "
        f"seed {config.training.seed})"
    )
