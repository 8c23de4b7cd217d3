import functools

import numpy as np
import pytest

from fer_keras.models.baselines import AUDNRecipe, FeatureGroups, MicroActionPatterns
from fer_keras.models.baselines.audn import learn_backbone
from fer_keras.models.baselines.feature_groups import correlated_groups
from fer_keras.models.baselines.micro_action_patterns import learn_patterns
from fer_keras.models.baselines.restricted_boltzmann import hidden_probabilities, train_machines
from fer_keras.testing import check_layer

SMALL = {"filters": 8, "groups": 6, "members": 10, "units": (8, 4)}


def standardised(count=6, side=9, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(count, side, side, channels)).astype("float32")


@pytest.mark.slow
def test_patterns_keep_the_contract_of_a_layer():
    check_layer(functools.partial(MicroActionPatterns, 3, size=4), standardised(4))


def test_patterns_by_hand():
    layer = MicroActionPatterns(3, size=4, epsilon=0.2)
    images = standardised()
    found = layer(images).numpy()
    assert found.shape == (6, 6, 6, 3)
    kernel, bias = np.array(layer.kernel), np.array([0.1, -0.2, 0.3])
    layer.bias.assign(bias)
    found = layer(images).numpy()
    for image, top, left in ((0, 0, 0), (3, 5, 2)):
        patch = images[image, top : top + 4, left : left + 4]
        patch = (patch - patch.mean()) / np.sqrt(patch.var() + 0.2)
        expected = 1 / (1 + np.exp(-(np.tensordot(patch, kernel, 3) + bias)))
        np.testing.assert_allclose(found[image, top, left], expected, rtol=1e-4)


def test_light_and_contrast_of_a_patch_do_not_matter():
    layer, images = MicroActionPatterns(3, size=4, epsilon=1e-6), standardised()
    np.testing.assert_allclose(layer(images), layer(3.0 * images + 2.0), atol=1e-4)


def test_learnt_patterns_answer_to_edges_more_than_to_noise():
    random = np.random.default_rng(0)
    sides = random.integers(0, 24, 40)
    images = np.where(np.arange(24)[None, None] > sides[:, None, None], 1.0, -1.0).repeat(24, axis=1)[..., None]
    images += 0.05 * random.normal(size=images.shape)
    kernel, bias = learn_patterns(images, filters=4, size=6, patches=2000)
    assert kernel.shape == (6, 6, 1, 4)
    layer = MicroActionPatterns(4, size=6)
    layer.build((None, 24, 24, 1))
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    on_edges = layer(images.astype("float32")).numpy()
    assert 0.05 < on_edges.mean() < 0.5
    assert on_edges.max(axis=(1, 2)).mean() > 0.7
    again = learn_patterns(images, filters=4, size=6, patches=2000)
    np.testing.assert_array_equal(kernel, again[0])


@pytest.mark.slow
def test_groups_keep_the_contract_of_a_layer():
    # away from the kinks at 0 and 1
    features = np.random.default_rng(0).uniform(0.1, 0.9, (4, 12))
    check_layer(functools.partial(FeatureGroups, 3, 5), features)


def test_groups_pick_and_bring_to_one():
    layer = FeatureGroups(2, 3)
    features = np.array([[0.0, 2.0, 4.0, 8.0], [1.0, 3.0, 5.0, -9.0]], "float32")
    layer.build((None, 4))
    layer.set_groups([[0, 1, 2], [3, 3, 0]], low=[0, 2, 4, -1], scale=[1, 1, 0.5, 1])
    expected = [[[0, 0, 0], [1, 1, 0]], [[1, 1, 0.5], [0, 0, 1]]]
    np.testing.assert_allclose(layer(features), expected)
    with pytest.raises(ValueError, match="must be positive"):
        FeatureGroups(0, 3)


def test_groups_are_what_varies_together():
    random = np.random.default_rng(0)
    causes = random.normal(size=(200, 4))
    signs = random.choice([-1.0, 1.0], 20)
    features = causes[:, np.arange(20) % 4] * signs + 0.1 * random.normal(size=(200, 20))
    features = np.concatenate([features, np.full((200, 3), 7.0)], axis=1)  # three that never change
    indices, low, scale = correlated_groups(features, groups=8, members=5)
    assert indices.shape == (8, 5)
    for group in indices:
        assert group.max() < 20
        assert len(set(group % 4)) == 1
    ranged = (features - low) * scale
    assert ranged.min() == 0
    assert ranged.max() <= 1 + 1e-6


def test_machines_learn_to_reconstruct():
    random = np.random.default_rng(0)
    causes = random.integers(0, 2, (300, 3, 2))
    visible = np.repeat(causes, 4, axis=-1).astype("float32")  # two causes of eight features in each of three groups
    visible = np.clip(visible + 0.1 * random.normal(size=visible.shape), 0, 1).astype("float32")
    weights, bias, errors = train_machines(visible, hidden=4, epochs=40)
    assert (weights.shape, bias.shape) == ((3, 8, 4), (3, 4))
    assert errors[-1] < 0.4 * errors[0]
    hidden = hidden_probabilities(visible, weights, bias)
    expected = 1 / (1 + np.exp(-(visible[:, 1] @ weights[1] + bias[1])))
    np.testing.assert_allclose(hidden[:, 1], expected, rtol=1e-4)
    again, _, _ = train_machines(visible, hidden=4, epochs=40)
    np.testing.assert_array_equal(weights, again)


@pytest.mark.slow
def test_only_the_classifier_sees_labels(drawn_faces):
    faces, _ = drawn_faces
    recipe = AUDNRecipe(epochs=2, machine_epochs=2, **SMALL)
    model = recipe.fit(faces)
    alone = recipe.build(faces.label_names)
    some = np.random.default_rng([recipe.seed, 5]).permutation(len(faces))
    learn_backbone(alone.backbone, faces.images[some], 2, recipe.seed)
    for one, other in zip(model.backbone.get_weights(), alone.backbone.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    features = model.backbone.predict(faces.images, verbose=0)
    assert features.shape == (len(faces), 6 * 4)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-2)

    tuned = AUDNRecipe(epochs=2, machine_epochs=2, fine_tune=True, **SMALL).fit(faces)
    assert not np.allclose(tuned.backbone.get_layer("patterns").kernel, alone.backbone.get_layer("patterns").kernel)
