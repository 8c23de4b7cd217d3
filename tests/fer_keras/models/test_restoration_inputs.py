import numpy as np
import pytest
import tensorflow as tf

from fer_keras.errors import InputError
from fer_keras.models import FaceRestorer, RestorationGAN
from fer_keras.models.restoration_inputs import check_shapes

FACES = np.zeros((4, 16, 16, 1), "float32")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"face": (2, 20, 20, 1)}, r"expected `face` of shape \(batch, 16, 16, 1\), received \(2, 20, 20, 1\)"),
        ({"face": (2, 16, 16, 3)}, r"expected `face` of shape \(batch, 16, 16, 1\), received \(2, 16, 16, 3\)"),
        ({"face": FACES.shape, "mask": (4, 16, 16)}, r"expected `mask` of shape \(batch, 16, 16, 1\), received \(4,"),
        ({"face": FACES.shape, "mask": (2, 16, 16, 1)}, "received 4 of `face` and 2 of `mask`"),
        ({"face": FACES.shape, "truth": (4, 20, 20, 1)}, r"expected `truth` of shape \(batch, 16, 16, 1\)"),
    ],
)
def test_a_wrong_shape_is_named(given, message):
    with pytest.raises(InputError, match=message):
        check_shapes((16, 16, 1), **{name: tf.TensorSpec(shape) for name, shape in given.items()})


def test_what_is_not_known_passes():
    check_shapes((16, 16, 3), face=tf.TensorSpec((None, 16, None, 3)), mask=tf.TensorSpec(None), truth=[0])
    check_shapes((16, 16, 3), face=np.zeros((2, 16, 16, 3)), mask=tf.TensorSpec((None, 16, 16, 1)))


def test_fit_and_evaluate_name_it_before_anything_is_traced():
    model = RestorationGAN(FaceRestorer(16, width=0.05), (), average_decay=0)
    flat = {"face": FACES, "mask": FACES[..., 0]}
    for method in (model.fit, model.evaluate):
        with pytest.raises(InputError, match=r"expected `mask` of shape \(batch, 16, 16, 1\), received \(4, 16, 16\)"):
            method(flat, FACES)
        with pytest.raises(InputError, match="expected `mask`"):
            method(tf.data.Dataset.from_tensor_slices((flat, FACES)).batch(2))
        with pytest.raises(InputError, match="expected `truth`"):
            method({"face": FACES, "mask": FACES}, np.zeros((4, 20, 20, 1)))
        with pytest.raises(InputError, match=r"expected x as a dict .* received x as ndarray, y$"):
            method(FACES, FACES)
        with pytest.raises(InputError, match=r"received x as a dict of face, no y$"):
            method({"face": FACES})
