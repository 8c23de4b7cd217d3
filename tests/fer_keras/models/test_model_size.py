import keras
import numpy as np
import pytest

from fer_keras.layers import IRNN, AttentionPooling
from fer_keras.models import AlexNetEmotion, model_size
from fer_keras.models.model_size import count_multiply_adds, count_parameters, size_table

layers = keras.layers


def model(*stack, shape=(10, 12, 3)):
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 10 * 12 * 5 * 3 * 3 * 3),
        (layers.Conv2D(5, (3, 2), padding="valid"), 8 * 11 * 5 * 3 * 2 * 3),
        (layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False), 5 * 6 * 5 * 3 * 3 * 3),
        (layers.Conv2D(5, 3, dilation_rate=2, padding="valid"), 6 * 8 * 5 * 3 * 3 * 3),
        (layers.Conv2D(6, 3, groups=3, padding="same"), 10 * 12 * 6 * 3 * 3),
        (layers.DepthwiseConv2D(3, padding="same"), 10 * 12 * 3 * 3 * 3),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"), 5 * 6 * 6 * 3 * 3),
        (layers.SeparableConv2D(7, 3, padding="same"), 10 * 12 * 3 * 9 + 10 * 12 * 3 * 7),
        (layers.Conv2DTranspose(4, 3, strides=2, padding="same"), 10 * 12 * 3 * 3 * 3 * 4),
        (layers.Dense(7), 10 * 12 * 3 * 7),
        (layers.EinsumDense("bhwc,cd->bhwd", (10, 12, 4)), 10 * 12 * 3 * 4),
        (layers.MaxPooling2D(), 0),
        (layers.BatchNormalization(), 0),
    ],
)
def test_layers_by_hand(layer, expected):
    assert count_multiply_adds(model(layer)) == expected


def test_a_network_by_hand():
    small = model(
        layers.Conv2D(4, 3, padding="same"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(6),
    )
    assert count_multiply_adds(small) == 10 * 12 * 4 * 27 + 5 * 6 * 4 * 6
    assert count_parameters(small) == (27 * 4 + 4) + (5 * 6 * 4 * 6 + 6)


def test_attention_by_hand():
    # query, key and value of 8 numbers for 5 places, their products, and the way back to 6 numbers
    sequence = keras.Input((5, 6))
    attention = layers.MultiHeadAttention(2, 4)(sequence, sequence)
    expected = 3 * 5 * 6 * 8 + 2 * 5 * 5 * 8 + 5 * 8 * 6
    assert count_multiply_adds(keras.Model(sequence, attention)) == expected


def test_shared_layers_hold_once_and_count_twice():
    dense, pair = layers.Dense(4), [keras.Input((3,)), keras.Input((3,))]
    both = keras.Model(pair, layers.Add()([dense(each) for each in pair]))
    assert count_parameters(both) == 3 * 4 + 4
    assert count_multiply_adds(both) == 2 * 3 * 4


def test_nested_models_and_mixed_precision_count_alike():
    inner = model(layers.Conv2D(4, 3, padding="same", dtype="mixed_float16"))
    outer = model(inner, layers.Flatten(), layers.Dense(2))
    assert count_multiply_adds(outer) == 10 * 12 * 4 * 27 + 480 * 2


def test_subclassed_models_and_layers_need_a_shape():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def call(self, inputs):
            return self.dense(self.dense(inputs))

    twice = Twice()
    with pytest.raises(ValueError, match="input_shape"):
        count_multiply_adds(twice)
    assert count_multiply_adds(twice, input_shape=(4,)) == 2 * 4 * 4
    assert count_multiply_adds(layers.Dense(2), input_shape=(5,)) == 10
    with pytest.raises(ValueError, match="input_shape"):
        count_multiply_adds(model(layers.Conv2D(2, 3), shape=(None, None, 1)))


def test_loops_count_every_turn():
    steps, width, units = 32, 5, 4
    frames = keras.Input((steps, width))
    states = layers.SimpleRNN(units, return_sequences=True)(frames)
    # some implementations take the inputs' product before the loop, some in every turn
    assert count_multiply_adds(keras.Model(frames, states)) == steps * (width * units + units * units)


def test_our_video_layers_are_counted():
    frames = keras.Input((32, 5))
    states = IRNN(4, return_sequences=True)(frames)
    pooled = AttentionPooling()(states)
    assert count_multiply_adds(keras.Model(frames, pooled)) >= 32 * (5 * 4 + 4 * 4)


def test_alexnet_emotion_is_in_its_budget():
    classifier = AlexNetEmotion([f"label {number}" for number in range(7)])
    convolutions = 48**2 * 25 * 24 + 24**2 * 9 * 24 * 40 + 12**2 * 9 * (40 * 64 + 64 * 64 + 64 * 56)
    expected = convolutions + 6 * 6 * 56 * 192 + 192 * 128 + 128 * 7
    assert count_multiply_adds(classifier) == count_multiply_adds(classifier.inference_model()) == expected
    assert expected < 20.05e6
    centers = int(np.prod(classifier.metric_loss.centers.shape))
    assert count_parameters(classifier) - count_parameters(classifier.inference_model()) == centers


@pytest.mark.filterwarnings("error")  # Keras warns where a model is called with another structure than its own
def test_models_of_named_inputs():
    classifier = AlexNetEmotion([f"label {number}" for number in range(7)], angle_map=True)
    without = AlexNetEmotion([f"label {number}" for number in range(7)])
    # One more channel for the first convolution, and the map's product of rows and columns over 47 key points.
    expected = count_multiply_adds(without) + 48**2 * 25 * 24 + 48 * 47 * 48
    assert count_multiply_adds(classifier) == count_multiply_adds(classifier.inference_model()) == expected


def test_table():
    table = size_table({"dense": model(layers.Dense(1000), shape=(2000,))})
    assert table.splitlines()[-1] == "| dense | 2,001,000 | 2.0 M | 8.0 |"


@pytest.mark.slow
def test_the_command_prints_what_the_guide_shows(capsys):
    import pathlib

    model_size.main()
    printed = capsys.readouterr().out
    guide = pathlib.Path(__file__).parents[3] / "docs" / "guides" / "models.md"
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert len(rows) >= 17
    missing = set(rows) - set(guide.read_text().splitlines())
    assert not missing
