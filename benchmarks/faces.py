"""What finding faces costs: BlazeFace against MTCNN on the same pictures, in pictures per second.

    python benchmarks/faces.py                                 # drawn pictures of CK+'s size, 640×490
    FER_TEST_FACES=.../data python benchmarks/faces.py         # and photographs: london_faces, cmu_faces
    python benchmarks/faces.py --batches 1 2 4 8               # the models alone, in batches of pictures

Every back end is measured in rounds over all pictures of a set; a round begins with another one each time, so that what
else runs on the machine hits all alike. A ratio is the median over the rounds of a back end's time divided by
BlazeFace's in the same round. BlazeFace and MTCNN do the same work: box, eyes and 68 landmarks. `mtcnn, bare` is the
package alone with its own settings, at the pictures' own size: box and five points.

The requirement is BlazeFace ≥ 20 × MTCNN on every set of pictures, on the clock; the exit status says whether it is
met.
"""

import argparse
import csv
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import mtcnn
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_keras.corpora.synthetic import Size, draw_sequence
from fer_keras.faces import MTCNN, BlazeFace, align_face, decode_image, encode_png, read_image
from fer_keras.faces.lite_model import LiteModel

MODELS = ("face_detection_back", "face_landmark")


class BareMTCNN:
    """The package as its documentation uses it."""

    def __init__(self):
        self.cascade = mtcnn.MTCNN()

    def detect(self, images):
        return [self.cascade.detect_faces(image) for image in images]


DETECTORS = {
    "blaze_face": BlazeFace,
    "blaze_face, thorough": lambda: BlazeFace(thorough=True),
    "mtcnn": MTCNN,
    "mtcnn, bare": BareMTCNN,
}


def drawn_pictures(count):
    """Apexes of drawn people, one each, RGB, of CK+'s size."""
    size = Size(count, 3, 640, 490, 115.0, (3.0, 4.8), 0.0, 5.0, (0.85, 1.0), (1.0, 4.0), (0.3, 0.7))
    emotions = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    for subject in range(count):
        *_, apex = draw_sequence(size, 0, subject, 1, emotions[subject % len(emotions)])
        yield cv2.cvtColor(apex.image, cv2.COLOR_GRAY2RGB if apex.image.ndim == 2 else cv2.COLOR_BGR2RGB)


def photographs(corpus, count):
    folder = pathlib.Path(os.environ["FER_TEST_FACES"], corpus)
    with (folder / "labels.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row.get("pose", "straight") == "straight"]
    return [read_image(folder / row["path"]) for row in rows[:: max(1, len(rows) // count)][:count]]


def measure(images, rounds):
    """Returns {name: array of (clock, processor) seconds of each round}, {name: share of pictures with a face}."""
    detectors = {name: make() for name, make in DETECTORS.items()}
    found = {name: np.mean([len(faces) > 0 for faces in one.detect(images)]) for name, one in detectors.items()}
    seconds = {name: [] for name in detectors}
    names = list(detectors)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            clock, processor = time.perf_counter(), time.process_time()
            detectors[name].detect(images)
            seconds[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {name: np.array(times) for name, times in seconds.items()}, found


def report(title, images, rounds):
    """Prints a set's table; returns how many times as fast as MTCNN BlazeFace is."""
    seconds, found = measure(images, rounds)
    base = seconds["blaze_face"]
    height, width = images[0].shape[:2]
    print(f"\n{title}: {len(images)} pictures of {width}×{height}")
    print(f"  {'':22} pictures/s   time, of blaze_face's    pictures")
    print(f"  {'':22}              clock      processor     with a face")
    ratios = {}
    for name, times in seconds.items():
        ratios[name] = np.median(times / base, axis=0)
        speed = len(images) / np.median(times[:, 0])
        print(
            f"  {name:22} {speed:10.1f} {ratios[name][0]:10.2f} {ratios[name][1]:10.2f} {found[name]:15.3f}", flush=True
        )
    return ratios["mtcnn"][0]


def report_context(images):
    """Prints what reading and aligning cost, per picture."""
    files = [encode_png(image) for image in images]
    faces = [found[0] if found else None for found in BlazeFace().detect(images)]
    eyes = [face.eyes if face else [[200.0, 200.0], [300.0, 200.0]] for face in faces]
    start = time.perf_counter()
    for file in files:
        decode_image(file)
    middle = time.perf_counter()
    for image, pair in zip(images, eyes, strict=True):
        align_face(image, pair)
    end = time.perf_counter()
    each = 1e3 / len(images)
    print(
        f"  to compare: decoding a PNG takes {each * (middle - start):.2f} ms, aligning {each * (end - middle):.2f} ms"
    )


def report_batches(sizes, rounds):
    """Prints the time of each model a picture, in batches, and how far the results are from those one by one."""
    for name in MODELS:
        path = str(LiteModel(f"{name}.tflite").path)
        runs, outputs, seconds = {}, {}, {size: [] for size in sizes}
        for size in sizes:
            model = Interpreter(path, num_threads=1)
            place, (_, *shape) = (model.get_input_details()[0][key] for key in ("index", "shape"))
            model.resize_tensor_input(place, [size, *shape])
            model.allocate_tensors()
            runs[size] = model
        pixels = np.random.default_rng(0).uniform(-1, 1, (max(sizes), *shape)).astype(np.float32)
        for _ in range(rounds):
            for size, model in runs.items():
                results = []
                start = time.perf_counter()
                for first in range(0, len(pixels) - size + 1, size):
                    model.set_tensor(place, pixels[first : first + size])
                    model.invoke()
                    results.append([model.get_tensor(output["index"]) for output in model.get_output_details()])
                seconds[size].append((time.perf_counter() - start) / (len(results) * size))
                outputs[size] = np.concatenate([np.ravel(array) for array in results[0]])
        print(f"\n{name}")
        for size in sizes:
            speedup = np.median(np.divide(seconds[sizes[0]], seconds[size]))
            kept = (
                "complete" if outputs[size].size == size * outputs[sizes[0]].size / sizes[0] else "of one picture only"
            )
            print(
                f"  batch {size:2}: {1e3 * np.median(seconds[size]):.2f} ms a picture, {speedup:.2f} ×, outputs {kept}"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=12, help="of each set")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", help="measure the models in these batch sizes instead")
    options = parser.parse_args()
    if options.batches:
        report_batches(options.batches, options.rounds)
        return 0
    sets = {"drawn": list(drawn_pictures(options.pictures))}
    if os.environ.get("FER_TEST_FACES"):
        sets |= {corpus: photographs(corpus, options.pictures) for corpus in ("london_faces", "cmu_faces")}
    worst = min(report(title, images, options.rounds) for title, images in sets.items())
    report_context(sets["drawn"])
    print(f"\nBlazeFace: at least {worst:.1f} × the pictures per second of MTCNN, required ≥ 20 ×")
    return 0 if worst >= 20 else 1


if __name__ == "__main__":
    sys.exit(main())
