"""How long a training step waits for its input: the stall, as a share of the step.

    python benchmarks/input.py [--batch 64] [--steps 60] [--faces 4096]

Trains AlexNet-Emotion step by step on the batches that `fer_keras.training.static` makes (order, augmentation), and
takes the time that each step waits for the next batch and the time that it computes. The same is done with one batch
that is there already, so that what the input costs on the same cores shows as well. Required: a stall under 5 % of the
step. A minute on two cores.
"""

import argparse
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from fer_keras.corpora.face_set import FaceSet
from fer_keras.training.static import StaticConfig, build_static, compile_static, training_batches

NAMES = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


def random_faces(count):
    """Noise in the shape of a corpus: what is in the pictures does not matter here."""
    random = np.random.default_rng(0)
    people = np.array([str(number) for number in range(count)])
    images = random.integers(0, 256, (count, 48, 48, 1), dtype=np.uint8)
    return FaceSet(images, random.integers(0, len(NAMES), count).astype("int32"), people, people, NAMES)


def run(model, batches, steps):
    """Median seconds of waiting and of computing a step."""
    waits, works = [], []
    batches = iter(batches)
    for _ in range(steps):
        start = time.perf_counter()
        batch = next(batches)
        ready = time.perf_counter()
        model.train_on_batch(*batch)
        waits.append(ready - start)
        works.append(time.perf_counter() - ready)
    return statistics.median(waits[5:]), statistics.median(works[5:])


def main():
    """Prints the stall."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--faces", type=int, default=4096)
    options = parser.parse_args()
    config = StaticConfig(batch_size=options.batch)
    faces = random_faces(options.faces)
    model = compile_static(build_static(NAMES, config), config, options.faces // options.batch)
    fixed = next(iter(training_batches(faces, config, options.batch)))
    _, alone = run(model, [fixed] * options.steps, options.steps)
    waiting, working = run(model, training_batches(faces, config, options.batch), options.steps)
    stall = waiting / (waiting + working)
    print(f"batch {options.batch}: a step computes {1e3 * working:.1f} ms ({1e3 * alone:.1f} ms without any input)")
    print(f"and waits {1e3 * waiting:.2f} ms for its input: a stall of {stall:.1%}, required < 5 %")
    return 0 if stall < 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
