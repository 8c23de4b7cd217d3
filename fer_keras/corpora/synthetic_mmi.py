"""The built-in corpus in the layout of MMI, with the oddities that its reader has to cope with."""

import dataclasses
import itertools
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from fer_keras.corpora.mmi import FRONT_HALVES, LEFT
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.phases import PHASES
from fer_keras.corpora.synthetic_face import make_person
from fer_keras.corpora.synthetic_folder import write_folder
from fer_keras.corpora.synthetic_sequence import draw_sequence
from fer_keras.emotions import LABEL_SETS, MMI_CODES

FPS = 24

_TWO_VIEWS = ("S001", "S003", "S002", "S005", "S017", "S006", "S015", "S016")  # so named, for their halves are known
_STRANGERS = 1000  # the people are others than those of the built-in CK+
_OTHER_EMOTION = 9  # MMI has labels beyond its six


def write_mmi(directory, size="small", seed=0, progress=None):
    """Writes the corpus in the layout of MMI (Pantic et al. 2005), or reuses it if it is there already.

    Every subject has one clip for each of the six MMI emotions, from neutral to the apex and back, with twice the
    frames of `size`. Of every five subjects one (up to eight in all) is filmed from the front and the side at once and
    one sideways without annotated phases; the others are upright and annotated. The view from the side is a blurred
    mirror image, for the drawing has none: it is there to be left out. The first subject has two more sessions, one
    with an emotion beyond the six and one without any. A run that is killed leaves nothing under `directory`.

    Args:
        directory: path; must not exist, be empty, or hold this very corpus.
        size: name of a preset in `SIZES`, or a `Size`.
        seed: int ≥ 0.
        progress: optional function `(done, total)`, called after every session.

    Returns:
        `directory` as a `pathlib.Path`.

    Raises:
        InputError: unknown size, negative seed, or `directory` holds something else.
    """
    return write_folder(directory, "mmi", size, seed, _plan, _write_session, progress)


@dataclasses.dataclass(frozen=True)
class _Session:
    number: int
    subject: int
    sequence: int
    emotion: str
    code: int | None


def _plan(size):
    codes = {name: code for code, name in MMI_CODES.items()}
    numbers = itertools.count(1)
    sessions = []
    for subject in range(size.subjects):
        displays = [(emotion, codes[emotion]) for emotion in LABEL_SETS["mmi"]]
        if subject == 0:
            displays += [("contempt", _OTHER_EMOTION), ("", None)]
        for sequence, (emotion, code) in enumerate(displays, start=1):
            sessions.append(_Session(next(numbers), subject, sequence, emotion, code))
    return sessions


def _write_session(root, size, seed, session):
    folder = root / "Sessions" / str(session.number)
    folder.mkdir(parents=True)
    subject = session.subject
    kind, turn = subject % 5, subject // 5
    has_two_views = kind == 2 and turn < len(_TWO_VIEWS)
    is_sideways = kind == 3
    person = _TWO_VIEWS[turn] if has_two_views else f"S{101 + subject}"
    stem = f"{person}-{session.sequence:03d}"
    size = dataclasses.replace(size, frames=2 * size.frames)
    seeds = (seed, _STRANGERS + subject)
    frames = list(draw_sequence(size, *seeds, session.sequence, session.emotion, offset=True))
    pictures = [frame.image for frame in frames]
    if has_two_views:
        pictures = [_add_profile(picture, FRONT_HALVES[person] == LEFT) for picture in pictures]
    elif is_sideways:
        pictures = [np.ascontiguousarray(np.rot90(picture)) for picture in pictures]
    (folder / f"{stem}.avi").write_bytes(encode_avi(pictures, FPS))
    about = ElementTree.Element("session", sessionId=str(session.number))
    glasses = "yes" if make_person(np.random.default_rng([*seeds, 0])).glasses else "no"
    ElementTree.SubElement(about, "subject", id=person[1:].lstrip("0"), glasses=glasses)
    view, colour = "2" if has_two_views else "0", "true" if pictures[0].ndim == 3 else "false"
    track = ElementTree.SubElement(
        about, "track", trackNumber="1", type="Video", view=view, color=colour, filename=f"{stem}.avi"
    )
    emotion = ElementTree.Element("Annotation")
    ElementTree.SubElement(emotion, "Metatag", Name="Clip", Value=stem)
    if session.code is not None:
        ElementTree.SubElement(emotion, "Metatag", Name="Emotion", Value=str(session.code))
    for name, content in ((stem, emotion), (f"{stem}-oao_aucs", None if is_sideways else _mark_phases(frames))):
        if content is not None:
            ElementTree.SubElement(track, "annotation", filename=f"{name}.xml")
            _write_xml(folder / f"{name}.xml", content)
    _write_xml(folder / "session.xml", about)


def _add_profile(picture, is_front_left):
    profile = cv2.GaussianBlur(picture[:, ::-1], (0, 0), 0.04 * picture.shape[0])
    return np.concatenate([picture, profile] if is_front_left else [profile, picture], axis=1)


def _mark_phases(frames):
    """The onset-apex-offset annotation: for every action unit the frames at which its phases begin."""
    root = ElementTree.Element("ActionUnits")
    for unit in frames[0].intensities:
        course = np.array([max(frame.intensities[unit]) for frame in frames])
        if course.max() < 0.5:  # too faint for a coder to see
            continue
        apex = np.flatnonzero(course == course.max())
        phases = [
            "neutral" if level == 0 else "onset" if number < apex[0] else "apex" if number <= apex[-1] else "offset"
            for number, level in enumerate(course)
        ]
        element = ElementTree.SubElement(root, "ActionUnit", Number=str(unit))
        for number, phase in enumerate(phases, start=1):
            if number == 1 or phase != phases[number - 2]:
                ElementTree.SubElement(element, "Marker", Frame=str(number), Type=str(PHASES.index(phase)))
    return root


def _write_xml(path, root):
    ElementTree.indent(root)
    path.write_bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n")
