import pytest

from fer_keras.corpora import Sample, SkipLog, fer2013, fer_plus
from fer_keras.errors import InputError

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
PIXELS = " ".join(["7"] * 2304)


def write_rows(directory, rows, usages=None):
    """Writes both files; `rows` are the votes' lines."""
    usages = usages or [row.partition(",")[0] for row in rows]
    pictures = "".join(f"0,{PIXELS},{usage}\n" for usage in usages)
    (directory / "fer2013.csv").write_text("emotion,pixels,Usage\n" + pictures)
    (directory / "fer2013new.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))


def read(directory):
    skips = SkipLog()
    return fer_plus.read(directory, skips), skips


def test_samples(layouts, tmp_path):
    layouts["fer_plus"](tmp_path)
    samples, skips = read(tmp_path)
    rows = list(fer2013.read_rows(tmp_path / "fer2013.csv"))
    #               neutral anger contempt disgust fear happiness sadness surprise
    expected = [
        ("Training-00000", "anger", "train", (0.1, 0.6, 0, 0.2, 0, 0, 0.1, 0)),
        ("Training-00001", "happiness", "train", (0, 0, 0, 0, 0, 1, 0, 0)),
        ("PublicTest-00002", "neutral", "validation", (1, 0, 0, 0, 0, 0, 0, 0)),
        ("PrivateTest-00003", "contempt", "test", (0, 0, 1, 0, 0, 0, 0, 0)),
    ]
    assert samples == [
        Sample(
            "fer_plus",
            subject,
            subject,
            tmp_path / "fer2013.csv",
            label,
            part=row.pixels,
            cropped=True,
            votes=votes,
            split=split,
        )
        for (subject, label, split, votes), row in zip(expected, rows, strict=True)
    ]
    assert skips == []


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ("10,0,0,0,0,0,0,0,0,0", "neutral"),
        ("0,6,4,0,0,0,0,0,0,0", "happiness"),
        ("4,1,1,1,1,1,1,0,0,0", "neutral"),  # single votes do not count
        ("0,0,0,0,0,0,0,5,0,4", "contempt"),
        ("0,0,0,5,5,0,0,0,0,0", "no majority (5 sadness, 5 anger); expected more than half"),
        ("4,0,0,3,3,0,0,0,0,0", "no majority (4 neutral, 3 sadness, 3 anger); expected"),
        ("5,0,0,0,0,0,0,0,5,0", "no majority (5 neutral, 5 unknown); expected"),
        ("1,1,1,1,1,1,1,1,1,1", "no majority (1 neutral, 1 happiness,"),
        ("0,0,0,0,0,0,0,0,0,0", "no majority (); expected"),
        ("1,1,0,0,0,0,0,0,8,0", "most votes are for unknown; expected an emotion"),
        ("0,0,0,0,0,0,0,0,2,8", "most votes are for NF; expected an emotion"),
        ("x,0,0,0,0,0,0,0,2,8", "neutral is 'x'; expected a count of votes"),
        ("0,-1,0,0,0,0,0,0,2,8", "happiness is '-1'; expected a count of votes"),
        ("0,0,99999999,0,0,0,0,0,2,8", "surprise is '99999999'; expected a count"),
        ("0,0,0,0,0,0,0,0,2", "has 11 fields; expected 12"),
    ],
)
def test_the_rule_of_the_published_code(tmp_path, votes, label):
    write_rows(tmp_path, [f"Training,fer0.png,{votes}"])
    samples, skips = read(tmp_path)
    if samples:
        assert [one.label for one in samples] == [label]
        assert skips == []
    else:
        ((path, reason),) = skips
        assert path == str(tmp_path / "fer2013new.csv")
        assert reason.startswith(f"line 2: {label}")


def test_a_removed_picture(tmp_path):
    write_rows(tmp_path, ["Training,,0,0,0,0,0,0,0,0,0,10", "Training,fer0000001.png,10,0,0,0,0,0,0,0,0,0"])
    samples, ((_, reason),) = read(tmp_path)
    assert [one.subject for one in samples] == ["Training-00001"]
    assert reason.startswith("line 2: FER+ removed this picture")


def test_a_damaged_row_moves_no_other(tmp_path):
    good = "Training,a.png,0,10,0,0,0,0,0,0,0,0"
    write_rows(tmp_path, [good, "Training,\0", good.replace("0,10,0", "0,0,10")], ["Training"] * 3)
    samples, skips = read(tmp_path)
    assert [(one.subject, one.label) for one in samples] == [
        ("Training-00000", "happiness"),
        ("Training-00002", "surprise"),
    ]
    assert [reason for _, reason in skips] == ["line 3: holds a NUL byte; expected text"]
    text = (tmp_path / "fer2013.csv").read_text().splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join([*text[:2], "0,1 2 3,Training", *text[3:]]))
    samples, skips = read(tmp_path)
    assert [one.subject for one in samples] == ["Training-00000", "Training-00002"]
    assert [reason.partition(";")[0] for _, reason in skips] == [
        "line 3: holds a NUL byte",
        "line 3: has 3 grey values",
    ]


def test_files_that_do_not_belong_together(tmp_path):
    votes = "a.png,0,10,0,0,0,0,0,0,0,0"
    write_rows(tmp_path, [f"Training,{votes}", f"PublicTest,{votes}"], ["Training", "Training"])
    samples, ((_, reason),) = read(tmp_path)
    assert len(samples) == 1
    assert reason == "line 3: Usage is 'PublicTest' and in fer2013.csv 'Training'; expected the same rows"
    write_rows(tmp_path, [f"Training,{votes}"] * 3, ["Training"] * 2)
    with pytest.raises(
        InputError, match=r"fer2013new\.csv: has 3 rows and .*fer2013\.csv has 2; expected the same rows"
    ):
        read(tmp_path)


def test_a_byte_order_mark_and_crlf_change_nothing(layouts, tmp_path):
    layouts["fer_plus"](tmp_path)
    before, _ = read(tmp_path)
    file = tmp_path / "fer2013new.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert read(tmp_path) == (before, [])


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013new.csv"])
def test_a_missing_or_empty_file(layouts, tmp_path, name):
    layouts["fer_plus"](tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=name):
        read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"no {name} found"):
        read(tmp_path)


def test_strict_does_not_stop_where_the_votes_decide_nothing(write, layouts, tmp_path):
    layouts["fer_plus"](tmp_path)
    file = tmp_path / "fer2013new.csv"
    undecided = file.read_text().replace("1,0,0,1,6,2,0,0,0,0", "5,0,0,0,5,0,0,0,0,0")
    write.text(file, undecided)
    skips = SkipLog(strict=True)
    assert len(fer_plus.read(tmp_path, skips)) == 3
    assert len(skips) == 1
    write.text(file, undecided.replace("5,0,0,0,5", "5,0,0,0,x"))
    with pytest.raises(InputError, match="expected a count of votes"):
        fer_plus.read(tmp_path, SkipLog(strict=True))
