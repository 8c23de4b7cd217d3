import re

import pytest

from fer_keras.cli_experiment import _print_video
from fer_keras.experiments.video import VARIANTS


@pytest.fixture
def results():
    """Two folds of one seed, of every variant."""
    apex = {
        "clips": 30, "hits": 0.0, "chance": 1 / 3, "low": -1 / 3, "high": -0.25, "mass": 0.2,
        "profile": {"weight": [1.0] * 10, "apex": [0.3] * 10},
    }  # fmt: skip
    rows = [
        {
            "name": name,
            "title": title,
            "seeds": 1,
            "accuracy": [[0.08, 0.11]],
            "uar": [[0.1, 0.1]],
            "mean": 0.095,
            "std": 0.02,
            "pooled": [{"confusion": [[1, 2], [3, 4]]}],
            "confidence": [{"low": 0.0, "high": 0.2}],
            "histories": [[[{"epoch": 1, "loss": 2.0, "test_accuracy": 0.1}]] * 2],
            "against": {"difference": -0.028, "p_value": 0.00004, "verdict": "no more than chance; difference -0.028"},
        }
        for name, (title, _) in VARIANTS.items()
    ]
    del rows[0]["against"]
    return {
        "corpus": "mmi", "built_in": True, "data": "mmi", "fingerprint": "ab", "records": {}, "versions": {},
        "command": "fer-keras experiment video", "label_names": ["fear", "anger"], "folds": 2, "seeds": 1,
        "fold_rule": "published", "quick": True, "remarks": [], "frames": 16, "epochs": 5, "encoder_epochs": 3,
        "clips": 30, "subjects": 5, "lengths": [12, 12, 12], "subjects_of_fold_0": ["A"], "variants": rows,
        "apex": {"attention": apex, "fine_tuned": apex},
    }  # fmt: skip


@pytest.fixture
def report(monkeypatch, tmp_path):
    """Writes a report without its drawings and returns the page."""
    for package in ("jinja2", "matplotlib", "sklearn"):
        pytest.importorskip(package)
    from fer_keras.experiments import drawings
    from fer_keras.experiments.video_report import write_video_report

    monkeypatch.setattr(drawings, "draw", lambda plot, *size: "<svg></svg>")

    def write(results):
        write_video_report(results, None, tmp_path, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")

    return write


def test_every_variant_is_in_short_under_its_name(results, report):
    page = report(results)
    short = page[page.index("<h2>In short") : page.index("<h2>Recurrence")]
    assert [title for title, _ in VARIANTS.values() if f"<li>{title}: 9.5 ± 2.0 %" not in short] == []
    assert "difference −0.028" in short
    assert "fine−tuned" not in page
    assert page.count("drawn by a program") == 1


def test_names_with_commas_are_listed_by_semicolons(results, report):
    others = [title for title, _ in list(VARIANTS.values())[4:]]
    assert f"results.json has those of: {'; '.join(others)}." in report(results)


def test_equal_lengths_and_a_single_seed_are_no_ranges(results, report):
    page = report(results)
    assert "30 clips of 12 frames of 5 subjects" in page
    assert re.search(r"seed</th><td[^>]*>0</td>", page)
    page = report({**results, "lengths": [9, 12, 20], "seeds": 3})
    assert "30 clips of 9 to 20 frames (median 12) of 5 subjects" in page
    assert re.search(r"seed</th><td[^>]*>0 to 2</td>", page)


def test_the_terminal_has_names_per_cent_and_minus_signs(results, capsys):
    _print_video(results)
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "seed 0, mean ± std" in said
    assert "30 clips with an annotated apex" in said
    assert "│ IRNN, attention │ 0.0 % │ 33.3 % │ −33.3 to −25.0 │" in said
    assert "−0.028" in said
    assert "<0.001" in said
    assert "frame_attention" not in said
    assert " -" not in said
    _print_video({**results, "apex": {"attention": {"clips": 0}}})
    assert "annotated apex" not in capsys.readouterr().out
