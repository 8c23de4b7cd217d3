"""Damaged corpora: reading one ends normally or in an `InputError`, and in nothing else.

Every layout of `conftest.LAYOUTS` is damaged in turn, always in the same ways.
"""

import os
import pathlib
import random
import shutil
import tempfile

import pytest

from fer_keras import corpora
from fer_keras.corpora.prepare import corpus_fingerprint
from fer_keras.corpora.records import make_record
from fer_keras.errors import InputError

CASES = 200  # a layout; more than 2,000 in all


def truncate(path, chance):
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content) + 1)])


def flip_bits(path, chance):
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 8, 64))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def insert_bytes(path, chance):
    content = path.read_bytes()
    at = chance.choice((0, chance.randrange(len(content) + 1), len(content)))
    odd = (
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\r\n",
        b"\n",
        b'"',
        b",",
        b";",
        b" ",
        b"-",
        b"1" * 5000,
        b"nan",
    )
    path.write_bytes(content[:at] + chance.choice(odd) + content[at:])


def delete_lines(path, chance):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if chance.random() < 0.7))


def repeat_lines(path, chance):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line * chance.choice((1, 2)) for line in lines))


def replace_words(path, chance):
    """Numbers and names become others, where damage at random would mostly hit pixels and landmarks."""
    words = path.read_bytes().replace(b",", b" , ").split(b" ")
    for _ in range(3):
        odd = (
            b"",
            b"-1",
            b"8",
            b"99",
            b"nan",
            b"inf",
            b"1e400",
            b"9" * 400,
            b"\xd9\xa3",
            b"../..",
            b"/",
            b"happy",
            b"\0",
        )
        words[chance.randrange(len(words))] = chance.choice(odd)
    path.write_bytes(b" ".join(words).replace(b" , ", b","))


def empty(path, chance):
    path.write_bytes(b"")


def swap(path, chance):
    other = chance.choice(sorted(path.parent.iterdir()))
    if other.is_file():
        content = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)


def remove(path, chance):
    path.unlink()


def become_a_folder(path, chance):
    path.unlink()
    path.mkdir()


def become_a_pipe(path, chance):
    path.unlink()
    os.mkfifo(path)


def become_a_loop(path, chance):
    path.unlink()
    path.symlink_to(chance.choice((path.name, "..", ".", "/nowhere")))


def get_a_strange_name(path, chance):
    odd = (b"\xff", b"\n", b"\xed\xa0\x80", b"9" * 200, b" ", b"..", b"'\"", "é".encode())
    os.rename(path, os.fsencode(path.parent) + b"/" + chance.choice(odd) + os.fsencode(path.name)[-40:])


def strange_folder(path, chance):
    os.rename(path.parent, os.fsencode(path.parent) + chance.choice((b"\xff", b"\n", b" ", b"\xed\xa0\x80")))


def folder_becomes_a_file(path, chance):
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"")


def folder_becomes_a_loop(path, chance):
    shutil.rmtree(path.parent)
    path.parent.symlink_to("..", target_is_directory=True)


DAMAGES = (truncate, flip_bits, insert_bytes, delete_lines, repeat_lines, replace_words, empty, swap, remove,
           become_a_folder, become_a_pipe, become_a_loop, get_a_strange_name, strange_folder, folder_becomes_a_file,
           folder_becomes_a_loop)  # fmt: skip
IN_TEXT = (truncate, flip_bits, insert_bytes, delete_lines, repeat_lines, replace_words)


def damage(directory, chance):
    """Damages one to three files, text more often than pictures; returns what was done, for the message."""
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
        text = [path for path in paths if path.suffix in (".csv", ".txt", ".xml", ".npy")]
        if not paths:
            break
        path, how = chance.choice(paths), chance.choice(DAMAGES)
        if text and chance.random() < 0.5:
            path, how = chance.choice(text), chance.choice(IN_TEXT)
        if path.parent == directory and how in (strange_folder, folder_becomes_a_file, folder_becomes_a_loop):
            continue
        done.append(f"{how.__name__} {os.fsencode(path.relative_to(directory))!r}")
        how(path, chance)
    return "; ".join(done)


def use(name, directory, strict):
    """Reads a corpus as `prepare` does, up to the detection of faces."""
    corpus = corpora.read(name, directory, strict=strict)
    corpus_fingerprint(corpus)
    for sample in corpus.samples:
        make_record(b"", sample)
        f"{sample.key} {sample.place}".encode()
    for path, reason in corpus.skipped:
        f"{path}: {reason}".encode()
    for sample in corpus.samples[::2][:3]:
        try:
            sample.read_mask(sample.read().shape[:2])
        except InputError as error:
            str(error).encode()


@pytest.fixture
def scratch():
    """A folder in memory where there is one: tens of thousands of small files are written."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield pathlib.Path(folder)


@pytest.mark.slow
def test_damaged_corpora(layouts, scratch):
    chance = random.Random(0)
    failures, ends = [], {"normally": 0, "InputError": 0}
    for layout, write in layouts.items():
        whole, damaged = scratch / layout, scratch / "damaged"
        write(whole)
        for case in range(CASES):
            shutil.copytree(whole, damaged, copy_function=shutil.copyfile)
            done = damage(damaged, chance)
            try:
                use(layout.partition(":")[0], damaged, strict=chance.random() < 0.2)
                ends["normally"] += 1
            except InputError as error:
                str(error).encode()
                ends["InputError"] += 1
            except Exception as error:
                failures.append(f"{layout}, case {case}: {done}: {error!r}")
            shutil.rmtree(damaged)
    assert failures == []
    assert sum(ends.values()) >= 2000
    assert min(ends.values()) > 200  # most damage hits one item only, and some the whole


def test_the_folder_itself_is_damaged(layouts, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for layout in layouts:
        for name in ("empty", "file", "loop", "pipe", "nowhere", "with\0NUL"):
            with pytest.raises(InputError):
                corpora.read(layout.partition(":")[0], pathlib.Path(tmp_path, name))
