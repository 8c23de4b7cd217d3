import dataclasses
import json
import os
import types

import pytest

from fer_keras import corpora
from fer_keras.corpora.records import read_records

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


def test_folds_share_no_subject_and_hold_every_sample_once(people, tmp_path, monkeypatch):
    from tfx_pipeline import example_gen

    monkeypatch.setattr(example_gen, "SHARD_SIZE", 4)
    shards = example_gen.plan_shards(people, 3, tmp_path)
    subjects = [{sample.subject for s in shards if s.fold == fold for _, sample in s.samples} for fold in range(3)]
    assert subjects == [{"p0", "p3", "p6"}, {"p1", "p4"}, {"p2", "p5"}]
    assert sorted(place for shard in shards for place, _ in shard.samples) == list(range(len(people.samples)))
    assert all(people.samples[place] is sample for shard in shards for place, sample in shard.samples)
    assert len({shard.path for shard in shards}) == len(shards)
    assert max(len(shard.samples) for shard in shards) == 4


def test_a_shard_is_written_in_order_and_what_is_bad_is_counted(ck_plus, tmp_path):
    import apache_beam as beam
    from apache_beam.testing.util import assert_that, equal_to

    from tfx_pipeline import example_gen

    samples = corpora.read("ck_plus", ck_plus).samples[:4]
    missing = dataclasses.replace(samples[1], image=tmp_path / "gone.png")
    shard = example_gen.Shard(
        0, str(tmp_path / "out" / "faces.gz"), tuple(enumerate([samples[0], missing, *samples[2:]]))
    )
    pipeline = beam.Pipeline(runner="FnApiRunner")
    lines = pipeline | beam.Create([shard]) | beam.ParDo(example_gen.WriteShard()).with_output_types(str)
    facts = lines | beam.Map(lambda line: (json.loads(line)["faces"], json.loads(line)["skipped"][0][0]))
    assert_that(facts, equal_to([(3, str(missing.image))]))
    result = pipeline.run()
    counters = {one.key.metric.name: one.committed for one in result.metrics().query()["counters"]}
    assert counters["faces"] == 3
    assert counters["skipped"] == 1
    frames = [int(record["frame"]) for record in read_records([shard.path])]
    assert frames == [samples[0].frame, samples[2].frame, samples[3].frame]


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
