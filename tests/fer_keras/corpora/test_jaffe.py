import pytest

from fer_keras.corpora import Sample, SkipLog, jaffe
from fer_keras.errors import InputError


def test_samples(layouts, write, tmp_path):
    layouts["jaffe"](tmp_path)
    write.picture(tmp_path / "kr.ne1.71.tiff")
    skips = SkipLog()
    expected = [
        ("KA", "KA.AN1.39", "KA.AN1.39.tiff", "anger"),
        ("KA", "KA.AN2.40", "KA.AN2.40.tiff", "anger"),
        ("KL", "KL.SU3.166", "KL.SU3.166.tiff", "surprise"),
        ("YM", "YM.NE1.49", "YM.NE1.49.tiff", "neutral"),
        ("KR", "KR.NE1.71", "kr.ne1.71.tiff", "neutral"),
    ]
    assert jaffe.read(tmp_path, skips) == [
        Sample("jaffe", subject, sequence, tmp_path / name, label) for subject, sequence, name, label in expected
    ]
    assert skips == []


@pytest.mark.parametrize(
    ("letters", "name"),
    zip(
        ("AN", "DI", "FE", "HA", "NE", "SA", "SU"),
        ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        strict=True,
    ),
)
def test_every_code(write, tmp_path, letters, name):
    write.picture(tmp_path / f"KA.{letters}1.1.tiff")
    assert [sample.label for sample in jaffe.read(tmp_path, SkipLog())] == [name]


def test_a_folder_around(layouts, tmp_path):
    layouts["jaffe"](tmp_path / "jaffedbase")
    assert len(jaffe.read(tmp_path, SkipLog())) == 4


def test_what_is_left_out(layouts, write, tmp_path):
    layouts["jaffe"](tmp_path)
    for name in ("KA.XX1.39.tiff", "KA.AN.39.tiff", "face.jpg"):
        write.picture(tmp_path / name)
    (tmp_path / "KA.AN3.41.tiff").mkdir()
    skips = SkipLog()
    assert len(jaffe.read(tmp_path, skips)) == 4
    assert [path for path, _ in skips] == [
        str(tmp_path / name) for name in ("KA.AN3.41.tiff", "KA.AN.39.tiff", "KA.XX1.39.tiff", "face.jpg")
    ]
    assert skips[1][1] == (
        "no subject and expression; expected a name like KA.AN1.39.tiff with one of AN, DI, FE, HA, NE, SA, SU"
    )


def test_no_picture_of_jaffe(write, tmp_path):
    write.picture(tmp_path / "face.tiff")
    with pytest.raises(InputError, match="no picture of JAFFE found"):
        jaffe.read(tmp_path, SkipLog())
