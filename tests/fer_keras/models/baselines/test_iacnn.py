import dataclasses

import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.models.baselines import IACNNRecipe
from fer_keras.models.baselines.iacnn import DIMENSION, pair_contrastive, paired_rows


def test_contrastive_loss_by_hand():
    features = np.random.default_rng(0).normal(size=(6, 3))
    targets = np.array([4, 4, 1, 2, 5, 0])
    expected = []
    for first in (0, 2, 4):
        distance = np.sqrt(sum((features[first] - features[first + 1]) ** 2))
        same = targets[first] == targets[first + 1]
        expected.append(0.5 * distance**2 if same else 0.5 * max(2.5 - distance, 0.0) ** 2)
    loss = pair_contrastive(2.5)
    found = loss(targets.astype("float32"), features.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(loss(targets[:, None].astype("float32"), features.astype("float32")), found)


def test_pairs_are_of_one_person_of_one_expression_or_any():
    labels, subjects = np.arange(60) % 3, np.arange(60) // 3 % 10
    rows = paired_rows(labels, subjects, steps=90, batch_size=20, seed=0)
    assert rows.shape == (90, 20)
    first, second = rows.reshape(-1, 2).T
    person, expression = subjects[first] == subjects[second], labels[first] == labels[second]
    assert 0.28 < np.mean(person & ~expression) < 0.45
    assert 0.28 < np.mean(expression & ~person) < 0.65
    counts = np.bincount(first, minlength=60)
    assert counts.min() == counts.max()  # every face is the first of as many pairs
    np.testing.assert_array_equal(rows, paired_rows(labels, subjects, 90, 20, 0))


def test_a_face_without_partner_is_paired_with_any():
    rows = paired_rows(np.array([0, 1]), np.array([0, 1]), steps=5, batch_size=2, seed=0)
    assert set(rows.ravel()) <= {0, 1}


def test_one_person_is_too_few(drawn_faces):
    faces, _ = drawn_faces
    alone = dataclasses.replace(faces, subjects=np.repeat("S00", len(faces)))
    with pytest.raises(InputError, match="at least 2 subjects, received those of 1"):
        IACNNRecipe(epochs=1, width=0.1).fit(alone)


@pytest.mark.slow
def test_identity_features_learn_who_it_is(drawn_faces):
    faces, _ = drawn_faces
    recipe = IACNNRecipe(
        epochs=25, batch_size=24, width=0.5, learning_rate=3e-3, dropout=0.0, augment=False, identity_weight=0.1
    )
    model = recipe.fit(faces)
    features = model.backbone.predict(faces.images, verbose=0)
    expression, identity = features[:, :DIMENSION], features[:, DIMENSION:]
    _, subjects = np.unique(faces.subjects, return_inverse=True)

    def compactness(vectors, groups):
        distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
        same = groups[:, None] == groups[None]
        return distances[same & ~np.eye(len(groups), dtype=bool)].mean() / distances[~same].mean()

    assert compactness(identity, subjects) < compactness(expression, subjects)
    assert compactness(expression, faces.labels) < compactness(identity, faces.labels)
