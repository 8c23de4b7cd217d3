"""What an answer costs: every classifier here against the package `fer` of PyPI, in faces per second on the processor.

    python benchmarks/inference.py                              # all models
    python benchmarks/inference.py --quick                      # AlexNet-Emotion alone, fewer rounds
    python benchmarks/inference.py --models IACNN vgg_style     # these, and AlexNet-Emotion

`fer` gets an environment of its own (`--environment`), made at the first run and kept, with the TensorFlow, Keras and
NumPy of this one. Models have fresh weights, which cost the same as trained ones; int8 is calibrated on noise.

What is measured is the classification of faces that were found: uint8 crops of 96×96 in memory in, probabilities in a
NumPy array out. Both sides resize a crop to what their model takes by the same function; `fer` then scales it and calls
its model as `FER.detect_emotions` does; ours standardises inside the model. Rows:

- `fer, Keras`: `FER(use_tflite=False)`, which calls its Keras model eagerly. `fer, TFLite`: `FER()`, its default, which
  calls the interpreter face by face, whatever the batch.
- ours: the model as a compiled function, as it is exported and served; TensorFlow Lite files of `export_tflite` by
  LiteRT's signature runner, as the guide to exporting says.
- `eager`, `compiled` and `in LiteRT` are the other ways to call, for the same call on both sides.
  `Recognizer.classify` is compiled and takes the way through PNG.

Every row's process is of its own, with the same number of threads. Rounds alternate between the row and `fer`'s
processes; a ratio is the median over the rounds. Clock and processor time are both given; ratios are of processor time,
which other processes disturb less, and with one thread the two agree on an idle machine. `1 face, ms` is the processor
time of one face when called one by one. The start is a fresh process
until its first answer, its model loaded from disk; the peak is that process's largest resident memory at its end.

The requirements are AlexNet-Emotion, as it is served, ≥ 3 × `fer`'s Keras model, as `fer` calls it, at batch 32; and
AlexNet-Emotion in TensorFlow Lite ≥ 1 × `fer`'s default at both batches, where both have 8-bit weights and activations
in float between the operations (`quantization="dynamic"`); the other quantizations are shown. The exit status says
whether they are met.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
FER = "fer==25.10.3"
SAME = ("tensorflow", "keras", "numpy")  # of the same version as here
OTHERS = ("opencv-python-headless<5", "pillow", "requests", "setuptools<81")  # what `from fer.fer import FER` needs
SIZE, BATCHES, MAIN = 96, (1, 32), "AlexNet-Emotion"
QUANTIZATIONS = {"float32": None, "float16": "float16", "8-bit weights": "dynamic", "int8": "int8"}
LABELS = [f"label {number}" for number in range(7)]


# What runs in the processes that are measured. Imports are inside, since a start counts them.


def resized(crops, size):
    import cv2
    import numpy as np

    return np.array([cv2.resize(crop, (size, size)) for crop in crops], dtype="float32")


def tensorflow_alone(path):
    import tensorflow  # noqa: F401

    return {}


def fer_keras_model(path):
    import fer.fer
    import numpy as np

    package = fer.fer.FER(use_tflite=False)
    compiled = []

    def own(crops):
        return np.asarray(package._classify_emotions((resized(crops, 64) / 255.0 - 0.5) * 2.0))

    def compile_and_call(crops):
        if not compiled:
            import tensorflow as tf

            model = package._FER__emotion_classifier
            spec = tf.TensorSpec((None, 64, 64, 1))
            compiled.append(tf.function(lambda faces: model(faces, training=False), input_signature=[spec]))
        return compiled[0]((resized(crops, 64)[..., None] / 255.0 - 0.5) * 2.0).numpy()

    return {"own": own, "compiled": compile_and_call}


def fer_tflite(path):
    import fer.fer
    import tensorflow as tf

    file = pathlib.Path(fer.__file__).parent / "data" / "emotion_model_quantized.tflite"
    interpreter = tf.lite.Interpreter(str(file), num_threads=int(os.environ["TF_NUM_INTRAOP_THREADS"]))
    interpreter.allocate_tensors()
    fer.fer.FER._tflite_interpreter_cache = interpreter  # as it makes it itself, but for the number of threads
    package = fer.fer.FER()
    return {"own": lambda crops: package._classify_emotions((resized(crops, 64) / 255.0 - 0.5) * 2.0)}


def keras_model(path):
    import keras
    import tensorflow as tf

    import fer_keras

    model = fer_keras.JointSupervision.from_preset(path)
    inference, (size, _, channels) = model.inference_model(), model.backbone.input_shape[1:]
    spec = tf.TensorSpec((None, size, size, channels))
    compiled = tf.function(
        lambda faces: keras.ops.softmax(inference(faces, training=False)), input_signature=[spec], autograph=False
    )
    return {
        "own": lambda crops: compiled(resized(crops, size)[..., None]).numpy(),
        "eager": lambda crops: keras.ops.softmax(model(resized(crops, size)[..., None], training=False)).numpy(),
    }


def recognizer(path):
    import cv2

    import fer_keras

    one = fer_keras.Recognizer.from_preset(path, detector=object())
    return {"own": lambda crops: one.classify([cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB) for crop in crops])}


def tflite(path):
    from ai_edge_litert.interpreter import Interpreter

    answer = Interpreter(path, num_threads=int(os.environ["TF_NUM_INTRAOP_THREADS"])).get_signature_runner()
    return {"own": lambda crops: answer(face=resized(crops, 48)[..., None])["probabilities"]}


def fer_file_in_litert(path):
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(path, num_threads=int(os.environ["TF_NUM_INTRAOP_THREADS"]))
    model.allocate_tensors()
    (face,), (answer,) = model.get_input_details(), model.get_output_details()

    def one_by_one(crops):
        answers = []
        for pixels in (resized(crops, 64)[..., None] / 255.0 - 0.5) * 2.0:
            model.set_tensor(face["index"], pixels[None])
            model.invoke()
            answers.append(model.get_tensor(answer["index"])[0])
        return np.array(answers)

    return {"own": one_by_one}


KINDS = {
    one.__name__: one
    for one in (
        tensorflow_alone,
        fer_keras_model,
        fer_tflite,
        keras_model,
        recognizer,
        tflite,
        fer_file_in_litert,
    )
}


def work(kind, path):
    """The process that is measured: one answer, then as many as it is asked for, line by line in JSON."""
    calls = KINDS[kind](path)
    if calls:
        import cv2
        import numpy as np

        coarse = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 8, 8), dtype=np.uint8)
        crops = [cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for one in coarse]  # smooth as faces
        first = calls["own"](crops[:1])
        assert first.shape == (1, len(LABELS)), first.shape
        assert abs(float(first.sum()) - 1) < 0.01, first
        cv2.setNumThreads(int(os.environ["TF_NUM_INTRAOP_THREADS"]))
    say({"processor": time.process_time()})
    for line in sys.stdin:
        order = json.loads(line)
        call, batch = calls[order["call"]], crops[: order["batch"]]
        call(batch)
        count, clock, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - clock < order["seconds"]:
            call(batch)
            count += len(batch)
        say({"clock": (time.perf_counter() - clock) / count, "processor": (time.process_time() - processor) / count})
    say({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def say(answer):
    print("\x1e" + json.dumps(answer), flush=True)  # the mark tells it from what libraries print


def prepare(folder, names):
    """Writes the models as files into a folder and says their names."""
    from fer_keras.export import export_tflite
    from fer_keras.models import AlexNetEmotion, JointSupervision, backbones, baselines

    makers = {MAIN: lambda: AlexNetEmotion(LABELS)}
    for recipe in baselines.RECIPES.values():
        makers[recipe.title] = lambda recipe=recipe: recipe().build(LABELS, (48, 48, 1))
    for name in backbones.BACKBONES:
        if name not in ("alexnet_emotion", "conv_next_tiny"):  # the first is there, the other is no small one
            makers[name] = lambda name=name: JointSupervision(backbones.get(name), LABELS)
    wrong = [name for name in names or () if name not in makers]
    if wrong:
        sys.exit(f"no model {', '.join(wrong)}; expected of {', '.join(makers)}")
    made = [name for name in makers if not names or name in (MAIN, *names)]
    for name in made:
        model = makers[name]()
        model.save(pathlib.Path(folder, f"{name}.keras"))
        if name == MAIN:
            import numpy as np

            noise = np.random.default_rng(0).integers(0, 256, (50, 48, 48, 1))
            for kind, quantization in QUANTIZATIONS.items():
                export_tflite(model, pathlib.Path(folder, f"{kind}.tflite"), quantization, noise)
    say(made)


# The other environment.


def make_environment(folder):
    """Makes the environment of `fer` unless it is there; returns its Python, and the wish that it was made for."""
    wish = [f"{name}=={importlib.metadata.version(name)}" for name in SAME] + [*OTHERS, FER]
    python, stamp = folder / "bin" / "python", folder / "complete.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wish:
        return python, wish
    if folder.exists() and not (folder / "pyvenv.cfg").exists() and any(folder.iterdir()):
        fail_environment(folder, "the folder is there and is no environment; expected a new one")
    print(f"making the environment of {FER} in {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or next((str(path) for path in [ROOT / ".tools/uv/bin/uv"] if path.exists()), None)
    if uv:
        create = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        create = [sys.executable, "-m", "venv", str(folder)]
        install = [str(python), "-m", "pip", "install", "--quiet"]
    check = [str(python), "-c", "from fer.fer import FER"]
    # `fer` itself without what it asks for: torch, for a face detector that is not measured.
    for command in (create, [*install, *wish[:-1]], [*install, "--no-deps", wish[-1]], check):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            fail_environment(folder, error)
        if done.returncode:
            fail_environment(folder, last_line(done.stderr or done.stdout) or f"{command[0]} failed")
    stamp.write_text(json.dumps(wish))
    return python, wish


def fail_environment(folder, reason):
    sys.exit(f"{folder}: the environment of {FER} cannot be made: {reason}")


def last_line(text):
    """The last line that says something, and the cause that uv prints on the lines before it."""
    lines = [line.strip(" │╰├─▶×╭") for line in text.strip().splitlines() if line.strip(" │╰├─▶×╭")]
    return next((line for line in reversed(lines) if "rror" in line or "because" in line.lower()), (lines or [""])[-1])


# The process that measures.


class Process:
    """A process of this file in one of the two environments; how long it took to its first answer is in `start`."""

    def __init__(self, python, threads, *arguments):
        keys = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        setting = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process runs)
        self.name = " ".join(arguments[:2])
        clock = time.perf_counter()
        self.child = subprocess.Popen(
            [str(python), str(pathlib.Path(__file__).resolve()), *arguments],
            env=os.environ | setting | dict.fromkeys(keys, str(threads)) | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.first = self.listen()
        self.start = time.perf_counter() - clock

    def listen(self):
        for line in self.child.stdout:
            if "\x1e" in line:
                return json.loads(line.partition("\x1e")[2])
        self.child.wait()
        self.log.seek(0)
        sys.exit(f"{self.name}: the process failed: {last_line(self.log.read())}")

    def measure(self, call, batch, seconds):
        self.child.stdin.write(json.dumps({"call": call, "batch": batch, "seconds": seconds}) + "\n")
        self.child.stdin.flush()
        return self.listen()

    def close(self):
        self.child.stdin.close()
        answer = self.listen()
        self.child.wait()
        return answer


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def compare(rows, processes, base, options):
    """Measures rows in turns; returns {(row, batch): median seconds a face and ratios to the base, by time}.

    Args:
        rows: {name: (process's name, call)}.
        processes: {name: Process}.
        base: name of the row that the ratios are to.
        options: the command's.
    """
    found = {}
    for batch in BATCHES:
        rounds = {name: [] for name in rows}
        names = list(rows)
        for number in range(options.rounds):
            start = number % len(names)
            for name in names[start:] + names[:start]:
                process, call = rows[name]
                rounds[name].append(processes[process].measure(call, batch, options.seconds))
        for name, times in rounds.items():
            found[name, batch] = {
                kind: {
                    "rate": 1 / median([one[kind] for one in times]),
                    "ratio": median([b[kind] / a[kind] for a, b in zip(times, rounds[base], strict=True)]),
                }
                for kind in ("clock", "processor")
            }
    return found


def print_rows(rows, found):
    for name in rows:
        one, many = (found[name, batch] for batch in BATCHES)
        cells = [part["clock"]["rate"] for part in (one, many)] + [part["processor"]["rate"] for part in (one, many)]
        ratios = "".join(f"{part['processor']['ratio']:9.2f}" for part in (one, many))
        cost = 1e3 / one["processor"]["rate"]
        print(f"  {name:38}" + "".join(f"{cell:9.0f}" for cell in cells) + f"{ratios}{cost:10.2f}", flush=True)


def print_head(title):
    print(f"\n{title}")
    print(f"  {'faces a second, in batches of':38}{'by the clock':>18}{'by the processor':>18}{'ratio to fer':>18}")
    print(f"  {'':38}" + 3 * "".join(f"{batch:9}" for batch in BATCHES) + f"{'1 face, ms':>11}", flush=True)


def run(folder, python, options):
    """Measures everything; returns what the requirements are about."""
    made = Process(sys.executable, options.threads, "--prepare", folder, *(options.models or ()))
    names = made.first
    made.child.wait()
    fer_file = next(python.parents[1].glob("lib/python*/site-packages/fer/data/emotion_model_quantized.tflite"))
    starts = {}

    def begin(name, kind, path="", environment=sys.executable):
        process = Process(environment, options.threads, "--work", kind, str(path))
        starts[name] = [process.start, process.first["processor"], None]
        return process

    def end(name, process):
        starts[name][2] = process.close()["peak"]

    for _ in range(1 if options.quick else 2):  # the first pair warms the disk's cache
        for name, environment in (("TensorFlow alone", sys.executable), ("fer: TensorFlow alone", python)):
            end(name, begin(name, "tensorflow_alone", environment=environment))
    found = {}
    base = {"fer, Keras": ("fer, Keras", "own")}
    fer = begin("fer, Keras", "fer_keras_model", environment=python)
    for name in names:
        rows = base | {name: (name, "own")}
        if name == MAIN:
            rows |= {"fer, Keras, compiled": ("fer, Keras", "compiled"), f"{name}, eager": (name, "eager")}
        path = pathlib.Path(folder, f"{name}.keras")
        processes = {"fer, Keras": fer, name: begin(name, "keras_model", path)}
        if name == MAIN:
            rows[f"{name}, Recognizer.classify"] = ("recognizer", "own")
            processes["recognizer"] = begin(f"{name}, Recognizer.classify", "recognizer", path)
        measured = compare(rows, processes, "fer, Keras", options)
        if name == MAIN:
            print_head("Keras")
            found |= measured
        print_rows([row for row in rows if name == MAIN or row != "fer, Keras"], measured)
        end(name, processes[name])
        if name == MAIN:
            end(f"{name}, Recognizer.classify", processes["recognizer"])
    end("fer, Keras", fer)
    rows, processes = {}, {}
    for name, kind, path, environment in (
        ("fer, TFLite", "fer_tflite", "", python),
        ("fer, TFLite, in LiteRT", "fer_file_in_litert", fer_file, sys.executable),
        *(
            (f"{MAIN}, TFLite {kind}", "tflite", pathlib.Path(folder, f"{kind}.tflite"), sys.executable)
            for kind in QUANTIZATIONS
        ),
    ):
        rows[name], processes[name] = (name, "own"), begin(name, kind, path, environment)
    measured = compare(rows, processes, "fer, TFLite", options)
    print_head("TensorFlow Lite")
    print_rows(rows, measured)
    for name, process in processes.items():
        end(name, process)
    print(f"\n  {'a fresh process to its first answer':38}{'clock, s':>10}{'processor, s':>14}{'peak, MB':>10}")
    for name, (clock, processor, peak) in starts.items():
        print(f"  {name:38}{clock:10.1f}{processor:14.1f}{peak:10.0f}")
    return found | measured


def judge(found):
    """Prints the two required ratios; returns whether both are met."""

    def ratio(row, batch, base=None, kind="processor"):
        value = found[row, batch][kind]["ratio"]
        return value / found[base, batch][kind]["ratio"] if base else value

    def verdict(value, least):
        return "pass" if value >= least else "FAIL"

    served = ratio(MAIN, 32)
    print(
        f"\n{MAIN} as served / fer's Keras model as fer calls it, batch 32: {served:.2f} × "
        f"({ratio(MAIN, 32, kind='clock'):.2f} × by the clock), required ≥ 3 ×: {verdict(served, 3)}"
    )
    print(
        f"  not required, the same call on both sides: eager {ratio(f'{MAIN}, eager', 32):.2f} ×, compiled "
        f"{ratio(MAIN, 32, 'fer, Keras, compiled'):.2f} ×; Recognizer.classify "
        f"{ratio(f'{MAIN}, Recognizer.classify', 32):.2f} ×"
    )
    lite = {kind: min(ratio(f"{MAIN}, TFLite {kind}", batch) for batch in BATCHES) for kind in QUANTIZATIONS}
    same = lite["8-bit weights"]
    print(
        f"{MAIN} in TensorFlow Lite / fer's default, both with 8-bit weights, the worse batch: {same:.2f} ×, "
        f"required ≥ 1 ×: {verdict(same, 1)}"
    )
    print("  " + ", ".join(f"{kind} {value:.2f} ×" for kind, value in lite.items()))
    return served >= 3 and same >= 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", metavar="NAME", help=f"these and {MAIN}; by default all")
    parser.add_argument("--quick", action="store_true", help=f"{MAIN} alone, fewer and shorter rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=1, help="of every process")
    parser.add_argument(
        "--environment", type=pathlib.Path, default=ROOT / "runs/benchmarks/fer", help="where that of fer is kept"
    )
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*options.work)
    if options.prepare:
        return prepare(options.prepare[0], options.prepare[1:])
    options.rounds = options.rounds or (5 if options.quick else 11)
    options.seconds = 0.1 if options.quick else 0.2
    if options.quick and not options.models:
        options.models = [MAIN]
    python, wish = make_environment(options.environment.absolute())
    load = os.getloadavg()[0]
    print(f"{options.threads} thread(s) a process, {os.cpu_count()} processors; fer's environment: {', '.join(wish)}")
    with tempfile.TemporaryDirectory() as folder:
        found = run(folder, python, options)
    print(f"\nother processes ran: load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    return 0 if judge(found) else 1


if __name__ == "__main__":
    sys.exit(main())
