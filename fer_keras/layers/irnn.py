"""IRNN: a ReLU recurrence that starts as the identity (Le, Jaitly and Hinton 2015)."""

import math

import keras
import tensorflow as tf
from keras import ops

from fer_keras.layers.arguments import fits, number, whole_number
from fer_keras.layers.frame_mask import frame_mask, require_sequences

# Steps in one turn of the loop: a turn costs as much as a small matrix product, and a step past the end is wasted.
_CHUNK = 16
# Up to so many frames, where their number is known, there is no loop at all.
_UNROLLED = 64


@keras.saving.register_keras_serializable("fer_keras")
class SpectralBound(keras.constraints.Constraint):
    """Bounds the largest singular value of a square matrix, by scaling the whole matrix.

    The value is found from `tr(G^(p+1)) / tr(G^p)` with `G = MᵀM` and p = 512: a mean of G's eigenvalues in which the
    largest outweighs all others. It errs on the low side, by less than ln(n) / 2p, which is 0.5 % for n = 128.

    Args:
        bound: float > 0.

    Example:
    >>> SpectralBound(1.0)(2.0 * np.eye(8, dtype="float32"))  # the identity
    """

    def __init__(self, bound):
        self.bound = number("bound", bound, above=0)

    def __call__(self, matrix):
        """Returns the matrix, scaled down if its largest singular value is above the bound."""
        matrix = ops.convert_to_tensor(matrix)
        gram = tf.matmul(matrix, matrix, transpose_a=True)
        power = tf.math.divide_no_nan(gram, tf.linalg.trace(gram))
        for _ in range(9):
            power = tf.matmul(power, power)
            power = tf.math.divide_no_nan(power, tf.linalg.trace(power))
        norm = tf.sqrt(tf.reduce_sum(power * gram))
        return matrix * (self.bound / tf.maximum(norm, self.bound))

    def get_config(self):
        """Returns the constraint's configuration."""
        return {"bound": self.bound}


@keras.saving.register_keras_serializable("fer_keras")
class IRNNCell(keras.layers.Layer):
    """One step of an IRNN, for `keras.layers.RNN` and for streams that carry the state themselves.

    `h_t = relu(W x_t + U h_{t−1} + b)`, where U starts as the identity times `recurrent_scale` and b as zero.

    Args:
        units: int, size n of the state.
        recurrent_scale: float, scale of the identity that U starts as, at most `recurrent_bound`. Le et al. take less
            than 1 (such as 0.01) where long memories hurt.
        recurrent_bound: float or `None`, bound on the greatest singular value of U, kept within half a percent (see
            `SpectralBound`). The state then grows by about this factor a step at most, besides its input; replications
            of Le et al. found that it explodes without. With 1 it grows no faster than its inputs add up.
        kernel_initializer: initial W, a Keras initializer. Le et al. take a Gaussian of deviation 0.001.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        inputs: float tensor of shape `(batch, d)`, one frame.
        states: list of one tensor of shape `(batch, n)`, the state before the frame.

    Returns:
        A tuple of the state after the frame, `(batch, n)`, not negative, and a list of it.

    Raises:
        ValueError: an argument is out of its range, or the inputs are not of shape `(batch, d)`.

    Example:
    >>> cell = IRNNCell(64)
    >>> state = cell.get_initial_state(batch_size=1)
    >>> for frame in frames:  # each (1, 128)
    ...     output, state = cell(frame, state)

    Reference:
        - Le et al., A simple way to initialize recurrent networks of rectified linear units, arXiv:1504.00941.
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022, equation 7.
    """

    def __init__(self, units, recurrent_scale=1.0, recurrent_bound=None, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = whole_number("units", units, least=1)
        self.recurrent_bound = None if recurrent_bound is None else number("recurrent_bound", recurrent_bound, above=0)
        most = math.inf if recurrent_bound is None else self.recurrent_bound
        self.recurrent_scale = number("recurrent_scale", recurrent_scale, least=0, most=most)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._recurrent_constraint = None if recurrent_bound is None else SpectralBound(recurrent_bound)
        self.state_size = self.units
        self.output_size = self.units

    def build(self, inputs_shape, states_shape=None):
        """Creates the weights for inputs of shape `(batch, d)`."""
        if len(inputs_shape) != 2 or inputs_shape[-1] is None:
            raise ValueError(
                "IRNNCell expects inputs of shape (batch, dimension) with a known dimension. "
                f"Received: shape {tuple(inputs_shape)}"
            )
        self.kernel = self.add_weight(
            name="kernel", shape=(inputs_shape[-1], self.units), initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.units),
            initializer=keras.initializers.Identity(self.recurrent_scale),
            constraint=self._recurrent_constraint,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs, states):
        """Returns the next state, as output and as list of states."""
        state = ops.relu(self.project(inputs) + ops.matmul(states[0], self.recurrent_kernel))
        return state, [state]

    def project(self, inputs):
        """The part of a step that needs no state: W x + b.

        Args:
            inputs: float tensor of shape `(steps, d)`.

        Returns:
            A tensor of shape `(steps, n)`.
        """
        return ops.matmul(inputs, self.kernel) + self.bias

    def get_initial_state(self, batch_size=None):
        """Returns the state before the first frame: a list of zeros of shape `(batch, n)`."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def compute_output_shape(self, inputs_shape, states_shape=None):
        """Returns the shapes of the output and of the states."""
        shape = (inputs_shape[0], self.units)
        return shape, [shape]

    def get_config(self):
        """Returns the cell's configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "recurrent_scale": self.recurrent_scale,
            "recurrent_bound": self.recurrent_bound,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("fer_keras")
class IRNN(keras.layers.Layer):
    """IRNN over sequences, faster than `keras.layers.SimpleRNN(activation="relu")` and equal to it.

    `h_t = relu(W x_t + U h_{t−1} + b)`, where U starts as the identity times `recurrent_scale` and b as zero. The
    inputs of all frames are projected in one product, and so are the gradients of W and U; only the recurrent product
    runs frame by frame. Frames that the mask leaves out carry the state over unchanged, whatever they hold.

    Args:
        units: int, size n of the state.
        recurrent_scale: float, scale of the identity that U starts as, see `IRNNCell`.
        recurrent_bound: float or `None`, greatest singular value that training may give U, see `IRNNCell`.
        kernel_initializer: initial W, see `IRNNCell`.
        return_sequences: bool, whether to return the state after every frame or the last one alone.
        return_state: bool, whether to return the last state as well.
        **kwargs: passed to `keras.layers.Layer`.

    Call arguments:
        sequences: float tensor of shape `(batch, frames, d)` with at least one frame. The number of frames may be
            unknown (`None`) until the call.
        initial_state: optional tensor of shape `(batch, n)`, or a list of it; zeros by default. Give it what
            `return_state` returned to go on with a stream.
        mask: optional bool tensor of shape `(batch, frames)`, true for frames that count. A mask that the sequences
            carry (from `keras.layers.Masking`) is found by itself.

    Returns:
        A tensor of shape `(batch, n)`, or `(batch, frames, n)` with `return_sequences`; with `return_state` a tuple of
        it and the last state, `(batch, n)`. No value is negative.

    Raises:
        ValueError: an argument is out of its range, or sequences, mask or initial state are not of the shapes above.

    Example:
    >>> states = IRNN(64, return_sequences=True)(np.random.normal(size=(8, 16, 128)))
    >>> states.shape
    TensorShape([8, 16, 64])

    In both directions: `keras.layers.Bidirectional(keras.layers.RNN(IRNNCell(64)))`. Ragged sequences: give
    `ragged.to_tensor()` and `mask=tf.sequence_mask(ragged.row_lengths())`.

    Reference:
        - Le et al., A simple way to initialize recurrent networks of rectified linear units, arXiv:1504.00941.
        - Ge et al., Facial expression recognition based on deep learning, CMPB 2022, equation 7.
    """

    def __init__(
        self,
        units,
        recurrent_scale=1.0,
        recurrent_bound=None,
        kernel_initializer="glorot_uniform",
        return_sequences=False,
        return_state=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.cell = IRNNCell(
            units, recurrent_scale, recurrent_bound, kernel_initializer, dtype=self.dtype_policy, name="cell"
        )
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.supports_masking = True

    def build(self, sequences_shape, initial_state_shape=None):
        """Creates the weights for sequences of shape `(batch, frames, d)`."""
        require_sequences(self, sequences_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})
        self.cell.build((sequences_shape[0], sequences_shape[-1]))

    # Keras fills `mask` where the sequences are the only tensor, `sequences_mask` where an initial state comes too.
    def call(self, sequences, initial_state=None, mask=None, sequences_mask=None):
        """Returns the states or the last one, and the last one again with `return_state`."""
        require_sequences(self, sequences.shape)
        dimension, units = self.cell.kernel.shape
        mask = sequences_mask if mask is None else mask
        initial_state = self._state(initial_state, sequences)
        if mask is not None:
            mask = ops.expand_dims(frame_mask(self, mask, sequences), -1)
            sequences = ops.where(mask, sequences, 0)  # NaN in the padding would reach the gradient of W
            mask = ops.transpose(mask, (1, 0, 2))

        frames = ops.transpose(sequences, (1, 0, 2))
        projected = self.cell.project(ops.reshape(frames, (-1, dimension)))
        projected = tf.reshape(projected, tf.concat([tf.shape(frames)[:2], [units]], axis=0))
        projected = tf.ensure_shape(projected, (*frames.shape[:2], units))
        kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        states = _recur(projected, initial_state, kernel, mask, every=self.return_sequences)

        output = ops.transpose(states, (1, 0, 2)) if self.return_sequences else states
        last = states[-1] if self.return_sequences else states
        return (output, last) if self.return_state else output

    def _state(self, given, sequences):
        """The state before the first frame, `(batch, n)`."""
        if isinstance(given, (list, tuple)) and len(given) == 1:
            (given,) = given
        if given is None:
            return self.cell.get_initial_state(ops.shape(sequences)[0])[0]
        given = ops.cast(given, self.compute_dtype)
        shape, expected = tuple(given.shape), (sequences.shape[0], self.cell.units)
        if not fits(shape, expected):
            raise ValueError(
                f"IRNN expects an initial state of shape (batch, units), {expected} for these sequences, or a list of "
                f"one. Received: shape {shape}"
            )
        return given

    @property
    def units(self):
        """Size n of the state."""
        return self.cell.units

    def compute_mask(self, sequences, previous_mask):
        """Returns the mask of the output: that of the sequences with `return_sequences`, or none."""
        mask = previous_mask if self.return_sequences else None
        return [mask, None] if self.return_state else mask

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        """Returns the shape of the output, and of the state with `return_state`."""
        batch, frames = sequences_shape[:2]
        state = (batch, self.cell.units)
        output = (batch, frames, self.cell.units) if self.return_sequences else state
        return (output, state) if self.return_state else output

    def get_config(self):
        """Returns the layer's configuration."""
        cell = self.cell.get_config()
        return {
            **super().get_config(),
            **{key: cell[key] for key in ("units", "recurrent_scale", "recurrent_bound", "kernel_initializer")},
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
        }


def _recur(projected, initial_state, recurrent_kernel, mask, every):
    """The states of an IRNN, with the gradient written out.

    Automatic differentiation would add a product per frame to the gradient of U and keep a stack per operation; here
    the gradient runs back over the states alone, and that of U is one product.

    Args:
        projected: tensor of shape `(frames, batch, n)`, W x_t + b.
        initial_state: tensor of shape `(batch, n)`.
        recurrent_kernel: tensor of shape `(n, n)`, the transpose of U.
        mask: `None` or a bool tensor of shape `(frames, batch, 1)`.
        every: bool, whether to return the states after all frames or the last one, whose gradient is cheaper.

    Returns:
        A tensor of shape `(frames, batch, n)`, or `(batch, n)`.
    """
    masks = [] if mask is None else [mask]
    frames = projected.shape[0]
    # Padding to whole turns would stand between the last frame and its gradient.
    only_last = not every and frames is not None and (frames <= _UNROLLED or frames % _CHUNK == 0)

    @tf.custom_gradient
    def states_of(projected, initial_state, recurrent_kernel):
        def step(state, frame, seen=None):
            new = tf.nn.relu(frame + tf.matmul(state, recurrent_kernel))
            new = new if seen is None else tf.where(seen, new, state)
            return new, new

        states, _ = _scan(step, [projected, *masks], initial_state)

        def gradient(upstream):
            transposed = tf.transpose(recurrent_kernel)
            gates = states if mask is None else tf.where(mask, states, 0)
            carried = [] if mask is None else [tf.cast(~mask, states.dtype)]

            def step(total, gate, carried=None):
                inner = tf.raw_ops.ReluGrad(gradients=total, features=gate)
                earlier = tf.matmul(inner, transposed)
                return earlier if carried is None else earlier + carried * total, inner

            if only_last:
                inner, first = _scan(step, [gates, *carried], upstream, reverse=True)
            else:
                inner, first = _scan(
                    lambda later, direct, *rest: step(direct + later, *rest),
                    [upstream, gates, *carried],
                    tf.zeros_like(initial_state),
                    reverse=True,
                )
            units = recurrent_kernel.shape[0]
            before, after = tf.reshape(states[:-1], (-1, units)), tf.reshape(inner[1:], (-1, units))
            kernel_gradient = tf.matmul(initial_state, inner[0], transpose_a=True)
            kernel_gradient += tf.matmul(before, after, transpose_a=True)
            return inner, first, kernel_gradient

        return (states[-1] if only_last else states), gradient

    states = states_of(projected, initial_state, recurrent_kernel)
    return states if every or only_last else states[-1]


def _scan(step, sequences, state, reverse=False):
    """Runs a step over frames, several in each turn of a loop.

    Args:
        step: function of a state and one frame of every sequence, to the next state and an output.
        sequences: list of tensors of shape `(frames, batch, ...)`.
        state: tensor of shape `(batch, n)`.
        reverse: bool, whether to run from the last frame to the first.

    Returns:
        A tuple of the outputs, `(frames, batch, n)` in the order of the frames, and the final state. Sequences are
        padded with zeros at the end to whole turns, so the final state is of use in reverse only.
    """
    length = sequences[0].shape[0]
    if length is not None and length <= _UNROLLED:
        frames = [tf.unstack(sequence) for sequence in sequences]
        done = [None] * length
        for position in range(length)[::-1] if reverse else range(length):
            state, done[position] = step(state, *(frame[position] for frame in frames))
        return tf.stack(done), state
    chunk = min(length or _CHUNK, _CHUNK)
    length = length or tf.shape(sequences[0])[0]
    turns = (length + chunk - 1) // chunk
    batch = tf.shape(state)[0]

    def in_turns(sequence):
        padded = tf.pad(sequence, [[0, turns * chunk - length], [0, 0], [0, 0]])
        return tf.reshape(padded, [turns, chunk, batch, sequence.shape[-1]])

    sequences = [in_turns(sequence) for sequence in sequences]
    outputs = tf.TensorArray(state.dtype, size=turns, element_shape=(chunk, *state.shape))
    order = range(chunk)[::-1] if reverse else range(chunk)

    def turn(index, state, outputs):
        frames = [tf.unstack(sequence[index]) for sequence in sequences]
        done = [None] * chunk
        for position in order:
            state, done[position] = step(state, *(frame[position] for frame in frames))
        return index + (-1 if reverse else 1), state, outputs.write(index, tf.stack(done))

    _, state, outputs = tf.while_loop(
        lambda index, *_: index >= 0 if reverse else index < turns,
        turn,
        (turns - 1 if reverse else 0, state, outputs),
    )
    return tf.reshape(outputs.stack(), [turns * chunk, batch, state.shape[-1]])[:length], state
