import dataclasses
import json
import pickle

import pytest

from fer_keras import corpora
from fer_keras.corpora.records import read_records
from fer_keras.corpora.shards import ShardWriter, plan_shards


def test_a_shard_is_written_in_order_and_what_is_bad_is_counted(tiny_ck_plus, tmp_path):
    beam = pytest.importorskip("apache_beam")
    from apache_beam.testing.util import assert_that, equal_to

    from fer_keras.corpora.beam_shards import WriteShards

    samples = corpora.read("ck_plus", tiny_ck_plus).samples[:4]
    missing = dataclasses.replace(samples[1], image=tmp_path / "gone.png")
    (shard,) = plan_shards(list(enumerate([samples[0], missing, *samples[2:]])), tmp_path / "out", tmp_path / "notes")
    pipeline = beam.Pipeline(runner="FnApiRunner")
    lines = pipeline | beam.Create([shard]) | WriteShards(ShardWriter())
    facts = lines | beam.Map(lambda line: (json.loads(line)["faces"], json.loads(line)["skipped"][0][0]))
    assert_that(facts, equal_to([([0, 2, 3], str(missing.image))]))
    result = pipeline.run()
    counters = {one.key.metric.name: one.committed for one in result.metrics().query()["counters"]}
    assert counters["faces"] == 3
    assert counters["skipped"] == 1
    frames = [int(record["frame"]) for record in read_records([shard.records])]
    assert frames == [samples[0].frame, samples[2].frame, samples[3].frame]


def test_a_writer_travels_without_its_detector(tmp_path):
    writer = ShardWriter()
    writer._detector = lambda: None  # cannot be pickled
    assert pickle.loads(pickle.dumps(writer))._detector is None
