import pytest

from fer_keras.experiments.occlusion import RESTORERS


def figures(accuracy, psnr=None):
    interval = {"mean": accuracy, "low": None, "high": None}
    return {
        "accuracy": interval,
        "recovered": {"share": 0.5, "lost": 0.2, "low": None, "high": None},
        "by_seed": [{"share": 0.5}],
        **({} if psnr is None else {"psnr": psnr, "ssim": 0.5, "l1": 0.1}),
    }


@pytest.fixture
def results():
    """One seed of two restorers, one area, as after `--quick`."""
    names = ("dual", "reconstruction")
    rows = [("none", "no restoration", ""), ("augmented", "recogniser trained with occluders", "")]
    rows += [("opencv_telea", "OpenCV, telea", "given")]
    rows += [(f"{name}_{way}", RESTORERS[name][0], way) for way in ("given", "blind") for name in names]
    approaches = [dict(zip(("name", "title", "mask"), row, strict=True)) for row in rows]
    of_all = {
        "clean": figures(0.6),
        **{row["name"]: figures(0.0, 20.0 if row["mask"] else None) for row in approaches},
    }
    groups = [
        {"by": by, "name": name, "faces": 9, "subjects": 3, "share": 0.2, "figures": of_all}
        for by, name in (
            *(("occluder", "hand"), ("area", "20 %"), ("headline", "small_sunglasses"), ("headline", "both")),
        )
    ]
    passed = {"untouched": 0.9, "above_35": 0.9, "psnr": 80.0, "psnr_of_changed": 20.0}
    accuracy = {"accuracy": {"mean": 0.5, "low": None, "high": None}}
    history = [{"epoch": 1, "l1_hole": 0.2, "mask_iou": 0.1}]
    return {
        "corpus": "ck_plus", "built_in": True, "data": "ck", "fingerprint": "ab", "records": {}, "versions": {},
        "command": "fer-keras experiment occlusion", "label_names": ["fear", "anger"], "folds": 2, "seeds": 1,
        "seed": "0 to 0", "fold_rule": "published", "quick": True, "protocol": "occluders", "areas": [0.2],
        "restorer": {"adversarial_loss": "hinge", "batch_size": 8}, "faces": 1008, "restorer_faces": 1128,
        "test_faces": 252, "subjects": 48, "test_subjects": ["A", "B"], "restorer_epochs": 1, "warm_up_epochs": 0,
        "steps": 12, "epochs": "1 of recognisers, 1 of restorers", "approaches": approaches, "groups": groups,
        "clean": {**{name: accuracy for name in ("recognizer", "augmented")}, **{n: accuracy | passed for n in names}},
        "training": [{"name": n, "seed": 0, "seconds": 60.0, "finite": True, "history": history} for n in names],
        "diversity": {name: [0.9] for name in names}, "changed_outside": 0.0, "real_occlusion": None, "skipped": 0,
        "cores": 1,
    }  # fmt: skip


@pytest.fixture
def drawn():
    """What the drawings of a report were given: titles of their series."""
    return []


@pytest.fixture
def report(monkeypatch, tmp_path, drawn):
    """Writes a report without pictures and returns the page."""
    for package in ("jinja2", "matplotlib"):
        pytest.importorskip(package)
    from fer_keras.experiments import drawings, occlusion_report
    from fer_keras.report import Figure

    def draw(series, ylabel):
        drawn.append(tuple(series))
        return Figure("<svg></svg>", ylabel)

    for name in ("draw_by_area", "draw_curves"):
        monkeypatch.setattr(drawings, name, draw)
    monkeypatch.setattr(occlusion_report, "_grids", lambda *_: ())

    def write(results):
        occlusion_report.write_occlusion_report(results, None, tmp_path, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text()

    return write


def test_who_learnt_from_how_many_faces(results, report):
    assert (
        "Recognisers learnt from 1,008 faces of 48 subjects, restorers from these and 120 faces of other corpora; all "
        "figures are of 252 faces of 2 others"
    ) in report(results)
    assert "Recognisers and restorers learnt from 1,128 faces" in report(results | {"faces": 1128})


def test_restorers_have_the_same_names_everywhere(results, report, drawn):
    page = report(results)
    assert "dual" not in page
    assert "global and local discriminator, blind" in page
    assert drawn[-1] == ("global and local discriminator", "no discriminator")


def test_an_approach_that_is_always_wrong_is_drawn(results, report, drawn):
    report(results)
    assert drawn[0] == (
        *("no restoration", "recogniser trained with occluders", "global and local discriminator, mask given"),
        *("global and local discriminator, blind", "OpenCV, telea, mask given"),
    )
    assert drawn[1] == drawn[0][2:]


def test_the_areas_are_those_that_were_measured(results, report):
    page = report(results)
    assert "sunglasses of 20\N{NO-BREAK SPACE}%" in page
    assert "20 to 30" not in page.replace("\N{NO-BREAK SPACE}", " ")
    page = report(results | {"areas": [0.1, 0.2, 0.3]})
    assert "sunglasses of 20–30\N{NO-BREAK SPACE}%" in page
    assert "blocks and sunglasses of 20 to 30 % of the face" in page.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("loss", "said"), [("hinge", "hinge loss is 2"), ("least_squares", "least-squares loss is 0.25")]
)
def test_a_discriminator_that_cannot_tell(results, report, loss, said):
    assert f"A discriminator's {said} where it cannot tell" in report(
        results | {"restorer": {"adversarial_loss": loss, "batch_size": 8}}
    ).replace("&#39;", "'")
