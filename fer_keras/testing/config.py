"""Serialization: everything that a constructor takes comes back."""

import inspect
import json

import keras

from fer_keras.testing.requirement import require


def check_config(made):
    """Checks that a Keras object is registered and that its configuration is complete.

    Args:
        made: a layer, model or loss.

    Returns:
        A new object, made from the configuration through JSON.

    Raises:
        AssertionError: the class is not registered, a constructor argument is missing from `get_config`, the
            configuration is no plain data, or an object made from it has another one.
    """
    cls = type(made)
    require(
        ">" in keras.saving.get_registered_name(cls) or cls.__module__.split(".")[0] == "keras",
        f"{cls.__name__} is not registered; decorate it with @keras.saving.register_keras_serializable(package)",
    )
    config = made.get_config()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    # Keras's own constructors leave out what has its default.
    own = cls.__init__.__module__.split(".")[0] != "keras"
    parameters = inspect.signature(cls.__init__).parameters.values() if own else ()
    missing = [each.name for each in parameters if each.name not in {"self", *config} and each.kind not in variadic]
    require(not missing, f"{cls.__name__}.get_config() lacks the constructor arguments {missing}")
    serialized = keras.saving.serialize_keras_object(made)
    try:
        text = json.dumps(serialized)
    except TypeError as error:
        raise AssertionError(f"{cls.__name__}.get_config() holds more than plain data: {error}") from error
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    require(type(copy) is cls, f"{cls.__name__} came back from its configuration as {type(copy).__name__}")
    before = json.loads(text)["config"]
    after = json.loads(json.dumps(keras.saving.serialize_keras_object(copy)))["config"]
    changed = [name for name in before if after.get(name) != before[name]]
    require(not changed, f"{cls.__name__} made from its configuration has other values of {changed}")
    return copy
