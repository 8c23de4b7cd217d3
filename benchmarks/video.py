"""What reading a clip costs: frames per second end to end, the share of each stage, memory, against the package `fer`.

    python benchmarks/video.py                 # with drawn faces
    FER_TEST_FACES=.../data python benchmarks/video.py    # with photographs of the London set
    python benchmarks/video.py --quick         # shorter clips

The clip has two faces in frames of 640×480, 25 frames a second, MPEG-4. Every row reads the same file in a process of
its own with one thread: decoding, finding faces, aligning, classifying. Rows:

- `fer, loop`: OpenCV decodes and `FER().detect_emotions` answers frame by frame, as `fer`'s own `Video.analyze` does,
  with its default detector (Haar cascade) and model (TensorFlow Lite), in the environment of `benchmarks/inference.py`.
- `fer-keras, static`: `Recognizer.read_video` with the shipped preset.
- `fer-keras, one by one`: the same, each frame in a chunk of its own.
- `fer-keras, VideoEmotion`: the shipped preset as encoder, an untrained IRNN and attention.

Rounds alternate between rows; figures are medians of frames a second of processor time and by the clock, ratios to
`fer, loop`. The stages' shares are of the processor time of `fer-keras, VideoEmotion`. Memory is the largest resident
set while a clip of ten minutes is read, beyond that of the process when its model is loaded. The requirement is less
than 500 MB; the exit status says whether it is met.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from inference import ROOT, make_environment, median

SIZE, FPS = (640, 480), 25
ROWS = ("fer, loop", "fer-keras, static", "fer-keras, one by one", "fer-keras, VideoEmotion")
TIMES = ("clock", "processor")
STAGES = ("decode", "detect", "align", "encode", "answer")


def write_clip(path, seconds):
    """Two faces that move and change, one of them drawn over the other's background."""
    import cv2
    import numpy as np

    def pictures():
        """Pairs of first and last picture of two people."""
        folder = os.environ.get("FER_TEST_FACES")
        if folder:
            files = sorted(pathlib.Path(folder, "london_faces").rglob("*.jpg"))
            return [[cv2.resize(cv2.imread(str(file)), (300, 300)) for file in files[at : at + 2]] for at in (0, 2)]
        from fer_keras.corpora.synthetic import SIZES, draw_sequence

        return [
            [
                cv2.resize(frame.image if frame.image.ndim == 3 else cv2.cvtColor(frame.image, 8), (300, 300))
                for frame in draw_sequence(SIZES["standard"], 0, subject, 1, "happiness")
            ]
            for subject in (4, 5)
        ]

    people = pictures()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, SIZE)
    for number in range(round(seconds * FPS)):
        frame = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        for person, (left, faces) in enumerate(zip((10, 330), people, strict=True)):
            share = 0.5 - 0.5 * np.cos(number / FPS * 2 + person)
            face = cv2.addWeighted(faces[-1], share, faces[0], 1 - share, 0)
            top = round(90 + 60 * np.sin(number / FPS + person))
            frame[top : top + 300, left : left + 300] = face
        writer.write(frame)
    writer.release()


def read_by_fer():
    import cv2
    from fer.fer import FER

    package = FER()

    def read(path):
        capture, found = cv2.VideoCapture(path), 0
        while True:
            is_there, frame = capture.read()
            if not is_there:
                return found
            found += len(package.detect_emotions(frame))

    return read, {}


def read_by_us(kind):
    from fer_keras.console import load_libraries

    load_libraries()
    import cv2

    from fer_keras.faces.video import Video
    from fer_keras.models import VideoEmotion
    from fer_keras.recognizer import Recognizer
    from fer_keras.video import frame_reader, read_video

    cv2.setNumThreads(1)
    recognizer = Recognizer.from_preset("alexnet_emotion_fer2013")
    if kind.endswith("VideoEmotion"):
        recognizer = Recognizer(VideoEmotion.from_frame_model(recognizer.model), detector=recognizer.detector)
    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage, function):
        def call(*arguments, **options):
            start = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent[stage] += time.process_time() - start

        return call

    Video.__next__ = timed("decode", Video.__next__)
    recognizer.detector.detect = timed("detect", recognizer.detector.detect)
    frame_reader.align_face = timed("align", frame_reader.align_face)
    recognizer.clip_model.encode = timed("encode", recognizer.clip_model.encode)
    recognizer.clip_model.answer = timed("answer", recognizer.clip_model.answer)
    module = sys.modules[read_video.__module__]
    if kind.endswith("one by one"):
        module._CHUNK_FRAMES = 1

    def read(path):
        spent.update(dict.fromkeys(STAGES, 0.0))
        timeline = recognizer.read_video(path)
        return sum(len(track.frames) for track in timeline.tracks)

    return read, spent


def work(kind, path):
    """The process that is measured; answers a line of JSON for every line it is sent."""
    read, spent = read_by_fer() if kind == ROWS[0] else read_by_us(kind)
    read(path)
    before = resident()
    say({})
    for line in sys.stdin:
        clock, processor = time.perf_counter(), time.process_time()
        faces = read(line.strip())
        say(
            {
                "clock": time.perf_counter() - clock,
                "processor": time.process_time() - processor,
                "faces": faces,
                "stages": dict(spent),
                "extra": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
            }
        )


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def say(answer):
    print("\x1e" + json.dumps(answer), flush=True)


class Process:
    """A process of this file."""

    def __init__(self, python, kind, path):
        one = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
        setting = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        self.kind = kind
        self.child = subprocess.Popen(
            [str(python), str(pathlib.Path(__file__).resolve()), "--work", kind, str(path)],
            env=os.environ | setting | one | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.listen()

    def listen(self):
        for line in self.child.stdout:
            if "\x1e" in line:
                return json.loads(line.partition("\x1e")[2])
        sys.exit(f"{self.kind}: the process failed with {self.child.wait()}")

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.listen()

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short clips, fewer rounds")
    parser.add_argument(
        "--environment", type=pathlib.Path, default=ROOT / "runs/benchmarks/fer", help="where that of fer is kept"
    )
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*options.work)
    seconds, rounds, minutes = (4, 3, 1) if options.quick else (12, 7, 10)
    environment, _ = make_environment(options.environment.absolute())
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        clip, long_clip = pathlib.Path(folder, "clip.mp4"), pathlib.Path(folder, "long.mp4")
        write_clip(clip, seconds)
        processes = [Process(environment if kind == ROWS[0] else sys.executable, kind, clip) for kind in ROWS]
        times = {kind: [] for kind in ROWS}
        for number in range(rounds):
            for process in processes[number % len(ROWS) :] + processes[: number % len(ROWS)]:
                times[process.kind].append(process.ask(str(clip)))
        for process in processes:
            process.close()
        frames = round(seconds * FPS)
        print(f"{frames} frames of 640×480, two faces; one thread a process, {os.cpu_count()} processors")
        print(f"{'':26}{'frames a second':>26}{'ratio to fer':>22}{'faces':>8}")
        print(f"{'':26}{'clock':>13}{'processor':>13}{'clock':>11}{'processor':>11}{'found':>8}")
        for kind in ROWS:
            cells = "".join(f"{frames / median([one[t] for one in times[kind]]):13.1f}" for t in TIMES)
            ratios = "".join(
                f"{median([b[t] / a[t] for a, b in zip(times[kind], times[ROWS[0]], strict=True)]):11.2f}"
                for t in TIMES
            )
            print(f"{kind:26}{cells}{ratios}{times[kind][0]['faces']:8}")
        last = times[ROWS[-1]]
        total = median([one["processor"] for one in last])
        shares = {stage: median([one["stages"][stage] for one in last]) / total for stage in STAGES}
        print(
            f"\nshares of {ROWS[-1]}: " + ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in shares.items())
        )
        print(f"  the rest (tracking, answers as text): {100 * (1 - sum(shares.values())):.0f} %")
        write_clip(long_clip, minutes * 60)
        process = Process(sys.executable, ROWS[-1], clip)
        extra = process.ask(str(long_clip))["extra"]
        process.close()
    met = extra < 500
    print(
        f"\na clip of {minutes} minutes: {extra:.0f} MB beyond the loaded model, required < 500: "
        f"{'pass' if met else 'FAIL'}"
    )
    print(f"other processes ran: load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
