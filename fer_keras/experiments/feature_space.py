"""The features of faces: how compact the classes are, and a picture of them in the plane."""

import numpy as np

from fer_keras.report.extra import import_extra


def features_of(model, faces, batch_size=256):
    """Features of a classifier, of AlexNet-Emotion those of FC7.

    Args:
        model: a `JointSupervision`.
        faces: `FaceSet`.
        batch_size: int, faces a step.

    Returns:
        A float array of shape `(n, d)`.
    """
    return model.backbone.predict(faces.inputs(model.takes_landmarks), batch_size=batch_size, verbose=0)


def centres_of(model):
    """Class centres of a classifier's metric loss, `(K, d)`, or `None` where it has none."""
    centres = getattr(model.metric_loss, "centers", None)
    return None if centres is None else np.asarray(centres)


def compactness(features, labels):
    """How far faces are from the mean of their class, and the means from each other.

    Args:
        features: float array of shape `(n, d)`.
        labels: int array of shape `(n,)`, of at least two classes.

    Returns:
        A dict: `within`, the mean distance of a face to the mean of its class; `between`, the mean distance of two
        classes' means; `ratio`, the first over the second: the lower, the clearer are the classes apart.
    """
    present = np.unique(labels)
    means = np.stack([features[labels == label].mean(axis=0) for label in present])
    within = float(np.linalg.norm(features - means[np.searchsorted(present, labels)], axis=1).mean())
    pairs = np.triu_indices(len(means), k=1)
    between = float(np.linalg.norm(means[pairs[0]] - means[pairs[1]], axis=1).mean())
    return {"within": within, "between": between, "ratio": within / between if between else float("inf")}


def plane(features, centres=None, seed=0):
    """Lays features into the plane by t-SNE (van der Maaten & Hinton 2008), the centres among them.

    Args:
        features: float array of shape `(n, d)`, n of at least 4.
        centres: optional float array of shape `(K, d)`.
        seed: int.

    Returns:
        A pair of float arrays, `(n, 2)` and `(K, 2)`, the second `None` without centres.

    Raises:
        InputError: the extra `report` is not installed.
    """
    points = features if centres is None else np.concatenate([features, centres])
    perplexity = min(30.0, (len(points) - 1) / 3)
    embedding = import_extra("sklearn.manifold").TSNE(perplexity=perplexity, init="pca", random_state=seed)
    placed = embedding.fit_transform(points.astype("float64"))
    return placed[: len(features)], None if centres is None else placed[len(features) :]
