"""What a discriminator learns from real and made pictures, and what the generator learns from its answers."""

from keras import ops


def hinge(real, fake):
    """The discriminator's hinge loss: `max(1 − D(x), 0) + max(1 + D(G(z)), 0)` (Lim and Ye 2017, Geometric GAN).

    Args:
        real: tensor of answers to real pictures.
        fake: tensor of answers to made pictures, of the same shape.

    Returns:
        A tensor of that shape.
    """
    return ops.relu(1.0 - real) + ops.relu(1.0 + fake)


def hinge_generator(fake):
    """The generator's part of the hinge loss: `−D(G(z))`; a tensor of the shape of `fake`."""
    return -fake


def least_squares(real, fake):
    """The discriminator's least squares: `1/2 (D(x) − 1)² + 1/2 D(G(z))²` (Mao et al., ICCV 2017, equation 9).

    Args:
        real: tensor of answers to real pictures.
        fake: tensor of answers to made pictures, of the same shape.

    Returns:
        A tensor of that shape.
    """
    return 0.5 * ops.square(real - 1.0) + 0.5 * ops.square(fake)


def least_squares_generator(fake):
    """The generator's least squares: `1/2 (D(G(z)) − 1)²`; a tensor of the shape of `fake`."""
    return 0.5 * ops.square(fake - 1.0)


ADVERSARIAL_LOSSES = {"hinge": (hinge, hinge_generator), "least_squares": (least_squares, least_squares_generator)}
"""Pairs of the discriminator's and the generator's loss by name."""
