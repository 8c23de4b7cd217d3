import json
import pathlib
import re

import pytest

from fer_keras.errors import InputError

pytest.importorskip("yaml")

from fer_keras.training.static import StaticConfig
from fer_keras.training.video import VideoConfig
from tfx_pipeline.config import Tuning
from tfx_pipeline.config_file import PipelineFile, read_pipeline_file


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "pipeline.yaml").write_text(text)
        return tmp_path / "pipeline.yaml"

    return write


def test_what_a_file_leaves_out_has_the_default(written):
    assert read_pipeline_file(written("corpus: {name: synthetic}")) == PipelineFile()


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_is_told_what_it_needs(written, text):
    with pytest.raises(
        InputError, match=r"pipeline\.yaml: is empty; expected a pipeline, its corpus at least: corpus:"
    ):
        read_pipeline_file(written(text))


def test_a_file_that_is_no_text(tmp_path):
    for content in (b"\xff\xfe\x00", b"\x00\x01"):
        (tmp_path / "model.keras").write_bytes(content)
        with pytest.raises(InputError, match=r"model\.keras: is no text in UTF-8; expected a pipeline as YAML"):
            read_pipeline_file(tmp_path / "model.keras")


def test_every_section_is_read(written):
    found = read_pipeline_file(
        written(
            """
corpus: {name: folder, data: my_faces, labels: [happiness, sadness], strict: true}
folds: 5
cross_validate: true
training: {epochs: 3, learning_rate: 1e-3, augmentation: {shift: 0.1}}
tuning: {trials: 4, parameters: [alpha]}
thresholds: {accuracy: 1, max_drop: 0.02}
data_gate: {label_drift: 0.1}
slices: [label]
push_to: served/fer
out: runs/x
runner: {workers: 2, beam_args: [--runner=FlinkRunner]}
"""
        )
    )
    assert found.corpus.labels == ("happiness", "sadness")
    assert found.corpus.strict
    assert (found.folds, found.cross_validate, found.thresholds.accuracy) == (5, True, 1.0)
    training = found.training_config()
    assert isinstance(training, StaticConfig)
    assert (training.epochs, training.learning_rate) == (3, 0.001)
    assert found.tuning == Tuning(trials=4, parameters=("alpha",))
    assert (found.runner.workers, found.runner.replicas) == (2, 1)
    assert found.runner.beam_args == ("--runner=FlinkRunner",)


def test_a_training_may_be_a_file_of_its_own(written, tmp_path):
    (tmp_path / "best.json").write_text(json.dumps({"frames": 5}))
    training = read_pipeline_file(written("{task: video, training: best.json}")).training_config()
    assert isinstance(training, VideoConfig)
    assert training.frames == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold: 3", "unknown key fold; did you mean folds?"),
        ("corpus: {datas: x}", "unknown key corpus.datas; did you mean corpus.data?"),
        ("corpus: {zzz: x}", "unknown key corpus.zzz; expected some of name, data, labels, strict"),
        ("corpus: folder", "corpus must be a section of keys, received 'folder'"),
        ("corpus: {labels: happy}", "corpus.labels must be a list, received 'happy'"),
        ("corpus: {labels: [1]}", r"corpus.labels\[0\] must be a text, received 1"),
        ("folds: ten", "folds must be a whole number, received 'ten'"),
        ("folds: true", "folds must be a whole number, received True"),
        ("thresholds: {accuracy: high}", "thresholds.accuracy must be a number"),
        ("training: {epoch: 3}", "unknown key training.epoch; did you mean training.epochs?"),
        ("folds: 3\ncorpus: {}\nfolds: 4", "line 3: key folds is in line 1 already; expected it once"),
        ("corpus:\n  data: a\n  data: b", "line 3: key data is in line 2 already"),
        ("folds: 1", "folds must be at least 2, one of them to test on, received 1"),
        ("{folds: 3, test_fold: 3}", r"test_fold must be in 0 \.\.\. 2, received 3"),
        ("corpus: {name: ck}", "corpus.name: unknown corpus 'ck'"),
        ("corpus: {labels: [happy, bored]}", "corpus.labels: unknown label 'bored'"),
        ("thresholds: {accuracy: 1.5}", r"thresholds\.accuracy must be in 0 \.\.\. 1, received 1\.5"),
        ("slices: [label, lable]", r"slices\[1\] must be one of label, .*, received 'lable'; did you mean label"),
        ("runner: {workers: -1}", "runner.workers must be at least 0"),
        ("training: {epochs: 0}", "training.epochs must be from 1 to 1e"),
        ("training: {augmentation: {shift: 2}}", "training.augmentation.shift must be from 0 to 1"),
        ("{task: video, training: {encoder: {epochs: 0}}}", "training.encoder.epochs must be from 1"),
        ("{task: video, training: {encoder: {patience: 2}}}", "training: patience stops single-frame trainings"),
        ("{task: occluded, training: {restoration: {blind: false}}}", "training.restoration.blind must be true"),
        ("tuning: {tuner: bayes}", "tuning.tuner must be one of .*, received 'bayes'; did you mean bayesian"),
        ("tuning: {objective: loss}", "tuning.objective must be one of val_loss, val_accuracy"),
        (
            "tuning: {parameters: [alpha, learningrate]}",
            r"tuning\.parameters\[1\] must be .*did you mean learning_rate",
        ),
        ("training: {epochs: 2026-01-01}", "training.epochs must be a whole number"),
        ("training: missing.json", "missing.json: No such file"),
        ("task: statics", "task must be one of static, video, occluded, received 'statics'"),
        ("tuning: {trials: 0}", "tuning.trials must be at least 1"),
        ("data_gate: {label_drift: 2}", "data_gate.label_drift must be in 0 ... 1"),
        ("data_gate: {shrinkage: -0.5}", "data_gate.shrinkage must be in 0 ... 1"),
        ("data_gate: {schema: no.pbtxt}", "no.pbtxt: no such file"),
        ("- a\n- b", "the file must be a section of keys"),
        ("a: [", "is not YAML .*line 1"),
    ],
)
def test_what_cannot_work_is_refused(written, text, message):
    with pytest.raises(InputError, match=message) as raised:
        read_pipeline_file(written(text))
    assert "missing.json" in text or str(raised.value).startswith(f"{written(text)}: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.yaml: No such file or directory; expected a pipeline as YAML"):
        read_pipeline_file(tmp_path / "no.yaml")


def test_the_guides_file_is_read(written):
    guides = pathlib.Path(__file__).parents[2] / "docs" / "guides"
    text = (guides / "pipeline.md").read_text() + (guides / "kubeflow.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) == 3
    found = [read_pipeline_file(written(block)) for block in blocks]
    assert found[0].cross_validate
    assert found[1].task == "occluded"
    assert found[2].kubeflow.gpus == 1
