"""Small corpora in their official layouts, without a fault: `layouts[name](directory)` writes one."""

import types

import cv2
import numpy as np
import pytest

from fer_keras.corpora.motion_jpeg import encode_avi

LANDMARKS = np.stack([np.arange(100, 168), np.arange(100, 168) + 0.5], axis=1)  # x and y in pixels


def write_picture(path, side=16, channels=1):
    """Writes a grey or coloured gradient in the format that the name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.add.outer(np.arange(side), np.arange(side))[..., None] % 256
    path.write_bytes(cv2.imencode(path.suffix, np.repeat(pixels, channels, axis=2).astype(np.uint8))[1].tobytes())


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_array(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, value)


def write_ck_plus(directory):
    for subject, code in (("S005", 3), ("S010", 7), ("S011", None)):
        place = f"{subject}/001"
        for frame in range(1, 5):
            stem = f"{subject}_001_{frame:08d}"
            write_picture(directory / "cohn-kanade-images" / place / f"{stem}.png")
            rows = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in LANDMARKS)
            write_text(directory / "Landmarks" / place / f"{stem}_landmarks.txt", rows)
        (directory / "Emotion" / place).mkdir(parents=True)
        if code is not None:
            write_text(
                directory / "Emotion" / place / f"{subject}_001_00000004_emotion.txt", f"   {code}.0000000e+00\n"
            )
            write_text(directory / "FACS" / place / f"{subject}_001_00000004_facs.txt", "   9.0e+00   5.0e+00\n")


def write_ck48(directory):
    for name in (
        "anger/S010_004_00000017",
        "anger/S010_004_00000018",
        "happy/S011_006_00000013",
        "fear/S999_001_00000007",
    ):
        write_picture(directory / f"{name}.png", side=48)


def pixel_field(value):
    """The field of one FER2013 picture whose grey values are all the same but for the first, which is 0."""
    return " ".join(["0"] + [str(value)] * 2303)


def write_fer2013(directory):
    rows = [(0, 10, "Training"), (3, 20, "Training"), (6, 30, "PublicTest"), (4, 40, "PrivateTest")]
    text = "".join(f"{code},{pixel_field(value)},{usage}\n" for code, value, usage in rows)
    write_text(directory / "fer2013.csv", "emotion,pixels,Usage\n" + text)


VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def write_fer_plus(directory):
    write_fer2013(directory)
    rows = [
        "Training,fer0000000.png,1,0,0,1,6,2,0,0,0,0",
        "Training,fer0000001.png,0,10,0,0,0,0,0,0,0,0",
        "PublicTest,fer0000002.png,9,0,0,0,0,0,0,0,1,0",
        "PrivateTest,fer0000003.png,0,0,0,0,0,0,0,10,0,0",
    ]
    write_text(directory / "fer2013new.csv", VOTES_HEADER + "".join(f"{row}\n" for row in rows))


def write_raf_db(directory):
    rows = (("train_00001", 5), ("train_00002", 4), ("test_0001", 7))
    for stem, _ in rows:
        write_picture(directory / "basic/Image/aligned" / f"{stem}_aligned.jpg", side=100, channels=3)
        points = "".join(f"{x}.5\t{x}.25\n" for x in range(5))
        write_text(directory / "basic/Annotation/manual" / f"{stem}_manu_attri.txt", f"{points}1\n2\n3\n")
    text = "".join(f"{stem}.jpg {code}\n" for stem, code in rows)
    write_text(directory / "basic/EmoLabel/list_patition_label.txt", text)


AFFECT_NET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
)


def affect_net_row(path, expression, valence, arousal, landmarks=LANDMARKS):
    points = ";".join(f"{value:.2f}" for value in np.ravel(landmarks))
    return f"{path},134,134,899,899,{points},{expression},{valence},{arousal}\n"


def write_affect_net(directory):
    for path in ("689/a.jpg", "17/b.png", "103/c.jpg"):
        write_picture(directory / "Manually_Annotated_Images" / path, channels=3)
    training = affect_net_row("689/a.jpg", 1, 0.785714, -0.055556) + affect_net_row("17/b.png", 6, -2, -2)
    write_text(directory / "training.csv", AFFECT_NET_HEADER + training)
    write_text(directory / "validation.csv", AFFECT_NET_HEADER + affect_net_row("103/c.jpg", 0, -0.5, 0.25))


def write_affect_net_set(directory):
    for part, number, expression in (("train_set", 0, "1"), ("train_set", 10, "6"), ("val_set", 0, "7")):
        write_picture(directory / part / "images" / f"{number}.jpg", side=224, channels=3)
        stem = directory / part / "annotations" / f"{number}"
        for ending, value in (("exp", expression), ("val", "0.5"), ("aro", "-0.25"), ("lnd", LANDMARKS.ravel())):
            write_array(stem.with_name(f"{number}_{ending}.npy"), value)


def write_oulu_casia(directory):
    for place in ("VL/Strong/P001/Anger", "VL/Strong/P002/Fear", "VL/Dark/P001/Anger", "NI/Weak/P080/Happiness"):
        for frame in range(4):
            write_picture(directory / "OriginalImg" / place / f"{frame:03d}.jpeg", channels=3)


def write_jaffe(directory):
    for name in ("KA.AN1.39", "KA.AN2.40", "KL.SU3.166", "YM.NE1.49"):
        write_picture(directory / f"{name}.tiff")
    write_text(directory / "README", "JAFFE")


def write_mmi(directory):
    frames = [np.full((16, 16), 20 * frame, np.uint8) for frame in range(6)]
    for session, subject, emotion in ((1, 1, 4), (7, 1, 6), (12, 2, 1)):
        stem = f"S{subject:03d}-{session:03d}"
        folder = directory / "Sessions" / str(session)
        write_text(
            folder / "session.xml",
            f'<session><subject id="{subject}" age="30"/><track view="0" filename="{stem}.avi">'
            f'<annotation filename="{stem}-oao_aucs.xml"/></track></session>',
        )
        write_text(folder / f"{stem}.xml", f'<Annotation><Metatag Name="Emotion" Value="{emotion}"/></Annotation>')
        markers = "".join(f'<Marker Frame="{kind + 1}" Type="{kind}"/>' for kind in range(4))
        units = f'<ActionUnits><ActionUnit Number="12">{markers}</ActionUnit></ActionUnits>'
        write_text(folder / f"{stem}-oao_aucs.xml", units)
        (folder / f"{stem}.avi").write_bytes(encode_avi(frames, 24))


def write_class_folders(directory):
    for name in ("train/happy/a.png", "train/sad/a.png", "test/happy/a.png", "surprise/b.jpg", "surprise/c.webp"):
        write_picture(directory / name)


def write_folder(directory):
    for name in ("a.png", "b.png", "c.png"):
        write_picture(directory / name)
    write_text(directory / "a.txt", "".join(f"{x} {y}\n" for x, y in LANDMARKS))
    rows = "a.png,happy,a,s,1,,a.txt\nb.png,sad,a,s,2,a.png,\nc.png,fear,b,,,,\n"
    write_text(directory / "labels.csv", "path,label,subject,sequence,frame,mask,landmarks\n" + rows)


LAYOUTS = {
    "affect_net": write_affect_net,
    "affect_net:cropped": write_affect_net_set,
    "ck48": write_ck48,
    "ck_plus": write_ck_plus,
    "class_folders": write_class_folders,
    "fer2013": write_fer2013,
    "fer_plus": write_fer_plus,
    "folder": write_folder,
    "jaffe": write_jaffe,
    "mmi": write_mmi,
    "oulu_casia": write_oulu_casia,
    "raf_db": write_raf_db,
}
"""By the corpus's name, and after a colon which of its layouts. A new reader needs one line here: it is then held to
what every reader owes (`test_readers.py`) and fuzzed (`test_fuzz.py`)."""


@pytest.fixture(scope="session")
def layouts():
    return LAYOUTS


@pytest.fixture(params=sorted(LAYOUTS))
def layout(request, tmp_path):
    """Each layout in turn: the corpus's name and the folder where it was written."""
    LAYOUTS[request.param](tmp_path / "corpus")
    return request.param.partition(":")[0], tmp_path / "corpus"


@pytest.fixture(scope="session")
def write():
    return types.SimpleNamespace(picture=write_picture, text=write_text, array=write_array)
