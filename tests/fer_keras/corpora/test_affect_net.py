import pickle

import numpy as np
import pytest

from fer_keras.corpora import SkipLog, affect_net
from fer_keras.errors import InputError

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
POINTS = ";".join(f"{x};{x + 0.5}" for x in range(100, 168))
LANDMARKS = np.stack([np.arange(100, 168), np.arange(100, 168) + 0.5], axis=1)


def row(path, expression="1", valence="0.5", arousal="-0.5", points=POINTS):
    return f"{path},1,2,3,4,{points},{expression},{valence},{arousal}\n"


def read(directory):
    skips = SkipLog()
    return affect_net.read(directory, skips), skips


def stated(samples):
    """What a sample says but for its landmarks, which do not compare."""
    return [
        (one.subject, one.sequence, one.image, one.label, one.split, one.attributes, one.cropped, one.frame)
        for one in samples
    ]


class TestFullRelease:
    def test_samples(self, layouts, tmp_path):
        layouts["affect_net"](tmp_path)
        samples, skips = read(tmp_path)
        images = tmp_path / "Manually_Annotated_Images"
        expected = [
            ("689/a.jpg", "happiness", "train", {"valence": "0.785714", "arousal": "-0.055556"}),
            ("17/b.png", "anger", "train", {}),
            ("103/c.jpg", "neutral", "validation", {"valence": "-0.5", "arousal": "0.25"}),
        ]
        assert stated(samples) == [
            (path, path, images / path, label, split, attributes, False, -1)
            for path, label, split, attributes in expected
        ]
        assert skips == []
        for one in samples:
            np.testing.assert_array_equal(one.landmarks, LANDMARKS)

    @pytest.mark.parametrize(
        ("lists", "images"),
        [
            ("Manually_Annotated_file_lists", "Manually_Annotated"),
            ("Manually_Annotated", "Manually_Annotated"),
            ("Manually_Annotated_file_lists", "Manually_Annotated_compressed"),
        ],
    )
    def test_places(self, layouts, tmp_path, lists, images):
        layouts["affect_net"](tmp_path / "all")
        before, _ = read(tmp_path / "all")
        (tmp_path / "new" / lists).mkdir(parents=True)
        (tmp_path / "new" / images).mkdir(exist_ok=True)
        for name in ("training.csv", "validation.csv"):
            (tmp_path / "all" / name).rename(tmp_path / "new" / lists / name)
        (tmp_path / "all/Manually_Annotated_Images").rename(tmp_path / "new" / images / "Manually_Annotated_Images")
        after, _ = read(tmp_path / "new")
        assert [one.key for one in after] == [one.key for one in before]

    def test_a_list_without_its_first_line(self, layouts, write, tmp_path):
        layouts["affect_net"](tmp_path)
        write.text(tmp_path / "validation.csv", row("103/c.jpg", "2").replace("\n", "\r\n"))
        samples, skips = read(tmp_path)
        assert samples[-1].label == "sadness"
        assert skips == []

    @pytest.mark.parametrize(
        ("code", "name"),
        enumerate(("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")),
    )
    def test_every_code(self, layouts, write, tmp_path, code, name):
        layouts["affect_net"](tmp_path)
        write.text(tmp_path / "training.csv", HEADER + row("689/a.jpg", code))
        assert read(tmp_path)[0][0].label == name

    def test_what_is_left_out(self, layouts, write, tmp_path):
        layouts["affect_net"](tmp_path)
        rows = [
            row("689/a.jpg"),
            row("689/a.jpg"),
            row("17/b.png", "8"),
            row("17/b.png", "9"),
            row("17/b.png", "10"),
            row("17/b.png", "11"),
            row("17/b.png", "1.5"),
            row("17/b.png", ""),
            row("17/b.png", valence="7"),
            row("17/b.png", arousal="nan"),
            row("17/gone.png"),
            row("17"),
            "17/b.png,1\n",
            row("17/b\0.png"),
            row('"17/b.png'),
            row("17/b.png", points="1" * 300_000),
        ]
        text = ("\ufeff" + HEADER + "".join(rows)).encode() + row("17/b.png").encode().replace(b"b.png", b"\xff.png")
        (tmp_path / "training.csv").write_bytes(text)
        (tmp_path / "validation.csv").unlink()
        samples, skips = read(tmp_path)
        assert [one.subject for one in samples] == ["689/a.jpg"]
        file, images = tmp_path / "training.csv", tmp_path / "Manually_Annotated_Images"
        expected = [
            (file, "line 3: names '689/a.jpg' again; expected every picture once"),
            (file, "line 4: expression is 8, none; expected one of the eight emotions"),
            (file, "line 5: expression is 9, uncertain;"),
            (file, "line 6: expression is 10, no face;"),
            (file, "line 7: expression is '11'; expected one of 0 neutral, 1 happiness"),
            (file, "line 8: expression is '1.5';"),
            (file, "line 9: expression is '';"),
            (file, "line 10: valence is '7'; expected a number from -1 to 1, or -2 for none"),
            (file, "line 11: arousal is 'nan';"),
            (images / "17/gone.png", "no such file; named in training.csv, line 12"),
            (images / "17", "no such file; named in training.csv, line 13"),
            (file, "line 14: has 2 fields; expected 9"),
            (file, "line 15: holds a NUL byte"),
            (file, "line 16: cannot be read (unexpected end of data)"),
            (file, "line 17: cannot be read (field larger than field limit (131072))"),
            (f"{images}/17/\\xff.png", "no such file; named in training.csv, line 18"),
        ]
        assert [path for path, _ in skips] == [str(path) for path, _ in expected]
        for (_, reason), (_, start) in zip(skips, expected, strict=True):
            assert reason.startswith(start)

    @pytest.mark.parametrize(
        "points", ["", "1;2", "nan;" * 135 + "1", "x;" * 135 + "1", "5;" * 135 + "5", "9e9;" + POINTS[4:]]
    )
    def test_landmarks_that_cannot_be_used_are_none(self, layouts, write, tmp_path, points):
        layouts["affect_net"](tmp_path)
        write.text(tmp_path / "training.csv", HEADER + row("689/a.jpg", points=points))
        samples, skips = read(tmp_path)
        assert [one.landmarks is None for one in samples] == [True, False]
        assert skips == []

    def test_layouts_that_cannot_be_read(self, layouts, write, tmp_path):
        with pytest.raises(InputError, match=r"no training\.csv or validation\.csv and no train_set"):
            read(tmp_path)
        layouts["affect_net"](tmp_path)
        for text in ("", HEADER.replace("expression", "emotion"), "\0"):
            write.text(tmp_path / "training.csv", text)
            with pytest.raises(InputError, match=r"training\.csv: (is empty|line 1: column)"):
                read(tmp_path)
        (tmp_path / "Manually_Annotated_Images").rename(tmp_path / "elsewhere")
        with pytest.raises(InputError, match="Manually_Annotated_Images is missing"):
            read(tmp_path)


class TestCroppedRelease:
    def test_samples(self, layouts, tmp_path):
        layouts["affect_net:cropped"](tmp_path)
        samples, skips = read(tmp_path)
        expected = [
            ("train_set/0.jpg", "train_set/images/0.jpg", "happiness", "train"),
            ("train_set/10.jpg", "train_set/images/10.jpg", "anger", "train"),
            ("val_set/0.jpg", "val_set/images/0.jpg", "contempt", "validation"),
        ]
        assert stated(samples) == [
            (name, name, tmp_path / path, label, split, {"valence": "0.5", "arousal": "-0.25"}, False, -1)
            for name, path, label, split in expected
        ]
        assert skips == []
        np.testing.assert_array_equal(samples[0].landmarks, LANDMARKS)

    def test_arrays_of_numbers_and_missing_ones(self, write, tmp_path):
        write.picture(tmp_path / "val_set/images/0.jpg")
        write.array(tmp_path / "val_set/annotations/0_exp.npy", np.int64(3))
        write.array(tmp_path / "val_set/annotations/0_val.npy", np.array([-2.0]))
        (one,), skips = read(tmp_path)
        assert (one.label, one.split, one.attributes, one.landmarks) == ("surprise", "validation", {}, None)
        assert skips == []

    def test_pickled_objects_are_never_loaded(self, layouts, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (tmp_path / "boom").mkdir, ()

        layouts["affect_net:cropped"](tmp_path)
        annotations = tmp_path / "train_set/annotations"
        np.save(annotations / "0_exp.npy", np.array(Bomb(), object), allow_pickle=True)
        (annotations / "10_exp.npy").write_bytes(pickle.dumps(Bomb()))
        samples, skips = read(tmp_path)
        assert [one.subject for one in samples] == ["val_set/0.jpg"]
        assert not (tmp_path / "boom").exists()
        assert "0_exp.npy: is no plain array (Object arrays cannot be loaded" in skips[0][1]
        assert "10_exp.npy: is no plain array" in skips[1][1]
        assert all("expected 1 number, and nothing pickled" in reason for _, reason in skips)

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("exp", "8", "expression is 8, none"),
            ("exp", "11", "expression is '11.0'; expected one of"),
            ("exp", "happy", "0_exp.npy: is no plain array (could not convert string to float"),
            ("exp", np.zeros(2), "0_exp.npy: is no plain array (cannot reshape"),
            ("val", "7", "valence is '7.0'"),
            ("aro", np.zeros(0), "0_aro.npy: is no plain array"),
            ("lnd", np.zeros(134), "0_lnd.npy: is no plain array"),
            ("lnd", np.zeros(100_000), "0_lnd.npy: has more than 65536 bytes"),
        ],
    )
    def test_what_is_left_out(self, layouts, write, tmp_path, name, value, reason):
        layouts["affect_net:cropped"](tmp_path)
        write.array(tmp_path / f"train_set/annotations/0_{name}.npy", value)
        samples, ((path, found),) = read(tmp_path)
        assert [one.subject for one in samples] == ["train_set/10.jpg", "val_set/0.jpg"]
        assert path == str(tmp_path / "train_set/images/0.jpg")
        assert found.startswith(reason)

    def test_a_picture_without_a_label(self, layouts, tmp_path):
        layouts["affect_net:cropped"](tmp_path)
        (tmp_path / "train_set/annotations/0_exp.npy").unlink()
        _, ((_, reason),) = read(tmp_path)
        assert reason == "no label; expected 0_exp.npy in train_set/annotations"

    def test_unusable_landmarks_are_none(self, layouts, write, tmp_path):
        layouts["affect_net:cropped"](tmp_path)
        write.array(tmp_path / "train_set/annotations/0_lnd.npy", np.full(136, -1.0))
        samples, skips = read(tmp_path)
        assert [one.landmarks is None for one in samples] == [True, False, False]
        assert skips == []


def test_strict_does_not_stop_at_a_picture_that_shows_no_emotion(layouts, tmp_path):
    layouts["affect_net"](tmp_path)
    file = tmp_path / "validation.csv"
    file.write_text(file.read_text().replace(",0,-0.5,", ",9,-2,"))
    skips = SkipLog(strict=True)
    assert len(affect_net.read(tmp_path, skips)) == 2
    assert len(skips) == 1
    file.write_text(file.read_text().replace(",9,-2,", ",17,-2,"))
    with pytest.raises(InputError, match="expression is '17'"):
        affect_net.read(tmp_path, SkipLog(strict=True))
