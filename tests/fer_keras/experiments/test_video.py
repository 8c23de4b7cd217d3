import json
import re

import numpy as np
import pytest

from fer_keras import corpora
from fer_keras.corpora.clip_set import ClipSet
from fer_keras.errors import InputError
from fer_keras.experiments.film_strip import draw_film_strip
from fer_keras.experiments.video import VARIANTS, _summarize, attention_at_apex, run_video_experiment
from fer_keras.experiments.video_report import write_video_report
from fer_keras.faces.image import decode_image


def clips_of(phases, subjects):
    lengths = [len(one) for one in phases]
    total = sum(lengths)
    return ClipSet(
        images=np.random.default_rng(0).integers(0, 256, (total, 48, 48, 1), np.uint8),
        offsets=np.cumsum([0, *lengths]),
        labels=np.zeros(len(phases), "int32"),
        subjects=np.array(subjects),
        sequences=np.array([f"clip {number}" for number in range(len(phases))]),
        label_names=("fear", "anger"),
        phases=np.concatenate([np.array(one) for one in phases]),
    )


def test_attention_at_apex_by_hand():
    clips = clips_of([["onset", "apex", "apex", "offset"], ["onset", "apex"], ["apex", "apex"], ["", ""]], list("ABCD"))
    weights = np.array([[0.1, 0.6, 0.2, 0.1], [0.7, 0.3, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]])
    found = attention_at_apex(clips, [weights])
    assert found["clips"] == 2  # the others are all apex, or not annotated
    assert found["hits"] == pytest.approx(0.5)
    assert found["chance"] == pytest.approx(0.5)
    assert found["mass"] == pytest.approx((0.8 + 0.3) / 2)
    assert found["low"] == pytest.approx(-0.5)
    assert found["high"] == pytest.approx(0.5)
    assert attention_at_apex(clips.select([2, 3]), [weights[2:]])["hits"] is None


def test_even_attention_hits_no_more_than_chance():
    draws = np.random.default_rng(0)
    phases = [["onset"] * 3 + ["apex"] * int(draws.integers(1, 6)) + ["offset"] * 2 for _ in range(300)]
    clips = clips_of(phases, [f"S{number // 3}" for number in range(300)])
    weights = np.zeros((300, 10))
    for row, length in enumerate(clips.lengths):
        weights[row, :length] = draws.dirichlet(np.ones(length))
    found = attention_at_apex(clips, [weights])
    assert found["low"] < 0 < found["high"]
    assert found["hits"] == pytest.approx(found["chance"], abs=0.08)


def test_film_strip_shows_weights_and_apex():
    clip = clips_of([["onset", "apex", "offset"]], ["A"])
    picture = decode_image(draw_film_strip(clip, [0.2, 0.6, 0.2]))
    assert picture.shape == (4 + 64 + 4 + 40 + 4 + 6 + 4, 3 * 68 + 4, 3)
    bars = [(picture[72:112, 4 + 68 * place + 32] == (26, 123, 189)).all(axis=-1).sum() for place in range(3)]
    assert bars == [13, 40, 13]
    lines = [(picture[118, 4 + 68 * place + 32] == (213, 94, 0)).all() for place in range(3)]
    assert lines == [False, True, False]


@pytest.mark.slow
def test_variants_on_the_same_folds_a_report_and_again_without_work(tiny_mmi, tmp_path):
    options = {
        "folds": 2, "seeds": 1, "frames": 8, "epochs": 2, "encoder_epochs": 1, "labels": ["happiness", "fear"],
        "names": ["attention", "frame_average"], "workers": 0,
    }  # fmt: skip
    results, clips = run_video_experiment("mmi", tiny_mmi, tmp_path / "out", **options)
    assert results["built_in"]
    assert [row["name"] for row in results["variants"]] == ["attention", "frame_average", "single_frames"]
    for row in results["variants"]:
        assert np.shape(row["accuracy"]) == (1, 2)
        assert row["mean"] == pytest.approx(np.mean(row["accuracy"]))
    assert list(results["apex"]) == ["attention"]
    assert 0 < results["apex"]["attention"]["chance"] < 1
    by_fold = corpora.assign_folds(sorted(set(clips.subjects)), 2)
    assert results["subjects_of_fold_0"] == sorted(subject for subject in by_fold if by_fold[subject] == 0)
    with np.load(tmp_path / "out" / "seed-0" / "attention" / "fold-0.npz") as held:
        assert len(held["probabilities"]) == sum(by_fold[subject] == 0 for subject in clips.subjects)

    write_video_report(results, clips, tmp_path / "out", tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_text()
    assert VARIANTS["attention"][0] in page
    assert not re.search(r'(?:src|href)="https?:', page)

    with pytest.raises(InputError, match="holds a run already"):
        run_video_experiment("mmi", tiny_mmi, tmp_path / "out", **options)
    again, _ = run_video_experiment("mmi", tiny_mmi, tmp_path / "out", resume=True, **options)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["transformer"]}, "unknown variant 'transformer'"),
        ({"names": []}, "no variant is named; expected some of attention, scaled_attention, last"),
        ({"pretrained": "no_such_preset"}, "no_such_preset: no model found"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_drawn(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        run_video_experiment("synthetic_mmi", tmp_path / "out" / "corpus", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_variant_of_one_seed_is_compared_on_that_seed():
    def run(*accuracies):
        folds = [{"sequence": {"accuracy": one, "uar": one}} for one in accuracies]
        pooled = {"sequence": {}, "confidence": {"sequence": {"accuracy": {}}}}
        return {"folds": folds, "pooled": pooled}

    seeds = [{"fine_tuned": run(0.5, 0.7), "single_frames": run(0.4, 0.5)}, {"single_frames": run(0.9, 0.9)}]
    first, frames = _summarize(seeds)
    assert (first["seeds"], frames["seeds"]) == (1, 2)
    assert frames["against"]["difference"] == pytest.approx(0.45 - 0.6)
