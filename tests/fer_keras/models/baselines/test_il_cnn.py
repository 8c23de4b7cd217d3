import keras

from fer_keras.layers import IslandLoss
from fer_keras.models.baselines import ILCNNRecipe


def test_the_papers_numbers():
    recipe = ILCNNRecipe()
    model = recipe.build(("anger", "fear"))
    assert isinstance(model.metric_loss, IslandLoss)
    assert (model.metric_weight, model.metric_loss.pair_weight, model.metric_loss.alpha) == (0.01, 10.0, 0.5)
    assert model.metric_loss.threshold == 0.0  # the original loss
    assert recipe.batch_size == 300
    optimizer = recipe.optimizer(0.1)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert optimizer.momentum == 0.9
    assert (recipe.strength.rotation, recipe.strength.flip) == (10.0, 0.5)
    assert recipe.strength.shift * 48 == (60 - 48) / 2
    kinds = [type(layer).__name__ for layer in model.backbone.layers]
    assert kinds.count("Conv2D") == 3
    assert kinds.count("MaxPooling2D") == 3
    assert kinds.count("Dropout") == kinds.count("Dense") == 2
