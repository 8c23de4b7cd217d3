"""What a loss costs: a training step of AlexNet-Emotion with it, against the same step with plain softmax.

    python benchmarks/losses.py                      # all losses at batch 64 and 7 classes, Island loss everywhere
    python benchmarks/losses.py --rounds 30

Every setting is measured in rounds; a round runs each loss once, beginning with another one each time, so that what
else runs on the machine hits all alike. A loss's ratio is the median over the rounds of its time divided by the
baseline's in the same round, for the time on the clock and for the processor's time, which other processes disturb
less. `softmax again` is the baseline a second time: its distance from 1 is the noise.

The requirement is Island loss ≤ 1.05 at batches of 64 to 1024 and 7 to 1000 classes, in processor time; the exit
status says whether it is met.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from fer_keras.layers import CenterLoss, IslandLoss
from fer_keras.losses import AMSoftmax, ArcFace, ASoftmax, CosFace, FocalLoss, LSoftmax, TripletLoss, VerificationLoss
from fer_keras.models import JointSupervision, alexnet_emotion_backbone

BASELINE = "softmax"
ISLAND = {"island": lambda classes: {"metric_loss": IslandLoss(classes, threshold=1.0)}}
OTHERS = {
    "center": lambda classes: {"metric_loss": CenterLoss(classes)},
    "triplet, semi-hard": lambda classes: {"metric_loss": TripletLoss()},
    "triplet, hard": lambda classes: {"metric_loss": TripletLoss(mining="hard")},
    "verification": lambda classes: {"metric_loss": VerificationLoss(16.0)},
    "l-softmax": lambda classes: {"head": LSoftmax(classes)},
    "a-softmax": lambda classes: {"head": ASoftmax(classes)},
    "am-softmax": lambda classes: {"head": AMSoftmax(classes)},
    "cosface": lambda classes: {"head": CosFace(classes)},
    "arcface": lambda classes: {"head": ArcFace(classes)},
    "focal": lambda classes: {"loss": FocalLoss()},
}


def training_step(classes, loss=None, **options):
    model = JointSupervision(alexnet_emotion_backbone(), [f"class {label}" for label in range(classes)], **options)
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return tf.function(lambda faces, labels: model.train_step((faces, labels)), autograph=False)


def measure(makers, batch, classes, rounds):
    """Times each step in every round; returns {name: array of (clock, processor) seconds of each round}."""
    random = np.random.default_rng(0)
    faces = tf.constant(random.uniform(0, 255, (batch, 48, 48, 1)), tf.float32)
    labels = tf.constant(random.integers(0, classes, batch))
    steps = {name: training_step(classes, **make(classes)) for name, make in makers.items()}
    repeats = max(1, 256 // batch)
    for step in steps.values():
        for _ in range(2):
            step(faces, labels)
    seconds = {name: [] for name in steps}
    names = list(steps)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            clock, processor = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                logs = steps[name](faces, labels)
            float(logs["loss"])
            seconds[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {name: np.array(times) / repeats for name, times in seconds.items()}


def report(makers, batch, classes, rounds):
    makers = {BASELINE: lambda classes: {}, "softmax again": lambda classes: {}, **makers}
    seconds = measure(makers, batch, classes, rounds)
    base = seconds[BASELINE]
    print(f"\nbatch {batch}, {classes} classes: {BASELINE} takes {1e3 * np.median(base[:, 0]):.1f} ms a step")
    print(f"  {'':20}  clock  processor")
    ratios = {}
    for name, times in seconds.items():
        if name != BASELINE:
            ratios[name] = np.median(times / base, axis=0)
            print(f"  {name:20} {ratios[name][0]:6.3f} {ratios[name][1]:6.3f}", flush=True)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--classes", type=int, nargs="+", default=[7, 1000])
    options = parser.parse_args()
    worst = 0.0
    for batch in options.batches:
        for classes in options.classes:
            all_of_them = (batch, classes) == (options.batches[0], options.classes[0])
            makers = {**ISLAND, **OTHERS} if all_of_them else ISLAND
            worst = max(worst, report(makers, batch, classes, options.rounds)["island"][1])
    print(f"\nIsland loss: at most {worst:.3f} × the processor time of softmax, required ≤ 1.050 ×")
    return 0 if worst <= 1.05 else 1


if __name__ == "__main__":
    sys.exit(main())
