import contextlib
import os
import re

import numpy as np
import pytest

from fer_keras.corpora import mmi
from fer_keras.corpora.corpus import Corpus, Sample, SkipLog
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.corpora.video_frame import VideoFrame
from fer_keras.emotions import MMI_CODES
from fer_keras.errors import InputError

SMILE = {"12": [(1, 0), (2, 1), (4, 2), (9, 3), (11, 0)], "6": [(1, 0), (3, 1), (6, 2), (10, 3), (12, 0)]}
# Frames from 0: lips at the apex in 3-7, cheeks in 5-8, both in 5-7; nothing moves in 0 and 11.
LEFT, RIGHT, WHOLE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)


def write_clip(path, length=12):
    """Frame i, 64×48, is grey of level 20·i with a white block at the top left."""
    frames = np.repeat(np.arange(length, dtype=np.uint8) * 20, 48 * 64).reshape(length, 48, 64)
    frames[:, :16, :16] = 255
    path.write_bytes(encode_avi(frames, 24))


def units_xml(units):
    elements = ""
    for unit, markers in units.items():
        marked = "".join(f'<Marker Frame="{frame}" Type="{kind}"/>' for frame, kind in markers)
        elements += f'<ActionUnit Number="{unit}">{marked}</ActionUnit>'
    return f'<?xml version="1.0"?><ActionUnits>{elements}</ActionUnits>'


def add_session(directory, number, stem, emotion=4, view=0, units=None, subject="", length=12):
    """Writes one session; without `emotion` it has no such metatag, without `units` no onset-apex-offset file."""
    folder = directory / "Sessions" / str(number)
    folder.mkdir(parents=True)
    write_clip(folder / f"{stem}.avi", length)
    tag = f'<Metatag Name="Emotion" Value="{emotion}"/>' if emotion is not None else ""
    (folder / f"{stem}.xml").write_text(f'<Annotation><Metatag Name="Sid" Value="{stem}"/>{tag}</Annotation>')
    names = [stem]
    if units is not None:
        names.append(f"{stem}-oao_aucs")
        (folder / f"{stem}-oao_aucs.xml").write_text(units_xml(units))
    annotations = "".join(f'<annotation filename="{name}.xml"/>' for name in names)
    (folder / "session.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<session sessionId="{number}">\n  {subject}\n'
        f'  <track trackNumber="1" type="Video" view="{view}" color="1" filename="{stem}.avi">{annotations}</track>\n'
        "</session>\n"
    )
    return folder


def write_mmi_fixture(directory):
    """Every form of session that MMI is known to have."""
    first, second = '<subject id="1" age="25" gender="f"/>', '<subject id="3" glasses="1"/>'
    add_session(directory, 10, "S028-001", 1, 0, None, '<subject id="28"/>')  # sideways
    add_session(directory, 2, "S001-002", 4, 2, SMILE, first)  # two views, the front on the right
    add_session(directory, 9, "S003-001", 6, 2, {"1": [(1, 0), (3, 1), (5, 2)]}, second)  # on the left; ends at apex
    add_session(directory, 1, "S001-001", None, 2, SMILE, first)  # no emotion
    add_session(directory, 30, "S053-001", 5, 0, {"15": []}, '<subject id="53"/>')  # upright, no marker
    add_session(directory, 31, "S021-004", 2, 1, None, '<subject id="21"/>')  # profile
    add_session(directory, 32, "S053-002", 9, 0, {}, '<subject id="53"/>')  # an emotion beyond the six
    (directory / "Sessions" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (directory / "Sessions" / "2" / "._S001-002.avi").write_bytes(b"\0\5\x16\7")
    (directory / "Sessions" / "readme.txt").write_text("MMI")
    return directory


@pytest.fixture
def official(tmp_path):
    return write_mmi_fixture(tmp_path)


def read(directory, **options):
    skips = SkipLog()
    samples = mmi.read(directory, skips, **options)
    assert skips == []
    return samples


def apex(directory, units, **options):
    """The frames that are taken from a clip with these markers, and their phases."""
    add_session(directory, 1, "S053-001", 4, 0, units)
    samples = read(directory, **options)
    return [sample.frame for sample in samples], [sample.attributes.get("phase") for sample in samples]


def test_every_sample(official):
    skips = SkipLog()
    samples = mmi.read(official, skips)

    def sample(session, stem, subject, label, index, units, attributes, turns=0, region=WHOLE):
        return Sample(
            corpus="mmi",
            subject=subject,
            sequence=session,
            image=official / "Sessions" / session / f"{stem}.avi",
            label=label,
            part=VideoFrame(index, turns, region),
            frame=index,
            action_units=units,
            attributes=attributes,
        )

    both, person = ("AU12:0", "AU6:0"), {"age": "25", "gender": "f", "view": "2"}
    assert samples == [
        *(
            sample("2", "S001-002", "1", "happiness", index, both, person | {"phase": "apex"}, region=RIGHT)
            for index in (5, 6, 7)
        ),
        *(
            sample("9", "S003-001", "3", "surprise", index, ("AU1:0",), {"glasses": "1", "view": "2", "phase": "apex"},
                   region=LEFT)
            for index in (7, 8, 9)
        ),
        *(sample("10", "S028-001", "28", "anger", index, (), {"view": "0"}, turns=1) for index in (5, 6, 7)),
        *(sample("30", "S053-001", "53", "sadness", index, (), {"view": "0"}) for index in (5, 6, 7)),
    ]  # fmt: skip
    assert skips == [
        (str(official / "Sessions/1/S001-001.xml"), 'states no emotion; expected <Metatag Name="Emotion" Value="4"/>'),
        (str(official / "Sessions/31/session.xml"),
         "has view '1'; expected 0, the front, or 2, front and profile side by side"),
        (str(official / "Sessions/32/S053-002.xml"), "has emotion '9'; expected one of 1 anger, 2 disgust, 3 fear, "
                                                     "4 happiness, 5 sadness, 6 surprise"),
    ]  # fmt: skip
    assert Corpus("mmi", samples, skips).subjects == ["1", "28", "3", "53"]
    assert len({sample.key for sample in samples}) == len(samples)


def test_pixels(official):
    skips = SkipLog()
    for sample in mmi.read(official, skips):
        picture = sample.read()
        session = sample.sequence
        assert picture.shape == {"2": (48, 32, 3), "9": (48, 32, 3), "10": (64, 48, 3), "30": (48, 64, 3)}[session]
        assert abs(int(picture[-8:, :8].mean()) - 20 * sample.frame) <= 2
        # Where the white block lies: not in the right half; at the top right after a quarter turn clockwise.
        corners = picture[:8, :8].mean() > 250, picture[:8, -8:].mean() > 250
        assert corners == {"2": (False, False), "9": (True, False), "10": (False, True), "30": (True, False)}[session]


def test_whole_clips_and_their_phases(official):
    samples = mmi.read(official, SkipLog(), peak_frames=None)
    by_session = {}
    for sample in samples:
        by_session.setdefault(sample.sequence, []).append(sample)
    assert list(by_session) == ["2", "9", "10", "30"]
    assert all([sample.frame for sample in found] == list(range(12)) for found in by_session.values())
    assert {sample.label for sample in by_session["2"]} == {"happiness"}
    assert [sample.attributes["phase"] for sample in by_session["2"]] == [
        "neutral", "onset", "onset", "onset", "onset", "apex", "apex", "apex", "offset", "offset", "offset", "neutral",
    ]  # fmt: skip
    assert [len(sample.action_units) for sample in by_session["2"]] == [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0]
    assert by_session["2"][1].action_units == ("AU12:0",)
    assert [sample.attributes["phase"] for sample in by_session["9"]] == ["neutral"] * 2 + ["onset"] * 2 + ["apex"] * 8
    assert not any("phase" in sample.attributes for sample in by_session["10"] + by_session["30"])


def test_peak_frames(official):
    def frames(count):
        return [(sample.sequence, sample.frame) for sample in mmi.read(official, SkipLog(), peak_frames=count)][:count]

    assert frames(1) == [("2", 6)]
    assert frames(2) == [("2", 5), ("2", 6)]
    assert frames(5) == [("2", index) for index in range(4, 9)]
    assert frames(12) == [("2", index) for index in range(12)]
    assert frames(50)[:12] == [("2", index) for index in range(12)]
    with pytest.raises(InputError, match="peak_frames=0"):
        mmi.read(official, SkipLog(), peak_frames=0)


@pytest.mark.parametrize(("code", "name"), MMI_CODES.items())
def test_every_emotion(tmp_path, code, name):
    add_session(tmp_path, 1, "S028-001", code)
    assert {sample.label for sample in read(tmp_path)} == {name}


class TestApex:
    def test_of_two_the_longer_is_taken(self, tmp_path):
        units = {"12": [(1, 0), (2, 2), (4, 1), (6, 2), (10, 3)]}
        assert apex(tmp_path, units) == ([6, 7, 8], ["apex"] * 3)

    def test_of_two_as_long_the_first_is_taken(self, tmp_path):
        assert apex(tmp_path, {"12": [(2, 2), (5, 1), (7, 2), (10, 3)]})[0] == [1, 2, 3]

    def test_most_units_at_once_count_more_than_length(self, tmp_path):
        units = {"12": [(1, 0), (2, 2), (11, 3)], "25": [(1, 0), (9, 2), (10, 3)]}
        assert apex(tmp_path, units) == ([7, 8, 9], ["onset", "apex", "offset"])

    @pytest.mark.parametrize("blink", ["45", "46"])
    def test_blinks_do_not_count(self, tmp_path, blink):
        units = {"12": [(1, 0), (4, 2), (9, 3), (11, 0)], blink: [(1, 0), (3, 2), (5, 0), (12, 2)]}
        assert apex(tmp_path, units, peak_frames=5)[0] == [3, 4, 5, 6, 7]
        samples = read(tmp_path, peak_frames=None)
        assert samples[2].action_units == (f"AU{blink}:0",)
        assert [samples[index].attributes["phase"] for index in (2, 11)] == ["neutral", "neutral"]

    def test_a_marker_in_every_frame_means_the_same(self, tmp_path):
        kinds = [0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 0, 0]
        every = {"12": list(enumerate(kinds, start=1))}
        changes = {"12": [(1, 0), (2, 1), (4, 2), (9, 3), (11, 0)]}
        assert apex(tmp_path / "a", every, peak_frames=None) == apex(tmp_path / "b", changes, peak_frames=None)

    def test_order_of_markers_and_a_unit_annotated_twice(self, tmp_path):
        folder = add_session(tmp_path, 1, "S053-001", 4, 0, {"12": [(9, 3), (1, 0), (4, 2)]})
        path = folder / "S053-001-oao_aucs.xml"
        path.write_text(re.sub(r"(<ActionUnit .*</ActionUnit>)", r"\1\1", path.read_text()))
        [sample, *_] = read(tmp_path)
        assert (sample.frame, sample.action_units) == (4, ("AU12:0",))

    def test_at_either_end_of_the_clip(self, tmp_path):
        assert apex(tmp_path / "a", {"12": [(1, 2), (2, 3)]})[0] == [0, 1, 2]
        assert apex(tmp_path / "b", {"12": [(12, 2)]})[0] == [9, 10, 11]

    @pytest.mark.parametrize("units", [{}, {"12": []}, {"12": [(1, 0), (4, 1)]}, {"12": [(13, 2)]}, {"45": [(2, 2)]}])
    def test_without_an_apex_the_middle_is_taken(self, tmp_path, units):
        assert apex(tmp_path, units) == ([5, 6, 7], [None] * 3)

    def test_marker_beyond_the_clip(self, tmp_path):
        assert apex(tmp_path, {"12": [(1, 0), (3, 2), (999_999_999, 3)]}, peak_frames=1)[0] == [7]

    @pytest.mark.parametrize("code", ["12", "12.5", "L12", "12R", "71", "50"])
    def test_codes_are_kept_as_they_are(self, tmp_path, code):
        add_session(tmp_path, 1, "S053-001", 4, 0, {code: [(1, 2)], "25.0": [(1, 2)]})
        assert read(tmp_path)[0].action_units == (f"AU{code}:0", "AU25:0")


class TestSession:
    def test_a_short_clip(self, tmp_path):
        add_session(tmp_path, 1, "S028-001", length=2)
        assert [sample.frame for sample in read(tmp_path)] == [0, 1]

    def test_the_folder_sessions_itself(self, official):
        assert mmi.read(official / "Sessions", SkipLog()) == mmi.read(official, SkipLog())

    def test_a_listed_annotation_of_phases_makes_a_clip_upright_even_if_it_is_missing(self, tmp_path):
        folder = add_session(tmp_path, 1, "S053-001", units=SMILE)
        (folder / "S053-001-oao_aucs.xml").unlink()
        assert [(sample.frame, sample.part.quarter_turns) for sample in read(tmp_path)] == [(5, 0), (6, 0), (7, 0)]

    def test_an_annotation_of_phases_that_is_not_listed(self, tmp_path):
        folder = add_session(tmp_path, 1, "S053-001")
        (folder / "S053-001-oao_aucs.xml").write_text(units_xml({"12": [(1, 0), (2, 2), (5, 3)]}))
        assert [(sample.frame, sample.part.quarter_turns) for sample in read(tmp_path)] == [(1, 0), (2, 0), (3, 0)]

    def test_nesting_does_not_matter(self, tmp_path):
        folder = add_session(tmp_path, 1, "S001-001", view=2, units=SMILE, subject='<subject id="1"/>')
        for name in ("session.xml", "S001-001.xml", "S001-001-oao_aucs.xml"):
            text = re.sub(r"<\?xml.*?\?>", "", (folder / name).read_text())
            (folder / name).write_text(
                f'<?xml version="1.0" encoding="ISO-8859-1"?><x y="é"><z>{text}</z></x>', "latin-1"
            )
        assert [(sample.subject, sample.frame, sample.part.region) for sample in read(tmp_path)] == [
            ("1", frame, RIGHT) for frame in (5, 6, 7)
        ]

    def test_subjects(self, tmp_path):
        add_session(tmp_path, 1, "S028-001", subject='<subject id=" 7 "/>')
        add_session(tmp_path, 2, "S028-002")
        add_session(tmp_path, 3, "S028-003", subject='<subject id=""/>')
        add_session(tmp_path, 4, "S030-001", subject='<subject age="30"/>')
        add_session(tmp_path, 5, "clip")
        assert [sample.subject for sample in read(tmp_path, peak_frames=1)] == ["7", "7", "7", "S030", "clip"]

    def test_names_in_session_xml_lead_nowhere_else(self, tmp_path):
        write_clip(tmp_path / "outside.avi")
        folder = add_session(tmp_path, 1, "S028-001")
        path = folder / "session.xml"
        path.write_text(path.read_text().replace("S028-001.avi", "../../outside.avi"))
        assert {sample.image for sample in read(tmp_path)} == {folder / "S028-001.avi"}

    def test_one_clip_of_several(self, tmp_path):
        folder = add_session(tmp_path, 1, "S028-001")
        write_clip(folder / "A.avi", 3)
        assert {sample.image.name for sample in read(tmp_path)} == {"S028-001.avi"}

    def test_names_that_are_not_utf_8(self, tmp_path):
        folder = add_session(tmp_path, 1, "S028-001")
        for ending in ("avi", "xml"):
            os.rename(folder / f"S028-001.{ending}", os.fsencode(folder) + b"/S\xff8-001." + ending.encode())
        os.rename(folder, os.fsencode(tmp_path / "Sessions") + b"/n\xfe")
        [sample, *_] = read(tmp_path)
        assert (sample.subject, sample.sequence) == ("S\\xff8", "n\\xfe")
        sample.key.encode()
        assert abs(int(sample.read()[-8:, :8].mean()) - 100) <= 2

    def test_a_clip_that_was_cut_off(self, tmp_path):
        folder = add_session(tmp_path, 1, "S028-001")
        clip = folder / "S028-001.avi"
        clip.write_bytes(clip.read_bytes()[:-3000])
        samples = read(tmp_path, peak_frames=None)
        assert len(samples) == 12
        assert abs(int(samples[1].read()[-8:, :8].mean()) - 20) <= 2
        with pytest.raises(InputError, match=r"S028-001\.avi: frame 11: decoding ends after \d frames"):
            samples[11].read()


NAMES = "abcdefghij"
ENTITIES = "".join(f'<!ENTITY {NAMES[place + 1]} "{f"&{NAMES[place]};" * 10}">' for place in range(9))
BOMB = f'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">{ENTITIES}]>\n<a>&j;</a>'
FILE_ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'

FAULTS = {
    "session.xml": [
        ("", "is no well-formed XML (no element found"),
        ("<session><track></session>", "is no well-formed XML (mismatched tag"),
        ("<session/>", "has no <track>; expected"),
        (BOMB, "declares a document type; expected an XML file of MMI"),
        (BOMB.encode("utf-16"), "declares a document type"),
        (FILE_ENTITY, "declares a document type"),
        ("<a>&k;</a>", "is no well-formed XML (undefined entity"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "is no well-formed XML"),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', "is no well-formed XML"),
        (b"\xff\xfe\0\1", "is no well-formed XML"),
        ("<a>" + " " * 1_000_000 + "</a>", "is larger than 1000000 bytes"),
        ('<a><track filename="S003-001.avi"/></a>', "has view ''; expected 0"),
        ('<a><track filename="S003-001.avi" view="3"/></a>', "has view '3'; expected 0"),
        (None, "holds no session.xml"),
    ],
    "S003-001.xml": [
        (BOMB, "declares a document type"),
        ("<a", "is no well-formed XML"),
        ('<a><Metatag Name="Emotion" Value="7"/></a>', "has emotion '7'; expected one of 1 anger, 2 disgust"),
        ('<a><Metatag Name="Emotion" Value="0"/></a>', "has emotion '0'"),
        ('<a><Metatag Name="Emotion" Value="04"/></a>', "has emotion '04'"),
        ('<a><Metatag Name="Emotion" Value="-1"/></a>', "has emotion '-1'"),
        ('<a><Metatag Name="Emotion" Value="happy"/></a>', "has emotion 'happy'"),
        ('<a><Metatag Name="Emotion" Value="٣"/></a>', "has emotion '٣'"),
        ('<a><Metatag Name="Emotion" Value="4"/><Metatag Name="Emotion" Value="5"/></a>', "has emotion '4 and 5'"),
    ],
    "S003-001-oao_aucs.xml": [
        (BOMB, "declares a document type"),
        ("", "is no well-formed XML"),
        (units_xml({"12": [(1, 4)]}), "has a marker Frame='1' Type='4' of action unit '12'; expected"),
        (units_xml({"12": [("x", 1)]}), "has a marker Frame='x' Type='1'"),
        (units_xml({"12": [(-1, 1)]}), "has a marker Frame='-1' Type='1'"),
        (units_xml({"12": [("9" * 5000, 1)]}), "has a marker Frame='999"),
        ('<a><ActionUnit Number="12"><Marker Frame="1"/></ActionUnit></a>', "has a marker Frame='1' Type=''"),
        ("<a><ActionUnit/></a>", "has an <ActionUnit> without a Number"),
    ],
    "S003-001.avi": [
        ("", "is empty, expected a video"),
        ("frame,level\n" * 50, "is not a video or is damaged"),
        (None, "holds no clip 'S003-001.avi'; expected an AVI file"),
    ],
}


@pytest.mark.parametrize(
    ("name", "content", "reason"), [(name, *fault) for name, faults in FAULTS.items() for fault in faults]
)
def test_a_fault_costs_one_session(tmp_path, name, content, reason):
    add_session(tmp_path, 1, "S001-001", view=2, units=SMILE)
    folder = add_session(tmp_path, 2, "S003-001", view=2, units=SMILE)
    add_session(tmp_path, 3, "S028-001")
    path = folder / name
    if content is None:
        path.unlink()
        path = folder
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    skips = SkipLog()
    assert {sample.sequence for sample in mmi.read(tmp_path, skips)} == {"1", "3"}
    [(place, found)] = skips
    assert place == str(path)
    assert found.startswith(reason)
    assert "expected" in found
    assert "\n" not in found
    assert len(found) < 250
    if re.match(r"has (view|emotion) '[0-9]+'", found):  # left out, but not a fault
        assert len(mmi.read(tmp_path, SkipLog(strict=True))) == 6
        return
    with pytest.raises(InputError, match=f"^{re.escape(place)}: {re.escape(found)}$"):
        mmi.read(tmp_path, SkipLog(strict=True))


def test_a_clip_without_frames(tmp_path):
    folder = add_session(tmp_path, 1, "S028-001")
    content = (folder / "S028-001.avi").read_bytes()
    movie = content.index(b"movi")
    (folder / "S028-001.avi").write_bytes(content[: movie - 4] + b"\4\0\0\0movi")
    skips = SkipLog()
    assert mmi.read(tmp_path, skips) == []
    assert [path for path, _ in skips] == [str(folder / "S028-001.avi")]


def test_two_views_of_an_unknown_subject(tmp_path):
    folder = add_session(tmp_path, 1, "S099-001", view=2)
    skips = SkipLog()
    assert mmi.read(tmp_path, skips) == []
    [(path, reason)] = skips
    assert path == str(folder / "S099-001.avi")
    assert reason.startswith("which half shows the front of the subject is not known; expected one of S001, S002, ")


@pytest.mark.parametrize(
    "annotation", ["<a/>", '<a><Metatag Name="Emotion" Value=""/></a>', '<a><Metatag Name="AUs" Value="4"/></a>', None]
)
def test_no_emotion_is_no_fault(tmp_path, annotation):
    folder = add_session(tmp_path, 1, "S028-001")
    add_session(tmp_path, 2, "S028-002")
    if annotation is None:
        (folder / "S028-001.xml").unlink()
    else:
        (folder / "S028-001.xml").write_text(annotation)
    for strict in (False, True):
        skips = SkipLog(strict)
        assert {sample.sequence for sample in mmi.read(tmp_path, skips)} == {"2"}
        # Where there is an annotation, that it lacks the emotion is said.
        expected = [] if annotation is None else [str(folder / "S028-001.xml")]
        assert [path for path, reason in skips if reason.startswith("states no emotion")] == expected


def test_a_long_list_of_units_in_a_clip_that_claims_many_frames(tmp_path):
    folder = add_session(tmp_path, 1, "S053-001", units={str(code): [(1, 2)] for code in range(47, 400)})
    content = bytearray((folder / "S053-001.avi").read_bytes())
    for name, place in ((b"avih", 24), (b"strh", 40)):
        start = content.index(name) + place
        content[start : start + 4] = b"\xff\xff\xff\x7f"
    (folder / "S053-001.avi").write_bytes(content)
    assert [sample.frame for sample in read(tmp_path)] == [5, 6, 7]


def test_missing_layout(tmp_path):
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'Sessions'))} is missing; expected the folders"):
        mmi.read(tmp_path, SkipLog())
    (tmp_path / "Sessions").write_text("a file")
    with pytest.raises(InputError, match="is missing"):
        mmi.read(tmp_path, SkipLog())
    (tmp_path / "Sessions").unlink()
    (tmp_path / "Sessions").mkdir()
    assert read(tmp_path) == []


def test_damage_ends_in_skips_alone(official):
    random = np.random.default_rng(0)
    paths = sorted(path for path in (official / "Sessions").glob("*/*") if path.suffix in (".xml", ".avi"))
    for _ in range(200):
        path = paths[random.integers(len(paths))]
        content = path.read_bytes()
        damaged = bytearray(content)
        for place in random.integers(0, min(len(content), 400), random.integers(1, 6)):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        for sample in mmi.read(official, SkipLog(), peak_frames=1):
            with contextlib.suppress(InputError):
                sample.read()
        path.write_bytes(content)
