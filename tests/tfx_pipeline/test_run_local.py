import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from fer_keras import corpora
from fer_keras.corpora import synthetic
from fer_keras.corpora.clip_examples import parse_clip_examples
from fer_keras.errors import InputError
from fer_keras.evaluation.cross_validation import predict_probabilities
from fer_keras.faces import encode_png
from fer_keras.models.preset import load_preset
from fer_keras.training.run import train_run
from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.run_local import run_local

pytestmark = [pytest.mark.tfx, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _code_stands_still(monkeypatch):
    from tfx_pipeline import pipeline

    monkeypatch.setattr(pipeline, "code_fingerprint", lambda *folders: "code")


def test_from_corpus_to_pushed_model(ck_plus, tmp_path):
    config = PipelineConfig(
        corpus="ck_plus",
        data_dir=ck_plus,
        label_names=corpora.read("ck_plus", ck_plus).label_names,
        pipeline_root=tmp_path / "run",
        push_dir=tmp_path / "fer",
        folds=3,
        min_accuracy=1.0,
        training=StaticConfig(epochs=2, width=0.5),
    )
    lines = []
    refused = run_local(config, lines.append)
    assert refused.version is None
    assert refused.reason == f"not blessed: accuracy {refused.accuracy:.3f} < threshold 1.000"
    assert not config.push_dir.exists()
    assert (refused.faces, refused.skipped) == (63, 0)
    assert any("not bless" in line for line in lines)
    assert [line for line in lines if line.startswith("Trainer (")]

    # The threshold is met exactly by all faces together, though not by those of every label.
    config = dataclasses.replace(config, min_accuracy=refused.accuracy)
    lines.clear()
    pushed = run_local(config, lines.append)
    assert min(pushed.accuracy_by_label.values()) < pushed.accuracy == refused.accuracy
    assert {"CorpusExampleGen (cached)", "Transform (cached)", "Trainer (cached)"} <= set(lines)
    assert [version.name for version in config.push_dir.iterdir()] == [pushed.version.name]

    # What was measured is what is served.
    examples = read_test_examples(config)
    assert len(examples) == 21
    assert pushed.accuracy == pytest.approx(accuracy(serve(pushed.version, examples), examples))

    assert transform_and_serving_differ_by(config, pushed.version) < 1e-5

    # Nothing is done twice; a version that somebody removed comes back.
    lines.clear()
    again = run_local(config, lines.append)
    assert (again.version, pushed.newly_pushed, again.newly_pushed) == (pushed.version, True, False)
    assert sum("cached" in line for line in lines) == 8  # DataGate and Pusher look again
    pushed.version.rename(tmp_path / "removed")
    assert run_local(config).version.is_dir()

    # The same model for nothing learnt is measured against the served one on the same fold.
    learnt_nothing = dataclasses.replace(config.training, learning_rate=1e-9, seed=7)
    compared = run_local(dataclasses.replace(config, training=learnt_nothing, min_accuracy=0.0))
    assert compared.baseline_accuracy == pushed.accuracy
    assert (compared.version is None) == (compared.accuracy < pushed.accuracy)
    assert compared.baseline_remark == ""

    # A model that held another fold out learnt from the people of this one, and is compared with all the same.
    lines.clear()
    other = run_local(dataclasses.replace(config, test_fold=1, max_drop=1.0), lines.append)
    assert other.baseline_remark == "which learnt from these people"
    assert any(line.endswith(", which learnt from these people") for line in lines)

    # A model with a key-point angle map takes the same records, landmarks and all.
    training = dataclasses.replace(config.training, angle_map=True)
    config = dataclasses.replace(config, training=training, min_accuracy=0.0, max_drop=1.0)
    lines.clear()
    with_map = run_local(config, lines.append)
    assert {"CorpusExampleGen (cached)", "Transform (cached)"} <= set(lines)
    answers = serve(with_map.version, examples)
    assert with_map.accuracy == pytest.approx(accuracy(answers, examples))
    for example in examples:
        del example.features.feature["landmarks"]
    assert np.abs(answers["scores"] - serve(with_map.version, examples)["scores"]).max() > 1e-4


@pytest.mark.long
def test_a_model_of_200_faces_is_served_as_trained_and_one_of_shuffled_labels_refused(tmp_path):
    size = dataclasses.replace(synthetic.SIZES["small"], subjects=12, frames=4)
    found = corpora.read("ck_plus", synthetic.write_ck_plus(tmp_path / "ck_plus", size))
    assert len(found.samples) >= 200
    config = PipelineConfig(
        corpus="folder",
        data_dir=write_folder(found, tmp_path / "right"),
        label_names=found.label_names,
        pipeline_root=tmp_path / "run",
        push_dir=tmp_path / "fer",
        folds=4,
        min_accuracy=0.0,
        training=StaticConfig(epochs=20, pretrained="alexnet_emotion_fer2013"),
    )
    pushed = run_local(config)
    assert pushed.accuracy > 0.5
    assert transform_and_serving_differ_by(config, pushed.version) < 1e-5
    shuffled = dataclasses.replace(config, data_dir=write_folder(found, tmp_path / "shuffled", shuffle=True))
    worse = run_local(shuffled)
    assert worse.version is None
    assert worse.baseline_accuracy == pushed.accuracy
    reason = f"accuracy {worse.accuracy:.3f} < {pushed.accuracy:.3f} of the model that is served"
    assert worse.reason == f"not blessed: {reason}"
    assert list(config.push_dir.iterdir()) == [pushed.version]


def write_folder(found, directory, shuffle=False):
    """The same pictures as a folder with labels; those of people outside of fold 0 in another order."""
    fold_of = corpora.assign_folds(found.subjects, 4)
    labels = [sample.label for sample in found.samples]
    trained = [place for place, sample in enumerate(found.samples) if fold_of[sample.subject]]
    if shuffle:
        order = np.random.default_rng(0).permutation(trained)
        for place, other in zip(trained, order, strict=True):
            labels[place] = found.samples[other].label
    directory.mkdir()
    with (directory / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "subject", "sequence", "frame"])
        for sample, label in zip(found.samples, labels, strict=True):
            rows.writerow([sample.image, label, sample.subject, sample.sequence, sample.frame])
    return directory


@pytest.mark.long
def test_a_cross_validated_release(ck_plus, tmp_path):
    training = StaticConfig(epochs=2, width=0.5)
    config = PipelineConfig(
        corpus="ck_plus",
        data_dir=ck_plus,
        label_names=corpora.read("ck_plus", ck_plus).label_names,
        pipeline_root=tmp_path / "run",
        push_dir=tmp_path / "fer",
        folds=3,
        cross_validate=True,
        min_accuracy=0.0,
        training=training,
    )
    lines = []
    released = run_local(config, lines.append)
    assert released.version.is_dir()
    assert (released.cross_validation / "report.html").is_file()

    # The same folds, seed and configuration on the command line: the same to the last digit, model and all.
    found = corpora.read("ck_plus", ck_plus)
    expected = train_run(found, tmp_path / "train", training, folds=3)["cross_validation"]
    results = json.loads((released.cross_validation / "results.json").read_text())
    for figures in ("mean", "std", "pooled", "folds"):
        assert results[figures] == json.loads(json.dumps(expected[figures]))
    assert results["histories"] == expected["histories"]
    np.testing.assert_allclose(
        results["evaluated"],
        [fold["frame"]["accuracy"] for fold in expected["folds"]],
        rtol=1e-6,  # TFMA's are float32
    )

    # Nothing is done twice; a release that is worse than the served one is refused.
    lines.clear()
    assert run_local(config, lines.append).version == released.version
    assert {line for line in lines if " s)" in line and "loaded" not in line} == {
        line for line in lines if line.startswith(("DataGate", "Pusher"))
    }
    worse = dataclasses.replace(config, training=dataclasses.replace(training, learning_rate=1e-9))
    refused = run_local(worse)
    assert refused.version is None
    assert "of the model that is served" in refused.reason
    assert list(config.push_dir.iterdir()) == [released.version]


def test_from_clips_to_a_pushed_video_model(tmp_path):
    clips = synthetic.write_mmi(tmp_path / "mmi", dataclasses.replace(synthetic.SIZES["small"], subjects=3, frames=8))
    config = PipelineConfig(
        corpus="mmi",
        data_dir=clips,
        label_names=corpora.read("mmi", clips).label_names,
        pipeline_root=tmp_path / "run",
        push_dir=tmp_path / "fer",
        folds=3,
        min_accuracy=0.0,
        training=VideoConfig(encoder=StaticConfig(epochs=1, width=0.25), epochs=2, frames=5, units=16),
    )
    lines = []
    pushed = run_local(config, lines.append)
    assert "  training on 12 clips of 2 subjects" in lines
    examples = read_test_examples(config)
    assert len(examples) == 6
    answers = serve(pushed.version, examples)
    assert pushed.accuracy == pytest.approx(accuracy(answers, examples))

    # Records are answered as the frames that they are sampled to, by the signature of clients.
    batch = parse_clip_examples(tf.constant([one.SerializeToString() for one in examples]), 5)
    assert batch["lengths"].numpy().tolist() == [5] * 6
    signature = tf.saved_model.load(str(pushed.version)).signatures["serve_video"]
    clients = signature(frames=batch["frames"], lengths=batch["lengths"])
    np.testing.assert_allclose(clients["probabilities"], answers["scores"], atol=1e-6)


def transform_and_serving_differ_by(config, version):
    """Keras on the transformed records against the SavedModel on the encoded crops of all folds."""
    from tfx_pipeline.trainer import read_transformed

    root = config.pipeline_root
    transformed = [f"{root}/Transform/transformed_examples/*/Split-{split}/*.gz" for split in config.splits]
    faces = read_transformed(transformed, config.label_names, config.training.channels)
    raw = sorted(read_test_examples(config, "*"), key=lambda one: one.features.feature["order"].int64_list.value[0])
    images = tf.constant([one.features.feature["image/encoded"].bytes_list.value[0] for one in raw])
    (preset,) = root.glob("Trainer/model_run/*/preset")
    served = tf.saved_model.load(str(version)).signatures["serving_default"](image=images)["probabilities"]
    return np.abs(served - predict_probabilities(load_preset(preset)[0], faces)).max()


def read_test_examples(config, split="fold-0"):
    files = tf.io.gfile.glob(str(config.pipeline_root / f"CorpusExampleGen/examples/*/Split-{split}/*.gz"))
    return [tf.train.Example.FromString(one) for one in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()]


def serve(version, examples):
    records = tf.constant([example.SerializeToString() for example in examples])
    return tf.saved_model.load(str(version)).signatures["serve_examples"](inputs=records)


def accuracy(answers, examples):
    named = tf.gather(answers["classes"], tf.argmax(answers["scores"], axis=1), batch_dims=1).numpy()
    return np.mean(named == np.array([one.features.feature["label"].bytes_list.value[0] for one in examples]))


def test_a_fold_without_a_face_is_one_line(tmp_path, capfd):
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "subject"])
        for subject, label in enumerate(("anger", "happiness")):
            (tmp_path / f"{subject}.png").write_bytes(encode_png(np.full((64, 64, 3), 128, np.uint8)))
            rows.writerow([f"{subject}.png", label, subject])
    config = PipelineConfig("folder", tmp_path, ("anger", "happiness"), tmp_path / "run", tmp_path / "fer", folds=2)
    with pytest.raises(InputError, match=r"no face was found on any picture of fold 0; the first: .*0\.png"):
        run_local(config)
    with pytest.raises(InputError, match="2 such in all"):
        run_local(dataclasses.replace(config, strict=True))
    assert capfd.readouterr() == ("", "")
