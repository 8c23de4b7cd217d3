import collections
import dataclasses
import hashlib
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import mmi, synthetic
from fer_keras.corpora.corpus import SkipLog
from fer_keras.corpora.motion_jpeg import encode_avi
from fer_keras.emotions import LABEL_SETS, MMI_CODES
from fer_keras.errors import InputError
from fer_keras.faces import BlazeFace
from fer_keras.faces.video import Video

TINY = dataclasses.replace(
    synthetic.SIZES["small"], subjects=8, frames=4, width=112, height=96, eye_distance=30.0, turn=3.0
)


def tree(directory):
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    # Eight subjects: the third and the last have two views, the right half and the left one; the fourth is sideways.
    return synthetic.write_mmi(tmp_path_factory.mktemp("corpus") / "mmi", TINY)


@pytest.fixture(scope="module")
def samples(corpus):
    return mmi.read(corpus, SkipLog(), peak_frames=None)


class TestDeterminism:
    def test_same_seed_gives_same_bytes(self, tmp_path, corpus):
        assert tree(synthetic.write_mmi(tmp_path / "again", TINY)) == tree(corpus)

    def test_a_subject_does_not_depend_on_the_others(self, tmp_path, corpus):
        fewer = tree(synthetic.write_mmi(tmp_path / "fewer", dataclasses.replace(TINY, subjects=3)))
        del fewer["synthetic.json"]
        assert len(fewer) == 20 * 4
        assert fewer.items() <= tree(corpus).items()

    def test_other_seed_gives_other_clips(self, tmp_path, corpus):
        other = tree(synthetic.write_mmi(tmp_path / "other", dataclasses.replace(TINY, subjects=1), seed=1))
        clips = [name for name in other if name.endswith(".avi")]
        assert len(clips) == 8
        assert all(other[name] != tree(corpus)[name] for name in clips)

    def test_the_people_are_not_those_of_the_other_layout(self):
        size = dataclasses.replace(TINY, frames=8)
        [here, *_] = synthetic.draw_sequence(size, 0, 0, 1, "anger", offset=True)
        [there, *_] = synthetic.draw_sequence(size, 0, 1000, 1, "anger", offset=True)
        assert not np.allclose(here.landmarks, there.landmarks)


class TestLayout:
    def test_files_of_a_session(self, corpus):
        def names(session):
            return sorted(path.name for path in (corpus / "Sessions" / session).iterdir())

        assert names("1") == ["S101-001-oao_aucs.xml", "S101-001.avi", "S101-001.xml", "session.xml"]
        assert names("15") == ["S001-001-oao_aucs.xml", "S001-001.avi", "S001-001.xml", "session.xml"]
        assert names("21") == ["S104-001.avi", "S104-001.xml", "session.xml"]
        assert len(list((corpus / "Sessions").iterdir())) == 8 * 6 + 2

    def test_session_xml(self, corpus):
        root = ElementTree.parse(corpus / "Sessions/15/session.xml").getroot()
        assert root.find("subject").attrib["id"] == "1"
        track = root.find("track")
        assert (track.get("view"), track.get("filename")) == ("2", "S001-001.avi")
        assert [found.get("filename") for found in track] == ["S001-001.xml", "S001-001-oao_aucs.xml"]

    def test_emotions(self, corpus):
        found = collections.Counter()
        for path in corpus.rglob("S*-???.xml"):
            found[tuple(tag.get("Value") for tag in ElementTree.parse(path).findall("Metatag")[1:])] += 1
        assert found == {**{(str(code),): 8 for code in MMI_CODES}, ("9",): 1, (): 1}

    def test_markers(self, corpus):
        for path in corpus.rglob("*-oao_aucs.xml"):
            units = ElementTree.parse(path).findall("ActionUnit")
            assert units
            for unit in units:
                markers = [(int(marker.get("Frame")), int(marker.get("Type"))) for marker in unit]
                assert [kind for _, kind in markers] == [0, 1, 2, 3, 0]
                assert markers == sorted(markers)
                assert markers[0][0] == 1
                assert markers[-1][0] == 8

    def test_clips(self, corpus, samples):
        views = {"101": (112, 96), "1": (224, 96), "104": (96, 112)}
        for sample in samples:
            if sample.subject in views:
                with Video(sample.image) as video:
                    assert (video.size, video.frame_count, video.fps) == (views[sample.subject], 8, 24.0)


class TestRoundTrip:
    def test_samples(self, corpus):
        skips = SkipLog()
        samples = mmi.read(corpus, skips)
        assert collections.Counter(sample.label for sample in samples) == dict.fromkeys(LABEL_SETS["mmi"], 8 * 3)
        assert {sample.subject for sample in samples} == {"101", "102", "1", "104", "105", "106", "107", "3"}
        assert [path for path, _ in skips] == [
            str(corpus / f"Sessions/{session}/S101-00{session}.xml") for session in (7, 8)
        ]

    def test_phases_are_those_drawn(self, samples):
        phases = [sample.attributes.get("phase") for sample in samples if sample.sequence == "1"]
        assert phases == ["neutral", "onset", "onset", "apex", "apex", "offset", "offset", "neutral"]
        assert {sample.attributes.get("phase") for sample in samples if sample.subject == "104"} == {None}
        assert {sample.subject for sample in samples if "phase" not in sample.attributes} == {"104"}

    @pytest.mark.parametrize(("subject", "index"), [("101", 0), ("1", 2), ("104", 3), ("105", 4), ("3", 7)])
    def test_pixels_are_those_drawn(self, samples, subject, index):
        found = [sample for sample in samples if sample.subject == subject and sample.label == "fear"]
        size = dataclasses.replace(TINY, frames=8)
        drawn = synthetic.draw_sequence(size, 0, 1000 + index, 3, "fear", offset=True)
        for sample, frame in zip(found, drawn, strict=True):
            picture = cv2.cvtColor(sample.read(), cv2.COLOR_RGB2BGR)
            original = frame.image if frame.image.ndim == 3 else frame.image[..., None]
            assert picture.shape == (96, 112, 3)
            assert np.abs(picture.astype(int) - original).mean() < 4

    def test_action_units_are_those_drawn(self, samples):
        size = dataclasses.replace(TINY, frames=8)
        drawn = list(synthetic.draw_sequence(size, 0, 1000, 4, "happiness", offset=True))
        found = [sample for sample in samples if sample.sequence == "4"]
        assert found[0].action_units == found[-1].action_units == ()
        assert found[4].action_units == tuple(f"AU{unit}:0" for unit in drawn[4].intensities)

    @pytest.mark.slow
    def test_faces_are_found(self, tmp_path):
        corpus = corpora.read("synthetic_mmi", tmp_path / "corpus")
        assert (corpus.name, len(corpus.samples), len(corpus.subjects)) == ("synthetic_mmi", 20 * 6 * 3, 20)
        assert {sample.corpus for sample in corpus.samples} == {"synthetic_mmi"}
        assert corpora.read("synthetic_mmi", tmp_path / "corpus").samples == corpus.samples
        detector = BlazeFace()
        pictures = [sample.read() for sample in corpus.samples[::9]]
        assert np.mean([len(faces) == 1 for faces in detector.detect(pictures)]) > 0.95


class TestWriting:
    def test_reuses_the_same_corpus_and_refuses_another(self, corpus):
        calls = []
        assert synthetic.write_mmi(corpus, TINY, progress=lambda *call: calls.append(call)) == corpus
        assert calls == []
        with pytest.raises(InputError, match=rf"{re.escape(str(corpus))} holds another built-in corpus"):
            synthetic.write_mmi(corpus, TINY, seed=1)
        with pytest.raises(InputError, match="holds another built-in corpus"):
            synthetic.write_ck_plus(corpus, TINY)

    def test_progress_and_a_stopped_run(self, tmp_path):
        calls = []

        def stop(done, total):
            calls.append((done, total))
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            synthetic.write_mmi(tmp_path / "mmi", TINY, progress=stop)
        assert calls == [(1, 50), (2, 50)]
        assert list(tmp_path.iterdir()) == []

    def test_bad_input(self, tmp_path):
        with pytest.raises(InputError, match=r"unknown size 'huge'.*small, standard"):
            synthetic.write_mmi(tmp_path / "mmi", "huge")
        with pytest.raises(InputError, match="seed=-1"):
            synthetic.write_mmi(tmp_path / "mmi", TINY, seed=-1)
        with pytest.raises(InputError, match="frames=2"):
            synthetic.write_mmi(tmp_path / "mmi", dataclasses.replace(TINY, frames=1))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_no_more_subjects_have_two_views_than_have_a_known_half(tmp_path):
    size = dataclasses.replace(TINY, subjects=45, frames=2, width=64, height=64, eye_distance=20.0)
    skips = SkipLog()
    samples = mmi.read(synthetic.write_mmi(tmp_path / "mmi", size), skips, peak_frames=1)
    views = {sample.subject: sample.attributes["view"] for sample in samples}
    assert len(views) == 45
    assert collections.Counter(views.values()) == {"0": 37, "2": 8}
    assert len(skips) == 2  # an emotion beyond the six, and none


@pytest.mark.parametrize("shape", [(71, 91), (71, 91, 3), (8, 8), (96, 224)])
def test_encode_avi(tmp_path, shape):
    frames = [np.full(shape, 20 * number, np.uint8) for number in range(5)]
    path = tmp_path / "clip.avi"
    path.write_bytes(encode_avi(iter(frames), 30))
    with Video(path) as video:
        assert (video.size, video.fps, video.frame_count) == ((shape[1], shape[0]), 30.0, 5)
        assert [round(frame.mean() / 20) for frame in video] == list(range(5))
    assert encode_avi(frames, 30) == path.read_bytes()
    with pytest.raises(InputError, match="received none"):
        encode_avi([], 24)
