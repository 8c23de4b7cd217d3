import pytest

from fer_keras.corpora import Sample, SkipLog, ck48
from fer_keras.errors import InputError


def test_samples(layouts, write, tmp_path):
    layouts["ck48"](tmp_path)
    write.picture(tmp_path / "sadness/s010_004_00000019.PNG".lower())
    skips = SkipLog()
    samples = ck48.read(tmp_path, skips)
    expected = [
        ("S010", "S010_004", "anger/S010_004_00000017.png", "anger", 17),
        ("S010", "S010_004", "anger/S010_004_00000018.png", "anger", 18),
        ("S010", "S010_004", "sadness/s010_004_00000019.png", "sadness", 19),
        ("S011", "S011_006", "happy/S011_006_00000013.png", "happiness", 13),
        ("S999", "S999_001", "fear/S999_001_00000007.png", "fear", 7),
    ]
    assert samples == [
        Sample("ck48", subject, sequence, tmp_path / image, label, cropped=True, frame=frame)
        for subject, sequence, image, label, frame in expected
    ]
    assert skips == []


@pytest.mark.parametrize("around", ["CK+48", "ck/CK+48"])
def test_folders_around(layouts, tmp_path, around):
    layouts["ck48"](tmp_path / around)
    assert len(ck48.read(tmp_path, SkipLog())) == 4


def test_what_is_left_out(layouts, write, tmp_path):
    layouts["ck48"](tmp_path)
    write.picture(tmp_path / "bored/S010_004_00000017.png")
    write.picture(tmp_path / "fear/S010_004_00000017 (2).png")
    (tmp_path / "fear" / "S010_004_00000020.png").mkdir()
    skips = SkipLog()
    assert len(ck48.read(tmp_path, skips)) == 4
    assert [(path.removeprefix(f"{tmp_path}/"), reason.partition(";")[0]) for path, reason in skips] == [
        ("bored", "unknown label 'bored'"),
        ("fear/S010_004_00000020.png", "is no file"),
        ("fear/S010_004_00000017 (2).png", "no subject, sequence and frame"),
    ]
    with pytest.raises(InputError, match="unknown label 'bored'"):
        ck48.read(tmp_path, SkipLog(strict=True))


def test_no_class_folder(tmp_path):
    with pytest.raises(InputError, match="no class folder found"):
        ck48.read(tmp_path, SkipLog())
