import pytest

from fer_keras.corpora import Sample, SkipLog, raf_db
from fer_keras.errors import InputError

ATTRIBUTES = {"gender": "female", "ethnicity": "asian", "age": "40-69"}
LABELS = "basic/EmoLabel/list_patition_label.txt"


def sample(image, stem, label, attributes=ATTRIBUTES):
    split = stem.partition("_")[0]
    return Sample("raf_db", stem, stem, image, label, split=split, attributes=attributes)


def read(directory):
    skips = SkipLog()
    return raf_db.read(directory, skips), skips


def test_samples(layouts, tmp_path):
    layouts["raf_db"](tmp_path)
    aligned = tmp_path / "basic/Image/aligned"
    expected = [
        sample(aligned / "test_0001_aligned.jpg", "test_0001", "neutral"),
        sample(aligned / "train_00001_aligned.jpg", "train_00001", "sadness"),
        sample(aligned / "train_00002_aligned.jpg", "train_00002", "happiness"),
    ]
    assert read(tmp_path) == (expected, [])
    assert read(tmp_path / "basic") == (expected, [])


@pytest.mark.parametrize(
    ("code", "name"),
    enumerate(("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"), start=1),
)
def test_every_code(layouts, write, tmp_path, code, name):
    layouts["raf_db"](tmp_path)
    write.text(tmp_path / LABELS, f"train_00001.jpg {code}\n")
    assert [one.label for one in read(tmp_path)[0]] == [name]


def test_original_pictures_without_attributes(write, tmp_path):
    write.picture(tmp_path / "basic/Image/original/train_00001.jpg")
    write.text(tmp_path / LABELS, "\ufefftrain_00001.jpg 1\r\n\r\n")
    image = tmp_path / "basic/Image/original/train_00001.jpg"
    assert read(tmp_path) == ([sample(image, "train_00001", "surprise", {})], [])


def test_what_is_left_out(layouts, write, tmp_path):
    layouts["raf_db"](tmp_path)
    (tmp_path / "basic/Image/aligned/train_00004_aligned.jpg").mkdir()
    rows = [
        "train_00001.jpg 5",
        "train_00001.jpg 4",
        "train_00002.jpg 8",
        "train_00002.jpg",
        "train_00002.jpg happy",
        "../../train_00002.jpg 4",
        "holiday_00002.jpg 4",
        "train_00003.jpg 4",
        "train_00004.jpg 4",
        "\0",
        "train_00002.jpg " + "9" * 9999,
        "x" * 300_000,
    ]
    write.text(tmp_path / LABELS, "\n".join(rows))
    samples, skips = read(tmp_path)
    assert [one.subject for one in samples] == ["train_00001"]
    expected = [
        (LABELS, "line 2: names train_00001.jpg again"),
        (LABELS, "line 3: the label is 8; expected one of 1 surprise, 2 fear"),
        (LABELS, "line 4: found 'train_00002.jpg'; expected a row like train_00001.jpg 5"),
        (LABELS, "line 5: found 'train_00002.jpg happy'"),
        (LABELS, "line 6: found '../../train_00002.jpg 4'"),
        (LABELS, "line 7: found 'holiday_00002.jpg 4'"),
        ("basic/Image/aligned/train_00003_aligned.jpg", "no such file; named in list_patition_label.txt, line 8"),
        ("basic/Image/aligned/train_00004_aligned.jpg", "no such file; named in list_patition_label.txt, line 9"),
        (LABELS, "line 10: found '\\x00'"),
        (LABELS, "line 11: the label is 999999999;"),
        (LABELS, "line 12: found 'xxxx"),
    ]
    assert len(skips) == len(expected)
    for (path, reason), (place, start) in zip(skips, expected, strict=True):
        assert path == str(tmp_path / place)
        assert reason.startswith(start)
    with pytest.raises(InputError, match=r"list_patition_label\.txt: line 2: names train_00001\.jpg again"):
        raf_db.read(tmp_path, SkipLog(strict=True))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "has 0 lines; expected five points and gender, race and age"),
        ("1 2\n" * 5 + "0\n0\n", "has 7 lines"),
        ("1 2\n" * 5 + "3\n0\n0\n", "line 6: gender is '3'; expected one of 0 male, 1 female, 2 unsure"),
        ("1 2\n" * 5 + "0\n\0\n0\n", "line 7: ethnicity is '\\x00'; expected one of 0 caucasian"),
        ("1 2\n" * 5 + "0\n0\n0 1\n", "line 8: age is '0 1'; expected one of 0 0-3"),
    ],
)
def test_broken_attributes(layouts, write, tmp_path, content, reason):
    layouts["raf_db"](tmp_path)
    path = tmp_path / "basic/Annotation/manual/train_00001_manu_attri.txt"
    write.text(path, content)
    samples, ((place, found),) = read(tmp_path)
    assert [one.subject for one in samples] == ["test_0001", "train_00002"]
    assert place == str(path)
    assert found.startswith(reason)


def test_missing_folders(layouts, tmp_path):
    with pytest.raises(InputError, match=r"list_patition_label\.txt is missing"):
        read(tmp_path)
    layouts["raf_db"](tmp_path)
    (tmp_path / "basic/Image").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="aligned is missing"):
        read(tmp_path)
