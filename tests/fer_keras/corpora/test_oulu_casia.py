import pytest

from fer_keras.corpora import Sample, SkipLog, oulu_casia
from fer_keras.errors import InputError


def samples_of(top, camera, light, subject, label, folder, frames=(1, 2, 3)):
    return [
        Sample(
            "oulu_casia",
            subject,
            f"{subject}_{camera}_{light}_{label}",
            top / folder / f"{frame:03d}.jpeg",
            label,
            frame=frame,
            attributes={"camera": camera, "illumination": light.lower()},
        )
        for frame in frames
    ]


def test_the_last_three_frames_carry_the_label(layouts, tmp_path):
    layouts["oulu_casia"](tmp_path)
    top, skips = tmp_path / "OriginalImg", SkipLog()
    expected = [
        *samples_of(top, "VL", "Dark", "P001", "anger", "VL/Dark/P001/Anger"),
        *samples_of(top, "VL", "Strong", "P001", "anger", "VL/Strong/P001/Anger"),
        *samples_of(top, "VL", "Strong", "P002", "fear", "VL/Strong/P002/Fear"),
        *samples_of(top, "NI", "Weak", "P080", "happiness", "NI/Weak/P080/Happiness"),
    ]
    assert oulu_casia.read(tmp_path, skips) == expected
    assert oulu_casia.read(top, skips) == expected
    assert skips == []
    last = oulu_casia.read(tmp_path, skips, peak_frames=1)
    assert [sample.frame for sample in last] == [3] * 4
    with pytest.raises(InputError, match="peak_frames=0"):
        oulu_casia.read(tmp_path, skips, peak_frames=0)


def test_whole_sequences_and_their_phases(layouts, tmp_path):
    layouts["oulu_casia"](tmp_path)
    samples = oulu_casia.read(tmp_path, SkipLog(), peak_frames=None)
    assert [sample.frame for sample in samples] == [0, 1, 2, 3] * 4
    assert [sample.attributes["phase"] for sample in samples] == ["neutral", "apex", "apex", "apex"] * 4
    assert {sample.attributes["camera"] for sample in samples} == {"VL", "NI"}


@pytest.mark.parametrize("above", ["B_OriginalImg", "Oulu/B_OriginalImg", "Oulu CASIA"])
def test_levels_above(layouts, tmp_path, above):
    layouts["oulu_casia"](tmp_path / "made")
    (tmp_path / "all" / above).parent.mkdir(parents=True)
    (tmp_path / "made/OriginalImg").rename(tmp_path / "all" / above)
    assert len(oulu_casia.read(tmp_path / "all", SkipLog())) == 12


def test_preprocessed_pictures(layouts, write, tmp_path):
    write.picture(tmp_path / "PreProcess Img/VL_Acropped/Strong/P001/Surprise/003.jpeg")
    (only,) = oulu_casia.read(tmp_path, SkipLog())
    assert (only.sequence, only.label, only.cropped) == ("P001_VL_Strong_surprise", "surprise", False)
    layouts["oulu_casia"](tmp_path)  # of two folders on one level, the first by name
    assert {sample.image.parts[-6] for sample in oulu_casia.read(tmp_path, SkipLog())} == {"OriginalImg"}


def test_what_is_left_out(layouts, write, tmp_path):
    layouts["oulu_casia"](tmp_path)
    top, skips = tmp_path / "OriginalImg", SkipLog()
    write.picture(top / "NI/Moonlight/P001/Anger/000.jpeg")
    write.picture(top / "NI/Weak/Peter/Anger/000.jpeg")
    write.picture(top / "NI/Weak/P080/Boredom/000.jpeg")
    write.picture(top / "NI/Weak/P080/Happiness/last.jpeg")
    (top / "NI/Weak/P080/Sadness").mkdir()
    (top / "NI/Weak/P080/Happiness/009.jpeg").mkdir()
    assert len(oulu_casia.read(tmp_path, skips)) == 12
    expected = [
        ("NI/Moonlight", "is no illumination; expected Strong, Weak or Dark"),
        ("NI/Weak/P080/Boredom", "unknown label 'Boredom'"),
        ("NI/Weak/P080/Happiness/009.jpeg", "is no file"),
        ("NI/Weak/P080/Happiness/last.jpeg", "no frame number; expected a name like 000.jpeg"),
        ("NI/Weak/P080/Sadness", "no picture; expected JPEG frames"),
        ("NI/Weak/Peter", "is no person; expected a folder like P001"),
    ]
    assert [path for path, _ in skips] == [str(top / place) for place, _ in expected]
    for (_, reason), (_, start) in zip(skips, expected, strict=True):
        assert reason.startswith(start)


def test_no_camera(tmp_path):
    with pytest.raises(InputError, match="no folder VL or NI found"):
        oulu_casia.read(tmp_path, SkipLog())
