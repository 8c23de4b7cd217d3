import dataclasses

import cv2
import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora import SkipLog, folder, synthetic
from fer_keras.corpora.prepare import prepare
from fer_keras.corpora.records import read_records
from fer_keras.errors import InputError
from fer_keras.faces import align_face, landmarks_to_eyes, read_image
from fer_keras.occlusion import OCCLUDERS


@pytest.fixture(scope="module")
def occluded(tmp_path_factory):
    size = dataclasses.replace(synthetic.SIZES["small"], subjects=2, frames=4)
    return synthetic.write_occluded(tmp_path_factory.mktemp("corpus") / "occluded", size=size)


def test_every_picture_is_there_open_and_occluded(occluded):
    skips = SkipLog(strict=True)
    samples = folder.read(occluded, skips)
    assert len(samples) == 2 * 7 * 3 * 2
    assert {sample.occlusion for sample in samples} == {"none", *OCCLUDERS}
    for bare, covered in zip(samples[::2], samples[1::2], strict=True):
        assert (bare.label, bare.subject, bare.frame) == (covered.label, covered.subject, covered.frame)
        assert bare.mask is None
        one, other = bare.read(), covered.read()
        mask = covered.read_mask(other.shape[:2])
        np.testing.assert_array_equal(one[~mask], other[~mask])
        assert (one[mask] != other[mask]).any()


def test_records_hold_the_mask_of_the_crop(occluded, tmp_path):
    corpus = corpora.read("folder", occluded)
    manifest = prepare(corpus, tmp_path / "records")
    for sample, record in zip(corpus.samples, read_records(manifest["shards"]).as_numpy_iterator(), strict=True):
        assert record["occlusion"].decode() == sample.occlusion
        if sample.mask is None:
            assert record["occlusion/mask"] == b""
            continue
        crop, mask = (
            cv2.imdecode(np.frombuffer(record[name], np.uint8), cv2.IMREAD_GRAYSCALE)
            for name in ("image/encoded", "occlusion/mask")
        )
        assert crop.shape == mask.shape
        open_picture = read_image(occluded / "open" / sample.image.name)
        bare = align_face(open_picture, landmarks_to_eyes(sample.landmarks))
        grey = cv2.cvtColor(bare, cv2.COLOR_RGB2GRAY)
        difference = np.abs(grey.astype(int) - crop.astype(int))
        assert difference[mask == 0].max() <= 1
        assert difference[mask > 0].max() > 10


def test_a_mask_of_another_size_is_refused(occluded):
    covered = folder.read(occluded, SkipLog())[1]
    with pytest.raises(InputError, match=r"masks/.*expected 10×20 as its picture"):
        covered.read_mask((20, 10))
