"""Draws docs/picture.png: drawn faces, and what the shipped preset reads in them. Nobody's photograph.

python scripts/draw_picture.py
"""

import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from fer_keras import Recognizer
from fer_keras.corpora.synthetic import SIZES, draw_sequence
from fer_keras.explain import occlusion_sensitivity, overlay
from fer_keras.faces import align_face

OUT = pathlib.Path(__file__).parent.parent / "docs" / "picture.png"
FACES = ((0, "happiness"), (5, "surprise"), (10, "anger"))  # a person of the corpus, what it was asked to show
COLUMNS = ("a picture, the face found", "aligned", "what it looks at", "what the preset reads")


def main():
    """Reads the faces and writes the picture."""
    recognizer = Recognizer.from_preset("alexnet_emotion_fer2013", min_confidence=0.0)
    figure, rows = plt.subplots(
        len(FACES), 4, figsize=(9.6, 6.6), dpi=100, width_ratios=(1, 1, 1, 1.5), layout="constrained"
    )
    for row, (person, shown) in zip(rows, FACES, strict=True):
        *_, apex = draw_sequence(SIZES["small"], 0, person, 1, shown)
        grey = apex.image.ndim == 2
        picture = np.stack([apex.image] * 3, -1) if grey else np.ascontiguousarray(apex.image[..., ::-1])
        (face,) = recognizer(picture)
        (found,) = recognizer.detector.detect([picture])[0]
        crop = align_face(picture, found.eyes, size=112)
        pixels = recognizer.inputs(crop[None])
        heat = occlusion_sensitivity(recognizer.model, pixels)[0]

        left, top, right, bottom = face.box
        row[0].imshow(picture)
        row[0].add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, color="#e8590c", lw=2))
        row[0].set_xlabel(f"drawn to show {shown}", fontsize=9)
        row[1].imshow(crop)
        row[2].imshow(overlay(np.asarray(pixels)[0], heat / np.abs(heat).max()))
        names, values = list(face.probabilities), list(face.probabilities.values())
        best = int(np.argmax(values))
        row[3].barh(names, values, color=["#1c7ed6" if place == best else "#adb5bd" for place in range(len(names))])
        row[3].invert_yaxis()
        row[3].set_xlim(0, 1.12)
        row[3].text(values[best] + 0.02, best, f"{values[best]:.2f}", va="center", fontsize=9)
        row[3].tick_params(labelsize=8)
        row[3].spines[["top", "right"]].set_visible(False)
        for axes in row[:3]:
            axes.set_xticks([])
            axes.set_yticks([])
    for axes, title in zip(rows[0], COLUMNS, strict=True):
        axes.set_title(title, fontsize=10)
    figure.savefig(OUT, metadata={"Software": None})
    print(OUT)


if __name__ == "__main__":
    main()
