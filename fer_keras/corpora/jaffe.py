"""Reader of JAFFE, the Japanese Female Facial Expression corpus (Lyons et al. 1998), in its official layout.

```
KA.AN1.39.tiff      subject KA; anger, its first picture; number 39 of the corpus
```

One flat folder, 256×256 grey.
"""

import pathlib
import re

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import files, folders
from fer_keras.emotions import JAFFE_CODES
from fer_keras.errors import InputError

_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})([0-9]{1,3})\.([0-9]{1,3})", re.IGNORECASE)


def read(directory, skips):
    """Lists the pictures of JAFFE. Files that are no pictures, as README files, are not looked at.

    Args:
        directory: path of the folder that holds the pictures, or of one above it, as `jaffe` or `jaffedbase`.
        skips: a `SkipLog`; receives pictures whose name is another one.

    Returns:
        List of `Sample`, sorted by name; every picture is a sequence of its own.

    Raises:
        InputError: no picture is named like those of JAFFE.
    """
    directory = pathlib.Path(directory)
    for folder in (directory, *folders(directory, skips)):
        pictures = files(folder, skips)
        if any(_NAME.fullmatch(path.stem) for path in pictures):
            break
    else:
        raise InputError(f"{directory}: no picture of JAFFE found; expected names like KA.AN1.39.tiff")
    samples = []
    for path in pictures:
        match = _NAME.fullmatch(path.stem)
        label = JAFFE_CODES.get(match[2].upper()) if match else None
        if label is None:
            skips.add(
                path,
                f"no subject and expression; expected a name like KA.AN1.39.tiff with one of {', '.join(JAFFE_CODES)}",
            )
            continue
        samples.append(
            Sample(corpus="jaffe", subject=match[1].upper(), sequence=path.stem.upper(), image=path, label=label)
        )
    return samples
