import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_keras import corpora
from fer_keras.corpora import mmi, synthetic
from fer_keras.corpora.clip_set import ClipSet, load_clips
from fer_keras.corpora.corpus import Corpus, Sample, SkipLog
from fer_keras.corpora.face_set import load_faces
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.records import make_record, write_records
from fer_keras.corpora.sequence_records import write_sequences
from fer_keras.errors import InputError
from fer_keras.faces.image import encode_png

NAMES = ("happiness", "sadness")


def make_clips(lengths, phases=None, **fields):
    """Clips whose pictures and landmarks are all of the value of their place."""
    count, total = len(lengths), sum(lengths)
    return ClipSet(
        images=np.tile(np.arange(total, dtype="uint8")[:, None, None, None], (1, 4, 4, 1)),
        offsets=np.cumsum([0, *lengths]),
        labels=np.arange(count, dtype="int32") % 2,
        subjects=np.array([f"s{row // 2}" for row in range(count)], str),
        sequences=np.array([f"s{row // 2}/q{row}" for row in range(count)], str),
        label_names=NAMES,
        landmarks=np.tile(np.arange(total, dtype="float32")[:, None, None], (1, 68, 2)),
        phases=None if phases is None else np.array(phases, str),
        **fields,
    )


def places(clips):
    """The places in `make_clips` that frames come from, a list for each clip."""
    return [clips.clip(row).images[:, 0, 0, 0].tolist() for row in range(len(clips))]


class TestFields:
    def test_defaults(self):
        clips = make_clips([3, 1, 2])
        assert len(clips) == 3
        assert clips.lengths.tolist() == [3, 1, 2]
        assert clips.frames.tolist() == [0, 1, 2, 0, 0, 1]
        assert clips.phases.tolist() == [""] * 6
        bare = ClipSet(clips.images, clips.offsets, clips.labels, clips.subjects, clips.sequences, NAMES)
        assert bare.landmarks.shape == (6, 68, 2)
        assert bare.references.shape == (3, 68, 2)
        assert not bare.references.any()

    def test_no_clip(self):
        none = make_clips([])
        assert (len(none), len(none.select([])), len(none.sample(3)), len(none.faces())) == (0, 0, 0, 0)
        assert none.padded()[0].shape == (0, 0, 4, 4, 1)

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"offsets": np.array([0, 3])}, r"offsets must be 3 numbers from 0 to 5 .* received \[0 3\]"),
            ({"offsets": np.array([0, 3, 4])}, "offsets must be 3 numbers from 0 to 5 for 2 labels and 5 images"),
            ({"offsets": np.array([1, 3, 5])}, "offsets must be 3 numbers from 0 to 5"),
            ({"offsets": np.array([0, 5, 5])}, "clip s0/q1 has no frame; expected at least one"),
            ({"offsets": np.array([0, 6, 5])}, "clip s0/q1 has no frame"),
            ({"subjects": np.array(["a"])}, r"subjects has shape \(1,\); expected \(2,\) for 2 clips of 5 frames"),
            ({"landmarks": np.zeros((2, 68, 2))}, r"landmarks has shape \(2, 68, 2\); expected \(5, 68, 2\)"),
            ({"frames": np.arange(2)}, r"frames has shape \(2,\); expected \(5,\)"),
            ({"phases": np.array(["apex"])}, r"phases has shape"),
            ({"references": np.zeros((5, 68, 2))}, r"references has shape \(5, 68, 2\); expected \(2, 68, 2\)"),
            ({"attributes": {"age": np.array(["1"])}}, r"attributes\['age'\] has shape \(1,\); expected \(2,\)"),
        ],
    )
    def test_arrays_that_do_not_fit(self, change, expected):
        with pytest.raises(InputError, match=expected):
            dataclasses.replace(make_clips([3, 2]), **change)


class TestSelection:
    def test_one_clip(self):
        clips = make_clips([3, 1, 2], attributes={"age": np.array(["1", "2", "3"])})
        last = clips.clip(2)
        assert (last.sequences.tolist(), last.offsets.tolist(), last.labels.tolist()) == (["s1/q2"], [0, 2], [0])
        assert last.attributes["age"].tolist() == ["3"]
        assert last.images[:, 0, 0, 0].tolist() == [4, 5]
        assert np.shares_memory(last.images, clips.images)
        assert clips.clip(-1).sequences.tolist() == ["s1/q2"]
        with pytest.raises(IndexError):
            clips.clip(3)

    @pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0])])
    def test_rows(self, rows):
        clips = make_clips([3, 1, 2], phases=["neutral", "onset", "apex", "", "apex", ""])
        found = clips.select(rows)
        assert found.sequences.tolist() == ["s1/q2", "s0/q0"]
        assert places(found) == [[4, 5], [0, 1, 2]]
        assert found.frames.tolist() == [0, 1, 0, 1, 2]
        assert found.phases.tolist() == ["apex", "", "neutral", "onset", "apex"]
        np.testing.assert_array_equal(found.landmarks[:, 0, 0], [4, 5, 0, 1, 2])
        np.testing.assert_array_equal(found.references, clips.references[[2, 0]])

    def test_mask(self):
        assert places(make_clips([3, 1, 2]).select(np.array([True, False, True]))) == [[0, 1, 2], [4, 5]]
        assert len(make_clips([3, 1]).select(np.array([False, False]))) == 0

    def test_faces(self):
        clips = make_clips([2, 1], phases=["neutral", "apex", ""], attributes={"age": np.array(["1", "2"])})
        faces = clips.faces()
        assert faces.labels.tolist() == [0, 0, 1]
        assert faces.sequences.tolist() == ["s0/q0", "s0/q0", "s0/q1"]
        assert {name: values.tolist() for name, values in faces.attributes.items()} == {
            "age": ["1", "1", "2"],
            "phase": ["neutral", "apex", ""],
        }
        assert faces.label_names == NAMES
        np.testing.assert_array_equal(faces.landmarks, clips.landmarks)


class TestSampling:
    @pytest.mark.parametrize(
        ("length", "count", "expected"),
        [
            (10, 1, [5]),
            (10, 2, [0, 9]),
            (10, 3, [0, 5, 9]),
            (10, 4, [0, 3, 6, 9]),
            (5, 3, [0, 2, 4]),
            (5, 4, [0, 1, 3, 4]),
            (5, 5, [0, 1, 2, 3, 4]),
            (3, 8, [0, 1, 2]),
            (1, 1, [0]),
            (1, 4, [0]),
        ],
    )
    def test_uniform(self, length, count, expected):
        assert places(make_clips([length]).sample(count)) == [expected]

    @given(st.integers(1, 100), st.integers(1, 120))
    def test_uniform_is_even_and_repeats_nothing(self, length, count):
        (found,) = places(make_clips([length]).sample(count, "uniform"))
        assert len(found) == min(count, length)
        if len(found) > 1:
            assert (found[0], found[-1]) == (0, length - 1)
            steps = np.diff(found)
            assert steps.min() >= 1
            assert steps.max() - steps.min() <= 1
            np.testing.assert_allclose(found, np.linspace(0, length - 1, len(found)), atol=0.5)

    @pytest.mark.parametrize(
        ("phases", "count", "expected"),
        [
            ("nnooaaafff", 3, [4, 5, 6]),
            ("nnooaaafff", 1, [5]),
            ("nnooaaafff", 5, [3, 4, 5, 6, 7]),
            ("nooooooaaa", 3, [7, 8, 9]),  # as CK+: the end is the peak
            ("nooooooaaa", 6, [4, 5, 6, 7, 8, 9]),
            ("aafffaaaff", 3, [5, 6, 7]),  # the longest run
            ("..........", 3, [4, 5, 6]),  # unknown: the middle
            ("nnnnoooooo", 3, [4, 5, 6]),  # the apex is lost
            ("aaa", 5, [0, 1, 2]),
            ("a", 1, [0]),
        ],
    )
    def test_apex(self, phases, count, expected):
        names = {"n": "neutral", "o": "onset", "a": "apex", "f": "offset", ".": ""}
        clips = make_clips([len(phases)], [names[one] for one in phases])
        assert places(clips.sample(count, "apex")) == [expected]

    def test_all(self):
        clips = make_clips([3, 1, 2])
        assert places(clips.sample(1, "all")) == places(clips)

    @pytest.mark.parametrize("how", ["uniform", "apex"])
    def test_every_clip_by_itself(self, how):
        phases = ["neutral", "onset", "apex", "apex", "apex", "", "neutral", "apex", "offset", "neutral"]
        clips = make_clips([5, 1, 4], phases)
        sampled = clips.sample(3, how)
        assert sampled.lengths.tolist() == [3, 1, 3]
        assert places(sampled) == [places(clips.clip(row).sample(3, how))[0] for row in range(3)]
        assert sampled.frames.tolist() == {"uniform": [0, 2, 4, 0, 0, 2, 3], "apex": [2, 3, 4, 0, 0, 1, 2]}[how]
        assert sampled.phases.tolist() == [phases[place] for clip in places(sampled) for place in clip]
        np.testing.assert_array_equal(sampled.landmarks[:, 0, 0], np.concatenate(places(sampled)))

    @pytest.mark.parametrize("count", [0, -3, 2.5, None])
    def test_no_frame(self, count):
        with pytest.raises(InputError, match="a whole number of at least 1, received count="):
            make_clips([3]).sample(count)

    def test_unknown_way(self):
        with pytest.raises(InputError, match="unknown sampling of frames 'random'; expected one of uniform, apex, all"):
            make_clips([3]).sample(2, "random")


class TestReferences:
    def test_first_frame_with_landmarks(self):
        clips = make_clips([3, 2, 2])
        clips.landmarks[[0, 1, 3, 4]] = 0
        clips = dataclasses.replace(clips, references=None)
        assert clips.references[:, 0, 0].tolist() == [2, 0, 5]

    def test_of_every_frame(self):
        clips = make_clips([3, 1, 2]).sample(2)
        assert clips.references[:, 0, 0].tolist() == [1, 3, 4]
        assert clips.frame_references().shape == (5, 68, 2)
        assert clips.frame_references()[:, 0, 0].tolist() == [1, 1, 3, 4, 4]

    def test_sampling_keeps_those_of_the_whole_clip(self):
        clips = make_clips([10], ["neutral"] * 7 + ["apex"] * 3)
        clips.landmarks[0] = 0.5
        clips = dataclasses.replace(clips, references=None)
        peak = clips.sample(3, "apex").select([0])
        assert peak.landmarks[0, 0, 0] == 7
        assert peak.references[0, 0, 0] == 0.5


class TestPadding:
    def test_zeros_behind_every_clip(self):
        clips = make_clips([3, 1, 2])
        clips.images[:] += 1
        frames, lengths, landmarks = clips.padded([2, 0])
        assert (frames.dtype, lengths.dtype, landmarks.dtype) == ("uint8", "int32", "float32")
        assert frames[..., 0, 0, 0].tolist() == [[5, 6, 0], [1, 2, 3]]
        assert lengths.tolist() == [2, 3]
        assert landmarks[..., 0, 0].tolist() == [[4, 5, 0], [0, 1, 2]]

    def test_what_a_model_takes(self):
        clips = make_clips([3, 1])
        frames, lengths, landmarks = clips.padded()
        assert set(clips.inputs()) == {"frames", "lengths"}
        inputs = clips.inputs(landmarks=True)
        for name, expected in (("frames", frames), ("lengths", lengths), ("landmarks", landmarks)):
            np.testing.assert_array_equal(inputs[name], expected)

    def test_all_clips_to_a_given_length(self):
        frames, lengths, landmarks = make_clips([3, 1]).padded(length=5)
        assert (frames.shape, landmarks.shape) == ((2, 5, 4, 4, 1), (2, 5, 68, 2))
        assert lengths.tolist() == [3, 1]
        assert not frames[0, 3:].any()
        with pytest.raises(InputError, match="a clip of 3 frames does not fit into 2; sample fewer frames first"):
            make_clips([3, 1]).padded(length=2)


def face(subject, frame, label, value, landmarks=None, **attributes):
    sample = Sample("mine", subject, "q", None, label, frame=frame, split="train", attributes=attributes)
    return make_record(encode_png(np.full((60, 60, 3), value, np.uint8)), sample, landmarks)


@pytest.fixture
def shards(tmp_path):
    marks = np.linspace(0, 1, 136, dtype="float32").reshape(68, 2)
    records = [
        face("s1", 4, "happiness", 40, phase="apex", age="30"),
        face("s1", 1, "happiness", 10, marks, phase="neutral", age="30"),
        face("s2", 0, "fear", 50),
        face("s3", 7, "sadness", 70, pose="left"),
    ]
    write_records(tmp_path / "faces.gz", records)
    return write_sequences([tmp_path / "faces.gz"], tmp_path / "clips")["shards"]


class TestLoading:
    def test_everything_known_of_a_clip(self, shards):
        clips = load_clips(shards, NAMES, 48, 3)
        assert clips.images.shape == (3, 48, 48, 3)
        assert clips.images[:, 0, 0, 0].tolist() == [10, 40, 70]
        assert (clips.offsets.dtype, clips.offsets.tolist()) == ("int64", [0, 2, 3])
        assert (clips.labels.dtype, clips.labels.tolist()) == ("int32", [0, 1])
        assert clips.subjects.tolist() == ["s1", "s3"]
        assert clips.sequences.tolist() == ["s1/q", "s3/q"]
        assert (clips.frames.dtype, clips.frames.tolist()) == ("int64", [1, 4, 7])
        assert clips.phases.tolist() == ["neutral", "apex", ""]
        np.testing.assert_allclose(clips.landmarks[0].ravel(), np.linspace(0, 1, 136), rtol=1e-6)
        assert not clips.landmarks[1:].any()
        np.testing.assert_array_equal(clips.references[0], clips.landmarks[0])
        assert {name: values.tolist() for name, values in clips.attributes.items()} == {
            "split": ["train", "train"],
            "occlusion": ["none", "none"],
            "age": ["30", ""],
            "pose": ["", "left"],
        }
        assert load_clips(shards, NAMES, 32, 1).images.shape == (3, 32, 32, 1)

    def test_no_clip_with_a_label(self, shards):
        with pytest.raises(InputError, match="no clip carries one of the labels anger"):
            load_clips(shards, ("anger",), 48, 1)

    @pytest.mark.parametrize("harm", ["cut", "gone", "faces"])
    def test_the_file_at_fault_is_named(self, shards, tmp_path, harm):
        other = tmp_path / "other.tfrecord.gz"
        if harm == "cut":
            with open(shards[0], "rb") as file:
                other.write_bytes(file.read()[:-40])
        elif harm == "faces":
            write_records(other, [face("s1", 4, "happiness", 40)])
        expected = "no such file" if harm == "gone" else "is damaged or holds something else"
        with pytest.raises(InputError, match=rf"other\.tfrecord\.gz: {expected}"):
            load_clips([*shards, other], NAMES, 48, 1)
        with pytest.raises(InputError, match="no record files were given"):
            load_clips([], NAMES, 48, 1)


@pytest.mark.slow
def test_apex_frames_of_whole_mmi_clips_are_the_frames_that_the_reader_gives_alone(tmp_path):
    size = dataclasses.replace(synthetic.SIZES["small"], subjects=5, frames=5, turn=3.0)
    synthetic.write_mmi(tmp_path / "mmi", size)
    loaded = {}
    for count in (3, None):
        samples = mmi.read(tmp_path / "mmi", SkipLog(), count)
        samples = [sample for sample in samples if sample.label in NAMES]
        manifest = prepare(Corpus("mmi", samples, SkipLog()), tmp_path / f"faces-{count}", workers=1)
        assert manifest["faces"] == len(samples)  # a lost face would move the middle
        loaded[count] = manifest["shards"]
    clips = load_clips(write_sequences(loaded[None], tmp_path / "clips")["shards"], NAMES, 48, 1)
    faces = load_faces(loaded[3], NAMES, 48, 1)
    assert set(clips.lengths) == {10}
    peaks = clips.sample(3, "apex")
    np.testing.assert_array_equal(peaks.images, faces.images)
    np.testing.assert_array_equal(peaks.faces().sequences, faces.sequences)
    np.testing.assert_array_equal(peaks.faces().labels, faces.labels)
    np.testing.assert_array_equal(peaks.phases, faces.attributes["phase"])
    assert {"apex", ""} < set(peaks.phases)  # one of five people is not annotated


@pytest.mark.slow
def test_no_subject_is_in_two_folds(tiny_ck_plus, tmp_path):
    corpus = corpora.read("ck_plus", tiny_ck_plus, peak_frames=None)
    faces = prepare(corpus, tmp_path / "faces", workers=1)
    clips = load_clips(write_sequences(faces["shards"], tmp_path / "clips")["shards"], corpus.label_names, 48, 1)
    fold_of = corpora.deal_folds(corpora.read("ck_plus", tiny_ck_plus), 3)
    folds = np.array([fold_of[subject] for subject in clips.subjects])
    for fold in range(3):
        train, test = clips.select(folds != fold), clips.select(folds == fold)
        assert not set(train.subjects) & set(test.subjects)
        assert not set(train.sequences) & set(test.sequences)
        assert len(train) + len(test) == len(clips) == 21
