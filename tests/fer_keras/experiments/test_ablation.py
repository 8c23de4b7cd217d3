import json

import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.experiments.ablation import run_ablation, variants
from fer_keras.models import AlexNetEmotion

pytest.importorskip("sklearn")


def test_every_variant_changes_its_part_alone(tmp_path):
    found = {name: config for name, (_, config) in variants(10, 1, "start", tmp_path).items()}
    whole = vars(found["all"])
    changed = {
        name: {key for key, value in vars(config).items() if value != whole[key]} for name, config in found.items()
    }
    assert changed == {
        "all": set(),
        "softmax": {"metric_weight"},
        "threshold": {"threshold"},
        "without_angles": {"angle_map"},
        "slow_convolutions": {"layer_rates"},
        "drawn": {"pretrained"},
        "scratch": {"pretrained", "learning_rate", "epochs"},
    }


@pytest.mark.slow
def test_summary_over_seeds(tiny_ck_plus, tmp_path):
    AlexNetEmotion(("neutral", "happiness", "surprise")).save_to_preset(tmp_path / "start")
    summary = run_ablation(
        *("ck_plus", tiny_ck_plus, tmp_path / "out", 3, 1, 2, ["softmax", "all"], tmp_path / "start"), workers=0
    )
    assert [row["name"] for row in summary["variants"]] == ["all", "softmax"]  # in their own order
    accuracy = [np.array(row["accuracy"]) for row in summary["variants"]]
    assert accuracy[0].shape == (2, 3)
    assert summary["variants"][1]["difference"] == pytest.approx((accuracy[1] - accuracy[0]).mean())
    assert summary["variants"][0]["std"] == pytest.approx(accuracy[0].std(ddof=1))
    assert len(summary["reference"]["folds"]) == 3
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == json.loads(json.dumps(summary))


def test_unknown_variant(tmp_path):
    with pytest.raises(InputError, match="unknown variant 'resnet'"):
        run_ablation("synthetic", "nowhere", tmp_path, names=["resnet"])


def test_bad_data_and_presets_are_said_before_anything_is_drawn_or_trained(tiny_ck_plus, tmp_path):
    with pytest.raises(InputError):
        run_ablation("ck_plus", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match="nowhere: no model found"):
        run_ablation("ck_plus", tiny_ck_plus, tmp_path / "out", 3, pretrained=tmp_path / "nowhere")
    with pytest.raises(InputError, match="no run to resume"):
        run_ablation("ck_plus", tiny_ck_plus, tmp_path / "out", 3, resume=True)
    assert not (tmp_path / "out").exists()
