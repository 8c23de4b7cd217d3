import numpy as np

from fer_keras.losses.adversarial import ADVERSARIAL_LOSSES

REAL, FAKE = np.array([-2.0, 0.0, 0.5, 3.0], "float32"), np.array([1.5, -0.5, -1.0, -4.0], "float32")


def test_hinge():
    discriminator, generator = ADVERSARIAL_LOSSES["hinge"]
    expected = [max(0, 1 - real) + max(0, 1 + fake) for real, fake in zip(REAL, FAKE, strict=True)]
    np.testing.assert_allclose(discriminator(REAL, FAKE), expected)
    np.testing.assert_allclose(generator(FAKE), [-1.5, 0.5, 1.0, 4.0])


def test_least_squares():
    discriminator, generator = ADVERSARIAL_LOSSES["least_squares"]
    expected = [(real - 1) ** 2 / 2 + fake**2 / 2 for real, fake in zip(REAL, FAKE, strict=True)]
    np.testing.assert_allclose(discriminator(REAL, FAKE), expected)
    np.testing.assert_allclose(generator(FAKE), [(fake - 1) ** 2 / 2 for fake in FAKE])
