"""Reader of CK+48: the peak frames of CK+ (Lucey et al. 2010) as 48×48 grey face crops, as distributed on Kaggle.

```
CK+48/anger/S010_004_00000017.png       anger, contempt, disgust, fear, happy, sadness, surprise
```

Three frames of every labelled sequence of CK+; subject, sequence and frame are in the name. It is no release of the
authors of CK+, whose terms hold for it as well.
"""

import pathlib
import re

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import files, first_folder, folders
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

_NAME = re.compile(r"(S[0-9]{3})_([0-9]{3})_([0-9]{1,9})", re.IGNORECASE)


def read(directory, skips):
    """Lists the pictures of CK+48.

    Args:
        directory: path of the folder that holds the class folders, or `CK+48` or `ck/CK+48` around them.
        skips: a `SkipLog`; receives folders that name no emotion and pictures whose name is another one.

    Returns:
        List of `Sample`, face crops, sorted by subject, sequence and frame.

    Raises:
        InputError: no folder is named like an emotion.
    """
    directory = pathlib.Path(directory)
    top = first_folder(directory / "CK+48", directory / "ck" / "CK+48") or directory
    samples, classes = [], 0
    for folder in folders(top, skips):
        try:
            label = canonical(folder.name)
        except InputError as error:
            skips.add(folder, str(error))
            continue
        classes += 1
        for path in files(folder, skips):
            match = _NAME.fullmatch(path.stem)
            if match is None:
                skips.add(path, "no subject, sequence and frame; expected a name like S010_004_00000017.png")
                continue
            subject, sequence, frame = match[1].upper(), match[2], int(match[3])
            samples.append(
                Sample(
                    corpus="ck48",
                    subject=subject,
                    sequence=f"{subject}_{sequence}",
                    image=path,
                    label=label,
                    cropped=True,
                    frame=frame,
                )
            )
    if not classes:
        raise InputError(f"{directory}: no class folder found; expected those of CK+48: anger, contempt, disgust, ...")
    return sorted(samples, key=lambda sample: (sample.subject, sample.sequence, sample.frame, sample.image))
