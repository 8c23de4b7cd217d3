"""Training steps per second of `IRNN` against `keras.layers.SimpleRNN(activation="relu")`, with the same options.

    python benchmarks/irnn.py [--batch 16] [--units 128] [--optimizer sgd] [--jit] [--rounds 151]

A step is forward pass, gradient and update of a recurrent layer and a dense one on features of 128. The layers take
turns, step by step, and medians are compared, so that other load on the machine falls on both. A minute on two cores.
Expect a ratio of about 1.5 to 1.8 in every row at the default sizes. What is the same in both takes a greater share
with few frames (with `--optimizer adam`, the update) or large batches (the products themselves), and brings it down:
1.1 to 1.7 with `--batch 32`. So does `--jit`, for XLA speeds up both: 1.0 to 2.4 there.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from fer_keras.layers import IRNN

FEATURES, CLASSES = 128, 7


def training_step(layer, options, masked, sequences, labels):
    """A compiled function that trains a model of the layer once."""
    inputs = keras.Input(sequences.shape[1:])
    states = layer(keras.layers.Masking()(inputs) if masked else inputs)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(states))
    model.compile(options.optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda: model.train_step((sequences, labels)), jit_compile=options.jit, autograph=False)
    for _ in range(3):
        step()
    return step


def median_seconds(steps, rounds):
    """Median seconds a step of every function, which take turns."""
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()["loss"].numpy()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main():
    """Prints one row for each number of frames, with and without masks, for each kind of output."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--jit", action="store_true", help="compile the steps with XLA")
    parser.add_argument("--rounds", type=int, default=151)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    print(f"batch {options.batch}, {options.units} units, {options.optimizer}; median steps per second")
    print("frames  output     masked  SimpleRNN   IRNN  ratio")
    for frames in (16, 32, 64):
        for every in (True, False):
            for masked in (True, False):
                sequences = random.normal(size=(options.batch, frames, FEATURES)).astype("float32")
                if masked:
                    sequences[::2, frames // 2 :] = 0.0
                labels = random.integers(0, CLASSES, (options.batch, frames) if every else (options.batch,))
                simple = keras.layers.SimpleRNN(
                    options.units, activation="relu", recurrent_initializer="identity", return_sequences=every
                )
                layers = {"SimpleRNN": simple, "IRNN": IRNN(options.units, return_sequences=every)}
                data = (tf.constant(sequences), tf.constant(labels))
                steps = {name: training_step(layer, options, masked, *data) for name, layer in layers.items()}
                rates = {name: 1.0 / value for name, value in median_seconds(steps, options.rounds).items()}
                print(
                    f"{frames:6d}  {'sequences' if every else 'last':9s}  {'yes' if masked else 'no':6s}"
                    f"{rates['SimpleRNN']:11.0f}{rates['IRNN']:7.0f}{rates['IRNN'] / rates['SimpleRNN']:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
