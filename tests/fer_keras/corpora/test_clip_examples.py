import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from fer_keras.corpora import Sample
from fer_keras.corpora.clip_examples import clip_examples, parse_clip_examples, spread_places
from fer_keras.corpora.clip_set import ClipSet
from fer_keras.corpora.records import make_record


def record(sequence, frame, label="anger", phase="apex", landmarks=True):
    """A face whose picture is its frame's number as text; `order` is the frame's number and 100 a sequence."""
    attributes = {"phase": phase, "side": "left"}
    sample = Sample("mmi", "p", sequence, "nowhere.png", frame=frame, label=label, attributes=attributes)
    made = make_record(b"%d" % frame, sample, np.full((68, 2), frame / 100, "float32") if landmarks else None)
    made.features.feature["order"].int64_list.value.append(100 * int(sequence) + frame)
    return made


def test_a_clip_has_the_frames_of_its_faces_in_their_order():
    faces = [record("2", 7), record("1", 5), record("1", 3, phase="onset", landmarks=False), record("2", 6)]
    (second, first), skipped = clip_examples(faces)
    assert skipped == []
    features = first.features.feature
    assert list(features["image/encoded"].bytes_list.value) == [b"3", b"5"]
    assert list(features["frame"].int64_list.value) == [3, 5]
    assert list(features["phase"].bytes_list.value) == [b"onset", b"apex"]
    np.testing.assert_allclose(features["landmarks"].float_list.value, np.repeat([0, 0.05], 136), rtol=1e-6)
    assert features["order"].int64_list.value[0] == 103
    facts = {name: features[name].bytes_list.value[0] for name in ("label", "corpus", "subject", "sequence")}
    assert facts == {"label": b"anger", "corpus": b"mmi", "subject": b"p", "sequence": b"1"}
    assert list(features["attributes"].bytes_list.value) == [b"side=left"]
    assert list(second.features.feature["image/encoded"].bytes_list.value) == [b"6", b"7"]


def test_what_is_no_clip_is_left_out_with_its_reason():
    faces = [record("1", 3), record("1", 3), record("2", 1), record("2", 2, label="sadness"), record("3", 1)]
    examples, skipped = clip_examples(faces)
    assert [one.features.feature["sequence"].bytes_list.value[0] for one in examples] == [b"3"]
    assert skipped[0] == ["p/1", "frame 3 occurs twice; expected every frame once"]
    assert skipped[1] == ["p/2", "the frames are labelled anger, sadness; expected one emotion"]


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4), count=st.integers(1, 20))
def test_frames_are_chosen_as_those_of_clip_sets(lengths, count):
    places = spread_places(tf.constant(lengths), count).numpy()
    for length, row in zip(lengths, places, strict=True):
        clip = ClipSet(
            images=np.arange(length, dtype="uint8").reshape(-1, 1, 1, 1),
            offsets=np.array([0, length]),
            labels=np.zeros(1, "int32"),
            subjects=np.array(["p"]),
            sequences=np.array(["p/s"]),
            label_names=("anger", "sadness"),
        )
        expected = clip.sample(count).images.reshape(-1)
        assert row[: len(expected)].tolist() == expected.tolist()
        assert (row[len(expected) :] == length - 1).all()


@pytest.mark.parametrize("frames", [None, 3])
def test_clips_are_padded_into_a_batch(frames):
    long, short = [record("1", number) for number in range(5)], [record("2", 8, landmarks=False)]
    examples, _ = clip_examples([*long, *short])
    parse = tf.function(lambda records: parse_clip_examples(records, frames))
    batch = parse(tf.constant([one.SerializeToString() for one in examples]))
    taken = [0, 1, 2, 3, 4] if frames is None else [0, 2, 4]
    assert batch["frames"].numpy().tolist() == [
        [b"%d" % number for number in taken],
        [b"8", *[b""] * (len(taken) - 1)],
    ]
    assert batch["lengths"].numpy().tolist() == [len(taken), 1]
    expected = np.zeros((2, len(taken), 68, 2))
    expected[0] += np.array(taken)[:, None, None] / 100
    np.testing.assert_allclose(batch["landmarks"], expected, rtol=1e-6)
