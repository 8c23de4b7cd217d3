import dataclasses

import keras
import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.models.baselines import DeRLRecipe
from fer_keras.models.baselines.neutral_face import (
    neutral_discriminator,
    neutral_face_generator,
    neutral_pairs,
    train_generator,
)


def test_faces_are_paired_with_the_neutral_face_of_their_sequence_or_person(drawn_faces):
    faces, neutral = drawn_faces
    pictures, targets = neutral_pairs(faces, neutral)
    assert pictures.shape == targets.shape == (len(faces) + len(neutral), 48, 48, 1)
    np.testing.assert_array_equal(pictures[: len(faces)], faces.images)
    for row in (0, 4, 50):
        (own,) = np.flatnonzero(neutral.sequences == faces.sequences[row])
        np.testing.assert_array_equal(targets[row], neutral.images[own])
    np.testing.assert_array_equal(pictures[len(faces) :], targets[len(faces) :])

    elsewhere = dataclasses.replace(neutral, sequences=np.char.add(neutral.sequences, "x"))
    _, targets = neutral_pairs(faces, elsewhere)
    row = np.flatnonzero(faces.subjects == "S03")[-1]
    first = np.flatnonzero(neutral.subjects == "S03")[0]
    np.testing.assert_array_equal(targets[row], neutral.images[first])


def test_persons_without_a_neutral_face_are_left_out(drawn_faces):
    faces, neutral = drawn_faces
    some = neutral.select(np.isin(neutral.subjects, ["S01", "S02"]))
    pictures, _ = neutral_pairs(faces, some)
    assert len(pictures) == 2 * 9 + 6
    with pytest.raises(InputError, match="neutral faces of the training subjects, received none"):
        neutral_pairs(faces.select(faces.subjects == "S05"), some)
    with pytest.raises(InputError, match="received none"):
        neutral_pairs(faces)


def test_neutral_faces_among_those_to_train_on(drawn_faces):
    faces, _ = drawn_faces
    named = dataclasses.replace(faces, label_names=("neutral", "happiness", "surprise"))
    pictures, targets = neutral_pairs(named)
    neutral = named.labels == 0
    assert len(pictures) == len(faces) + neutral.sum()
    row = np.flatnonzero(~neutral)[0]
    own = np.flatnonzero(neutral & (named.subjects == named.subjects[row]))[0]
    np.testing.assert_array_equal(targets[row], named.images[own])


def test_generator_and_discriminator_know_their_sizes():
    generator = neutral_face_generator((48, 64, 3), width=0.25)
    maps = generator(np.zeros((2, 48, 64, 3)))
    assert {name: each.shape[1:3] for name, each in maps.items()} == {
        "encoder1": (24, 32),
        "encoder2": (12, 16),
        "encoder3": (6, 8),
        "encoder4": (3, 4),
        "decoder3": (6, 8),
        "decoder2": (12, 16),
        "decoder1": (24, 32),
        "neutral": (48, 64),
    }
    assert neutral_discriminator((48, 64, 3), 0.25).output_shape == (None, 6, 8, 1)
    with pytest.raises(ValueError, match="divisible by 16"):
        neutral_face_generator((40, 48, 1))


@pytest.mark.slow
def test_the_generator_takes_the_expression_away(drawn_faces):
    faces, neutral = (one.select(one.subjects < "S10") for one in drawn_faces)
    recipe = DeRLRecipe(batch_size=16, augment=False)
    pictures, targets = neutral_pairs(faces, neutral)
    rows = recipe.shuffled_rows(len(pictures), 25)
    keras.utils.set_random_seed(0)
    generator, logs = neutral_face_generator(), []
    train_generator(
        generator,
        recipe.batches((pictures, targets), (), rows).map(lambda pair, _: pair),
        steps_per_epoch=len(rows) // 25,
        epochs=25,
        learning_rate=1e-3,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, found: logs.append(dict(found)))],
    )
    assert logs[-1]["reconstruction"] < 0.5 * logs[0]["reconstruction"]
    assert 0 < logs[-1]["discrimination"] < 2
    # what it makes of a strong expression is nearer to the neutral face than the expression is
    surprise = faces.labels == 2
    made = generator.predict(faces.images[surprise], verbose=0)["neutral"]
    shown, wanted = (array[: len(faces)][surprise].astype("float32") / 127.5 - 1.0 for array in (pictures, targets))
    assert np.mean((made - wanted) ** 2) < np.mean((shown - wanted) ** 2)


@pytest.mark.slow
def test_the_generator_stays_fixed_while_the_classifiers_learn(drawn_faces):
    faces, neutral = (one.select(slice(0, 27)) for one in drawn_faces)
    kept = []
    first = DeRLRecipe(epochs=1, generator_epochs=2, width=0.1, batch_size=16).fit(
        faces, neutral=neutral, callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda logs: kept.append(1))]
    )
    longer = DeRLRecipe(epochs=3, generator_epochs=2, width=0.1, batch_size=16).fit(faces, neutral=neutral)
    assert kept == [1]  # callbacks are those of the classifier's training
    one, other = (model.backbone.get_layer("generator").get_weights() for model in (first, longer))
    for before, after in zip(one, other, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(first.head.get_weights()[0], longer.head.get_weights()[0])
