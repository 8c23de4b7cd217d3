"""What the server costs, and what dynamic batching gains: gRPC against the same SavedModel called in process.

    python benchmarks/serving.py                 # three models, ten minutes or so on two cores
    python benchmarks/serving.py --quick         # AlexNet-Emotion alone, shorter rounds

Three models with fresh weights: AlexNet-Emotion, with a small one (MobileNetV3 Small) and a large one (ConvNeXt-Tiny).
Each is exported and served by `fer-keras serve`, in a process of its own; the clients are a process that sends requests
made beforehand and does not decode the answers, so that it takes little of the processor. All processes share this
machine's cores.

- Throughput at batch 32: 4 clients, requests of 32 encoded faces, against 4 threads in a process that calls the same
  signature of the same SavedModel on the same faces. Rounds alternate; the ratio is the median over the rounds.
  Required: ≥ 0.85.
- Dynamic batching: 32 clients with one face a request, with `--enable-batching` against without, alternating. How much
  cheaper a face is in a batch is measured in process, with one thread: time of 32 calls with one face by that of one
  call with 32. Required: ≥ 2 × where a batched face is at least that much cheaper.
- Latency: the 50th and 99th percentile of both, and cold start: from the command to the first answer over gRPC.

The exit status says whether the requirements are met.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.remove(str(pathlib.Path(__file__).resolve().parent))  # it has a `serving` of its own: this file
LABELS = [f"label {number}" for number in range(7)]
METHOD = "/tensorflow.serving.PredictionService/Predict"
MAIN = "AlexNet-Emotion"
BATCHING = """max_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""


def make_models():
    """Callables that make the models, by name."""
    from fer_keras.models import AlexNetEmotion, JointSupervision, backbones

    return {
        "MobileNetV3 Small": lambda: JointSupervision(backbones.get("mobile_net_v3_small"), LABELS),
        MAIN: lambda: AlexNetEmotion(LABELS),
        "ConvNeXt-Tiny": lambda: JointSupervision(backbones.get("conv_next_tiny"), LABELS),
    }


# What runs in processes of its own: `export` writes models, `in_process` and `clients` measure on command.


def export(folder):
    """Writes every model as a base path with one version."""
    from fer_keras.export import export_version

    names = []
    for number, (name, make) in enumerate(make_models().items()):
        export_version(make(), pathlib.Path(folder, str(number)))
        names.append(name)
    say(names)


def pictures():
    """64 encoded faces of noise, of the size that crops have."""
    import numpy as np

    from fer_keras.faces import encode_png

    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 48), dtype="uint8")
    return [encode_png(one) for one in noise]


def in_process(base_path):
    """Calls the SavedModel with as many threads as asked."""
    import tensorflow as tf

    (version,) = pathlib.Path(base_path).iterdir()
    loaded = tf.saved_model.load(str(version))
    signature = loaded.signatures["serving_default"]
    images = pictures()

    def work(batch, offset):
        batch = tf.constant([images[(offset + place) % len(images)] for place in range(batch)])

        def ask():
            return {name: value.numpy() for name, value in signature(image=batch).items()}

        return ask

    obey(work)


def clients(address):
    """Sends requests as bytes with as many threads as asked."""
    import grpc

    from serving.client.messages import face_inputs, predict_request

    channel = grpc.insecure_channel(address)
    call = channel.unary_unary(METHOD)
    images = pictures()

    def work(batch, offset):
        faces = [images[(offset + place) % len(images)] for place in range(batch)]
        request = predict_request("fer", face_inputs(faces)).SerializeToString()
        return lambda: call(request, timeout=120)

    obey(work)


def say(thing):
    print("\x1e" + json.dumps(thing), flush=True)


def obey(work):
    """Measures what the lines on standard input ask for."""
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        say(measure(work, **order))


def measure(work, threads, batch, seconds):
    """Faces per second and latencies in ms of so many threads, each with one call after the other."""
    latencies, lock = [], threading.Lock()
    asks = [work(batch, number) for number in range(threads)]
    for ask in asks[:2]:
        ask()
    end = time.perf_counter() + seconds

    def run(ask):
        own = []
        while (began := time.perf_counter()) < end:
            ask()
            own.append(time.perf_counter() - began)
        with lock:
            latencies.extend(own)

    began = time.perf_counter()
    running = [threading.Thread(target=run, args=(ask,)) for ask in asks]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    took = time.perf_counter() - began
    latencies.sort()
    return {
        "faces": len(latencies) * batch / took,
        "p50": 1e3 * latencies[len(latencies) // 2],
        "p99": 1e3 * latencies[min(int(0.99 * len(latencies)), len(latencies) - 1)],
    }


# The process that orders.


class Worker:
    """A process of this file."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        self.first = self.listen()

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("\x1e"):
                return json.loads(line[1:])
        sys.exit(f"{self.process.args[2:]} failed")

    def measure(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.listen()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Served:
    """`fer-keras serve`, and how long it took to answer."""

    def __init__(self, base_path, image, *options):
        from serving.client import Client, Retries

        began = time.perf_counter()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fer_keras", "serve", "--model-base-path", str(base_path)),
                *("--port", "0", "--rest-api-port", "0", *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        line = self.process.stdout.readline()
        while "gRPC" not in line:
            if self.process.poll() is not None:
                sys.exit("the server failed")
            line = self.process.stdout.readline()
        self.address = re.search(r"gRPC (127\.0\.0\.1:\d+)", line).group(1)
        with Client(self.address, timeout=60, retries=Retries(1)) as client:
            client.predict([image])
            self.cold_start = time.perf_counter() - began

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def environment():
    return os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def alternate(sides, rounds, **order):
    """Measures sides in turns; returns {side: list of measures}."""
    found = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            found[name].append(sides[name].measure(**order))
    return found


def median(measures, key):
    return statistics.median(one[key] for one in measures)


def ratio(found, one, other):
    return statistics.median(a["faces"] / b["faces"] for a, b in zip(found[one], found[other], strict=True))


def run(base_path, image, parameters, options):
    """Measures one model; prints its rows and returns what the requirements are about."""
    plain = Served(base_path, image)
    batched = Served(base_path, image, "--enable-batching", "--batching-parameters-file", str(parameters))
    library = Worker("--in-process", str(base_path))
    sides = {"without": Worker("--clients", plain.address), "with": Worker("--clients", batched.address)}
    single = library.measure(threads=1, batch=1, seconds=options.seconds)
    many = library.measure(threads=1, batch=32, seconds=options.seconds)
    cheaper = many["faces"] / single["faces"]

    found = alternate(
        {"grpc": sides["without"], "in process": library}, options.rounds, threads=4, batch=32, seconds=options.seconds
    )
    throughput = ratio(found, "grpc", "in process")
    print("  batch 32, 4 at once:")
    for name, measures in found.items():
        print_row(name, measures)
    print(f"    gRPC / in process: {throughput:.2f}, required >= 0.85: {verdict(throughput >= 0.85)}")

    found = alternate(sides, options.rounds, threads=32, batch=1, seconds=options.seconds)
    gain = ratio(found, "with", "without")
    print("  32 clients, one face a request, dynamic batching:")
    for name, measures in found.items():
        print_row(name, measures)
    needed = cheaper >= 2
    print(
        f"    a face in a batch of 32 is {cheaper:.2f} x cheaper; with / without batching: {gain:.2f}"
        + (f", required >= 2: {verdict(gain >= 2)}" if needed else ", nothing required")
    )
    print(f"  cold start to the first answer: {plain.cold_start:.1f} s", flush=True)
    for one in (library, *sides.values(), plain, batched):
        one.close()
    return throughput >= 0.85 and (not needed or gain >= 2)


def print_row(name, measures):
    faces, p50, p99 = (median(measures, key) for key in ("faces", "p50", "p99"))
    print(f"    {name:12}{faces:9.0f} faces/s   p50 {p50:7.1f} ms   p99 {p99:7.1f} ms", flush=True)


def verdict(good):
    return "pass" if good else "FAIL"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{MAIN} alone, shorter rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a round")
    parser.add_argument("--export", help=argparse.SUPPRESS)
    parser.add_argument("--in-process", help=argparse.SUPPRESS)
    parser.add_argument("--clients", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        return export(options.export)
    if options.in_process:
        return in_process(options.in_process)
    if options.clients:
        return clients(options.clients)
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = options.seconds or (2.0 if options.quick else 4.0)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors; rounds of {options.seconds:g} s, medians of {options.rounds}", flush=True)
    image, good = pictures()[0], True
    with tempfile.TemporaryDirectory() as folder:
        parameters = pathlib.Path(folder, "batching_parameters.txt")
        parameters.write_text(BATCHING)
        made = Worker("--export", folder)
        made.close()
        for number, name in enumerate(made.first):
            if options.quick and name != MAIN:
                continue
            print(name, flush=True)
            good &= run(pathlib.Path(folder, str(number)), image, parameters, options)
    print(f"other processes ran: load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
