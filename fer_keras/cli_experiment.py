"""The commands of `fer-keras experiment`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

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
    split_pairs,
    split_where,
)
from fer_keras.console import console, load_libraries
from fer_keras.errors import InputError

OutOption = Annotated[Path, typer.Option("--out", help="Folder for records, folds, figures and the report.")]
FoldsOption = Annotated[int, typer.Option("--folds", min=2, help="Subject-wise folds.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0.")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the faces, for all systems.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue the experiment in --out.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Few folds, seeds and epochs, to see everything run.")]

experiment = typer.Typer(help="Compare systems on the same subject-wise folds.", no_args_is_help=True)


@experiment.command(epilog="Example: fer-keras experiment table1 --corpus ck_plus --data ~/CK+ --out runs/table1")
def table1(
    corpus: CorpusOption = "synthetic",
    data: DataOption = None,
    out: OutOption = Path("runs/table1"),
    where: WhereOption = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Subject-wise folds [10; --quick 2].")] = None,
    epochs: EpochsOption = None,
    systems: Annotated[
        str | None, typer.Option(help="Only these, separated by commas: pre, softmax, il_cnn, ...")
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(help="What all groups but `init` start from; by default alexnet_emotion_fer2013."),
    ] = None,
    quick: QuickOption = False,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    workers: FoldWorkersOption = None,
    resume: ResumeOption = False,
    strict: StrictOption = False,
):
    """Table 1 of the paper: four groups of AlexNet-Emotion and five peers."""
    load_libraries()
    from fer_keras.experiments.table1 import PRETRAINED, run_table1
    from fer_keras.experiments.table1_report import write_report
    from fer_keras.report.extra import check_report_extra

    check_report_extra()
    with Progress() as progress:
        results, faces = run_table1(
            *(corpus, corpus_folder(corpus, data, out, "table1", resume), out, folds, epochs, seed, quick),
            names=split_names(systems, "--systems"),
            pretrained=pretrained or PRETRAINED,
            where=split_where(where),
            strict=strict,
            resume=resume,
            workers=workers,
            on_progress=progress,
            command=command_line(),
        )
    _print_experiment(results)
    write_report(results, faces, out, out / "report.html")
    _print_files(out)


@experiment.command(epilog="Example: fer-keras experiment ablation --corpus folder --data my_faces --out runs/ablation")
def ablation(
    corpus: CorpusOption = "synthetic",
    data: DataOption = None,
    out: OutOption = Path("runs/ablation"),
    labels: LabelsOption = None,
    where: WhereOption = None,
    folds: FoldsOption = 10,
    epochs: EpochsOption = None,
    seeds: SeedsOption = 3,
    variants: Annotated[
        str | None,
        typer.Option(help="Only these, separated by commas: all, softmax, without_angles, scratch, ..."),
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Preset to start from; by default alexnet_emotion_fer2013.")
    ] = None,
    workers: FoldWorkersOption = None,
    resume: ResumeOption = False,
    strict: StrictOption = False,
):
    """Leave out one part of AlexNet-Emotion at a time, over several seeds, beside HOG + SVM on the same folds."""
    load_libraries()
    from fer_keras.experiments.ablation import EPOCHS, run_ablation
    from fer_keras.experiments.table1 import PRETRAINED

    with Progress() as progress:
        summary = run_ablation(
            *(corpus, corpus_folder(corpus, data, out, "ablation", resume), out, folds, epochs or EPOCHS, seeds),
            names=split_names(variants, "--variants"),
            pretrained=pretrained or PRETRAINED,
            labels=split_names(labels),
            where=split_where(where),
            strict=strict,
            resume=resume,
            workers=workers,
            on_progress=progress,
            command=command_line(),
        )
    _print_ablation(summary)
    print_remarks(summary)
    console.print(f"Figures: {escape(out / 'ablation.json')}", soft_wrap=True)


@experiment.command(epilog="Example: fer-keras experiment video --corpus mmi --data ~/MMI --out runs/video")
def video(
    corpus: CorpusOption = "synthetic_mmi",
    data: DataOption = None,
    out: OutOption = Path("runs/video"),
    labels: LabelsOption = None,
    where: WhereOption = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Subject-wise folds [10; --quick 2].")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from 0 [3; --quick 1].")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames a clip at most.")] = 16,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the clips [40].")] = None,
    encoder_epochs: Annotated[int | None, typer.Option(min=1, help="Passes over single frames [20].")] = None,
    variants: Annotated[
        str | None, typer.Option(help="Only these, separated by commas: attention, last, mean, lstm, ...")
    ] = None,
    pretrained: Annotated[
        str, typer.Option(help="Preset that the encoder starts from; by default random weights.")
    ] = "",
    quick: QuickOption = False,
    workers: FoldWorkersOption = None,
    resume: ResumeOption = False,
    strict: StrictOption = False,
):
    """Attention against last state and frame average, IRNN against LSTM and GRU, on the same folds of clips."""
    load_libraries()
    from fer_keras.experiments.video import run_video_experiment
    from fer_keras.experiments.video_report import write_video_report
    from fer_keras.report.extra import check_report_extra

    check_report_extra()
    with Progress() as progress:
        results, clips = run_video_experiment(
            *(
                corpus,
                corpus_folder(corpus, data, out, "video", resume),
                out,
                folds,
                seeds,
                frames,
                epochs,
                encoder_epochs,
                quick,
            ),
            names=split_names(variants, "--variants"),
            pretrained=pretrained,
            labels=split_names(labels),
            where=split_where(where),
            strict=strict,
            resume=resume,
            workers=workers,
            on_progress=progress,
            command=command_line(),
        )
    _print_video(results)
    print_remarks(results)
    write_video_report(results, clips, out, out / "report.html")
    _print_files(out)


@experiment.command(epilog="Example: fer-keras experiment occlusion --corpus ck_plus --data ~/CK+ --out runs/occlusion")
def occlusion(
    corpus: CorpusOption = "synthetic",
    data: DataOption = None,
    out: OutOption = Path("runs/occlusion"),
    labels: LabelsOption = None,
    where: WhereOption = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Subject-wise folds; the first is tested on [5; --quick 2].")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from 0 [3; --quick 1].")] = None,
    steps: Annotated[int | None, typer.Option(min=2, help="Steps of a restorer's training [1200; --quick 12].")] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Configuration of the restorers as JSON, without their epochs.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Preset that recognisers start from; by default alexnet_emotion_fer2013.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="CORPUS=DIR", help="Restorers learn from these open faces as well; may be repeated."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="What tests faces: occluders, drawn objects and blocks; or parts, black eyes, mouth, halves."
        ),
    ] = "occluders",
    real: Annotated[
        Path | None, typer.Option(help="Folder with a labels.csv of faces open and occluded, of other people.")
    ] = None,
    real_where: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only pictures of --real with this attribute.")
    ] = None,
    quick: QuickOption = False,
    workers: FoldWorkersOption = None,
    resume: ResumeOption = False,
    strict: StrictOption = False,
):
    """What restoring occluded faces gains, by occluder and by covered area, against simpler ways."""
    load_libraries()
    from fer_keras.experiments.occlusion import FIXED, RESTORER, run_occlusion_experiment
    from fer_keras.experiments.occlusion_report import write_occlusion_report
    from fer_keras.experiments.table1 import PRETRAINED
    from fer_keras.report.extra import check_report_extra
    from fer_keras.training.config_file import read_config
    from fer_keras.training.restoration import RestorationConfig

    check_report_extra()
    fields = read_config(config_file, RestorationConfig) if config_file else {}
    if set(fields) & FIXED:
        raise InputError(f"{config_file}: {min(set(fields) & FIXED)} is the experiment's own; leave it out")
    with Progress() as progress:
        results, test = run_occlusion_experiment(
            *(corpus, corpus_folder(corpus, data, out, "occlusion", resume), out, folds, seeds, steps, quick),
            restorer=dataclasses.replace(RESTORER, **fields),
            pretrained=PRETRAINED if pretrained is None else pretrained,
            also=split_pairs(also, "--also", "CORPUS=DIR, such as folder=my_faces"),
            protocol=protocol,
            real=real,
            real_where=split_where(real_where),
            labels=split_names(labels),
            where=split_where(where),
            strict=strict,
            resume=resume,
            workers=workers,
            on_progress=progress,
            command=command_line(),
        )
    _print_occlusion(results)
    write_occlusion_report(results, test, out, out / "report.html")
    _print_files(out)


def _print_files(out):
    console.print(f"Figures: {escape(out / 'results.json')}", soft_wrap=True)
    console.print(f"Report: {escape(out / 'report.html')}", soft_wrap=True)


def _print_experiment(results):
    from rich.table import Table

    beside_drawn = results["built_in"] or not any(results["corpus"] in row["printed"] for row in results["systems"])
    printed = None if beside_drawn else results["corpus"]
    columns = ["system", "accuracy", "sequences", "UAR", *(["printed"] if printed else []), "minutes"]
    table = Table(*columns, title="Tested on subjects never trained on, mean ± std over folds")
    table.columns[0].min_width = len("AlexNet-Emotion,")  # names are wrapped between words
    for row in results["systems"]:
        mean, std = row["mean"], row["std"]
        cells = [
            f"{mean[level][name]:.3f} ± {std[level][name]:.3f}"
            for level, name in (("frame", "accuracy"), ("sequence", "accuracy"), ("frame", "uar"))
        ]
        beside = [f"{row['printed'][printed] / 100:.3f}"] if printed else []
        table.add_row(row["title"], *cells, *beside, f"{row['seconds'] / 60:.1f}")
    console.print(table)
    console.print(
        f"({escape(results['corpus'])}, {results['faces']} faces of {results['subjects']} subjects, "
        f"{results['folds']} subject-wise folds, {results['epochs']} epochs, seed {results['seed']})"
    )
    print_remarks(results)
    if results["built_in"]:
        console.print("[yellow]These faces are drawn: the figures say nothing about people.[/]")


def _print_ablation(summary):
    from rich.table import Table

    from fer_keras.experiments import wording

    table = Table("variant", "accuracy", "against the first", "95 % CI by subject", title="By frame")
    for row in summary["variants"]:
        low = min(one["low"] for one in row["confidence"])
        high = max(one["high"] for one in row["confidence"])
        table.add_row(
            row["name"],
            f"{row['mean']:.3f} ± {row['std']:.3f}",
            wording.minus(f"{row['difference']:+.3f}"),
            f"{low:.2f}-{high:.2f}",
        )
    reference = summary["reference"]
    interval = reference["pooled"]["confidence"]["frame"]["accuracy"]
    table.add_row(
        "reference",
        f"{reference['mean']['frame']['accuracy']:.3f} ± {reference['std']['frame']['accuracy']:.3f}",
        "",
        f"{interval['low']:.2f}-{interval['high']:.2f}",
    )
    console.print(table)
    for row in [*summary["variants"], {"name": "reference", **reference}]:
        console.print(f"  {row['name']}: {escape(row['what'])}", soft_wrap=True)
    console.print(
        f"({escape(summary['corpus'])}, {summary['faces']} faces of {summary['subjects']} subjects, "
        f"{summary['folds']} subject-wise folds, {wording.seeds(summary['seeds'])}, mean ± std over folds and seeds; "
        "the intervals span those of all seeds)"
    )


def _print_video(results):
    from rich.table import Table

    from fer_keras.experiments import wording

    table = Table("system", "accuracy", "against the first", "p", title="By clip, on subjects never trained on")
    for row in results["variants"]:
        against = row.get("against")
        difference = wording.minus(f"{against['difference']:+.3f}") if against else ""
        p_value = wording.p_value(against["p_value"]) if against else ""
        table.add_row(row["title"], f"{row['mean']:.3f} ± {row['std']:.3f}", difference, p_value)
    console.print(table)
    console.print(
        f"({escape(results['corpus'])}, {results['clips']} clips of {results['subjects']} subjects, "
        f"{results['folds']} subject-wise folds, {wording.seeds(results['seeds'])}, mean ± std over folds and seeds)"
    )
    _print_apex([(row["title"], results["apex"].get(row["name"])) for row in results["variants"]])


def _print_apex(found):
    from rich.table import Table

    from fer_keras.experiments import wording

    found = [(title, apex) for title, apex in found if apex and apex["clips"]]
    if not found:
        return
    clips = wording.count(found[0][1]["clips"], "clip")
    columns = ("within the apex", "by chance", "difference, points")
    table = Table("system", *columns, title=f"Frame of greatest weight, {clips} with an annotated apex")
    for title, apex in found:
        shares = (f"{wording.percent(apex[name])} %" for name in ("hits", "chance"))
        table.add_row(title, *shares, wording.minus(f"{100 * apex['low']:+.1f} to {100 * apex['high']:+.1f}"))
    console.print(table)
    console.print("(differences as 95 % intervals over subjects)")


def _print_occlusion(results):
    from rich.table import Table

    from fer_keras.experiments import occlusion_report, wording
    from fer_keras.experiments.real_occlusion import WAYS

    groups = [group for group in results["groups"] if group["by"] == "headline" or group["name"] == "sunglasses"]
    groups = groups or [group for group in results["groups"] if group["by"] == "occluder"]
    titles = [
        occlusion_report.group_title(results, group)
        + ("" if group["by"] == "headline" else f", {100 * group['share']:.0f} % covered")
        for group in groups
    ]
    table = Table("approach", *titles, title="Accuracy, share of the lost accuracy that comes back, PSNR in the hole")
    table.columns[0].min_width = len("discriminator,")  # names are wrapped between words
    for row in [{"name": "clean", "title": "open faces", "mask": None}, *results["approaches"]]:
        cells = []
        for group in groups:
            one = group["figures"].get(row["name"])
            share = one["recovered"]["share"] if one and row["name"] not in ("clean", "none") else None
            parts = [f"{one['accuracy']['mean']:.3f}"] if one else []
            parts += [f"{100 * share:.0f} %"] if share is not None else []
            parts += [f"{one['psnr']:.1f} dB"] if one and "psnr" in one else []
            parts += [f"{100 * one['painted']:.0f} % painted"] if one and "painted" in one else []
            cells.append(", ".join(parts))
        table.add_row(occlusion_report.approach_title(row), *cells)
    console.print(table)
    for name, one in results["clean"].items():
        passed = f", {100 * one['untouched']:.1f} % untouched, mean PSNR {one['psnr']:.1f} dB" if "psnr" in one else ""
        title = occlusion_report.open_title(results, name)
        console.print(f"open faces, {title}: accuracy {one['accuracy']['mean']:.3f}{passed}")
    console.print(
        f"({escape(results['corpus'])}, {results['test_faces']} faces of {len(results['test_subjects'])} subjects, "
        f"fold 0 of {results['folds']}, {wording.seeds(results['seeds'])}, {results['steps']} steps)"
    )
    if results["built_in"]:
        console.print("[yellow]These faces are drawn: the figures say nothing about people.[/]")
    real = results["real_occlusion"]
    if real:
        for way, one in real["ways"].items():
            console.print(_real_line(f"real occlusion, {WAYS[way]}", one))
        console.print(_real_line("real occlusion, HOG + SVM", real["hog"]["occluded"]))


def _real_line(title, one):
    interval = "" if one["low"] is None else f" (95 % CI by subject {one['low']:.2f}-{one['high']:.2f})"
    return f"{title}: accuracy {one['mean']:.3f}{interval}"
