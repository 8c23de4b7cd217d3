"""The peers of the paper's Table 1, each a small network and a recipe of its training. One file, one peer."""

from fer_keras.models.baselines.audn import AUDNRecipe
from fer_keras.models.baselines.derl import DeRLRecipe
from fer_keras.models.baselines.feature_groups import FeatureGroups
from fer_keras.models.baselines.iacnn import IACNNRecipe
from fer_keras.models.baselines.il_cnn import ILCNNRecipe
from fer_keras.models.baselines.inception import InceptionRecipe
from fer_keras.models.baselines.micro_action_patterns import MicroActionPatterns
from fer_keras.models.baselines.recipe import Recipe

__all__ = [
    "RECIPES",
    "AUDNRecipe",
    "DeRLRecipe",
    "FeatureGroups",
    "IACNNRecipe",
    "ILCNNRecipe",
    "InceptionRecipe",
    "MicroActionPatterns",
    "Recipe",
    "get",
]

RECIPES = {
    "audn": AUDNRecipe,
    "derl": DeRLRecipe,
    "il_cnn": ILCNNRecipe,
    "inception": InceptionRecipe,
    "iacnn": IACNNRecipe,
}
"""The recipes by name, in the order of Table 1."""


def get(name, **options):
    """Makes a recipe.

    Args:
        name: one of `RECIPES`.
        **options: fields of the recipe, such as `epochs` and `seed`.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: no such recipe.

    Example:
    >>> model = baselines.get("il_cnn", epochs=60, seed=1).fit(faces)
    """
    if name not in RECIPES:
        raise ValueError(f"`name` must be one of {', '.join(RECIPES)}. Received: name={name!r}")
    return RECIPES[name](**options)
