"""The main job, end to end: corpus → TFX pipeline → saved_models/ → server → gRPC and REST answers.

    make demo

Draws the built-in corpus, trains, evaluates and pushes a model with TFX, starts the embedded server on what was
pushed, and asks it about people that the model was not trained on.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

from fer_keras.console import console, errors, load_libraries

RUN = pathlib.Path("runs/demo")
FER_KERAS = os.path.relpath(pathlib.Path(sys.executable).with_name("fer-keras"))
BASE_PATH = pathlib.Path("saved_models/fer")
FOLDS, TEST_FOLD = 5, 0
EPOCHS = 30
MIN_ACCURACY = 0.5


def main():
    """Runs the demo; returns the exit status."""
    started = time.monotonic()
    console.rule("1. corpus and TFX pipeline")
    command = [
        FER_KERAS, "pipeline", "run", "--corpus", "synthetic",
        "--out", RUN, "--push-to", BASE_PATH, "--folds", FOLDS, "--test-fold", TEST_FOLD, "--epochs", EPOCHS,
        "--min-accuracy", MIN_ACCURACY, "--max-drop", 1,  # whatever an earlier demo left there
    ]  # fmt: skip
    status = subprocess.run([str(part) for part in command]).returncode
    if status:
        return status

    console.rule("2. server, gRPC and REST")
    load_libraries()
    from serving.client import Client
    from serving.server.server import Server

    faces = held_out_faces()
    images = [crop for _, crop in faces]
    with Server(BASE_PATH, "fer", grpc_port=0, rest_port=0) as server:
        version = server.version
        console.print(f"serving version {version} on gRPC {server.grpc_port} and REST {server.rest_port}")
        with Client(f"127.0.0.1:{server.grpc_port}") as client:
            by_grpc = client.predict(images)
        by_rest = ask_rest(server.rest_port, images)
    console.print("the server has stopped")
    print_answers([label for label, _ in faces], by_grpc, by_rest)

    console.rule("3. where everything lies")
    console.print(f"corpus        {RUN / 'corpus'}   (drawn, in CK+ layout: no real person)")
    console.print(f"TFX artifacts {RUN}")
    console.print(f"served model  {BASE_PATH / str(version)}")
    console.print(f"serve it      {FER_KERAS} serve")
    console.print(f"done in {time.monotonic() - started:.0f} s")
    agree = all(
        abs(one["probabilities"][name] - other["probabilities"][name]) < 1e-5
        for one, other in zip(by_grpc, by_rest, strict=True)
        for name in one["probabilities"]
    )
    if not agree:
        errors.print("[red]error:[/] gRPC and REST gave different answers")
        return 1
    # The last line: where to go on.
    command = f"{FER_KERAS} demo --base-path {BASE_PATH} --model alexnet_emotion_fer2013 --open"
    console.print(f"try it on a page: {command}", soft_wrap=True)
    return 0


def held_out_faces():
    """One face a label, each of another person of the held-out fold: found, aligned and cropped as any client does."""
    from fer_keras import corpora
    from fer_keras.faces import BlazeFace, align_face, encode_png, read_image

    corpus = corpora.read("synthetic", RUN / "corpus")
    fold_of = corpora.assign_folds(corpus.subjects, FOLDS)
    people = [subject for subject in corpus.subjects if fold_of[subject] == TEST_FOLD]
    detector, faces = BlazeFace(), []
    for number, label in enumerate(corpus.label_names):
        person = people[number % len(people)]
        # The last frame of a CK+ sequence is the apex.
        sample = [one for one in corpus.samples if one.subject == person and one.label == label][-1]
        image = read_image(sample.image)
        face = detector.detect([image])[0][0]
        faces.append((label, encode_png(align_face(image, face.eyes))))
    return faces


def ask_rest(port, images):
    """Answers over REST, in the form of `serving.client.Client.predict`."""
    body = json.dumps({"instances": [{"image": {"b64": base64.b64encode(image).decode()}} for image in images]})
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models/fer:predict", body.encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        rows = json.load(response)["predictions"]
    return [
        {"label": row["label"], "probabilities": dict(zip(row["label_names"], row["probabilities"], strict=True))}
        for row in rows
    ]


def print_answers(truths, by_grpc, by_rest):
    """Prints what the server said of every face."""
    from rich.table import Table

    table = Table("shown", "over gRPC", "over REST", "next best", title="People the model was not trained on")
    for truth, one, other in zip(truths, by_grpc, by_rest, strict=True):
        second = sorted(one["probabilities"], key=one["probabilities"].get)[-2]
        answers = [f"{answer['label']} {answer['probabilities'][answer['label']]:.2f}" for answer in (one, other)]
        mark = "[green]" if one["label"] == truth else "[yellow]"
        table.add_row(truth, mark + answers[0], mark + answers[1], f"{second} {one['probabilities'][second]:.2f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
