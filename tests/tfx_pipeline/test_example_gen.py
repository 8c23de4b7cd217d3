import os
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

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

    properties = {"corpus": "ck_plus", "directory": str(ck_plus), "label_names": '["anger"]', "folds": 3}
    properties |= {"strict": 0, "clips": 0}

    def fingerprint():
        result = Driver(None).run(types.SimpleNamespace(exec_properties=properties))
        return result.exec_properties["fingerprint"].string_value

    before = fingerprint()
    assert fingerprint() == before
    picture = corpora.read("ck_plus", ck_plus, ["anger"]).samples[0].image
    state = picture.stat()
    os.utime(picture, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    assert fingerprint() != before


def test_the_newest_span_is_read(ck_plus, tmp_path):
    from tfx_pipeline.example_gen import _read

    (tmp_path / "ck-1").mkdir()
    (tmp_path / "ck-2").symlink_to(ck_plus)
    properties = {"corpus": "ck_plus", "directory": f"{tmp_path}/ck-{{SPAN}}", "label_names": '["anger"]'}
    found = _read({**properties, "strict": 0, "clips": 0})
    assert found.samples[0].image.is_relative_to(tmp_path / "ck-2")


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


def test_clips_stay_in_one_file(people, tmp_path, monkeypatch):
    from fer_keras.corpora import shards
    from tfx_pipeline.example_gen import plan_fold_shards

    monkeypatch.setattr(shards, "SHARD_SIZE", 3)
    samples = [
        corpora.Sample("mmi", sample.subject, f"clip{frame % 2}", sample.image, frame=frame, label="anger")
        for sample in people.samples[:6]
        for frame in range(4)
    ]
    by_fold = plan_fold_shards(corpora.Corpus("mmi", samples, corpora.SkipLog()), 2, tmp_path, clips=True)
    files = [shard for shards in by_fold for shard in shards]
    held = [{(sample.subject, sample.sequence) for _, sample in shard.samples} for shard in files]
    assert len(files) > 2
    assert sum(map(len, held)) == len(set.union(*held)) == 6
    assert sorted(place for shard in files for place, _ in shard.samples) == list(range(24))


def test_a_clip_becomes_one_record(ck_plus, tmp_path):
    from fer_keras.corpora.shards import Shard
    from tfx_pipeline.example_gen import ClipWriter

    samples = corpora.read("ck_plus", ck_plus, ["anger"], peak_frames=None).samples
    first = [sample for sample in samples if sample.subject == samples[0].subject]
    broken = corpora.Sample("ck_plus", "x", "001", tmp_path / "missing.png", frame=1, label="anger")
    shard = Shard(str(tmp_path / "a.gz"), str(tmp_path / "a.json"), (*enumerate(first), (99, broken)))
    notes = ClipWriter()(shard)
    assert notes["faces"] == list(range(len(first)))
    assert [path for path, _ in notes["skipped"]] == [str(tmp_path / "missing.png")]
    (record,) = tf.data.TFRecordDataset(shard.records, "GZIP").as_numpy_iterator()
    features = tf.train.Example.FromString(record).features.feature
    assert len(features["image/encoded"].bytes_list.value) == len(first) > 1
    assert len(features["landmarks"].float_list.value) == 136 * len(first)


@pytest.mark.long
def test_a_dask_cluster_writes_the_same_records(ck_plus, tmp_path):
    distributed = pytest.importorskip("distributed")
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from tfx_pipeline.example_gen import Executor

    properties = {"corpus": "ck_plus", "directory": str(ck_plus), "label_names": '["anger", "fear"]', "folds": 3}
    properties |= {"strict": 0, "clips": 0, "code": ""}

    def records(folder, *options):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / folder)
        (tmp_path / folder).mkdir()
        context = BaseBeamExecutor.Context(list(options), tmp_dir=str(tmp_path), unique_id=folder)
        Executor(context).Do({}, {"examples": [examples]}, properties)
        return {
            str(path.relative_to(examples.uri)): path.read_bytes() for path in pathlib.Path(examples.uri).rglob("*.gz")
        }

    here = records("here", "--runner=FnApiRunner")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, worker_dashboard_address=None
    ) as cluster:
        runner = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"
        address = f"--dask_client_address={cluster.scheduler_address}"
        assert records("dask", runner, address, "--dask_partition_size=1") == here
    assert len(here) == 3
