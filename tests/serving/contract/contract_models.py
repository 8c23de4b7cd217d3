"""The models that the contract is checked on: those of TensorFlow Serving's own documentation, and their models.config.

    python tests/serving/contract/contract_models.py FOLDER [FOLDER AS THE SERVER SEES IT]

writes them for a server to serve; docs/guides/tf-serving.md has the commands for `tensorflow/serving`.
"""

import pathlib
import sys

import tensorflow as tf

NAME = "saved_model_half_plus_three"
OLDER, VERSION = 122, 123

CONFIG = """model_config_list {{
  config {{
    name: "{name}"
    base_path: "{base}/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: {older} }}
    version_labels {{ key: "canary" value: {version} }}
  }}
}}
"""


class HalfPlus(tf.Module):
    """y = x / 2 + plus, as a prediction, a regression and a classification; and bytes that come back."""

    def __init__(self, plus):
        super().__init__()
        self.plus = tf.Variable(float(plus))

    def of_examples(self, inputs):
        return self.predict(tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"])["y"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(self, x):
        return {"y": x / 2 + self.plus}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": self.of_examples(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        y = self.of_examples(inputs)
        return {
            "classes": tf.repeat([["y", "minus_y"]], tf.shape(y)[0], axis=0),
            "scores": tf.stack([y, -y], axis=1),
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="tag_bytes"),
            tf.TensorSpec([None, 2], tf.int32, name="signal"),
        ]
    )
    def echo(self, tag_bytes, signal):
        return {"tag_bytes": tag_bytes, "signal": signal, "sum": tf.reduce_sum(signal, axis=1)}

    def save(self, path):
        signatures = {
            "serving_default": self.predict,
            "tensorflow/serving/regress": self.regress,
            "classify_x_to_y": self.classify,
            "echo": self.echo,
        }
        tf.saved_model.save(self, str(path), signatures=signatures)


def write(folder, seen_as=None):
    """Writes both versions and models.config; returns the path of that."""
    folder = pathlib.Path(folder).absolute()
    HalfPlus(2).save(folder / NAME / str(OLDER))
    HalfPlus(3).save(folder / NAME / str(VERSION))
    config = folder / "models.config"
    config.write_text(CONFIG.format(name=NAME, base=seen_as or folder, older=OLDER, version=VERSION))
    return config


if __name__ == "__main__":
    print(write(*sys.argv[1:3]))
