"""What commands share: options, what they are turned into, and progress on the terminal."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_keras.console import console
from fer_keras.errors import InputError

CorpusOption = Annotated[
    str, typer.Option("--corpus", help="ck_plus, mmi, fer2013, folder (a labels.csv), synthetic (built in), ...")
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of the corpus, in its official layout.")]
LabelsOption = Annotated[str | None, typer.Option("--labels", help="Only these labels, separated by commas.")]
WhereOption = Annotated[
    list[str] | None, typer.Option("--where", metavar="KEY=VALUE", help="Only pictures with this attribute.")
]
FoldWorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="Folds side by side, one core each; 0: one after the other on all cores."),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Stop at the first picture that cannot be used.")]


def command_line():
    """The command as it was typed, for the reader of a report to repeat it."""
    return shlex.join(["fer-keras", *sys.argv[1:]])


def escape(text):
    """Text as it is, without the markup that it may look like."""
    import rich.markup

    return rich.markup.escape(str(text))


def corpus_folder(corpus, data, out, experiment=None, resume=False):
    """The folder of a corpus; that of a built-in one is drawn below `out`, if the experiment may have that folder."""
    from fer_keras import corpora
    from fer_keras.training.run import check_folder

    if experiment:
        check_folder(out, experiment, resume)
    if data is not None:
        return data
    if corpus not in corpora.BUILT_IN:
        raise InputError(f"--data is missing; expected the folder of a corpus ({corpus})")
    return out / "corpus"


def print_remarks(results):
    """Prints what a reader of the figures must know of them."""
    for sentence in results["remarks"]:
        console.print(f"[yellow]note:[/] {escape(sentence)}", soft_wrap=True)


def split_names(names, option="--labels"):
    """Names separated by commas as a list; `None` where the option was not given."""
    if names is None:
        return None
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise InputError(f"{option} {names!r}: expected names separated by commas, or leave the option out")
    twice = [name for place, name in enumerate(found) if name in found[:place]]
    if twice:
        raise InputError(f"{option} {names!r}: {twice[0]} stands there twice")
    return found


def split_where(where):
    """Pairs KEY=VALUE as a dict."""
    return dict(split_pairs(where, "--where", "KEY=VALUE, such as pose=straight"))


def split_pairs(texts, option, expected):
    """Texts with an equals sign as pairs of what stands before and behind it."""
    pairs = [text.partition("=") for text in texts or ()]
    bad = [text for text, (key, equals, _) in zip(texts or (), pairs, strict=True) if not (key and equals)]
    if bad:
        raise InputError(f"{option} {bad[0]}: expected {expected}")
    return [(key, value) for key, _, value in pairs]


class Progress:
    """How far preparing and training have come: bars on a terminal, elsewhere a line at every tenth."""

    def __enter__(self):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks, self._tenths = {}, {}
        return self

    def __exit__(self, *exception):
        if self._tasks:
            self._bars.stop()

    def update(self, name, done, total, note=""):
        """Shows that `done` of `total` steps of the task `name` are done."""
        if not console.is_terminal:
            tenth = 10 * done // total if total else 10
            if tenth > self._tenths.get(name, 0):
                self._tenths[name] = tenth
                console.print(escape(f"{name}: {done} of {total}" + (f", {note}" if note else "")), soft_wrap=True)
                console.file.flush()  # a log is read while it grows
            return
        if name not in self._tasks:
            self._bars.start()
            self._tasks[name] = self._bars.add_task(name, total=total, note="")
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)

    def faces(self, done, total):
        """Shows how many pictures are prepared."""
        self.update("faces", done, total)
