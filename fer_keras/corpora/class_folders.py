"""Reader of plain class folders, the form in which many corpora are passed on.

```
DIR/happy/any name.png              or, with splits,
DIR/train/happy/any name.png        train, val or validation, test
```

**Nobody knows who the pictures show.** Every picture is its own subject, so one person may be in the training data and
in the test data: no figure from such a folder is subject-independent, whatever the folds. Where the persons are known,
use `folder` with its `labels.csv` instead.
"""

import pathlib

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import files, folders
from fer_keras.emotions import canonical
from fer_keras.errors import InputError
from fer_keras.faces.image import printable

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def read(directory, skips):
    """Lists the pictures in class folders.

    Args:
        directory: path of the folder that holds folders named like emotions (`fer_keras.emotions.canonical`), or like
            splits with such folders inside.
        skips: a `SkipLog`; receives folders with another name.

    Returns:
        List of `Sample`, sorted by path. Every picture is its own subject.

    Raises:
        InputError: no folder is named like an emotion.
    """
    directory = pathlib.Path(directory)
    samples, classes = [], 0
    for folder in folders(directory, skips):
        split = _SPLITS.get(folder.name.lower(), "")
        for inner in folders(folder, skips) if split else [folder]:
            try:
                label = canonical(inner.name)
            except InputError as error:
                skips.add(inner, str(error) if split else f"{error}, or train, val, test")
                continue
            classes += 1
            for path in files(inner, skips):
                name = printable(path.relative_to(directory).as_posix())
                samples.append(
                    Sample(corpus="class_folders", subject=name, sequence=name, image=path, label=label, split=split)
                )
    if not classes:
        raise InputError(f"{directory}: no folder is named like an emotion; expected folders like happy, sad, neutral")
    return samples
