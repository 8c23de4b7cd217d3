"""Where a model looks: Grad-CAM and occlusion sensitivity, as maps in the face's size and as pictures."""

import contextlib
import dataclasses
import functools
import pathlib

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fer_keras.emotions import ALIASES
from fer_keras.errors import InputError
from fer_keras.faces.align import align_face, align_landmarks
from fer_keras.faces.image import encode_png, printable, read_image
from fer_keras.models.crop_inputs import reads_sequences

_FOR = (235, 90, 0)  # what speaks for the class: orange
_AGAINST = (0, 90, 255)  # what speaks against it: blue


def grad_cam(model, faces, class_index=None, layer=None, batch_size=32):
    """Grad-CAM: which places of a feature map raise the score of a class (Selvaraju et al. 2017).

    With the maps A^k of a layer and the score y^c of a class, the weights are `α_k = mean_ij ∂y^c/∂A^k_ij` (equation
    1) and the map is `relu(Σ_k α_k A^k)` (equation 2), resized linearly to the face and divided by its largest value.

    The model is run eagerly in inference mode, and for that time the layers that are looked at are listened to: do not
    use the model in another thread meanwhile.

    Args:
        model: a Keras model from faces to scores `(batch, K)`, logits for preference: functional, subclassed or nested,
            such as `AlexNetEmotion`.
        faces: what the model takes: an array of shape `(batch, height, width, channels)`, or a dict of it, `face`, and
            of other inputs, such as `landmarks`, which stay as they are.
        class_index: the class to explain: an int, or ints of shape `(batch,)`; by default every face's best.
        layer: a layer, or its name, that returns maps `(batch, rows, columns, k)`. By default the layer of the
            backbone that returned the last such maps larger than 1×1. Of a layer that is used twice, the last use.
        batch_size: int, faces a step.

    Returns:
        A float32 array of shape `(batch, height, width)` in [0, 1]: 1 at the strongest place of every face, 0 where
        nothing speaks for the class; all zeros where that is so everywhere.

    Raises:
        InputError: the faces, the class or the layer do not fit the model.
    """
    inputs, faces, classes = _check(model, faces, class_index)
    listened = _leaves(getattr(model, "backbone", model)) if layer is None else [_find(model, layer)]
    maps = []
    for start in range(0, len(faces), batch_size):
        batch = _map(tf.convert_to_tensor, _batch(inputs, start, batch_size))
        cam = _activation(model, listened, batch, lambda scores, start=start: _choose(scores, classes, start))
        if cam is None:
            what = "no layer" if layer is None else f"the layer {listened[0].name!r}"
            raise InputError(
                f"{model.name}: {what} has maps behind its scores; expected (batch, rows, columns, k), larger than 1×1"
            )
        maps.append(cam.numpy())
    maps = np.concatenate(maps)
    highest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)


def grad_cam_in_graph(model, inputs, class_index):
    """`grad_cam` with its defaults on tensors, for a graph that is exported.

    Args:
        model: as in `grad_cam`.
        inputs: float32 tensor `(batch, height, width, channels)`, or a dict as in `grad_cam`.
        class_index: int32 tensor `(batch,)`; below 0 for a face's best class.

    Returns:
        A float32 tensor of shape `(batch, height, width)`, or `None` where no layer has maps behind the scores.
    """

    def choose(scores):
        return tf.where(class_index < 0, tf.argmax(scores, axis=-1, output_type=tf.int32), class_index)

    cam = _activation(model, _leaves(getattr(model, "backbone", model)), inputs, choose)
    return None if cam is None else tf.math.divide_no_nan(cam, tf.reduce_max(cam, axis=(1, 2), keepdims=True))


def occlusion_sensitivity(
    model, faces, patch=8, stride=4, class_index=None, fill=None, from_logits=True, batch_size=64
):
    """Occlusion sensitivity: how much hiding a place lowers the probability of a class (Zeiler & Fergus 2014, 4.2).

    A square is moved over the face; a pixel's value is the mean of `p(face) − p(face with the square)` over all
    squares that cover it. A face of 48×48 pixels and the defaults take 121 runs of the model.

    Args:
        model: a Keras model from faces to scores `(batch, K)`.
        faces: what the model takes: an array of shape `(batch, height, width, channels)`, or a dict of it, `face`, and
            of other inputs, such as `landmarks`, which stay as they are.
        patch: int, side of the square in pixels.
        stride: int, pixels from one square to the next, at most `patch`; the last ones reach the borders.
        class_index: the class to explain: an int, or ints of shape `(batch,)`; by default every face's best.
        fill: number or one a channel, what the square is filled with; by default the mean of every face, by channel.
        from_logits: bool, whether the model returns logits, as all of `fer_keras` do, or probabilities.
        batch_size: int, faces a step.

    Returns:
        A float32 array of shape `(batch, height, width)` in [-1, 1]: positive where hiding lowers the probability,
        negative where it raises it.

    Raises:
        InputError: the faces or the class do not fit the model, or the square does not fit the faces.
    """
    inputs, faces, classes = _check(model, faces, class_index)
    height, width, channels = faces.shape[1:]
    if not 1 <= patch <= min(height, width):
        raise InputError(f"received patch={patch}; expected 1 to {min(height, width)}, the face's shorter side")
    if not 1 <= stride <= patch:
        raise InputError(f"received stride={stride}; expected 1 to patch={patch}, so that every pixel is covered")
    if fill is not None and np.shape(fill) not in ((), (1,), (channels,)):
        raise InputError(f"received fill of shape {np.shape(fill)}; expected a number, or {channels}, one a channel")

    def probabilities(some):
        scores = [_scores(model, _batch(some, at, batch_size)) for at in range(0, len(_faces(some)), batch_size)]
        scores = tf.concat(scores, axis=0)
        return (tf.nn.softmax(scores) if from_logits else scores).numpy()

    places = [(row, column) for row in _starts(height, patch, stride) for column in _starts(width, patch, stride)]
    maps = np.zeros(faces.shape[:3], "float32")
    covered = np.zeros((height, width), "float32")
    for row, column in places:
        covered[row : row + patch, column : column + patch] += 1
    plain = probabilities(inputs)
    chosen = _choose(plain, classes, 0)
    for number, (heat, before, index) in enumerate(zip(maps, plain, chosen, strict=True)):
        colour = faces[number].mean(axis=(0, 1)) if fill is None else fill
        for at in range(0, len(places), batch_size):
            some = places[at : at + batch_size]
            hidden = _map(functools.partial(np.repeat, repeats=len(some), axis=0), _batch(inputs, number, 1))
            for one, (row, column) in zip(_faces(hidden), some, strict=True):
                one[row : row + patch, column : column + patch] = colour
            drops = before[index] - probabilities(hidden)[:, index]
            for drop, (row, column) in zip(drops, some, strict=True):
                heat[row : row + patch, column : column + patch] += drop
        heat /= covered
    return maps


def overlay(face, heat):
    """Shows a map on the face it belongs to.

    Args:
        face: array of shape `(height, width)` or `(height, width, 1 or 3)`, values 0-255, RGB.
        heat: float array of shape `(rows, columns)` in [-1, 1], of the face's size or any other. To make a faint map
            visible, divide it by its largest magnitude.

    Returns:
        A uint8 array of shape `(height, width, 3)`, RGB: the face in grey, orange by as much as the map is above 0,
        blue by as much as it is below.

    Raises:
        InputError: the shapes or the values are others.
    """
    face, heat = np.asarray(face), np.asarray(heat, "float32")
    if face.ndim not in (2, 3) or (face.ndim == 3 and face.shape[2] not in (1, 3)):
        raise InputError(f"received a face of shape {face.shape}; expected (height, width) or (height, width, 1 or 3)")
    if heat.ndim != 2 or not (np.abs(heat) <= 1 + 1e-6).all():
        raise InputError(f"received a map of shape {heat.shape}; expected (rows, columns) with values in [-1, 1]")
    pixels = np.clip(face, 0, 255).astype("uint8")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0]
    heat = cv2.resize(heat, pixels.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    grey = pixels[..., None].astype("float32")
    tint = np.where(heat > 0, np.array(_FOR, "float32"), np.array(_AGAINST, "float32"))
    strength = 0.7 * np.abs(heat)  # the face stays visible below the strongest place
    return np.clip(np.round((1 - strength) * grey + strength * tint), 0, 255).astype("uint8")


@dataclasses.dataclass(frozen=True)
class Explanation:
    """One face of a picture, and where the model looked.

    Args:
        label: the name of the class that is explained.
        probability: of that class, in [0, 1].
        heat: float32 array of the model's input size, what the method returned.
        picture: uint8 array, RGB: the face beside its overlay, and a caption.
    """

    label: str
    probability: float
    heat: np.ndarray
    picture: np.ndarray


METHODS = {"grad_cam": grad_cam, "occlusion": occlusion_sensitivity}
"""The methods by the names of the command line."""


class Explainer:
    """Finds the faces of pictures and shows where a model looks in each.

    Args:
        recognizer: a `Recognizer`; its detector and its model are used.
        method: a name of `METHODS`.
        label: name of the class to explain; by default every face's most probable.

    Raises:
        InputError: the method or the label is unknown, or the model reads clips.

    Example:
    >>> explainer = Explainer(Recognizer.from_preset("runs/train"), "occlusion")
    >>> write_explanations(explainer("party.jpg"), "explained", "party")
    """

    def __init__(self, recognizer, method="grad_cam", label=None):
        names = recognizer.model.label_names
        if method not in METHODS:
            raise InputError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
        if label is not None and label not in names:
            label = ALIASES.get(label.lower(), label)
        if label is not None and label not in names:
            raise InputError(f"unknown label {label!r}; the model knows {', '.join(names)}")
        if reads_sequences(recognizer.model):
            raise InputError("the model reads clips; expected one of single faces, such as its encoder")
        self.recognizer = recognizer
        self.method = method
        self.label = label

    def __call__(self, image):
        """Explains every face of a picture.

        Args:
            image: path of the picture.

        Returns:
            A list of `Explanation`, the detector's most confident face first.

        Raises:
            InputError: the file is no readable picture, or no face was found.
        """
        model = self.recognizer.model
        pixels = read_image(image)
        found = self.recognizer.detector.detect([pixels])[0]
        if not found:
            raise InputError(f"{printable(image)}: no face found; expected a picture of a face")
        crops = [align_face(pixels, face.eyes) for face in found]
        landmarks = [align_landmarks(face.landmarks, face.eyes) for face in found]
        probabilities = self.recognizer.classify(crops, landmarks)
        classes = probabilities.argmax(axis=1)
        if self.label is not None:
            classes[:] = model.label_names.index(self.label)
        maps = METHODS[self.method](model, self.recognizer.inputs(crops, landmarks), class_index=classes)
        return [
            self._explanation(crop, heat, model.label_names[index], float(row[index]))
            for crop, heat, row, index in zip(crops, maps, probabilities, classes, strict=True)
        ]

    def _explanation(self, crop, heat, label, probability):
        caption = f"{label} {probability:.2f}"
        strongest = heat.flat[np.abs(heat).argmax()]
        if self.method == "occlusion":  # its scale means something
            caption += f", up to {-strongest:+.2f} where hidden"
        picture = _picture(crop, heat / np.abs(strongest) if strongest else heat, caption)
        return Explanation(label, probability, heat, picture)


def write_explanations(explanations, directory, name):
    """Writes the pictures of explanations, as PNG.

    Args:
        explanations: list of `Explanation`.
        directory: folder to write to; created if missing.
        name: what the files' names begin with.

    Returns:
        The paths written, such as `photo-face1-happiness-0.93.png`; files of these names are replaced.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for number, one in enumerate(explanations, 1):
        files.append(directory / f"{name}-face{number}-{one.label}-{one.probability:.2f}.png")
        files[-1].write_bytes(encode_png(one.picture))
    return files


def _picture(crop, heat, caption):
    """The face beside its overlay, three times the crop's size, with one line of text below."""
    face = cv2.resize(crop, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    strip = np.full((30, 2 * face.shape[1], 3), 255, "uint8")
    cv2.putText(strip, caption, (8, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate([face, overlay(face, heat)], axis=1), strip])


def _activation(model, listened, inputs, choose):
    """The maps of Grad-CAM in the faces' size before they are scaled, or `None` where there are none."""
    with tf.GradientTape(watch_accessed_variables=False) as tape, _listen(listened, tape) as heard:
        scores = _scores(model, inputs)
        score = tf.gather(scores, choose(scores), batch_dims=1)
    # Maps beside the way to the score, such as those that are only shown, have no gradient.
    pairs = [pair for pair in zip(heard, tape.gradient(score, heard), strict=True) if pair[1] is not None]
    if not pairs:
        return None
    features, gradient = (tf.cast(one, tf.float32) for one in pairs[-1])
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    cam = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
    return tf.image.resize(cam, _faces(inputs).shape[1:3], method="bilinear")[..., 0]


def _check(model, inputs, class_index):
    """The inputs as float32 arrays, the faces among them, and the classes as an array of ints or `None`."""
    inputs = _map(functools.partial(np.asarray, dtype="float32"), inputs)
    if isinstance(inputs, dict) and "face" not in inputs:
        raise InputError(f"received a dict of {', '.join(inputs)}; expected one with `face`")
    faces = _faces(inputs)
    if faces.ndim != 4 or not len(faces):
        raise InputError(f"received faces of shape {faces.shape}; expected (batch, height, width, channels)")
    taken = getattr(getattr(model, "backbone", model), "inputs", None)
    if taken:
        named = inputs if isinstance(inputs, dict) else {taken[0].name: inputs}
        if set(named) != {tensor.name for tensor in taken}:
            names = ", ".join(tensor.name for tensor in taken)
            raise InputError(f"received the inputs {', '.join(named)}; {model.name} takes {names}")
        for tensor in taken:
            value = named[tensor.name]
            if not tf.TensorShape((len(faces), *tensor.shape[1:])).is_compatible_with(value.shape):
                what = "faces" if value is faces else tensor.name
                raise InputError(f"received {what} of shape {value.shape}; {model.name} takes {tuple(tensor.shape)}")
    if class_index is None:
        return inputs, faces, None
    classes = np.asarray(class_index)
    if classes.dtype.kind not in "iu" or classes.shape not in ((), (len(faces),)):
        raise InputError(
            f"received class_index={class_index!r}; expected an int, or ints of shape ({len(faces)},), one a face"
        )
    return inputs, faces, np.broadcast_to(classes, len(faces))


def _faces(inputs):
    """The faces of what a model takes."""
    return inputs["face"] if isinstance(inputs, dict) else inputs


def _map(function, inputs):
    """Applies a function to every array of what a model takes."""
    return {name: function(value) for name, value in inputs.items()} if isinstance(inputs, dict) else function(inputs)


def _batch(inputs, start, size):
    """Some rows of what a model takes."""
    return _map(lambda value: value[start : start + size], inputs)


def _scores(model, inputs):
    """The model's answers as a float32 tensor `(batch, K)`."""
    scores = model(inputs, training=False)
    if len(getattr(scores, "shape", ())) != 2:
        raise InputError(f"{model.name}: returns {scores!r}; expected scores of shape (batch, classes)")
    return ops.cast(scores, "float32")


def _choose(scores, classes, start):
    """The classes to explain of the faces from `start` on, after a look whether the model has them."""
    scores = np.asarray(scores)
    if classes is None:
        return scores.argmax(axis=-1)
    classes = classes[start : start + len(scores)]
    if classes.min() < 0 or classes.max() >= scores.shape[1]:
        raise InputError(f"received class_index={classes.tolist()}; expected 0 to {scores.shape[1] - 1}")
    return classes


def _starts(side, patch, stride):
    """Where squares begin along a side: in steps, and once at the very end."""
    return sorted({*range(0, side - patch + 1, stride), side - patch})


def _leaves(layer):
    """The layers of a model that are no models, at any depth, in the model's order."""
    if not isinstance(layer, keras.Model):
        return [layer]
    return [leaf for child in layer.layers for leaf in _leaves(child)]


def _find(model, name):
    """The layer or model of that name inside a model; a layer is returned as it is."""
    if isinstance(name, keras.layers.Layer):
        return name
    layers, queue = [], [model]
    while queue:
        layer = queue.pop(0)
        layers.append(layer)
        queue.extend(layer.layers if isinstance(layer, keras.Model) else ())
    found = [layer for layer in layers[1:] if layer.name == name]
    if len(found) != 1:
        names = ", ".join(layer.name for layer in layers[1:])
        raise InputError(f"received layer={name!r}, which {len(found)} layers are called; expected one of {names}")
    return found[0]


@contextlib.contextmanager
def _listen(layers, tape):
    """Collects, in the order of the run, the maps larger than 1×1 that layers return, and has the tape watch them.

    A model that is cut out of the layers' symbolic outputs would do for functional models alone; this takes all.
    """
    heard = []

    def listening(call):
        def listen(*args, **kwargs):
            result = call(*args, **kwargs)
            if tf.is_tensor(result) and len(result.shape) == 4 and min(result.shape[1:3]) > 1:
                tape.watch(result)
                heard.append(result)
            return result

        return listen

    layers = list({id(layer): layer for layer in layers}.values())
    for layer in layers:
        object.__setattr__(layer, "call", listening(layer.call))  # past Keras's tracking of attributes
    try:
        yield heard
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
