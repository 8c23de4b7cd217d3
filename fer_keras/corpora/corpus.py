"""What a corpus reader yields: samples, and a list of what it had to leave out."""

import dataclasses
import pathlib
import typing

import numpy as np

from fer_keras.emotions import in_canonical_order
from fer_keras.errors import InputError
from fer_keras.faces.image import printable, read_image


class Part(typing.Protocol):
    """One picture within a file of many: a row of a csv, a frame of a clip. `str()` names it, as `"line 17"`."""

    def read(self, path):
        """Returns the picture, uint8 of shape `(height, width, 3)`, RGB, or raises `InputError`."""
        ...


@dataclasses.dataclass(frozen=True)
class Sample:
    """One labelled face picture on disk.

    Args:
        corpus: name of the corpus, e.g. `"ck_plus"`.
        subject: the person. Readers make up one subject a picture where the corpus does not say who it shows.
        sequence: the clip, or group of stills, that the picture belongs to.
        image: path of the file that holds the picture.
        part: the `Part` of the file that is the picture, `None` where the file is the picture.
        cropped: whether the picture is a face crop already, which is resized and never searched for a face.
        label: canonical emotion name, `""` if unlabelled.
        votes: shares of the annotators' votes in canonical order, eight floats that add up to 1; empty if unknown.
        split: the corpus's own part that the picture belongs to, `"train"`, `"validation"` or `"test"`, or `""`.
        frame: number of the frame in its sequence, -1 for a single picture.
        landmarks: float array of shape `(68, 2)`, x and y in pixels of the picture, or `None`.
        action_units: strings `"code:intensity"`, e.g. `"AU12:3"`.
        occlusion: kind of occluder, `"none"` where the face is open.
        mask: path of a picture of the same size that is not black where the occluder is, `None` if unknown.
        attributes: what else the corpus states (age, pose, valence, ...), strings by name.
    """

    corpus: str
    subject: str
    sequence: str
    image: pathlib.Path
    label: str = ""
    part: Part | None = None
    cropped: bool = False
    votes: tuple = ()
    split: str = ""
    frame: int = -1
    landmarks: np.ndarray | None = None
    action_units: tuple = ()
    occlusion: str = "none"
    mask: pathlib.Path | None = None
    attributes: dict = dataclasses.field(default_factory=dict)

    @property
    def key(self):
        """Identifies the sample within its corpus, on every machine."""
        return f"{self.subject}/{self.sequence}/{self.frame}/{self.name}"

    @property
    def name(self):
        """The file's name as printable text, and which part of it the picture is."""
        name = printable(self.image.name)
        return name if self.part is None else f"{name}: {self.part}"

    @property
    def place(self):
        """Where the picture is, for messages: the path, and which part of the file."""
        place = printable(self.image)
        return place if self.part is None else f"{place}: {self.part}"

    def read(self):
        """Reads the picture.

        Returns:
            A uint8 array of shape `(height, width, 3)`, RGB.

        Raises:
            InputError: it cannot be read.
        """
        return read_image(self.image) if self.part is None else self.part.read(self.image)

    def read_mask(self, shape):
        """Reads where the occluder is.

        Args:
            shape: height and width of the picture.

        Returns:
            A bool array of that shape, `None` if there is no mask.

        Raises:
            InputError: it cannot be read, or has another size than the picture.
        """
        if self.mask is None:
            return None
        mask = read_image(self.mask).any(axis=-1)
        if mask.shape != tuple(shape):
            raise InputError(
                f"{printable(self.mask)}: is {mask.shape[1]}×{mask.shape[0]} pixels; "
                f"expected {shape[1]}×{shape[0]} as its picture {self.name}"
            )
        return mask


class SkipLog(list):
    """What was left out and why, as `(path, reason)` pairs of printable text.

    Args:
        strict: raise at the first fault instead of collecting it.
    """

    def __init__(self, strict=False):
        super().__init__()
        self.strict = strict

    def add(self, path, reason, fault=True):
        """Notes one item that was left out.

        Args:
            path: the file at fault.
            reason: what was found and what was expected.
            fault: false for what is left out by the corpus's own rules, such as a face that shows no emotion.

        Raises:
            InputError: under `strict`, for a fault.
        """
        path, reason = printable(path), printable(reason)
        if self.strict and fault:
            raise InputError(f"{path}: {reason}")
        self.append((path, reason))


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Samples of one corpus, in a fixed order.

    Args:
        name: name of the corpus.
        samples: list of `Sample`.
        skipped: the `SkipLog` of the reader.
        differences: sentences, where what was read differs from the official counts of the corpus; none for a subset.
    """

    name: str
    samples: list
    skipped: SkipLog
    differences: tuple = ()

    @property
    def label_names(self):
        """The labels that occur, in canonical order."""
        return in_canonical_order(sample.label for sample in self.samples if sample.label)

    @property
    def subjects(self):
        """The subjects that own a labelled sample, sorted as strings."""
        return sorted({sample.subject for sample in self.samples if sample.label})
