import numpy as np
import pytest

from fer_keras.augmentation import AugmentationStrength
from fer_keras.corpora.clip_batches import BUCKETS, bucket_lengths, clip_batches
from fer_keras.corpora.clip_set import ClipSet
from fer_keras.errors import InputError

ALL = AugmentationStrength(brightness=0.3, contrast=0.3, gamma=0.5, blur=0.03)


def make_clips(lengths, still=False, size=8):
    """Noisy clips; of still ones all frames are alike."""
    random, count, total = np.random.default_rng(0), len(lengths), sum(lengths)
    images = random.integers(1, 256, (total, size, size, 1), np.uint8)
    landmarks = random.uniform(0.2, 0.8, (total, 68, 2)).astype("float32")
    offsets = np.cumsum([0, *lengths])
    if still:
        first = np.repeat(offsets[:-1], lengths)
        images, landmarks = images[first], landmarks[first]
    names = np.array([f"q{row}" for row in range(count)], str)
    return ClipSet(images, offsets, np.zeros(count, "int32"), names, names, ("anger",), landmarks)


LENGTHS = [3, 9, 4, 30, 12, 5, 1, 7, 8, 2, 31, 6, 10]


def batches(clips, size=4, **options):
    return list(clip_batches(clips, np.arange(len(clips)), size, **options).as_numpy_iterator())


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([7], [7]),
        ([5, 5, 5], [5]),
        ([2, 1, 3], [1, 2, 3]),
        (range(1, 101), [25, 50, 75, 100]),
        ([1] * 90 + [50] * 10, [1, 50]),
    ],
)
def test_few_lengths_of_as_many_clips(lengths, expected):
    assert bucket_lengths(np.array(lengths)).tolist() == expected


def test_every_clip_is_whole_and_zeros_follow():
    clips = make_clips(LENGTHS)
    for inputs, rows in batches(clips, epochs=3):
        frames, lengths, landmarks = inputs["frames"], inputs["lengths"], inputs["landmarks"]
        assert (frames.dtype, lengths.dtype, landmarks.dtype) == ("float32", "int32", "float32")
        assert frames.shape[1] in bucket_lengths(clips.lengths)
        assert landmarks.shape == (4, frames.shape[1], 68, 2)
        np.testing.assert_array_equal(lengths, clips.lengths[rows])
        padded, _, marks = clips.padded(rows, length=frames.shape[1])
        np.testing.assert_array_equal(frames, padded)
        np.testing.assert_array_equal(landmarks, marks)


def test_padding_is_zero_with_augmentation_too():
    for inputs, _ in batches(make_clips(LENGTHS), augmentation=ALL):
        for frames, length, landmarks in zip(
            *(inputs[name] for name in ("frames", "lengths", "landmarks")), strict=True
        ):
            assert not frames[length:].any()
            assert not landmarks[length:].any()
            assert frames[:length].any(axis=(1, 2, 3)).all()
            assert landmarks[:length].any(axis=(1, 2)).all()


def test_an_epoch_has_whole_batches_of_different_clips():
    clips, seen = make_clips(LENGTHS), set()
    found = batches(clips, epochs=8)
    assert len(found) == 8 * 3
    for epoch in range(8):
        rows = np.concatenate([rows for _, rows in found[3 * epoch : 3 * epoch + 3]])
        assert len(set(rows)) == 12
        seen |= set(range(13)) - set(rows)
    assert len(seen) > 1  # not always the same clip is left over


def test_clips_of_similar_length_come_together():
    lengths = np.random.default_rng(1).integers(5, 70, 320)
    clips = make_clips(lengths, size=2)
    found = batches(clips, size=16, landmarks=False)
    shapes = [inputs["frames"].shape[1] for inputs, _ in found]
    assert len(set(shapes)) <= BUCKETS
    assert 16 * sum(shapes) / lengths.sum() < 1.25
    assert 16 * len(found) * lengths.max() / lengths.sum() > 1.7  # without buckets
    # Long batches are not always last.
    assert [inputs["frames"].shape[1] for inputs, _ in found] != sorted(
        inputs["frames"].shape[1] for inputs, _ in found
    )


def test_order_and_draws_follow_from_seed_and_epoch():
    clips = make_clips(LENGTHS)
    whole = batches(clips, seed=3, epochs=4, augmentation=ALL)
    again = batches(clips, seed=3, epochs=4, augmentation=ALL)
    resumed = batches(clips, seed=3, epochs=4, first_epoch=2, augmentation=ALL)
    for found, expected in ((again, whole), (resumed, whole[6:])):
        assert len(found) == len(expected)
        for (inputs, rows), (others, other_rows) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(rows, other_rows)
            for name in inputs:
                np.testing.assert_array_equal(inputs[name], others[name])
    orders = [np.concatenate([rows for _, rows in whole[start : start + 3]]).tolist() for start in (0, 3, 6, 9)]
    assert len({tuple(order) for order in orders}) == 4
    other = batches(clips, seed=4, epochs=1)
    assert np.concatenate([rows for _, rows in other]).tolist() != orders[0]


def test_one_draw_a_clip():
    """Of a still clip all frames stay alike, landmarks too; clips, batches and epochs differ."""
    clips = make_clips([6] * 4, still=True)
    found = batches(clips, size=2, epochs=2, augmentation=ALL)
    draws = {}
    for step, (inputs, rows) in enumerate(found):
        for number, row in enumerate(rows):
            frames, landmarks = inputs["frames"][number], inputs["landmarks"][number]
            np.testing.assert_allclose(frames, np.broadcast_to(frames[:1], frames.shape), atol=1e-3)
            np.testing.assert_allclose(landmarks, np.broadcast_to(landmarks[:1], landmarks.shape), atol=1e-6)
            draws[step, row] = landmarks[0] - clips.landmarks[clips.offsets[row]]
    assert len(draws) == 8
    values = list(draws.values())
    for one in range(8):
        for other in range(one):
            assert np.abs(values[one] - values[other]).max() > 1e-3


def test_shapes_are_known_where_they_can_be():
    dataset = clip_batches(make_clips(LENGTHS), np.arange(13), 4, augmentation=ALL)
    spec, targets = dataset.element_spec
    assert spec["frames"].shape.as_list() == [4, None, 8, 8, 1]
    assert spec["lengths"].shape.as_list() == [4]
    assert spec["landmarks"].shape.as_list() == [4, None, 68, 2]
    assert targets.shape.as_list() == [4]


def test_without_landmarks_and_with_soft_targets():
    clips = make_clips(LENGTHS)
    soft = np.random.default_rng(0).random((13, 7)).astype("float32")
    for augmentation in (None, ALL):
        inputs, targets = next(iter(clip_batches(clips, soft, 4, augmentation=augmentation, landmarks=False)))
        assert set(inputs) == {"frames", "lengths"}
        assert targets.shape == (4, 7)


def test_fewer_clips_than_a_batch():
    ((inputs, rows),) = batches(make_clips([2, 5, 1]), size=16)
    assert sorted(rows) == [0, 1, 2]
    assert inputs["frames"].shape[:2] == (3, 5)


@pytest.mark.parametrize(
    ("lengths", "targets", "size", "expected"),
    [
        ([], 0, 4, "at least one clip, received none"),
        ([1, 2], 3, 4, "received 3 targets for 2 clips"),
        ([1, 2], 2, 0, "batch_size must be at least 1, received batch_size=0"),
    ],
)
def test_bad_input(lengths, targets, size, expected):
    with pytest.raises(InputError, match=expected):
        clip_batches(make_clips(lengths), np.zeros(targets), size)
