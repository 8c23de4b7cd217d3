import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from fer_keras.corpora.records import write_records
from fer_keras.corpora.synthetic import SIZES, write_ck_plus
from fer_keras.training.static import StaticConfig


@pytest.fixture(scope="session")
def ck_plus(tmp_path_factory):
    """Three drawn people, seven sequences each, in CK+ layout."""
    size = dataclasses.replace(SIZES["small"], subjects=3, frames=3)
    return write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck_plus", size)


@pytest.fixture
def fn_args(tmp_path, request):
    """Eight transformed faces to train on in two files, and four to test on, out of order.

    Face i is grey level i, and so are its landmarks, which are left out with the parameter `False`; four faces are one
    person's.
    """
    has_landmarks = getattr(request, "param", True)

    def row(place):
        png = tf.io.encode_png(np.full((48, 48, 1), place, np.uint8)).numpy()
        texts = {"face": png, "subject": b"p%d" % (place // 4), "sequence": b"s%d" % (place // 2)}
        texts["occlusion"] = b"none"
        numbers = {"label": place % 2, "order": place}
        features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[one])) for name, one in texts.items()}
        for name, one in numbers.items():
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[one]))
        points = (place + np.arange(136) / 136) * has_landmarks
        features["landmarks"] = tf.train.Feature(float_list=tf.train.FloatList(value=points))
        return tf.train.Example(features=tf.train.Features(feature=features))

    write_records(tmp_path / "a.gz", [row(place) for place in (7, 0, 3, 4)])
    write_records(tmp_path / "b.gz", [row(place) for place in (1, 6, 2, 5)])
    (tmp_path / "test").mkdir()
    write_records(tmp_path / "test" / "c.gz", [row(place) for place in (11, 8, 10, 9)])

    def execution(number, **asked):
        return types.SimpleNamespace(
            train_files=[str(tmp_path / "*.gz")],
            eval_files=[str(tmp_path / "test" / "*.gz")],
            hyperparameters=None,
            custom_config={
                "corpus": "ck_plus",
                "folds": 3,
                "label_names": ["anger", "sadness"],
                "task": "static",
                "training": dataclasses.asdict(StaticConfig(epochs=1, width=0.5)),
                "fold": None,
                **asked,
            },
            model_run_dir=str(tmp_path / "Trainer" / "model_run" / str(number)),
            serving_model_dir=str(tmp_path / "Trainer" / "model" / str(number) / "Format-Serving"),
        )

    return execution
