import numpy as np
import pytest

from fer_keras.corpora import Sample, SkipLog, fer2013
from fer_keras.corpora.fer2013 import PixelRow
from fer_keras.errors import InputError

PIXELS = " ".join(str(value % 256) for value in range(2304))
GREY = (np.arange(2304) % 256).astype(np.uint8).reshape(48, 48)


def sample(file, subject, label, split, line, offset):
    return Sample(
        "fer2013", subject, subject, file, label, part=PixelRow(line, offset), cropped=True, split=split
    )  # fmt: skip


def test_samples(layouts, tmp_path):
    layouts["fer2013"](tmp_path)
    file = tmp_path / "fer2013.csv"
    content = file.read_bytes()
    skips = SkipLog()
    samples = fer2013.read(tmp_path, skips)
    starts = [content.index(b",0 %d " % value) + 1 for value in (10, 20, 30, 40)]
    assert samples == [
        sample(file, "Training-00000", "anger", "train", 2, starts[0]),
        sample(file, "Training-00001", "happiness", "train", 3, starts[1]),
        sample(file, "PublicTest-00002", "neutral", "validation", 4, starts[2]),
        sample(file, "PrivateTest-00003", "sadness", "test", 5, starts[3]),
    ]
    assert skips == []
    assert [int(one.read()[0, 0, 0]) for one in samples] == [0] * 4
    assert [int(one.read()[47, 47, 2]) for one in samples] == [10, 20, 30, 40]
    assert samples[2].key == "PublicTest-00002/PublicTest-00002/-1/fer2013.csv: line 4"


@pytest.mark.parametrize("code", range(7))
def test_every_code(write, tmp_path, code):
    write.text(tmp_path / "fer2013.csv", f"emotion,pixels,Usage\n{code},{PIXELS},Training\n")
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert [one.label for one in fer2013.read(tmp_path, SkipLog())] == [names[code]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("icml_face_data.csv", f"emotion, Usage, pixels\n3,PublicTest,{PIXELS}\n"),
        ("fer2013/fer2013.csv", f"\ufeffemotion,pixels,Usage\r\n3,{PIXELS},PublicTest\r\n"),
        ("fer2013.csv", f'"emotion","pixels","Usage"\n"3","{PIXELS}","PublicTest"\n'),
        ("fer2013.csv", f"Usage,pixels,emotion\n\n\nPublicTest, {PIXELS} ,3"),
    ],
)
def test_other_spellings(write, tmp_path, name, text):
    write.text(tmp_path / name, text)
    (one,) = fer2013.read(tmp_path, SkipLog())
    assert (one.label, one.split, one.subject) == ("happiness", "validation", "PublicTest-00000")
    np.testing.assert_array_equal(one.read(), np.repeat(GREY[..., None], 3, axis=2))


def test_what_is_left_out(write, tmp_path):
    rows = [
        f"3,{PIXELS},Training",
        f"7,{PIXELS},Training",
        f"happy,{PIXELS},Training",
        f"3,{PIXELS},Holiday",
        f"3,{PIXELS} 1,Training",
        f"3,{PIXELS}",
        "3",
        f"\0,{PIXELS},Training",
        f"{'9' * 5000},{PIXELS},Training",
        f"3,{'1' * 300_000},Training",
        f"3,{PIXELS},Training",  # a repeated row is a picture like any other
    ]
    write.text(tmp_path / "fer2013.csv", "emotion,pixels,Usage\n" + "\n".join(rows))
    skips = SkipLog()
    assert [one.subject for one in fer2013.read(tmp_path, skips)] == ["Training-00000", "Training-00010"]
    assert {path for path, _ in skips} == {str(tmp_path / "fer2013.csv")}
    expected = [
        "line 3: emotion is '7'; expected one of 0 anger, 1 disgust",
        "line 4: emotion is 'happy'; expected one of",
        "line 5: Usage is 'Holiday'; expected one of Training, PublicTest, PrivateTest",
        "line 6: has 2305 grey values; expected 48×48=2304",
        "line 7: has 2 fields; expected 3",
        "line 8: has 1 fields; expected 3",
        "line 9: emotion is '\\x00'; expected one of",
        "line 10: emotion is '9999",
        "line 11: has 1 grey values; expected 48×48=2304",
    ]
    assert len(skips) == len(expected)
    for (_, reason), start in zip(skips, expected, strict=True):
        assert reason.startswith(start)
    with pytest.raises(InputError, match=r"fer2013\.csv: line 3: emotion is '7'"):
        fer2013.read(tmp_path, SkipLog(strict=True))


@pytest.mark.parametrize("value", ["256", "-1", "1.5", "x", "99999999999999999999", "1_0"])
def test_a_grey_value_is_read_and_judged_with_its_picture(write, tmp_path, value):
    write.text(tmp_path / "fer2013.csv", f"emotion,pixels,Usage\n3,{value} {PIXELS[2:]},Training\n")
    (one,) = fer2013.read(tmp_path, SkipLog())
    with pytest.raises(InputError, match=rf"fer2013\.csv: line 2: the grey value is b'{value[:20]}'; expected"):
        one.read()


def test_a_file_that_changed_since(layouts, tmp_path):
    layouts["fer2013"](tmp_path)
    *_, last = fer2013.read(tmp_path, SkipLog())
    (tmp_path / "fer2013.csv").write_bytes(b"")
    with pytest.raises(InputError, match="line 5: has 0 grey values"):
        last.read()
    (tmp_path / "fer2013.csv").unlink()
    with pytest.raises(InputError, match="line 5: cannot be read"):
        last.read()


@pytest.mark.parametrize("text", ["", "\n", "emotion,pixels\n", "0,1 2 3,Training\n", "\0"])
def test_a_file_without_the_columns(write, tmp_path, text):
    write.text(tmp_path / "fer2013.csv", text)
    with pytest.raises(InputError, match=r"fer2013\.csv: line 1: column '\w+' is missing"):
        fer2013.read(tmp_path, SkipLog())


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"no fer2013\.csv found"):
        fer2013.read(tmp_path, SkipLog())


@pytest.mark.slow
def test_as_many_rows_as_the_published_list_has_are_read(tmp_path):
    row = f"3,{PIXELS},Training\n".encode()
    with (tmp_path / "fer2013.csv").open("wb") as file:
        file.write(b"emotion,pixels,Usage\n")
        for _ in range(35_887):
            file.write(row)
    samples = fer2013.read(tmp_path, SkipLog())
    np.testing.assert_array_equal(samples[-1].read()[..., 0], GREY)
    assert len(samples) == 35_887
