"""How fast `prepare` is, against bare `cv2.imdecode` + `cv2.resize` of the same files, and with two processes.

    python benchmarks/prepare.py [--pictures 3000] [--out runs/benchmarks/prepare]

Draws CK+-sized pictures (640×490, with landmarks, so that no face has to be found), then times, on one core each:
reading, decoding and resizing alone; `prepare` with one process; and, without its start, `prepare` with two. The start
of other processes (imports, some seconds) is printed beside it. Expect, on two cores, a ratio of at least 0.6 for one
process and a gain of at least 1.7 for two. Two minutes.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from fer_keras import corpora
from fer_keras.corpora import synthetic
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.shards import CROP_SIZE, SHARD_SIZE

SIZE = dataclasses.replace(synthetic.SIZES["standard"], subjects=8, frames=6, width=640, height=490, eye_distance=110.0)


def many_pictures(directory, count):
    """A corpus of `count` samples: drawn ones, named again and again."""
    drawn = corpora.read("ck_plus", synthetic.write_ck_plus(directory, SIZE)).samples
    samples = [
        dataclasses.replace(drawn[number % len(drawn)], sequence=f"copy-{number // len(drawn)}")
        for number in range(count)
    ]
    return corpora.Corpus("ck_plus", samples, corpora.SkipLog())


def bare(corpus):
    """Reads, decodes and resizes every picture; returns pictures a second."""
    start = time.perf_counter()
    for sample in corpus.samples:
        pixels = cv2.imdecode(np.fromfile(sample.image, np.uint8), cv2.IMREAD_COLOR)
        cv2.resize(pixels, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    return len(corpus.samples) / (time.perf_counter() - start)


def prepared(corpus, workers):
    """Prepares the corpus; returns pictures a second from the first shard on, and the seconds until then."""
    with tempfile.TemporaryDirectory() as out:
        start = time.time()
        manifest = prepare(corpus, out, workers=workers)
        written = sorted(os.stat(path).st_mtime for path in manifest["shards"])
    first = written[workers - 1]  # the moment that every worker has done one shard
    rate = SHARD_SIZE * (len(written) - workers) / (written[-1] - first)
    return rate, first - start - workers * SHARD_SIZE / rate


def main():
    """Prints the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=12 * SHARD_SIZE)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/benchmarks/prepare"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    corpus = many_pictures(options.out, options.pictures // SHARD_SIZE * SHARD_SIZE)
    bare(corpus)  # fills the file cache
    reference = bare(corpus)
    one, _ = prepared(corpus, workers=1)
    two, start = prepared(corpus, workers=2)
    reference = (reference + bare(corpus)) / 2
    print(f"{len(corpus.samples)} pictures of 640×490, pictures a second")
    print(f"  imdecode + resize     {reference:7.0f}")
    print(f"  prepare, 1 process    {one:7.0f}   {one / reference:.2f} × imdecode + resize, required ≥ 0.60")
    print(f"  prepare, 2 processes  {two:7.0f}   {two / one:.2f} × 1 process, required ≥ 1.70 (start: {start:.1f} s)")
    shutil.rmtree(options.out)
    return 0 if one / reference >= 0.6 and two / one >= 1.7 else 1


if __name__ == "__main__":
    sys.exit(main())
