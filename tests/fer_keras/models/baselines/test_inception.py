import keras

from fer_keras.models.baselines import InceptionRecipe


def test_the_papers_order_of_layers():
    backbone = InceptionRecipe().build(("anger", "fear")).backbone
    marks = ("conv1", "pool1", "conv2", "pool2")
    order = [each.name for each in backbone.layers if each.name in marks or "concat" in each.name]
    inceptions = [f"inception_{module}_concat" for module in ("3a", "3b", "4a", "4b")]
    assert order == [*marks, *inceptions]
    assert backbone.get_layer("pool2").output.shape[1:3] == (6, 6)
    branches = {each.kernel_size[0] for each in backbone.layers if isinstance(each, keras.layers.Conv2D)}
    assert branches == {1, 3, 5, 7}
