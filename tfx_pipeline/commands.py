"""The sub-command `pipeline` of `fer-keras`."""

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from fer_keras.errors import InputError

NOT_BLESSED = 2
"""Exit status of a run that went well and whose model was not good enough to be pushed."""

app = typer.Typer(help="The TFX pipeline: from a corpus to a pushed model.", no_args_is_help=True)


@app.callback()
def pipeline():
    """The TFX pipeline: from a corpus to a pushed model."""


@app.command(epilog="Example: fer-keras pipeline run --corpus folder --data my_faces --push-to saved_models/fer")
def run(
    corpus: Annotated[
        str,
        typer.Option(
            help="ck_plus, mmi, folder (a labels.csv), synthetic (built in, drawn into the run's folder), ..."
        ),
    ] = "synthetic",
    data: Annotated[Path | None, typer.Option(help="Folder of the corpus, in its official layout.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything that the run writes.")] = Path("runs/pipeline"),
    push_to: Annotated[Path, typer.Option(help="Base path of the served model; gets a new version.")] = Path(
        "saved_models/fer"
    ),
    labels: Annotated[str | None, typer.Option(help="Only these labels, separated by commas.")] = None,
    folds: Annotated[int, typer.Option(help="Subject-wise folds.")] = 10,
    test_fold: Annotated[int, typer.Option(help="The fold to test on; the others are trained on.")] = 0,
    min_accuracy: Annotated[
        float, typer.Option(help="Least accuracy on the test fold for the model to be pushed.")
    ] = 0.5,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training faces, or clips.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation [0].")] = None,
    task: Annotated[str, typer.Option(help="static: a model of single faces; video: one of whole clips.")] = "static",
    frame_model: Annotated[
        str | None, typer.Option(help="video: preset that frames' features come from; else one is trained.")
    ] = None,
    encoder_epochs: Annotated[int | None, typer.Option(help="video: passes over single frames, where it is.")] = None,
    frames: Annotated[int | None, typer.Option(help="video: frames of a clip at most [16].")] = None,
    sampling: Annotated[str | None, typer.Option(help="video: uniform or all.")] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Configuration of the training as JSON; options given here win.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop if any picture cannot be used.")] = False,
):
    """Train, evaluate and push a model with TFX on this machine.

    Finished work is not done again. Exit status: 0 pushed, 1 failed, 2 not good enough to be pushed.
    """
    from fer_keras.console import load_libraries

    load_libraries()
    from rich.console import Console
    from rich.live import Live
    from rich.markup import escape
    from rich.spinner import Spinner

    from tfx_pipeline.run_local import PipelineError, run_local

    of_clips = {"frame_model": frame_model, "encoder_epochs": encoder_epochs, "frames": frames, "sampling": sampling}
    training = _training(task, config_file, {"epochs": epochs, "seed": seed}, of_clips)
    config = _config(corpus, data, out, push_to, labels, folds, test_fold, min_accuracy, training, strict)
    # A terminal of its own: the process's standard output belongs to the libraries while they run.
    with os.fdopen(os.dup(1), "w") as terminal:
        console = Console(file=terminal, highlight=False)
        spinner = Spinner("dots", "running the pipeline")
        with Live(spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
            try:
                result = run_local(config, lambda line: console.print(escape(line), soft_wrap=True))
            except PipelineError as error:
                console.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
                raise typer.Exit(1) from None
    _print_result(result, config)
    if result.version is None:
        raise typer.Exit(NOT_BLESSED)


def _training(task, file, chosen, of_clips):
    """The configuration of a training, from a file and from options; `None` is an option that was not given."""
    from fer_keras.training.config_file import read_config
    from fer_keras.training.static import StaticConfig
    from fer_keras.training.video import VideoConfig, check_frame_model

    tasks = {"static": StaticConfig, "video": VideoConfig}
    if task not in tasks:
        raise InputError(f"--task {task}: expected {' or '.join(tasks)}")
    chosen, of_clips = (
        {name: value for name, value in options.items() if value is not None} for options in (chosen, of_clips)
    )
    if of_clips and task != "video":
        raise InputError(f"--{next(iter(of_clips)).replace('_', '-')} is for --task video")
    training = tasks[task](**(read_config(file, tasks[task]) if file else {}))
    if "encoder_epochs" in of_clips:
        of_clips["encoder"] = dataclasses.replace(training.encoder, epochs=of_clips.pop("encoder_epochs"))
    training = dataclasses.replace(training, **chosen, **of_clips)
    if task == "video":
        check_frame_model(training)
        if training.frame_model and Path(training.frame_model).exists():  # not a name: the Trainer may run elsewhere
            training = dataclasses.replace(training, frame_model=str(Path(training.frame_model).absolute()))
    return training


def _config(corpus, data, out, push_to, labels, folds, test_fold, min_accuracy, training, strict):
    from fer_keras import corpora
    from fer_keras.training.video import VideoConfig
    from tfx_pipeline.config import PipelineConfig

    held = {child.name for child in out.iterdir()} if out.is_dir() else set()
    if held - {"corpus"} and not held & {"logs", "metadata.sqlite"}:
        raise InputError(f"--out {out}: is not empty and holds no pipeline; expected a folder of the pipeline's own")
    if data is None:
        if corpus not in corpora.BUILT_IN:
            raise InputError(f"--data is missing; expected the folder of a corpus ({corpus})")
        data = out / "corpus"
    if corpus in corpora.BUILT_IN:
        _draw(corpora.BUILT_IN[corpus], data)
    wanted = [label.strip() for label in labels.split(",") if label.strip()] if labels else None
    if push_to.exists() and not push_to.is_dir():
        raise InputError(f"--push-to {push_to}: is a file; expected a folder for the served versions")
    # Read once before TFX is loaded: what is wrong with the corpus or the folds shows at once.
    whole = {"peak_frames": None} if isinstance(training, VideoConfig) else {}
    found = corpora.read(corpus, data, wanted, strict=strict, **whole)
    corpora.assign_folds(found.subjects, folds)
    return PipelineConfig(
        corpus=corpus,
        data_dir=data,
        label_names=found.label_names,
        pipeline_root=out,
        push_dir=push_to,
        folds=folds,
        test_fold=test_fold,
        min_accuracy=min_accuracy,
        training=training,
        strict=strict,
    )


def _draw(write, directory):
    from rich.progress import Progress

    if directory.exists():
        write(directory)  # only looks whether it is the one
        return
    with Progress() as bars:
        task = bars.add_task("drawing the built-in corpus", total=None)
        write(directory, progress=lambda done, total: bars.update(task, completed=done, total=total))


def _print_result(result, config):
    from rich.table import Table

    from fer_keras.console import console

    table = Table(show_header=False)
    table.add_row("faces", str(result.faces))
    table.add_row("skipped pictures", str(result.skipped))
    table.add_row(
        "accuracy",
        f"{result.accuracy:.3f} by {'clip' if config.of_clips else 'picture'} "
        f"({config.corpus}, fold {config.test_fold} of {config.folds} held out, "
        f"seed {config.training.seed})",
    )
    table.add_row("blessed", "yes" if result.version else "no")
    table.add_row("pushed", str(result.version) if result.version else f"nothing: {result.reason}")
    table.add_row("log", str(result.log))
    console.print(table)
