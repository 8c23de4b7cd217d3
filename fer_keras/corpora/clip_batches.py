"""Clips in batches for training: padded to few lengths, in another order in every epoch, varied as whole clips."""

import numpy as np
import tensorflow as tf

from fer_keras.augmentation import augment_clips
from fer_keras.augmentation.draws import fold
from fer_keras.errors import InputError

BUCKETS = 4  # lengths of batches


def bucket_lengths(lengths):
    """The lengths that clips are padded to.

    A model is traced, and where it is compiled compiled, once for every length: so they are few, and such that about as
    many clips fall to each.

    Args:
        lengths: int array of shape `(n,)`, frames of every clip, at least one clip.

    Returns:
        Int64 array of at most `BUCKETS` rising lengths of some of the clips; the last is the longest.
    """
    ranks = np.ceil(np.arange(1, BUCKETS + 1) * len(lengths) / BUCKETS).astype(int) - 1
    return np.unique(np.sort(lengths)[ranks]).astype("int64")


def clip_batches(clips, targets, batch_size, seed=0, epochs=1, first_epoch=0, augmentation=None, landmarks=True):
    """The batches of all epochs of a training on clips.

    Every epoch has `len(clips) // batch_size` whole batches; the clips that are left over are others in every epoch.
    Clips of similar length come together, in one of the few lengths of `bucket_lengths`. Order and augmentation follow
    from the seed and the epoch alone, so that a training that goes on at `first_epoch` sees what it would have seen.

    Args:
        clips: `ClipSet` to train on, with at least one clip.
        targets: array of shape `(n, ...)`, one entry a clip: labels, or rows of shares.
        batch_size: int ≥ 1, clips in a batch; all clips where there are fewer.
        seed: int ≥ 0.
        epochs: int, the epoch to stop before.
        first_epoch: int, the epoch to start with.
        augmentation: an `AugmentationStrength`, or `None` to leave the clips as they are. All frames of a clip are
            varied alike, and their landmarks with them, see `augment_clips`.
        landmarks: whether a model takes them.

    Returns:
        A `tf.data.Dataset` of `(inputs, targets)`. Inputs are a dict of `frames`, float32 `(batch_size, t, height,
        width, channels)`, values 0-255; `lengths`, int32 `(batch_size,)`; and `landmarks`, float32 `(batch_size, t, 68,
        2)`. Frames and landmarks are zeros beyond a clip's length.

    Raises:
        InputError: there is no clip, the targets are not one a clip, or `batch_size` is below 1.
    """
    if not len(clips):
        raise InputError("training needs at least one clip, received none")
    if len(targets) != len(clips):
        raise InputError(f"received {len(targets)} targets for {len(clips)} clips; expected one each")
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, received batch_size={batch_size}")
    batch_size = min(batch_size, len(clips))
    steps = len(clips) // batch_size
    boundaries = bucket_lengths(clips.lengths)
    bucket_of = tf.constant(np.searchsorted(boundaries, clips.lengths))
    boundaries, offsets, lengths = (tf.constant(array) for array in (boundaries, clips.offsets, clips.lengths))
    images, targets = tf.constant(clips.images), tf.constant(targets)
    points = tf.constant(clips.landmarks) if landmarks else None

    def epoch_batches(epoch):
        number = tf.stack([seed, epoch])
        order = _shuffle(tf.range(len(clips)), number)[: steps * batch_size]
        order = tf.gather(order, tf.argsort(tf.gather(bucket_of, order), stable=True))
        batches = _shuffle(tf.reshape(order, (steps, batch_size)), fold(number, 1))
        return tf.data.Dataset.from_tensor_slices(batches).enumerate(tf.cast(epoch, tf.int64) * steps)

    def gather(step, rows):
        places = tf.range(tf.gather(boundaries, tf.reduce_max(tf.gather(bucket_of, rows))))
        there = places < tf.gather(lengths, rows)[:, None]
        places = tf.where(there, tf.gather(offsets, rows)[:, None] + places, 0)
        batch = tf.gather(images, places)
        marks = None if points is None else tf.gather(points, places)
        if augmentation is not None:
            varied = augment_clips(batch, tf.stack([tf.constant(seed, tf.int64), step]), marks, augmentation)
            batch, marks = (varied, None) if marks is None else varied
        inputs = {
            "frames": tf.where(there[..., None, None, None], tf.cast(batch, tf.float32), 0.0),
            "lengths": tf.cast(tf.gather(lengths, rows), tf.int32),
        }
        if marks is not None:
            inputs["landmarks"] = tf.where(there[..., None, None], marks, 0.0)
        return inputs, tf.gather(targets, rows)

    numbers = tf.data.Dataset.range(first_epoch, epochs, output_type=tf.int32)
    return numbers.flat_map(epoch_batches).map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _shuffle(rows, seed):
    return tf.random.experimental.stateless_shuffle(rows, seed)
