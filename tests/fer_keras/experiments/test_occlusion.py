import dataclasses
import json
import re

import numpy as np
import pytest

from fer_keras.errors import InputError
from fer_keras.experiments import occlusion
from fer_keras.experiments.occlusion import RESTORER, run_occlusion_experiment
from fer_keras.experiments.occlusion_report import write_occlusion_report
from fer_keras.experiments.real_occlusion import read_real
from fer_keras.training import restoration

pytest.importorskip("sklearn")

TINY = dataclasses.replace(RESTORER, width=0.1, batch_size=8)
OPTIONS = {"quick": True, "steps": 4, "restorer": TINY, "pretrained": "", "labels": ["happiness", "fear"], "workers": 0}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Pairs of open and occluded drawn faces of four people."""
    from fer_keras.corpora import synthetic

    size = dataclasses.replace(synthetic.SIZES["small"], subjects=4, frames=3)
    return synthetic.write_occluded(tmp_path_factory.mktemp("real") / "faces", size=size, seed=1)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Two people who are in no other corpus."""
    from fer_keras.corpora import synthetic

    size = dataclasses.replace(synthetic.SIZES["small"], subjects=2, frames=4)
    return synthetic.write_ck_plus(tmp_path_factory.mktemp("others") / "ck_plus", size=size, seed=2)


@pytest.mark.slow
def test_a_killed_experiment_goes_on_and_ends_with_a_report(tiny_ck_plus, others, real, tmp_path, monkeypatch):
    options = {
        **OPTIONS,
        "also": [("ck_plus", others)],
        "real": real,
        "command": "fer-keras experiment occlusion",
    }
    monkeypatch.setattr(restoration, "TrainingCheckpoint", _Often)
    trained, out = [], tmp_path / "out"

    def until_the_second(job, report, run=occlusion.run_restorer):
        if trained:
            raise KeyboardInterrupt
        trained.append(job.directory.name)
        run(job, report)

    with monkeypatch.context() as patch:
        patch.setattr(occlusion, "run_restorer", until_the_second)
        with pytest.raises(KeyboardInterrupt):
            run_occlusion_experiment("ck_plus", tiny_ck_plus, out, **options)
    before = {path: path.stat().st_mtime_ns for path in out.glob("seed-0/*/*") if path.is_file()}
    assert {path.parent.name for path in before} == {"recognizer", "augmented", "dual"}
    with pytest.raises(InputError, match="add --resume"):
        run_occlusion_experiment("ck_plus", tiny_ck_plus, out, **options)
    results, test = run_occlusion_experiment("ck_plus", tiny_ck_plus, out, resume=True, **options)
    assert before == {path: path.stat().st_mtime_ns for path in before}

    assert results["built_in"]
    assert (results["faces"], results["restorer_faces"], results["test_faces"]) == (6, 48, 12)
    assert results["changed_outside"] == 0
    names = {row["name"] for row in results["approaches"]}
    assert names == {
        *("none", "augmented", "opencv_telea", "opencv_navier_stokes"),
        *(f"{name}_{way}" for name in ("dual", "reconstruction") for way in ("given", "blind")),
    }
    block = next(group for group in results["groups"] if group["name"] == "random_block")
    assert block["faces"] == 12
    assert block["share"] == pytest.approx(0.2)
    assert set(block["figures"]) == names | {"clean", "clean_augmented"}
    assert block["figures"]["dual_given"]["psnr"] > 0
    assert 0 <= block["figures"]["dual_blind"]["painted"] <= 1
    assert "painted" not in block["figures"]["dual_given"]
    assert block["figures"]["dual_given"]["by_seed"][0]["psnr"] == block["figures"]["dual_given"]["psnr"]
    assert [group["name"] for group in results["groups"] if group["by"] == "headline"] == [
        *("blocks", "small_sunglasses", "both")
    ]
    with np.load(out / "answers.npz") as held:
        rows = held["occluder"] == "random_block"
        assert block["figures"]["none"]["accuracy"]["mean"] == pytest.approx(held["hit/none"][rows].mean())
    assert set(results["clean"]) == {"recognizer", "augmented", "dual", "reconstruction"}
    assert all(row["finite"] and len(row["history"]) == results["restorer_epochs"] for row in results["training"])
    assert len(results["diversity"]["dual"]) == 1
    told = results["real_occlusion"]
    assert set(told["ways"]) == {"none", "blind", "landmarks"}
    assert (told["faces"], told["occluded_faces"], told["subjects"], told["folds"]) == (84, 84, 4, 2)
    assert told["hog"]["occluded"]["low"] <= told["hog"]["occluded"]["mean"] <= told["hog"]["occluded"]["high"]

    write_occlusion_report(results, test, out, out / "report.html")
    page = (out / "report.html").read_text()
    assert page.count("data:image/png") == 3
    assert "Real occlusion" in page
    assert not re.search(r'(?:src|href)="https?:', page)
    again, _ = run_occlusion_experiment("ck_plus", tiny_ck_plus, out, resume=True, **options)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(results))


class _Often(restoration.TrainingCheckpoint):
    def __init__(self, directory):
        super().__init__(directory, every_seconds=0)


@pytest.mark.parametrize("also", [False, True])
def test_nobody_who_is_tested_on_is_learnt_from(tmp_path, also):
    options = {"also": [("folder", tmp_path)]} if also else {"real": tmp_path}
    with pytest.raises(InputError, match="is given twice; nobody who is tested on may be learnt from"):
        run_occlusion_experiment("folder", tmp_path, tmp_path / "out", **options)


def test_options_come_before_those_of_a_quick_trial(tiny_ck_plus, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(occlusion, "prepare", stop)
    for given, expected in (({}, (2, 1)), ({"folds": 3, "seeds": 2}, (3, 2))):
        out = tmp_path / f"run-{expected[0]}"
        with pytest.raises(KeyboardInterrupt):
            run_occlusion_experiment("ck_plus", tiny_ck_plus, out, **OPTIONS, **given)
        asked = json.loads((out / "run.json").read_text())
        assert (asked["folds"], asked["seeds"]) == expected


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    found = {
        "table": {"hit/none": np.array([0.0, np.nan]), "subject": np.array(["A", "B"])},
        "clean": {"recognizer": np.array([1.0, 0.0]), "dual": {"untouched": np.array([True, False])}},
        "changed_outside": 0.5,
        "diversity": {"dual": 0.9},
    }
    asked = []
    monkeypatch.setattr(occlusion, "_measure", lambda *given: asked.append(given) or found)
    for _ in range(2):
        part = occlusion._measure_once("faces", tmp_path, lambda: "occluded", 1)
        np.testing.assert_equal(part, found)
    assert asked == [("faces", tmp_path, "occluded", 1)]


def test_an_unknown_protocol(tmp_path):
    with pytest.raises(InputError, match="protocol must be one of occluders, parts, received 'circles'"):
        run_occlusion_experiment("folder", tmp_path, tmp_path / "out", protocol="circles")


def test_real_faces_are_open_and_occluded(real, tmp_path):
    with pytest.raises(InputError, match="expected open and occluded faces; 84 of 84 are open"):
        read_real(real, {"occlusion": "none"})


def test_choosing_among_real_faces_without_any(tmp_path):
    with pytest.raises(InputError, match="real_where chooses among the pictures of real"):
        run_occlusion_experiment("synthetic", None, tmp_path / "out", real_where={"pose": "straight"}, **OPTIONS)
    assert not (tmp_path / "out").exists()
