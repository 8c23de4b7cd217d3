import os
import pathlib
import types

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora.shards import ShardWriter
from fer_keras.faces import encode_png

pytestmark = pytest.mark.tfx


@pytest.fixture
def people(tmp_path):
    """A corpus of seven people with unequal numbers of pictures; the files do not exist."""
    samples = [
        corpora.Sample("folder", f"p{person}", f"s{picture}", tmp_path / f"{person}-{picture}.png", label="anger")
        for person in range(7)
        for picture in range(person + 1)
    ]
    return corpora.Corpus("folder", samples, corpora.SkipLog())


def test_folds_share_no_subject_and_hold_every_sample_once(people, tmp_path):
    from tfx_pipeline.example_gen import plan_fold_shards

    by_fold = plan_fold_shards(people, 3, tmp_path)
    subjects = [{sample.subject for shard in shards for _, sample in shard.samples} for shards in by_fold]
    assert subjects == [{"p0", "p3", "p6"}, {"p1", "p4"}, {"p2", "p5"}]
    everything = [pair for shards in by_fold for shard in shards for pair in shard.samples]
    assert sorted(place for place, _ in everything) == list(range(len(people.samples)))
    assert all(people.samples[place] is sample for place, sample in everything)
    files = [shard.records for shards in by_fold for shard in shards]
    assert len(set(files)) == len(files)
    assert [pathlib.Path(file).parent.name for file in files] == ["Split-fold-0", "Split-fold-1", "Split-fold-2"]


def test_the_fingerprint_changes_with_the_corpus_alone(ck_plus):
    from tfx_pipeline.example_gen import Driver

    properties = {"corpus": "ck_plus", "directory": str(ck_plus), "label_names": '["anger"]', "folds": 3, "strict": 0}

    def fingerprint():
        result = Driver(None).run(types.SimpleNamespace(exec_properties=properties))
        return result.exec_properties["fingerprint"].string_value

    before = fingerprint()
    assert fingerprint() == before
    picture = corpora.read("ck_plus", ck_plus, ["anger"]).samples[0].image
    state = picture.stat()
    os.utime(picture, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    assert fingerprint() != before


def test_every_record_has_landmarks(ck_plus, tmp_path):
    from tfx_pipeline.example_gen import RecordWriter

    def landmarks(record):
        return list(record.features.feature["landmarks"].float_list.value)

    (tmp_path / "crop.png").write_bytes(encode_png(np.full((48, 48), 90, np.uint8)))
    crop = corpora.Sample("folder", "p", "s", tmp_path / "crop.png", label="anger", cropped=True)
    assert landmarks(ShardWriter().record(crop)) == []
    assert landmarks(RecordWriter().record(crop)) == [0.0] * 136
    face = corpora.read("ck_plus", ck_plus, ["anger"]).samples[0]
    assert landmarks(RecordWriter().record(face)) == landmarks(ShardWriter().record(face))
    assert any(landmarks(RecordWriter().record(face)))
