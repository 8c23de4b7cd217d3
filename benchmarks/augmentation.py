"""What augmentation costs: all effects against flip and affine alone, and occluders at several sizes.

    python benchmarks/augmentation.py [--rounds 30]

Every round runs each setting once; ratios are medians over the rounds, in processor time.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import tensorflow as tf

from fer_keras.augmentation import AugmentationStrength, augment_faces, occlude_faces
from fer_keras.corpora.synthetic_face import Pose, make_person, move_points, project
from fer_keras.occlusion import OCCLUDERS, occlude

OFF = {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0, "blur": 0.0, "noise": 0.0}
EFFECTS = {
    "flip and affine": AugmentationStrength(cutout=0.0),
    "flip and affine again": AugmentationStrength(cutout=0.0),
    "as in train_static (+ cutout)": AugmentationStrength(),
    "+ colour": AugmentationStrength(brightness=0.2, contrast=0.3, gamma=0.4),
    "+ blur": AugmentationStrength(blur=0.03),
    "+ noise": AugmentationStrength(noise=0.05),
    "everything": AugmentationStrength(brightness=0.2, contrast=0.3, gamma=0.4, blur=0.03, noise=0.05),
}


def timed(run):
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)

    images = tf.constant(rng.integers(0, 256, (64, 48, 48, 1), np.uint8))
    marks = tf.constant(rng.uniform(0.2, 0.8, (64, 68, 2)), tf.float32)
    runs = {
        name: tf.function(lambda seed, strength=strength: augment_faces(images, seed, strength=strength))
        for name, strength in EFFECTS.items()
    }
    runs["everything, with landmarks"] = tf.function(
        lambda seed: augment_faces(images, seed, marks, EFFECTS["everything"])
    )
    seeds = [tf.constant([0, number], tf.int64) for number in range(20)]
    for run in runs.values():
        run(seeds[0])
    times = np.array(
        [[timed(lambda run=run: [run(seed) for seed in seeds]) for run in runs.values()] for _ in range(rounds)]
    )
    print(f"augment_faces, batch 64 of 48x48x1, {rounds} rounds of {len(seeds)} batches")
    for number, name in enumerate(runs):
        ratio = np.median(times[:, number, 1] / times[:, 0, 1])
        clock, processor = (64 * len(seeds) / np.median(times[:, number, kind]) for kind in (0, 1))
        print(f"  {name:32} {ratio:5.2f} x   {processor:9.0f} faces/s of processor, {clock:9.0f} /s on the clock")

    for size in (48, 112, 256):
        faces = []
        for number in range(20):
            pose = Pose((0.5 * size, 0.26 * size), 0.32 * size, yaw=rng.normal(0, 10), roll=rng.normal(0, 5))
            person = make_person(np.random.default_rng(number))
            faces.append(
                (rng.integers(60, 200, (size, size, 3), np.uint8), project(move_points(person, {}), pose)[:68])
            )
        print(f"occlude at {size}x{size}x3, one thread")
        for kind in OCCLUDERS:
            for coverage in (None, 0.3) if kind == "random_block" else (None,):

                def run(kind=kind, coverage=coverage, faces=faces):
                    for number, (image, landmarks) in enumerate(faces):
                        occlude(image, landmarks, kind, np.random.default_rng(number), coverage)

                spent = np.median([timed(run) for _ in range(max(3, rounds // 5))], axis=0)
                label = kind if coverage is None else f"{kind}, coverage {coverage}"
                print(f"  {label:32} {20 / spent[1]:7.0f} faces/s of processor, {20 / spent[0]:7.0f} /s on the clock")
    batch = tf.constant(np.stack([image for image, _ in faces]))
    landmarks = tf.constant(np.stack([marks for _, marks in faces]) / size, tf.float32)
    small = tf.cast(tf.image.resize(batch, (48, 48)), tf.uint8)
    spent = np.median([timed(lambda: occlude_faces(small, landmarks, seeds[1])) for _ in range(9)], axis=0)
    print(f"occlude_faces at 48x48x3, all kinds: {20 / spent[1]:.0f} faces/s of processor, {20 / spent[0]:.0f} /s")


if __name__ == "__main__":
    main()
