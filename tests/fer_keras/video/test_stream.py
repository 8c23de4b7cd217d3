import gc
import tracemalloc

import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.faces import Face
from fer_keras.recognizer import UNCERTAIN, Recognizer
from fer_keras.video import ClipFrames, FolderFrames, Stream

from .conftest import NAMES, MeanGrey, paint


def test_an_answer_for_every_face_of_every_frame(painted, film):
    stream = painted.stream()
    assert isinstance(stream, Stream)
    for step, image in enumerate(film):
        faces = stream.push(image)
        assert [face.track for face in faces] == ([1] if 5 <= step < 9 else [1, 2])
        for face in faces:
            assert tuple(face.probabilities) == NAMES
            assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
            best = max(face.probabilities, key=face.probabilities.get)
            assert face.label == (best if face.probabilities[best] >= painted.min_confidence else UNCERTAIN)
            assert face.attention is None
            assert face.face_score == 0.9
    assert faces[0].box == (32.0, 40.0, 62.0, 70.0)


def test_a_picture_and_the_same_as_a_frame(painted, film):
    (expected,) = painted(film[5])
    (face,) = painted.stream().push(film[5])
    assert face.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert face.track_probabilities == pytest.approx(face.probabilities, abs=1e-6)
    assert (face.box, face.label) == (expected.box, expected.label)


def test_the_track_so_far_is_the_mean_of_its_latest_frames(painted, film):
    stream, single = painted.stream(window=3), []
    for image in film:
        face = stream.push(image)[0]
        single.append(list(face.probabilities.values()))
        np.testing.assert_allclose(list(face.track_probabilities.values()), np.mean(single[-3:], axis=0), atol=1e-6)


@pytest.mark.parametrize("make", ["clip", "folder"])
@pytest.mark.parametrize("kind", ["painted", "sequences"])
@pytest.mark.parametrize("window", [4, 32])
def test_stream_and_whole_clip_give_the_same_answers(request, film, write_clip, write_folder, kind, make, window):
    recognizer = request.getfixturevalue(kind)
    path = write_clip(film) if make == "clip" else write_folder(film)
    timeline = recognizer.read_video(path, window=window)
    stream, seen = recognizer.stream(window=window), dict.fromkeys((1, 2), 0)
    for frame in ClipFrames(path) if make == "clip" else FolderFrames(path):
        for face in stream.push(frame.image, frame.seconds):
            track, place = timeline.tracks[face.track - 1], seen[face.track]
            assert (track.frames[place], track.labels[place]) == (frame.number, face.label)
            np.testing.assert_allclose(track.boxes[place], face.box, atol=1e-4)
            np.testing.assert_allclose(track.probabilities[place], list(face.probabilities.values()), atol=1e-5)
            seen[face.track] += 1
    assert list(seen.values()) == [len(track.frames) for track in timeline.tracks] == [12, 8]


def test_gaps_and_new_faces(painted):
    stream = painted.stream(max_gap=1.0)
    assert [face.track for face in stream.push(paint((40, 40)), 0.0)] == [1]
    assert stream.push(None, 0.5) == []
    assert [face.track for face in stream.push(paint((40, 40)), 1.0)] == [1]
    assert [face.track for face in stream.push(paint((40, 40)), 2.1)] == [2]


def test_without_times_25_frames_are_a_second(painted):
    for lost, track in ((24, 1), (25, 2)):
        stream = painted.stream(max_gap=1.0)
        stream.push(paint((40, 40)))
        for _ in range(lost):
            stream.push(None)
        assert [face.track for face in stream.push(paint((40, 40)))] == [track]


def test_a_face_is_the_same_when_the_frame_size_changes(painted):
    stream = painted.stream()
    (first,) = stream.push(paint((40, 40)))
    (second,) = stream.push(paint((80, 80), size=(240, 320), side=60))
    assert (first.track, second.track) == (1, 1)
    assert second.box == (80.0, 80.0, 140.0, 140.0)


def test_frames_as_opencv_and_others_hand_them_over(painted, film):
    expected = painted.stream().push(film[0])
    mirrored = np.ascontiguousarray(film[0][..., ::-1])
    assert painted.stream().push(mirrored[..., ::-1])[0].probabilities == expected[0].probabilities


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((4, 4), np.uint8),), r"uint8 \(height, width, 3\); received uint8 of shape \(4, 4\)"),
        ((np.zeros((4, 4, 3)),), "received float64"),
        (("frame.png",), "received str"),
        ((None, 0.5), "received a frame at 0.5 s after one at 1 s"),
        ((None, float("nan")), "received a frame at nan s"),
    ],
)
def test_wrong_frames(painted, arguments, message):
    stream = painted.stream()
    stream.push(paint((40, 40)), 1.0)
    with pytest.raises(InputError, match=message):
        stream.push(*arguments)
    assert [face.track for face in stream.push(paint((40, 40)), 1.1)] == [1]


@pytest.mark.parametrize("window", [0, 2.0, True])
def test_wrong_window(painted, window):
    with pytest.raises(InputError, match="expected a number of frames, 1 or more"):
        painted.stream(window=window)


def state_size(stream):
    """Bytes of all arrays that a stream keeps, and how many faces it knows."""
    reader = stream._reader
    arrays = [value for track in reader._tracks.values() for value in vars(track).values()]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)), len(reader._tracks)


@pytest.mark.parametrize("kind", ["painted", "sequences"])
def test_constant_memory(request, kind):
    """Faces stay, come, go for good and come back: what is kept and what Python holds do not grow."""
    stream, sizes = request.getfixturevalue(kind).stream(window=8), []

    def run(frames):
        for step in range(frames):
            places = [(20, 40), *([(110, 40)] if step % 40 < 5 else [])]  # the second is a new one every time
            faces = stream.push(paint(*places))
        sizes.append(state_size(stream))
        return faces

    run(120)
    tracemalloc.start()
    try:
        run(40)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        faces = run(240)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 60_000
    finally:
        tracemalloc.stop()
    assert faces[0].track == 1
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[0][1] == 1
    assert len(stream._reader._tracker._seen) == 1


def test_uncertain_below_the_confidence():
    class Nowhere:
        def detect(self, images):
            eyes = np.array([[10.0, 10.0], [20.0, 10.0]])
            return [[Face((5.0, 5.0, 25.0, 25.0), 0.5, eyes)] for _ in images]

    stream = Recognizer(MeanGrey(), 0.99, Nowhere()).stream()
    (face,) = stream.push(np.zeros((40, 40, 3), np.uint8))
    assert face.label == UNCERTAIN


def test_streams_of_one_recogniser_do_not_trace_anew(sequences, film):
    sequences.stream().push(film[0])
    counts = [one.experimental_get_tracing_count() for one in functions(sequences)]
    stream = sequences.stream(window=5)
    for image in film:
        stream.push(image)
    assert [one.experimental_get_tracing_count() for one in functions(sequences)] == counts == [1, 1]


def functions(recognizer):
    return recognizer.clip_model._encode, recognizer.clip_model._classify
