"""Reader of the Oulu-CASIA NIR&VIS facial expression database (Zhao et al. 2011), in its official directory layout.

```
OriginalImg/VL/Strong/P001/Anger/000.jpeg
            |  |      |    Anger, Disgust, Fear, Happiness, Sadness, Surprise; every frame, from neutral to the peak
            |  |      P001 ... P080
            |  Strong, Weak, Dark
            VL (visible light), NI (near infrared); VL_Acropped, NI_Acropped in the preprocessed pictures
```

A sequence is one person's expression before one camera in one light. The preprocessed pictures are cut out roughly, in
another geometry than ours, and searched for the face like any other.
"""

import pathlib
import re

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import folders, frames
from fer_keras.corpora.phases import rising_phases
from fer_keras.emotions import canonical
from fer_keras.errors import InputError

_CAMERA = re.compile(r"(VL|NI)(_.*)?", re.IGNORECASE | re.DOTALL)
_LIGHTS = ("strong", "weak", "dark")
_SUBJECT = re.compile(r"P[0-9]{3}", re.IGNORECASE)
_ENDINGS = (".jpeg", ".jpg", ".png", ".bmp")


def read(directory, skips, peak_frames=3):
    """Lists the labelled pictures of Oulu-CASIA: the last frames of every sequence.

    Args:
        directory: path of the folder that holds `VL` or `NI`, or of one up to two levels above. Where several folders
            hold them on one level, the first by name is read: `OriginalImg` before `PreProcess Img`.
        skips: a `SkipLog`; receives folders that are no light, person or emotion, sequences without a picture, and
            pictures whose name has no frame number.
        peak_frames: int ≥ 1, how many last frames of a sequence are samples and carry its label; `None` for the whole
            sequence, whose neutral frames then carry the label too.

    Returns:
        List of `Sample`, sorted by subject, sequence and frame. The attributes are `camera` (VL, NI), `illumination`
        (strong, weak, dark) and, of frames of whole sequences, `phase` by the rule of `rising_phases`.

    Raises:
        InputError: no folder of a camera.
    """
    directory = pathlib.Path(directory)
    if peak_frames is not None and peak_frames < 1:
        raise InputError(f"peak_frames must be at least 1, received peak_frames={peak_frames}")
    cameras = _find_cameras(directory, skips)
    if not cameras:
        raise InputError(f"{directory}: no folder VL or NI found; expected the folder of Oulu-CASIA, OriginalImg")
    samples = []
    for camera in cameras:
        for light in folders(camera, skips):
            if light.name.lower() not in _LIGHTS:
                skips.add(light, "is no illumination; expected Strong, Weak or Dark")
                continue
            for subject in folders(light, skips):
                if not _SUBJECT.fullmatch(subject.name):
                    skips.add(subject, "is no person; expected a folder like P001")
                    continue
                for expression in folders(subject, skips):
                    samples += _read_sequence(camera, light, subject, expression, peak_frames, skips)
    return sorted(samples, key=lambda sample: (sample.subject, sample.sequence, sample.frame, sample.image))


def _find_cameras(directory, skips):
    """The folders of the cameras on the first level that has any; three levels are looked at."""
    level = [directory]
    for _ in range(3):
        below = [folders(parent, skips) for parent in level]
        for children in below:
            found = [child for child in children if _CAMERA.fullmatch(child.name)]
            if found:
                return found
        level = [child for children in below for child in children]
    return []


def _read_sequence(camera, light, subject, expression, peak_frames, skips):
    try:
        label = canonical(expression.name)
    except InputError as error:
        skips.add(expression, str(error))
        return []
    numbered = frames(expression, skips, _ENDINGS, "000.jpeg")
    if not numbered:
        skips.add(expression, "no picture; expected JPEG frames")
    person, spectrum = subject.name.upper(), camera.name[:2].upper()
    facts = {"camera": spectrum, "illumination": light.name.lower()}
    if peak_frames is None:
        wanted = [(one, {"phase": phase}) for one, phase in zip(numbered, rising_phases(len(numbered)), strict=True)]
    else:
        wanted = [(one, {}) for one in numbered[-peak_frames:]]
    return [
        Sample(
            corpus="oulu_casia",
            subject=person,
            sequence=f"{person}_{spectrum}_{light.name.capitalize()}_{label}",
            image=path,
            label=label,
            frame=number,
            attributes=facts | phase,
        )
        for (number, path), phase in wanted
    ]
