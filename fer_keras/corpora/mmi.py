"""Reader of the MMI Facial Expression Database (Pantic et al. 2005, Valstar & Pantic 2010) as its site hands it out.

```
Sessions/1/session.xml               <subject id="1" .../>, <track view="0" filename="S001-001.avi" .../>,
                                     <annotation filename="S001-001-oao_aucs.xml"/>
Sessions/1/S001-001.avi              the clip, from neutral over onset, apex and offset to neutral
Sessions/1/S001-001.xml              <Metatag Name="Emotion" Value="4"/>; most sessions have none
Sessions/1/S001-001-oao_aucs.xml     <ActionUnit Number="12"><Marker Frame="1" Type="0"/> ...; many sessions have none
```

The corpus is under licence and none of its files was at hand. At least two public programs that read it agree on each
of these: the names above but for `<subject>`; the emotions' numbers; `view` 0 for the front, 1 for the profile, 2 for
both side by side; clips of view 0 without onset-apex-offset annotation are stored sideways, and upright after a
quarter turn clockwise; which half of the clips of view 2 shows the front, which depends on the subject (of S006 and
S017 one program alone tells); the first frame is number 1.

Assumed are: that `<subject>` names the person by its `id` and states what else it states as attributes; that a marker
begins its phase, which lasts to the next marker (right as well if every frame has its marker); that clips of view 2
are upright. How deep an element lies within its file does not matter here.
"""

import dataclasses
import pathlib
import xml.etree.ElementTree
from xml.parsers import expat

import numpy as np

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.listing import files, first_folder, folders
from fer_keras.corpora.phases import frames_around, longest_run
from fer_keras.corpora.video_frame import VideoFrame
from fer_keras.emotions import MMI_CODES
from fer_keras.errors import InputError
from fer_keras.faces.image import printable
from fer_keras.faces.video import Video

WHOLE, LEFT, RIGHT = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
FRONT_HALVES = {
    **dict.fromkeys(("S001", "S002", "S017"), RIGHT),
    **dict.fromkeys(("S003", "S005", "S006", "S015", "S016"), LEFT),
}
"""The half of the picture that shows the front in clips of view 2, by the person in the clip's name."""

_NEUTRAL, _APEX = 0, 2  # types of markers: places in `fer_keras.corpora.phases.PHASES`
_BLINKS = ("45", "46")  # a blink or wink peaks within a display, and is the worst moment to look at it
_MAX_XML = 1_000_000  # bytes


def read(directory, skips, peak_frames=3, neutral_first=False):
    """Lists the labelled frames of MMI.

    The frames in the middle of the apex of every labelled session carry its label. The apex is where most action
    units are at their apex at once, blinks aside, and where that happens more than once, the longest time of it;
    sessions without such an annotation are taken to peak in the middle of the clip. Sessions without an emotion are no
    part of the result, which is no fault. Of the clips only what they state about themselves is read; one that was cut
    off may lack the frames.

    Args:
        directory: path of the folder that holds `Sessions`, or of `Sessions`.
        skips: a `SkipLog`; receives sessions whose annotation states no emotion or one beyond the six, those that do
            not show the front of a face, and those with a file that is missing or broken.
        peak_frames: int ≥ 1, how many frames in the middle of the apex are samples; `None` for the whole clip,
            whose neutral frames then carry the label too.
        neutral_first: whether the first frame of a clip is a sample of `"neutral"` as well, where it is annotated as
            such and no peak frame.

    Returns:
        List of `Sample`, sorted by session and frame. `part` is a `VideoFrame`, `frame` its index from 0.
        `action_units` are those not neutral in that frame, with intensity 0, for MMI does not score it. `attributes`
        has what session.xml states about the subject (e.g. age, gender), the `view`, and the `phase` of the display
        (one of `fer_keras.corpora.phases.PHASES`) where it is annotated.

    Raises:
        InputError: no folder `Sessions`, or `peak_frames` below 1.
    """
    directory = pathlib.Path(directory)
    if peak_frames is not None and peak_frames < 1:
        raise InputError(f"peak_frames must be at least 1, received peak_frames={peak_frames}")
    root = first_folder(directory / "Sessions", *([directory] if directory.name == "Sessions" else ()))
    if root is None:
        raise InputError(
            f"{printable(directory / 'Sessions')} is missing; expected the folders of MMI: Sessions/1/session.xml, ..."
        )
    displays = []
    for folder in sorted(folders(root, skips), key=_by_number):
        try:
            display = _read_session(folder, skips)
        except _FaultError as fault:
            skips.add(*fault.args, fault=not isinstance(fault, _LeftOutError))
        else:
            displays += [display] if display else []
    # A person whose number one session.xml lacks must not become two.
    numbers = {display.person: display.subject for display in displays if display.subject}
    samples = []
    for display in displays:
        peak = display.frames(peak_frames)
        first = [0] if neutral_first and 0 not in peak and display.phase(0) == "neutral" else []
        for index in [*first, *peak]:
            phase = display.phase(index)
            sample = Sample(
                corpus="mmi",
                subject=display.subject or numbers.get(display.person, display.person),
                sequence=display.session,
                image=display.clip,
                part=VideoFrame(index, display.quarter_turns, display.region),
                label="neutral" if index in first else display.label,
                frame=index,
                action_units=display.active(index),
                attributes=display.attributes | ({"phase": phase} if phase else {}),
            )
            samples.append(sample)
    return samples


class _FaultError(Exception):
    """A session that cannot be used: the path at fault, and what is wrong with it."""


class _LeftOutError(_FaultError):
    """A session that is whole, and shows something else than an emotion from the front."""


@dataclasses.dataclass(frozen=True)
class _Display:
    """One labelled session.

    Args:
        session: name of the session's folder.
        clip: path.
        person: the person as the clip's name gives it, e.g. `"S001"`.
        subject: the person as session.xml gives it, or `""`.
        label: canonical name.
        attributes: strings by name.
        quarter_turns: see `VideoFrame`.
        region: see `VideoFrame`.
        length: number of frames.
        units: list of pairs of an action unit's code and its phases, an int8 array of shape `(length,)`.
        apex: `(first, end)` frame of the apex, or `None` where it is not annotated.
    """

    session: str
    clip: pathlib.Path
    person: str
    subject: str
    label: str
    attributes: dict
    quarter_turns: int
    region: tuple
    length: int
    units: list
    apex: tuple | None

    def frames(self, count):
        """Indices of the `count` frames in the middle of the apex, all where it is `None`."""
        return frames_around(self.apex, self.length, self.length if count is None else count)

    def phase(self, index):
        """Phase of the whole display: the apex, what leads to it and what leads away; `None` if unknown."""
        if self.apex is None:
            return None
        if self.apex[0] <= index < self.apex[1]:
            return "apex"
        if all(phases[index] == _NEUTRAL for phases in _without_blinks(self.units)):
            return "neutral"
        return "onset" if index < self.apex[0] else "offset"

    def active(self, index):
        """The action units that are not neutral in a frame."""
        codes = (code for code, phases in self.units if phases[index] != _NEUTRAL)
        return tuple(f"AU{code}:0" for code in dict.fromkeys(codes))  # a unit may be annotated twice


def _by_number(folder):
    name = folder.name
    return (0, int(name), name) if name.isascii() and name.isdigit() and len(name) < 10 else (1, 0, name)


def _read_session(folder, skips):
    """The `_Display` of a session's folder, `None` if its clip has no annotation."""
    # Names that files state are looked for among those in the folder, and never opened.
    clips = {path.name: path for path in files(folder, skips, ".avi")}
    texts = {path.name: path for path in files(folder, skips, ".xml")}
    if "session.xml" not in texts:
        raise _FaultError(folder, "holds no session.xml; expected one in each folder of Sessions")
    session = _parse(texts["session.xml"])
    track = next(session.iter("track"), None)
    if track is None:
        raise _FaultError(texts["session.xml"], 'has no <track>; expected <track view="0" filename="S001-001.avi"/>')
    filename = track.get("filename", "")
    clip = clips.get(filename, next(iter(clips.values())) if len(clips) == 1 else None)
    stem = pathlib.PurePath(clip or filename).stem
    label = _read_label(texts[f"{stem}.xml"]) if f"{stem}.xml" in texts else None
    if label is None:
        return None
    if clip is None:
        raise _FaultError(folder, f"holds no clip {filename[:40]!r}; expected an AVI file")
    person, coding = stem.partition("-")[0], texts.get(f"{stem}-oao_aucs.xml")
    view = track.get("view", "")
    if view == "0":
        named = [annotation.get("filename", "") for annotation in session.iter("annotation")]
        is_upright = coding is not None or any(name.endswith("oao_aucs.xml") for name in named)
        quarter_turns, region = (0 if is_upright else 1), WHOLE
    elif view == "2" and person in FRONT_HALVES:
        quarter_turns, region = 0, FRONT_HALVES[person]
    elif view == "2":
        known = ", ".join(FRONT_HALVES)
        raise _FaultError(clip, f"which half shows the front of the subject is not known; expected one of {known}")
    else:
        reason = f"has view {view[:40]!r}; expected 0, the front, or 2, front and profile side by side"
        raise _left_out(view, texts["session.xml"], reason)
    length = _count_frames(clip)
    units = _read_units(coding, length) if coding else []
    subject = next(session.iter("subject"), None)
    attributes = {} if subject is None else dict(subject.attrib)
    return _Display(
        session=printable(folder.name),
        clip=clip,
        person=printable(person),
        subject=attributes.pop("id", "").strip(),
        label=label,
        attributes=attributes | {"view": view},
        quarter_turns=quarter_turns,
        region=region,
        length=length,
        units=units,
        apex=_find_apex(units),
    )


def _count_frames(clip):
    try:
        with Video(clip) as video:
            if video.frame_count is not None:
                return video.frame_count
            count = 0
            while video.skip():
                count += 1
            return count
    except InputError as error:
        raise _FaultError(clip, str(error).removeprefix(f"{printable(clip)}: ")) from None


def _left_out(found, path, reason):
    """The error for a view or an emotion beyond those read: no fault if it is a number of MMI's."""
    return (_LeftOutError if found.isascii() and found.isdecimal() else _FaultError)(path, reason)


def _read_label(path):
    """The canonical emotion in a clip's annotation."""
    values = {tag.get("Value", "").strip() for tag in _parse(path).iter("Metatag") if tag.get("Name") == "Emotion"}
    values.discard("")
    if not values:
        raise _LeftOutError(path, 'states no emotion; expected <Metatag Name="Emotion" Value="4"/>')
    codes = {str(code): name for code, name in MMI_CODES.items()}
    if len(values) > 1 or not values <= set(codes):
        expected = ", ".join(f"{code} {name}" for code, name in codes.items())
        found = " and ".join(sorted(values))[:40]
        raise _left_out(found, path, f"has emotion {found!r}; expected one of {expected}")
    return codes[values.pop()]


def _read_units(path, length):
    """Pairs of an action unit's code, as `"12"`, and its phase in every frame: an int8 array of shape `(length,)`."""
    units = []
    for unit in _parse(path).iter("ActionUnit"):
        code = unit.get("Number", "").strip()
        if not code:
            raise _FaultError(path, "has an <ActionUnit> without a Number; expected one such as 12")
        markers = []
        for marker in unit.iter("Marker"):
            frame, kind = marker.get("Frame", ""), marker.get("Type", "")
            if not (frame.isascii() and frame.isdigit() and len(frame) < 10 and kind in ("0", "1", "2", "3")):
                found = f"has a marker Frame={frame[:40]!r} Type={kind[:40]!r} of action unit {code[:40]!r}"
                raise _FaultError(path, f"{found}; expected the frame's number and a type from 0 to 3")
            markers.append((int(frame), int(kind)))
        phases = np.zeros(length, np.int8)
        for frame, kind in sorted(markers):
            phases[max(frame - 1, 0) :] = kind
        units.append((code.removesuffix(".0"), phases))
    return units


def _without_blinks(units):
    return [phases for code, phases in units if code not in _BLINKS]


def _find_apex(units):
    """The longest run of frames in which most action units are at their apex: `(first, end)`, or `None`."""
    together = sum((phases == _APEX).astype(int) for phases in _without_blinks(units))
    if np.max(together) == 0:
        return None
    return longest_run(together == np.max(together))


def _parse(path):
    """The root element of an XML file, read without any of what XML can ask of its reader."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_XML + 1)
    except OSError as error:
        raise _FaultError(path, f"cannot be read ({error.strerror}); expected an XML file of MMI") from None
    if len(content) > _MAX_XML:
        raise _FaultError(path, f"is larger than {_MAX_XML} bytes; expected an XML file of MMI")

    def refuse(*declaration):
        # Entities can grow to any size or name other files, and are declared nowhere else.
        raise _FaultError(path, "declares a document type; expected an XML file of MMI, which has none")

    builder = xml.etree.ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise _FaultError(path, f"is no well-formed XML ({error}); expected an XML file of MMI") from None
    return builder.close()
