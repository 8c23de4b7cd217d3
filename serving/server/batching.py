"""Dynamic batching inside the TensorFlow runtime: requests that come together are computed together.

The queue, its bound and its threads are those of the `BatchFunction` operation, which is built on the scheduler that
TensorFlow Serving batches with (its batching/README.md): a full queue answers UNAVAILABLE.
"""

import dataclasses
import itertools
import os
import threading
import time

import numpy as np
import tensorflow as tf

from serving.server.errors import Code, ServingError

MAX_SHAPES = 32
"""Shapes of one row that a signature batches apart; further ones are computed one request at a time."""

_serial = itertools.count()


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """How requests are batched, by the names and defaults of TensorFlow Serving's `BatchingParameters`.

    Attributes:
        max_batch_size: int, rows in a request at most, and in a batch unless `max_execution_batch_size` is less.
        batch_timeout_micros: int, how long a batch that is not full waits for more while a thread is free.
        max_enqueued_batches: int, batches that wait at most; further requests are UNAVAILABLE.
        num_batch_threads: int, batches computed at once; shared by all models and versions.
        allowed_batch_sizes: tuple of int; batches are padded to one of these. Any size if empty.
        enable_large_batch_splitting: bool, whether a large request is split over several batches.
        max_execution_batch_size: int, rows in a batch at most where large requests are split.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple = ()
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    @property
    def sizes(self):
        """What the operation takes as `allowed_batch_sizes`; the last one is the largest batch that it computes."""
        if self.allowed_batch_sizes or not self.enable_large_batch_splitting:
            return list(self.allowed_batch_sizes)
        largest = self.max_execution_batch_size or self.max_batch_size
        return list(range(1, largest)) + [largest]


def can_batch(signature):
    """Whether a signature can be batched: every input and every output has the batch as its first dimension.

    Args:
        signature: `SignatureDef`.

    Returns:
        bool.
    """
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    shapes = [info.tensor_shape for info in infos]
    return bool(signature.inputs) and all(
        not shape.unknown_rank and len(shape.dim) > 0 and shape.dim[0].size == -1 for shape in shapes
    )


class BatchedSignature:
    """A signature that computes requests together whose rows have the same shape.

    Args:
        function: the signature's function, called with tensors by name.
        signature: its `SignatureDef`.
        parameters: `BatchingParameters`.
        queue: str, a name for the queue.
        metrics: optional `metrics.Metrics`, told of every batch.
    """

    def __init__(self, function, signature, parameters, queue, metrics=None):
        self._function = function
        self._inputs = sorted(signature.inputs)
        self._outputs = sorted(signature.outputs)
        self._types = {name: tf.as_dtype(info.dtype) for name, info in signature.inputs.items()}
        self._parameters = parameters
        self._queue = f"{queue}/{next(_serial)}"  # a version that is loaded again is another one
        self._metrics = metrics
        self._by_shape = {}
        self._lock = threading.Lock()

    def __call__(self, **tensors):
        """Computes one request, in a batch with others.

        Args:
            **tensors: tensors by input name, with the same number of rows.

        Returns:
            A dict, output name to tensor.

        Raises:
            ServingError: INVALID_ARGUMENT if there are more rows than a batch may have, or not equally many.
            tf.errors.OpError: the queue is full (UNAVAILABLE), or what the signature itself raises.
        """
        columns = [tensors[name] for name in self._inputs]
        rows = {int(column.shape[0]) for column in columns}
        if len(rows) > 1:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "Batching input tensors supplied in a given op invocation must have equal 0th-dimension size",
            )
        (rows,) = rows
        if rows > self._parameters.max_batch_size:
            # Worded as the batch scheduler does (TensorFlow's core/kernels/batching_util/shared_batch_scheduler.h).
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size {self._parameters.max_batch_size}",
            )
        together = self._for_shapes(tuple(tuple(column.shape[1:]) for column in columns)) if rows else None
        if together is None:
            return self._function(**tensors)
        try:
            *outputs, story = together(*columns, tf.constant(np.full(rows, time.time())))
        except (tf.errors.InvalidArgumentError, UnicodeDecodeError):  # the second is of a message that quotes bytes
            # One request that the model cannot use fails its whole batch. Alone, each gets the answer that is its own.
            return self._function(**tensors)
        if self._metrics is not None:
            places, sizes, waited = story.numpy().T
            self._metrics.batches(sizes[places == 0].tolist(), rows, float(waited.max()))  # the first row tells of it
        return dict(zip(self._outputs, outputs, strict=True))

    def _for_shapes(self, shapes):
        """Returns the batched function for rows of these shapes, or `None` if there are too many shapes already."""
        found = self._by_shape.get(shapes)
        if found is None:
            with self._lock:
                found = self._by_shape.get(shapes)
                if found is None and len(self._by_shape) < MAX_SHAPES:
                    found = self._by_shape[shapes] = self._make(shapes)
        return found

    def _make(self, shapes):
        specs = [
            tf.TensorSpec([None, *shape], self._types[name]) for name, shape in zip(self._inputs, shapes, strict=True)
        ]
        specs.append(tf.TensorSpec([None], tf.float64))  # when each row came, in seconds

        @tf.function(input_signature=specs, autograph=False)
        def batch(*columns):
            *columns, came = columns
            waited = tf.timestamp() - came
            with tf.control_dependencies([waited]):
                columns = [tf.identity(column) for column in columns]
            outputs = self._function(**dict(zip(self._inputs, columns, strict=True)))
            rows = tf.shape(came)[0]
            story = [tf.range(tf.cast(rows, came.dtype)), tf.fill([rows], tf.cast(rows, came.dtype)), waited]
            return [*(outputs[name] for name in self._outputs), tf.stack(story, axis=1)]

        computation = batch.get_concrete_function()
        # What every call repeats, made once, and the operation called itself: a function around it costs more Python
        # for each request (docs/decisions/0006-batching-calls.md).
        captured = list(computation.captured_inputs)
        parameters = self._parameters
        attributes = {
            "f": computation,
            "Tout": [output.dtype for output in computation.outputs],
            "num_batch_threads": parameters.num_batch_threads,
            "max_batch_size": parameters.max_batch_size,
            "batch_timeout_micros": parameters.batch_timeout_micros,
            "max_enqueued_batches": parameters.max_enqueued_batches,
            "allowed_batch_sizes": parameters.sizes,
            "enable_large_batch_splitting": parameters.enable_large_batch_splitting,
            # One scheduler and its threads for all models, as in TensorFlow Serving, with a queue for each.
            "shared_name": f"fer_keras_batching/{parameters}",
            "batching_queue": f"{self._queue}/{shapes}",
        }

        def queued(*columns):
            return tf.raw_ops.BatchFunction(in_tensors=list(columns), captured_tensors=captured, **attributes)

        return queued
