"""Restricted Boltzmann machines, many side by side, by contrastive divergence (Hinton 2002)."""

import numpy as np
import tensorflow as tf


def train_machines(visible, hidden, epochs=20, batch_size=64, learning_rate=0.2, momentum=0.9, seed=0):
    """Trains one machine a group without labels, with one step of contrastive divergence.

    Args:
        visible: float32 array `(n, groups, members)`, values 0-1.
        hidden: int, hidden units of each machine.
        epochs: int, passes over the samples.
        batch_size: int.
        learning_rate: float; it falls to zero in a straight line.
        momentum: float.
        seed: int, of weights, order and hidden states.

    Returns:
        A triple of float32 arrays: weights `(groups, members, hidden)` and biases `(groups, hidden)` of the hidden
        units, whose probabilities are `σ(v W + b)`; and the mean squared error of the reconstruction by epoch.
    """
    count, groups, members = visible.shape
    random = np.random.default_rng([seed, 4])
    mean = visible.mean(axis=0).clip(0.01, 0.99)
    weights = tf.Variable(0.01 * random.standard_normal((groups, members, hidden)), dtype=tf.float32)
    hidden_bias = tf.Variable(tf.zeros((groups, hidden)))
    visible_bias = tf.Variable(np.log(mean / (1.0 - mean)), dtype=tf.float32)
    variables = (weights, hidden_bias, visible_bias)
    speeds = [tf.Variable(tf.zeros_like(variable)) for variable in variables]

    @tf.function(autograph=False)
    def step(batch, rate, place):
        up = _up(batch, weights, hidden_bias)
        drawn = tf.random.stateless_uniform(tf.shape(up), tf.stack([seed, place]), alg="philox")
        states = tf.cast(drawn < up, tf.float32)
        down = tf.sigmoid(tf.einsum("ngh,gmh->ngm", states, weights) + visible_bias)
        again = _up(down, weights, hidden_bias)
        share = 1.0 / tf.cast(tf.shape(batch)[0], tf.float32)
        steps = (
            share * (tf.einsum("ngm,ngh->gmh", batch, up) - tf.einsum("ngm,ngh->gmh", down, again)),
            tf.reduce_mean(up - again, axis=0),
            tf.reduce_mean(batch - down, axis=0),
        )
        for variable, speed, towards in zip(variables, speeds, steps, strict=True):
            speed.assign(momentum * speed + rate * towards)
            variable.assign_add(speed)
        return tf.reduce_mean(tf.square(batch - down))

    errors, place = [], 0
    for epoch in range(epochs):
        order = random.permutation(count)
        found = []
        for start in range(0, count, batch_size):
            batch = tf.constant(visible[order[start : start + batch_size]], tf.float32)
            rate = tf.constant(learning_rate * (1.0 - epoch / epochs), tf.float32)
            found.append(float(step(batch, rate, tf.constant(place))))
            place += 1
        errors.append(np.mean(found))
    return weights.numpy(), hidden_bias.numpy(), np.array(errors, "float32")


def hidden_probabilities(visible, weights, bias):
    """Probabilities of the hidden units, an array `(n, groups, hidden)`."""
    return _up(tf.constant(visible, tf.float32), tf.constant(weights), tf.constant(bias)).numpy()


def _up(visible, weights, bias):
    return tf.sigmoid(tf.einsum("ngm,gmh->ngh", visible, weights) + bias)
