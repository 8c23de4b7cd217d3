"""The reference that every network here must beat: histograms of gradients and a support vector machine."""

import numpy as np

from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import fold_figures, fold_numbers, join_folds

_CELL, _BINS, _CLIP = 8, 9, 0.2


def hog_features(images):
    """Histograms of oriented gradients (Dalal & Triggs 2005): cells of 8×8 pixels, 9 orientations, blocks of 2×2.

    Args:
        images: array of shape `(n, height, width, channels)`, values 0-255; sides are multiples of 8.

    Returns:
        A float array of shape `(n, (height/8 − 1) (width/8 − 1) 36)`; blocks have norm 1, clipped at 0.2 (L2-Hys).
    """
    grey = np.asarray(images, float).mean(axis=-1)
    vertical, horizontal = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(vertical, horizontal)
    place = np.mod(np.arctan2(vertical, horizontal), np.pi) / np.pi * _BINS - 0.5
    low = np.floor(place).astype(int)
    share = place - low
    count, height, width = grey.shape
    cells = np.zeros((count, height // _CELL, width // _CELL, _BINS))
    for bins, weight in ((low % _BINS, 1 - share), ((low + 1) % _BINS, share)):  # between two neighbouring orientations
        for orientation in range(_BINS):
            votes = np.where(bins == orientation, strength * weight, 0)
            cells[..., orientation] += votes.reshape(count, height // _CELL, _CELL, width // _CELL, _CELL).sum((2, 4))
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], axis=-1)
    for _ in range(2):
        blocks /= np.linalg.norm(blocks, axis=-1, keepdims=True) + 1e-6
        blocks = np.minimum(blocks, _CLIP)
    return blocks.reshape(count, -1)


def cross_validate_hog_svm(faces, folds, usable=None):
    """Cross-validates HOG and an SVM with a radial kernel on the folds of `cross_validate`.

    All settings of the machine are scikit-learn's defaults (C = 1, γ = `"scale"`); nothing is tuned on any fold. Its
    scores become probabilities by a softmax, which keeps its answers but says little about its confidence.

    Args:
        faces: `FaceSet`, sides a multiple of 8 pixels.
        folds: dict of subject to fold number.
        usable: optional bool array, the faces that the machine may learn from; by default all.

    Returns:
        A dict as `cross_validate` returns it, without `histories`.

    Raises:
        InputError: the extra `report`, which brings scikit-learn, is not installed; or see `fold_numbers`.
    """
    try:
        from sklearn.svm import SVC
    except ModuleNotFoundError as error:
        raise InputError(f"the HOG reference needs {error.name}; run: pip install 'fer-keras[report]'") from None
    fold_of = fold_numbers(faces, folds)
    features = hog_features(faces.images)
    probabilities, results = np.zeros((len(faces), len(faces.label_names)), "float32"), []
    for fold in range(max(folds.values()) + 1):
        test = fold_of == fold
        training = ~test if usable is None else ~test & usable
        machine = SVC().fit(features[training], faces.labels[training])
        scores = machine.decision_function(features[test])
        scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities[np.ix_(test, machine.classes_)] = shares / shares.sum(axis=1, keepdims=True)
        results.append(fold_figures(faces.select(test), probabilities[test]))
    return join_folds(faces, results, probabilities)
