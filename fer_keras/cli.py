"""The command line, `fer-keras`. Commands are thin: what they do is a function of the library."""

import importlib.metadata
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_keras.cli_experiment import experiment
from fer_keras.cli_options import (
    CorpusOption,
    DataOption,
    FoldWorkersOption,
    LabelsOption,
    Progress,
    StrictOption,
    WhereOption,
    command_line,
    corpus_folder,
    escape,
    print_remarks,
    split_names,
    split_where,
)
from fer_keras.console import console, errors, load_libraries, native_stderr_aside
from fer_keras.errors import InputError

app = typer.Typer(
    help="Facial expression recognition for Keras: train, prove and serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(experiment, name="experiment")

FacesOption = Annotated[
    str, typer.Option("--faces", help="Find faces with blaze_face or mtcnn, or take pictures as crops: cropped.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; by default all cores for a large corpus.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration as JSON, such as best.json of `tune`; options given here win."),
]
ModelOption = Annotated[
    Path, typer.Option("--model", help="A run of `train`, a preset by name or folder, or a .keras file.")
]
SHIPPED_MODEL = Path("alexnet_emotion_fer2013")


@app.command(epilog="Example: fer-keras draw --layout mmi --size standard --out runs/drawn")
def draw(
    out: Annotated[Path, typer.Option(help="Folder for the corpus.")],
    layout: Annotated[
        str, typer.Option(help="ck_plus (PNG frames), mmi (AVI clips) or occluded (a labels.csv with masks).")
    ] = "ck_plus",
    size: Annotated[str, typer.Option(help="small or standard.")] = "small",
    seed: Annotated[int, typer.Option(help="Another seed draws other people.")] = 0,
):
    """Draw the built-in corpus of faces in the layout of CK+ or MMI, or with occluders."""
    load_libraries()
    from fer_keras.corpora import synthetic

    writers = {"ck_plus": synthetic.write_ck_plus, "mmi": synthetic.write_mmi, "occluded": synthetic.write_occluded}
    if layout not in writers:
        raise InputError(f"--layout {layout}: expected one of {', '.join(writers)}")
    with Progress() as progress:
        writers[layout](out, size, seed, progress=lambda done, total: progress.update("sequences", done, total))
    console.print(f"Drawn: {escape(out)}", soft_wrap=True)
    reader = "folder" if layout == "occluded" else layout
    console.print(f"Next: fer-keras train --corpus {reader} --data {escape(out)}", soft_wrap=True)


@app.command(epilog="Example: fer-keras prepare --corpus ck_plus --data ~/CK+ --out runs/ck_plus")
def prepare(
    out: Annotated[Path, typer.Option(help="Folder for the face records.")],
    corpus: CorpusOption = "ck_plus",
    data: DataOption = None,
    labels: LabelsOption = None,
    where: WhereOption = None,
    faces: FacesOption = "blaze_face",
    workers: WorkersOption = None,
    runner: Annotated[
        str | None, typer.Option(help="Beam runner instead of processes here, such as DaskRunner.")
    ] = None,
    runner_option: Annotated[
        list[str] | None, typer.Option(metavar="--NAME=VALUE", help="Option of the Beam runner; may be repeated.")
    ] = None,
    strict: StrictOption = False,
):
    """Find, align and crop the faces of a corpus, and write them as records with a manifest and a report."""
    load_libraries()
    from fer_keras.corpora import prepare_report

    found = _read(corpus, data, labels, where, strict, out)
    manifest = _prepare(found, out, faces=faces, workers=workers, runner=runner, runner_options=runner_option or ())
    _print_manifest(manifest, out)
    try:
        prepare_report.write_report(manifest, out / "report.html", command_line())
    except InputError as error:
        errors.print(f"[yellow]no report:[/] {escape(error)}", soft_wrap=True)
    else:
        console.print(f"Report: {escape(out / 'report.html')}", soft_wrap=True)


@app.command(epilog="Example: fer-keras train --corpus folder --data my_faces --folds 10 --out runs/mine")
def train(
    corpus: CorpusOption = "synthetic",
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for records, folds, figures and the model.")] = Path("runs/train"),
    labels: LabelsOption = None,
    where: WhereOption = None,
    folds: Annotated[int, typer.Option(help="Subject-wise folds to cross-validate on; 0 only trains.")] = 10,
    fold_rule: Annotated[
        str, typer.Option(help="published (subjects in steps of the folds), stratified or leave_one_out.")
    ] = "published",
    task: Annotated[
        str, typer.Option(help="static: single faces; video: whole clips; restoration: a restorer of occluded faces.")
    ] = "static",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training faces, or clips.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Faces, or clips, a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="First learning rate.")] = None,
    metric_weight: Annotated[
        float | None, typer.Option(help="Weight λ of the Island loss; 0 for softmax alone.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Hard-sample threshold τ of the Island loss.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width of the model's input, pixels.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 for grey, 3 for colour.")] = None,
    backbone: Annotated[str | None, typer.Option(help="alexnet_emotion, vgg_style, mobile_face_net, ...")] = None,
    width: Annotated[float | None, typer.Option(help="Factor on the number of filters.")] = None,
    angle_map: Annotated[
        bool | None, typer.Option("--angle-map", help="The key-point angle map as a channel beside the picture.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Preset to start from: a name, or the folder of a run.")
    ] = None,
    layer_rate: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER=FACTOR", help="Factor on a layer's learning rate, such as conv*=0.1; 0 freezes."),
    ] = None,
    class_balance: Annotated[
        float | None, typer.Option(help="0 weighs all faces alike, 1 all classes; or between.")
    ] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Share of a label spread over all.")] = None,
    soft_labels: Annotated[
        bool | None, typer.Option("--soft-labels", help="Train on annotators' votes where there are some (FER+).")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a lower loss on held-out subjects.")
    ] = None,
    frame_model: Annotated[
        str | None,
        typer.Option(help="video: preset that frames' features come from; else one is trained."),
    ] = None,
    encoder_epochs: Annotated[int | None, typer.Option(help="video: passes over single frames, where it is.")] = None,
    frames: Annotated[int | None, typer.Option(help="video: frames of a clip at most [16].")] = None,
    sampling: Annotated[str | None, typer.Option(help="video: uniform, apex or all.")] = None,
    recurrence: Annotated[str | None, typer.Option(help="video: irnn, lstm, gru or none.")] = None,
    pooling: Annotated[str | None, typer.Option(help="video: attention, mean or last.")] = None,
    fine_tune_epochs: Annotated[int | None, typer.Option(help="video: passes with everything learning [0].")] = None,
    warm_up_epochs: Annotated[int | None, typer.Option(help="restoration: passes before the discriminators.")] = None,
    discriminators: Annotated[
        str | None, typer.Option(help="restoration: global,local, one of them, or none: reconstruction alone.")
    ] = None,
    occluders: Annotated[str | None, typer.Option(help="restoration: kinds to draw, separated by commas.")] = None,
    feature_model: Annotated[
        str | None, typer.Option(help="restoration: preset of the recogniser whose features are to be kept.")
    ] = None,
    grid_every: Annotated[int, typer.Option(min=1, help="restoration: epochs between two sample grids.")] = 10,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="restoration: losses and grids for TensorBoard as well.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation [0].")] = None,
    config_file: ConfigOption = None,
    workers: FoldWorkersOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    strict: StrictOption = False,
):
    """Cross-validate a recogniser over subject-wise folds, then train it on everyone; or train a restorer."""
    load_libraries()
    from fer_keras.training.run import check_folder, train_run

    shared = {"seed": seed, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    of_networks = {"image_size": image_size, "channels": channels, "width": width}
    of_recognizers = {
        "metric_weight": metric_weight,
        "threshold": threshold,
        "backbone": backbone,
        "angle_map": angle_map,
        "pretrained": pretrained,
        "layer_rate": layer_rate,
        "class_balance": class_balance,
        "label_smoothing": label_smoothing,
        "soft_labels": soft_labels,
        "patience": patience,
    }
    of_clips = {
        "frame_model": frame_model,
        "encoder_epochs": encoder_epochs,
        "frames": frames,
        "sampling": sampling,
        "recurrence": recurrence,
        "pooling": pooling,
        "fine_tune_epochs": fine_tune_epochs,
    }
    of_restorers = {
        "warm_up_epochs": warm_up_epochs,
        "discriminators": [] if discriminators == "none" else split_names(discriminators, "--discriminators"),
        "occluders": split_names(occluders, "--occluders"),
        "feature_model": feature_model,
    }
    others = {
        "static": {"video": of_clips, "restoration": {**of_restorers, "tensorboard": tensorboard or None}},
        "video": {"restoration": {**of_restorers, "tensorboard": tensorboard or None}},
        "restoration": {"static or video": {**of_recognizers, "workers": workers}, "video": of_clips},
    }
    if task not in others:
        raise InputError(f"--task {task}: expected {', '.join(others)}")
    for other, options in others[task].items():
        stray = [name for name, value in options.items() if value is not None]
        if stray:
            raise InputError(f"--{stray[0].replace('_', '-')} is for --task {other}")
    of_recognizers["layer_rates"] = _layer_rates(of_recognizers.pop("layer_rate"))
    of_faces = {**of_networks, **of_recognizers}
    if task == "restoration":
        config = _restoration_config(config_file, {**shared, **of_networks, **of_restorers})
    elif task == "video":
        shared["metric_weight"] = of_faces.pop("metric_weight")
        config = _video_config(config_file, {**shared, **of_clips}, of_faces)
    else:
        config = _config(config_file, {**shared, **of_faces})
    check_folder(out, "restoration" if task == "restoration" else "train", resume)
    found = _read(corpus, data, labels, where, strict, out, **({"peak_frames": None} if task == "video" else {}))
    if task == "restoration":
        _train_restorer(found, out, config, folds, fold_rule, resume, grid_every, tensorboard)
        return
    with Progress() as progress:
        results = train_run(
            *(found, out, config, folds, fold_rule),
            resume=resume,
            workers=workers,
            on_progress=progress,
            command=command_line(),
        )
    _print_manifest(results["manifest"], out / "records")
    if folds:
        _print_cross_validation(results, corpus, config.seed)
        print_remarks(results)
    console.print(f"Model, trained on all subjects: [bold]{escape(out / 'model')}[/]", soft_wrap=True)
    console.print(f"Figures: {escape(out / 'results.json')}", soft_wrap=True)
    what = "CLIP" if task == "video" else "IMAGE"
    console.print(f"Next: fer-keras predict --model {escape(out)} {what}", soft_wrap=True)
    console.print(f"      fer-keras export --model {escape(out)}", soft_wrap=True)


def _train_restorer(corpus, out, config, folds, fold_rule, resume, grid_every, tensorboard):
    from fer_keras.training.restoration_run import RESTORER_FILE, train_restoration_run

    with Progress() as progress:
        results = train_restoration_run(
            *(corpus, out, config, folds, fold_rule, resume, grid_every, tensorboard), on_progress=progress
        )
    _print_manifest(results["manifest"], out / "records")
    if results["conditions"]:
        _print_restoration(results, corpus.name, config.seed)
    console.print(f"Sample grids: {escape(out / 'grids')}", soft_wrap=True)
    console.print(f"Restorer: [bold]{escape(out / RESTORER_FILE)}[/]", soft_wrap=True)
    console.print(f"Figures: {escape(out / 'results.json')}", soft_wrap=True)


@app.command(epilog="Example: fer-keras tune --corpus folder --data my_faces --trials 20 --out runs/tune")
def tune(
    corpus: CorpusOption = "synthetic",
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for records, trials and best.json.")] = Path("runs/tune"),
    labels: LabelsOption = None,
    where: WhereOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Configurations to try at most, with those resumed.")] = 20,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training faces in a trial [30].")] = None,
    tuner: Annotated[str, typer.Option(help="bayesian, random or hyperband.")] = "bayesian",
    parameters: Annotated[
        str | None, typer.Option(help="Search only these, separated by commas: threshold, metric_weight, ...")
    ] = None,
    objective: Annotated[str, typer.Option(help="val_loss (softmax alone) or val_accuracy.")] = "val_loss",
    validation_folds: Annotated[
        int, typer.Option(min=1, help="Sets of held-out subjects to take the mean over; more are less noisy.")
    ] = 1,
    validation_share: Annotated[float, typer.Option(help="Share of the faces in each of them.")] = 0.2,
    seed: Annotated[int | None, typer.Option(help="Seed of the search and of the trainings [0].")] = None,
    config_file: ConfigOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the search in --out.")] = False,
    strict: StrictOption = False,
):
    """Search for a better configuration of `train`, judged on held-out subjects."""
    load_libraries()
    from fer_keras.corpora.face_set import load_faces
    from fer_keras.training.search import check_search, check_search_folder, search, select_space
    from fer_keras.training.static import check_start

    if epochs is None and config_file is None:
        epochs = 30
    config = _config(config_file, {"seed": seed, "epochs": epochs})
    space = select_space(config, split_names(parameters, "--parameters"))
    check_search(trials, tuner, objective, validation_folds, validation_share)
    check_search_folder(out, resume)
    found = _read(corpus, data, labels, where, strict, out)
    check_start(found.label_names, config)
    manifest = _prepare(found, out / "records")
    faces = load_faces(manifest["shards"], found.label_names, config.image_size, config.channels)
    with Progress() as progress:
        done = []

        def show(note):
            progress.update("trials", len(done), trials, note)

        show("")
        results = search(
            faces,
            config,
            trials,
            out,
            tuner=tuner,
            space=space,
            objective=objective,
            validation_folds=validation_folds,
            validation_share=validation_share,
            seed=config.seed,
            on_resume=done.extend,
            on_trial=lambda row: (done.append(row), show("")),
            on_epoch=lambda trial, epoch, logs: show(
                f"trial {trial}, epoch {epoch}: loss {logs['loss']:.3f}, held-out accuracy {logs['val_accuracy']:.3f}"
            ),
        )
    _print_manifest(manifest, out / "records")
    _print_trials(results["trials"], objective)
    held_out = f"{validation_folds} × {100 * validation_share:.0f} % of {len(set(faces.subjects))} subjects held out"
    console.print(f"({corpus}, {held_out}, seed {config.seed}.")
    console.print(" The best of many trials is partly the luckiest, and these subjects chose it:")
    console.print(" what it gains is known only from subjects that took no part.)")
    console.print(f"Best configuration: [bold]{escape(out / 'best.json')}[/]", soft_wrap=True)
    options = {"--data": data, "--labels": labels, **{f"--where={pair}": "" for pair in where or ()}}
    source = shlex.join(str(part) for option in options.items() if option[1] is not None for part in option if part)
    console.print(
        f"Next: fer-keras train --config {escape(out / 'best.json')} --corpus {corpus} {escape(source)}".rstrip(),
        soft_wrap=True,
    )


@app.command(epilog="Example: fer-keras evaluate --model runs/mine --corpus folder --data other_faces")
def evaluate(
    model: ModelOption,
    corpus: CorpusOption = "folder",
    data: DataOption = None,
    where: WhereOption = None,
    out: Annotated[Path | None, typer.Option(help="File for the figures as JSON.")] = None,
    strict: StrictOption = False,
):
    """Measure a model on a corpus."""
    load_libraries()
    import tempfile

    from fer_keras.corpora.clip_set import load_clips
    from fer_keras.corpora.face_set import load_faces
    from fer_keras.corpora.sequence_records import write_sequences
    from fer_keras.evaluation.cross_validation import evaluate_model
    from fer_keras.json_file import write_json
    from fer_keras.models import VideoEmotion
    from fer_keras.models.preset import load_preset
    from fer_keras.training.video import VideoConfig

    if out and out.is_dir():
        raise InputError(f"--out {out}: is a folder; expected the name of a file")
    classifier, about = load_preset(model)
    video = isinstance(classifier, VideoEmotion)
    with tempfile.TemporaryDirectory() as records:
        folder = Path(records, "records")
        found = _read(corpus, data, None, where, strict, Path(records), **({"peak_frames": None} if video else {}))
        manifest = _prepare(found, folder)
        if not set(manifest["faces_by_label"]) & set(classifier.label_names):
            raise InputError(
                f"{data or corpus}: no picture has a label of the model ({', '.join(classifier.label_names)}); "
                f"found {', '.join(manifest['faces_by_label'])}"
            )
        size, _, channels = classifier.face_shape
        if video:
            manifest["clips"] = write_sequences(manifest["shards"], Path(records, "sequences"))
            faces = load_clips(manifest["clips"]["shards"], classifier.label_names, size, channels)
            faces = VideoConfig(**about.get("config", {})).sampled(faces)
        else:
            faces = load_faces(manifest["shards"], classifier.label_names, size, channels)
    figures = evaluate_model(classifier, faces)
    _print_manifest(manifest)
    unknown = [label for label in manifest["faces_by_label"] if label not in classifier.label_names]
    unit = "clips" if video else "faces"
    if unknown:
        console.print(f"[yellow]Measured on {len(faces)} {unit}: the model does not know {', '.join(unknown)}.[/]")
    seen = sorted(set(faces.subjects) & set(about.get("subjects", ())))
    if seen and about.get("corpus") == corpus:
        console.print(
            f"[yellow]The model was trained on {len(seen)} of these {len(set(faces.subjects))} subjects: "
            "these figures do not tell how it does on new people.[/]"
        )
    _print_figures(figures, f"{corpus}, {len(faces)} {unit} of {len(set(faces.subjects))} subjects, no folds", unit)
    _print_confusion(figures["frame"]["confusion"], classifier.label_names)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, figures)


@app.command(epilog="Example: fer-keras predict photo.jpg clip.mp4 --out runs/read --annotate")
def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Pictures, video files, folders of frames, the number of a webcam."),
    ],
    model: ModelOption = SHIPPED_MODEL,
    min_confidence: Annotated[float, typer.Option(help="Below this probability the answer is `uncertain`.")] = 0.4,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what was read from each clip: .csv, .json and a plot, .png.")
    ] = None,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write a copy of each clip with the answers drawn, without sound.")
    ] = False,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Read every Nth frame of a clip.")] = 1,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Frames of a clip to read at most.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Read a clip up to this time; a webcam for 10 seconds unless given.")
    ] = None,
    window: Annotated[int, typer.Option(min=1, help="Frames that the answer of a model of clips looks back on.")] = 32,
    strict: StrictOption = False,
):
    """Read the expressions of the faces in pictures and clips."""
    load_libraries()
    from rich.table import Table

    from fer_keras.faces.image import printable
    from fer_keras.recognizer import Recognizer
    from fer_keras.video import is_picture

    clips = [one for one in inputs if not is_picture(one)]
    if seconds is not None and not seconds > 0:
        raise InputError(f"--seconds {seconds:g}: expected more than 0")
    if annotate and out is None:
        raise InputError("--annotate: expected --out as well, the folder to write to")
    if out is not None:
        if not clips:
            raise InputError("--out: is for clips; expected a video file, a folder of frames or a webcam to read")
        out.mkdir(parents=True, exist_ok=True)
    names = _file_names(clips)
    recognizer = Recognizer.from_preset(model, min_confidence=min_confidence)
    options = {"every": every, "max_frames": max_frames, "max_seconds": seconds, "window": window}
    table = Table("picture", "face at", "expression", "probabilities")
    failures = []
    for one in inputs:
        try:
            if one in clips:
                _predict_clip(recognizer, one, out and out / names[one], annotate, options)
                continue
            faces = recognizer(one)
            if not faces:
                raise InputError(f"{printable(one)}: no face found; expected a picture of a face")
        except InputError as error:
            if strict:
                raise
            failures.append(str(error))
            continue
        for face in faces:
            left, top, right, bottom = (round(edge) for edge in face.box)
            table.add_row(
                escape(printable(one.name)),
                f"{left},{top} {right - left}×{bottom - top}",
                face.label,
                _listed(face.probabilities),
            )
    if table.row_count:
        console.print(table)
    for failure in failures:
        errors.print(f"[yellow]skipped[/] {escape(failure)}", soft_wrap=True)
    if len(failures) == len(inputs):
        raise typer.Exit(1)


@app.command(epilog="Example: fer-keras explain --model runs/mine photo.jpg --out runs/explained")
def explain(
    images: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Pictures with one or more faces.")],
    model: ModelOption = SHIPPED_MODEL,
    out: Annotated[Path, typer.Option(help="Folder for one PNG a face.")] = Path("runs/explained"),
    method: Annotated[str, typer.Option(help="grad_cam or occlusion.")] = "grad_cam",
    label: Annotated[str | None, typer.Option(help="Class to explain; by default every face's most probable.")] = None,
    strict: StrictOption = False,
):
    """Show where in the faces of pictures a model looks."""
    load_libraries()
    from fer_keras.explain import Explainer, write_explanations
    from fer_keras.faces.image import printable
    from fer_keras.recognizer import Recognizer

    explainer = Explainer(Recognizer.from_preset(model), method, label)
    names = [image.stem for image in images]
    if len(set(names)) < len(names):  # pictures of the same name in several folders
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    written = []
    for image, name in zip(images, names, strict=True):
        try:
            files = write_explanations(explainer(image), out, name)
        except InputError as error:
            if strict:
                raise
            errors.print(f"[yellow]skipped[/] {escape(error)}", soft_wrap=True)
            continue
        for file in files:
            console.print(escape(printable(file)), soft_wrap=True)
        written += files
    if not written:
        raise typer.Exit(1)


@app.command(epilog="Example: fer-keras export --model runs/mine --out saved_models/fer")
def export(
    model: ModelOption,
    out: Annotated[
        Path | None,
        typer.Option(help="saved_model: base path, gets a new version \\[saved_models/fer]. Others: a file."),
    ] = None,
    export_format: Annotated[
        str, typer.Option("--format", help="saved_model, tflite, tflite_dynamic, tflite_int8 or onnx.")
    ] = "saved_model",
    corpus: Annotated[str | None, typer.Option(help="Corpus of the faces to check on, in --data.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Faces to check on and, int8, to calibrate on: records, by default the run's.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference of a probability from Keras's that passes.")
    ] = None,
):
    """Write a model for TensorFlow Serving, TensorFlow Lite or ONNX Runtime."""
    load_libraries()
    from fer_keras.export import export_onnx, export_tflite, export_version
    from fer_keras.models.preset import load_preset

    quantization = {"tflite": "float16", "tflite_dynamic": "dynamic", "tflite_int8": "int8"}
    formats = ("saved_model", *quantization, "onnx")
    if export_format not in formats:
        raise InputError(f"--format {export_format}: expected one of {', '.join(formats)}")
    classifier = load_preset(model)[0]
    if export_format == "saved_model":
        out = out or Path("saved_models/fer")
        version = export_version(classifier, out)
        console.print(f"Exported: [bold]{escape(version)}[/]", soft_wrap=True)
        console.print(f"Next: fer-keras serve --model-base-path {escape(out)}", soft_wrap=True)
        return
    if out is None:
        raise InputError(f"--out is missing; expected the name of a file for --format {export_format}")
    faces = _faces_to_check(classifier, model, corpus, data, needed=export_format == "tflite_int8")
    if export_format == "onnx":
        file = _quietly(export_onnx, classifier, out, faces, tolerance)
    else:
        file = _quietly(export_tflite, classifier, out, quantization[export_format], faces, tolerance)
    console.print(f"Exported: [bold]{escape(file.path)}[/], {file.size:,} bytes", soft_wrap=True)
    console.print(
        f"Checked against Keras on {file.faces} faces{'' if faces is not None else ' of noise'}: probabilities differ "
        f"by at most {file.difference:.2g}, {100 * file.same_label:.1f} % have the same label",
        soft_wrap=True,
    )


def main():
    """Runs the command line; bad input is one line and exit status 1."""
    _add_commands()
    try:
        app()
    except InputError as error:
        errors.print(f"[red]error:[/] {escape(error)}", soft_wrap=True)
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        errors.print(f"[red]error:[/] {escape(where + (error.strerror or str(error)))}", soft_wrap=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        of_pipeline = ("tfx", "apache_beam", "kfp", "ml_metadata", "tensorflow_metadata", "yaml")
        of_pipeline += ("tensorflow_model_analysis", "tensorflow_transform", "tensorflow_data_validation")
        extra = {"grpc": "serving", "starlette": "serving", "keras_tuner": "tuner"} | dict.fromkeys(
            of_pipeline, "pipeline"
        )
        root = (error.name or "").partition(".")[0]
        if root not in extra:
            raise
        errors.print(f"[red]error:[/] {root} is not installed; run: pip install 'fer-keras\\[{extra[root]}]'")
        sys.exit(1)


def _add_commands():
    """Adds the commands of the sister packages, found through their entry points."""
    for entry in sorted(importlib.metadata.entry_points(group="fer_keras.commands"), key=lambda one: one.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)


def _read(corpus, data, labels, where, strict, out, **options):
    from fer_keras import corpora

    data = corpus_folder(corpus, data, out)
    return corpora.read(corpus, data, split_names(labels), split_where(where), strict, **options)


def _layer_rates(pairs):
    rates = {}
    for pair in pairs or ():
        layer, equals, factor = pair.partition("=")
        try:
            rates[layer] = float(factor)
        except ValueError:
            equals = ""
        if not (layer and equals):
            raise InputError(f"--layer-rate {pair}: expected LAYER=FACTOR, such as conv*=0.1")
    return rates or None


def _config(file, chosen):
    """The configuration in a file, or the default one, with what was chosen by options."""
    from fer_keras.training.config_file import read_config
    from fer_keras.training.static import StaticConfig

    fields = read_config(file) if file else {}
    return StaticConfig(**{**fields, **{key: value for key, value in chosen.items() if value is not None}})


def _restoration_config(file, chosen):
    """The configuration of a restorer's training, from a file and options."""
    from fer_keras.training.config_file import read_config
    from fer_keras.training.restoration import RestorationConfig

    fields = read_config(file, RestorationConfig) if file else {}
    return RestorationConfig(**{**fields, **{key: value for key, value in chosen.items() if value is not None}})


def _video_config(file, chosen, of_faces):
    """The configuration of a video training; options of faces are those of its encoder."""
    import dataclasses

    from fer_keras.training.config_file import read_config
    from fer_keras.training.video import VideoConfig, check_frame_model

    for name in ("soft_labels", "patience", "threshold"):
        if of_faces.pop(name):
            raise InputError(f"--{name.replace('_', '-')} is for --task static")
    config = VideoConfig(**(read_config(file, VideoConfig) if file else {}))
    encoder = {**of_faces, "seed": chosen["seed"], "epochs": chosen.pop("encoder_epochs")}
    chosen["encoder"] = dataclasses.replace(
        config.encoder, **{name: value for name, value in encoder.items() if value is not None}
    )
    config = dataclasses.replace(config, **{name: value for name, value in chosen.items() if value is not None})
    if config.frame_model:
        for name, value in encoder.items():
            if value is not None and name not in ("image_size", "channels", "seed"):
                option = {"epochs": "encoder-epochs", "layer_rates": "layer-rate"}.get(name, name.replace("_", "-"))
                raise InputError(f"--{option} is for an encoder that learns here; --frame-model brings one as it is")
    check_frame_model(config)
    return config


def _faces_to_check(classifier, model, corpus, data, needed):
    """Faces of a corpus, of a folder of records, or of the run that the model came from; `None` where it has none."""
    import tempfile

    from fer_keras.export import representative_faces

    if corpus:
        with tempfile.TemporaryDirectory() as records:
            _prepare(_read(corpus, data, None, None, False, Path(records)), Path(records))
            return representative_faces(classifier, records)
    if data is None and not list(model.glob("records/*.tfrecord.gz")):
        if needed:
            raise InputError(
                f"{model}: has no face records to calibrate on; expected --data, a folder that `fer-keras prepare` "
                "wrote, or --corpus and --data"
            )
        return None
    return representative_faces(classifier, model if data is None else data)


def _quietly(convert, *arguments):
    """Calls a converter without what its native code writes to the terminal, also where the input is wrong."""
    with native_stderr_aside():
        try:
            return convert(*arguments)
        except InputError as error:
            wrong = error
    raise wrong


def _prepare(corpus, out, **options):
    from fer_keras.corpora.prepare import prepare

    with Progress() as progress:
        return prepare(corpus, out, on_progress=progress.faces, **options)


def _print_manifest(manifest, out=None):
    by_label = ", ".join(f"{name} {count}" for name, count in manifest["faces_by_label"].items())
    console.print(f"{manifest['faces']} faces of {manifest['pictures']} pictures ({by_label})")
    skipped = manifest["skipped"]
    for path, reason in skipped[:5]:
        console.print(f"[yellow]skipped[/] {escape(path)}: {escape(reason)}", soft_wrap=True)
    if len(skipped) > 5:
        console.print(f"[yellow]skipped[/] {len(skipped)} pictures in all")
    if "clips" in manifest:
        clips = manifest["clips"]
        by_label = ", ".join(f"{name} {count}" for name, count in clips["sequences_by_label"].items())
        console.print(f"{clips['sequences']} clips of {clips['frames']} faces ({by_label})")
    for sentence in manifest["differences"]:
        console.print(f"[yellow]not as published:[/] {escape(sentence)}", soft_wrap=True)
    if out:
        console.print(f"Records: {escape(out)}", soft_wrap=True)


_LEVELS = {"faces": {"frame": "frame", "sequence": "sequence"}, "clips": {"clip": "sequence"}}
"""What figures are of, by what was answered: a clip is its own sequence."""


def _print_cross_validation(results, corpus, seed):
    from rich.table import Table

    unit = "clips" if "clips" in results["manifest"] else "faces"
    table = Table("fold", "subjects", unit, "accuracy", "UAR", "macro F1", title="Tested on subjects never trained on")
    for fold, figures in enumerate(results["cross_validation"]["folds"]):
        frame = figures["frame"]
        table.add_row(
            str(fold),
            str(results["subjects_by_fold"][fold]),
            str(sum(map(sum, frame["confusion"]))),
            *(f"{frame[name]:.3f}" for name in ("accuracy", "uar", "macro_f1")),
        )
    console.print(table)
    found = results["cross_validation"]
    _print_scores(unit, found["mean"], found["pooled"]["confidence"], found["std"])
    folds = len(results["subjects_by_fold"])
    console.print(f"          ({corpus}, {folds} subject-wise folds, seed {seed}, mean ± std over folds;")
    console.print(f"          intervals of the figures over all test {unit} together)")
    _print_confusion(found["pooled"]["frame"]["confusion"], results["label_names"])


def _print_restoration(results, corpus, seed):
    from rich.table import Table

    table = Table(
        *("occluder", "covered, %", "PSNR, mask given", "SSIM", "PSNR, blind", "SSIM"),
        title="In the hole, of people never trained on",
    )
    for row in results["conditions"]:
        given, blind = (row[way] or {"psnr_hole": None, "ssim_hole": None} for way in ("given", "blind"))
        cells = [
            "–" if value is None else f"{value:.{digits}f}"
            for scores in (given, blind)
            for value, digits in ((scores["psnr_hole"], 1), (scores["ssim_hole"], 2))
        ]
        table.add_row(row["name"], f"{100 * row['share']:.0f}", *cells)
    console.print(table)
    console.print(
        f"({escape(corpus)}, {results['test_faces']} faces of {len(results['test_subjects'])} subjects, trained on "
        f"{results['faces']} faces of {results['subjects']} others, seed {seed}; PSNR in dB)"
    )


def _file_names(clips):
    """What the files of each clip are called, without an ending."""
    stems = {clip: f"webcam-{clip}" if clip.name.isdecimal() and not clip.exists() else clip.stem for clip in clips}
    stems |= {clip: clip.resolve().name for clip in clips if clip.is_dir()}
    if len(set(stems.values())) < len(stems):  # clips of the same name in several folders
        return {clip: f"{number}-{stem}" for number, (clip, stem) in enumerate(stems.items(), 1)}
    return stems


def _predict_clip(recognizer, clip, files, annotate, options):
    """Reads one clip, prints what its faces come to, and writes the files that begin with `files`."""
    from fer_keras.faces.image import printable
    from fer_keras.video import plot_timeline

    if options["max_seconds"] is None and clip.name.isdecimal() and not clip.exists():
        options = {**options, "max_seconds": 10.0}
    name = escape(printable(clip))
    copy = files.with_name(f"{files.name}.annotated.mp4") if annotate else None
    with Progress() as progress:
        timeline = recognizer.read_video(
            clip, annotate=copy, on_progress=lambda done, total: progress.update(name, done, total), **options
        )
    _print_timeline(timeline, name)
    if files is None:
        return
    written = [files.with_name(f"{files.name}.{ending}") for ending in ("csv", "json", "png")]
    timeline.write_csv(written[0])
    timeline.write_json(written[1])
    try:
        plot_timeline(timeline, written[2])
    except InputError as error:
        errors.print(f"[yellow]no plot:[/] {escape(error)}", soft_wrap=True)
        written.pop()
    console.print("Timeline: " + ", ".join(escape(printable(file)) for file in written), soft_wrap=True)
    if copy:
        console.print(f"Annotated copy, without sound: {escape(printable(copy))}", soft_wrap=True)


def _print_timeline(timeline, name, most=12):
    """Prints the faces of a clip as a table, what is missing, and the speed."""
    from rich.table import Table

    from fer_keras.plural import count

    has_times = timeline.seconds is not None
    length = f", {timeline.duration:.1f} s" if has_times else ""
    rest = f" (every {timeline.every})" if timeline.every > 1 else ""
    console.print(f"[bold]{name}[/]: {count(len(timeline.frames), 'frame')}{rest}{length}", soft_wrap=True)
    summaries = timeline.summaries()
    table = Table("face", "frames", *(["seconds"] if has_times else []), "seen in", "expression", "probabilities")
    for one in sorted(sorted(summaries, key=lambda one: -one["frames_seen"])[:most], key=lambda one: one["track"]):
        first, last = one["first_frame"], one["last_frame"]
        table.add_row(
            *(str(one["track"]), str(first) if first == last else f"{first}-{last}"),
            *([f"{timeline.at(first):.2f}-{timeline.at(last):.2f}"] if has_times else []),
            *(count(one["frames_seen"], "frame"), one["label"], _listed(one["probabilities"])),
        )
    if summaries:
        console.print(table)
    else:
        console.print("[yellow]no face found[/]")
    if len(summaries) > most:
        console.print(f"(the {most} faces that were seen longest of {len(summaries)})")
    gaps = [(gap["first_frame"], gap["last_frame"]) for gap in timeline.gaps if gap["reason"] == "no face"]
    stretches = [f"frame {first}" if first == last else f"frames {first}-{last}" for first, last in gaps]
    _print_some([f"no face: {stretch}" for stretch in stretches])
    _print_some([f"no picture: frame {number}: {problem}" for number, problem in timeline.problems.items()])
    if timeline.missing:
        missing = count(timeline.missing, "frame")
        console.print(f"[yellow]decoding ended {missing} before the end that the file states[/]")
    speed = f"{count(round(len(timeline.frames) / timeline.work), 'frame')} a second"
    if has_times:
        factor = timeline.duration / timeline.work
        console.print(f"{timeline.duration:.1f} s of video in {timeline.work:.1f} s: {factor:.2g} × real time, {speed}")
    else:
        console.print(f"{count(len(timeline.frames), 'frame')} in {timeline.work:.1f} s: {speed}")


def _print_some(lines, most=5):
    for line in lines[:most]:
        console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    if len(lines) > most:
        console.print(f"[yellow]... and {len(lines) - most} more[/]")


def _listed(probabilities):
    ordered = sorted(probabilities.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {probability:.2f}" for name, probability in ordered)


def _print_trials(rows, objective):
    from rich.table import Table

    done = [row for row in rows if row["status"] == "COMPLETED"]
    best = done[: max(1, (console.width - 24) // 12)]  # a trial is a column: there are more figures than fit in a row
    console.print(f"Trials by {objective}, the best {len(best)} of {len(done)}")
    table = Table("trial", *(str(row["trial"]) for row in best))
    table.add_row("epochs", *(str(row["epochs"]) for row in best))
    for name in ("val_loss", "val_accuracy"):
        table.add_row(name, *(f"{row[name]:.3f}" for row in best))
    for name in rows[0]["values"]:
        table.add_row(name, *(f"{row['values'][name]:.3g}" for row in best))
    console.print(table)
    failed = [row for row in rows if row["status"] in ("FAILED", "INVALID")]  # another process may still be at others
    if failed:
        reason = failed[-1].get("message", "no reason given")
        console.print(f"[yellow]failed:[/] {len(failed)} trials, the last: {escape(reason)}", soft_wrap=True)


def _print_figures(figures, protocol, unit):
    _print_scores(unit, figures, figures["confidence"])
    console.print(f"          ({protocol};")
    console.print("          UAR is over the classes that occur,")
    console.print("          macro F1 over those that occur or were answered)")


def _print_scores(unit, figures, confidence, std=None):
    """Prints accuracy, UAR and macro F1 by level, with the deviation over folds and the interval over subjects."""
    for said, level in _LEVELS[unit].items():
        margin = f"{said:>8}: "
        for title, name in (("accuracy", "accuracy"), ("UAR", "uar"), ("macro F1", "macro_f1")):
            deviation = f" ± {std[level][name]:.3f}" if std else ""
            low, high = confidence[level][name]["low"], confidence[level][name]["high"]
            share = f"{100 * confidence['level']:.0f} %"
            interval = "" if low is None else f" ({share} CI by subject {low:.2f}-{high:.2f})"
            console.print(f"[bold]{margin}{title} {figures[level][name]:.3f}{deviation}[/]{interval}")
            margin = " " * len(margin)


def _print_confusion(matrix, names):
    from rich.table import Table

    table = Table("true \\ answered", *names, title="By true and answered label")
    for name, row in zip(names, matrix, strict=True):
        table.add_row(name, *map(str, row))
    console.print(table)
