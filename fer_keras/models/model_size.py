"""The size of a model: parameters and multiply-adds, as `python -m fer_keras.models.model_size` prints them."""

import math

import keras
import tensorflow as tf

_LABELS = 7
_SHAPE = (48, 48, 1)
_LOOPS = ("While", "StatelessWhile")


def count_parameters(model):
    """Counts the numbers that a model holds.

    Args:
        model: a built Keras model or layer.

    Returns:
        An int: the entries of all weights, trainable or not, shared ones once. States of random generators are none.
    """
    return sum(math.prod(weight.shape) for weight in model.weights)


def count_multiply_adds(model, input_shape=None):
    """Counts the multiply-adds of one answer.

    Convolutions, matrix products and Einstein sums are counted in the graph that TensorFlow runs for one sample
    without training, so models, layers and what they call count alike; a loop counts as often as it turns. Everything
    else (activations, normalisation, pooling, resizing) is not counted, as is usual.

    Args:
        model: a Keras model of one or several inputs, or a layer of one.
        input_shape: shape of one sample, for a subclassed model or a layer that does not know its own, or `None` for
            what the model was built with. A size that the model leaves open has to be given.

    Returns:
        An int.

    Raises:
        ValueError: the input's shape is not known, or the graph has a loop within a loop.
    """
    if input_shape is None and not getattr(model, "inputs", None) and hasattr(model, "backbone"):
        taker = model.backbone  # a subclassed classifier takes what its backbone takes
    else:
        taker = model
    specs = _input_specs(taker, input_shape)
    loops, answers = [], []

    def answer(*inputs):
        structure = inputs[0] if len(inputs) == 1 else keras.tree.pack_sequence_as(taker.input, list(inputs))
        outputs = model(structure, **({"training": False} if isinstance(model, keras.Model) else {}))
        answers[:] = [output.op.name for output in keras.tree.flatten(outputs)]
        operations = tf.compat.v1.get_default_graph().get_operations()
        found = {each.name: each.outputs[0] for each in operations if each.type in _LOOPS}
        loops[:] = list(found)
        return list(found.values())  # a loop's first output is the number of turns that it took

    function = tf.function(answer, autograph=False).get_concrete_function(*specs)
    taken = function(*(tf.zeros(spec.shape, spec.dtype) for spec in specs)) if loops else ()
    turns = {name: int(number) for name, number in zip(loops, taken, strict=True)}
    graph = function.graph.as_graph_def(add_shapes=True)
    library = {each.signature.name: each for each in graph.library.function}
    return _count(_needed(graph.node, answers), {}, library, turns)


def _needed(nodes, answers):
    """The nodes that the answers depend on; the others are in the graph but never run."""
    by_name, needed, waiting = {node.name: node for node in nodes}, {}, list(answers)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = by_name[name]
            waiting += [reference.lstrip("^").split(":")[0] for reference in by_name[name].input]
    return list(needed.values())


def _input_specs(model, input_shape):
    if input_shape is not None:
        shapes = [((1, *input_shape), "float32")]
    else:
        shapes = [((1, *tensor.shape[1:]), tensor.dtype) for tensor in getattr(model, "inputs", None) or ()]
    if not shapes or any(None in shape for shape, _ in shapes):
        raise ValueError(f"`input_shape` of one sample is needed. Received: input_shape={input_shape}, model={model}")
    return [tf.TensorSpec(shape, dtype) for shape, dtype in shapes]


def _count(nodes, argument_shapes, functions, turns):
    """The multiply-adds of a list of nodes.

    Args:
        nodes: nodes of a graph or of a function.
        argument_shapes: shapes of the function's arguments by name.
        functions: functions of the library by name.
        turns: turns of the loops by name.
    """
    by_name = {node.name: node for node in nodes}

    def shape(reference):
        name, *place = reference.split(":")
        if name in argument_shapes:
            return argument_shapes[name]
        # "node:1" in a graph, "node:output:0" in a function
        shapes = by_name[name].attr["_output_shapes"].list.shape
        return _dimensions(shapes[int(place[-1]) if place else 0])

    total = 0
    for node in nodes:
        inputs = [reference for reference in node.input if not reference.startswith("^")]
        if node.op in _COUNTED:
            sizes = _COUNTED[node.op](node, [shape(reference) for reference in inputs[:3]], shape(node.name))
            if None in sizes:
                raise ValueError(f"the shapes of {node.name} ({node.op}) are not known")
            total += math.prod(sizes)
        elif node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            total += _count_function(node.attr["f"].func.name, functions)
        elif node.op in ("If", "StatelessIf"):
            branches = (node.attr[branch].func.name for branch in ("then_branch", "else_branch"))
            total += max(_count_function(name, functions) for name in branches)
        elif node.op in _LOOPS:
            once = _count_function(node.attr["body"].func.name, functions)
            if once and node.name not in turns:
                raise ValueError(f"a loop within a loop or a branch cannot be counted: {node.name}")
            total += once and once * turns[node.name]
    return total


def _count_function(name, functions):
    function = functions[name]
    shapes = {}
    for place, argument in enumerate(function.signature.input_arg):
        listed = function.arg_attr[place].attr["_output_shapes"].list.shape
        shapes[argument.name] = _dimensions(listed[0]) if listed else None
    return _count(function.node_def, shapes, functions, {})


def _dimensions(shape):
    return None if shape.unknown_rank else [None if dim.size < 0 else dim.size for dim in shape.dim]


def _convolution(node, inputs, output):
    return [*output, *inputs[1][:-1]]  # the kernel's channels are those of one group


def _depthwise(node, inputs, output):
    return [*output, *inputs[1][:2]]


def _transposed(node, inputs, output):
    return [*inputs[2], *inputs[1][:-1]]  # every pixel that comes in meets the whole kernel


def _product(node, inputs, output):
    transposed = any(node.attr[name].b for name in ("transpose_a", "adj_x"))
    return [*output, inputs[0][-2 if transposed else -1]]


def _einstein_sum(node, inputs, output):
    terms = node.attr["equation"].s.decode().partition("->")[0].split(",")
    sizes = {}
    for term, found in zip(terms, inputs, strict=False):
        if "." in term:  # an ellipsis stands for the dimensions that have no letter
            before, _, after = term.partition("...")
            hidden = len(found) - len(before) - len(after)
            term = [*before, *range(-hidden, 0), *after]
        for letter, size in zip(term, found, strict=True):
            sizes[letter] = size if sizes.get(letter) in (None, 1) else sizes[letter]
    return list(sizes.values()) if len(terms) > 1 else [0]


_COUNTED = {
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "MatMul": _product,
    "BatchMatMul": _product,
    "BatchMatMulV2": _product,
    "BatchMatMulV3": _product,
    "Einsum": _einstein_sum,
}


def size_table(models):
    """A table of models.

    Args:
        models: dict of names to Keras models; of a classifier with `inference_model()` that part is measured.

    Returns:
        A string, a Markdown table of parameters, multiply-adds and megabytes in float32.
    """
    rows = ["| model | parameters | multiply-adds | float32, MB |", "|---|---:|---:|---:|"]
    for name, model in models.items():
        model = model.inference_model() if hasattr(model, "inference_model") else model
        parameters, multiply_adds = count_parameters(model), count_multiply_adds(model)
        rows.append(f"| {name} | {parameters:,} | {multiply_adds / 1e6:.1f} M | {4 * parameters / 1e6:.1f} |")
    return "\n".join(rows)


def main():
    """Prints the sizes of all networks here, for grey faces of 48×48 pixels and 7 labels."""
    from fer_keras.models import AlexNetEmotion, backbones, baselines

    names = [f"label {number}" for number in range(_LABELS)]
    classifiers = {"AlexNet-Emotion": AlexNetEmotion(names)}
    for recipe in baselines.RECIPES.values():
        classifiers[recipe.title] = recipe().build(names, _SHAPE)
    print(f"Classifiers of {_LABELS} labels, faces of 48×48×1:\n")
    print(size_table(classifiers))
    print("\nBackbones, up to 128 features:\n")
    print(size_table({f"`{name}`": backbones.get(name, _SHAPE) for name in backbones.BACKBONES}))


if __name__ == "__main__":
    main()
