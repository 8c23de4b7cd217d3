import copy
import hashlib
import itertools
import json
import re
import sys

import numpy as np
import pytest

from fer_keras.corpora.face_set import FaceSet
from fer_keras.errors import InputError
from fer_keras.experiments.feature_space import compactness
from fer_keras.experiments.looks import faces_to_show

NAMES = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
FOLDS = 4
SYSTEMS = {
    "init": "AlexNet-Emotion, init",
    "softmax": "AlexNet-Emotion, softmax loss",
    "without_angles": "AlexNet-Emotion, w/o angle variance",
    "pre": "AlexNet-Emotion, pre",
    "audn": "AUDN",
    "derl": "DeRL",
}


@pytest.fixture(scope="module")
def faces():
    """280 noisy faces of 20 people, two frames of every emotion."""
    random = np.random.default_rng(0)
    number = np.arange(280)
    subjects = np.array([f"s{row // 14:02d}" for row in number])
    labels = (number // 2 % 7).astype("int32")
    return FaceSet(
        images=random.integers(0, 255, (280, 48, 48, 1), dtype="uint8"),
        labels=labels,
        subjects=subjects,
        sequences=np.array([f"{subject}/{label}" for subject, label in zip(subjects, labels, strict=True)]),
        label_names=NAMES,
        landmarks=random.uniform(0.2, 0.8, (280, 68, 2)).astype("float32"),
        attributes={
            "split": np.full(280, ""),
            "occlusion": np.full(280, "none"),
            "gender": np.where(number // 14 % 2, "female", "male"),
            "age": np.array(["" if row // 14 == 3 else str(20 + row // 14) for row in number]),
        },
    )


@pytest.fixture(scope="module")
def experiment(faces, tmp_path_factory):
    """The results of six systems that guess, and the folder with answers and models."""
    from fer_keras.evaluation.comparison import corrected_t_test, mcnemar_test
    from fer_keras.evaluation.confidence import subject_intervals
    from fer_keras.evaluation.metrics import by_sequence, summarize
    from fer_keras.models import AlexNetEmotion

    def figures(rows):
        return {
            "frame": summarize(faces.labels[rows], answers[name][rows]),
            "sequence": summarize(*by_sequence(faces.labels[rows], answers[name][rows], faces.sequences[rows])),
        }

    def over_folds(statistic):
        return {
            level: {score: float(statistic([fold[level][score] for fold in folds])) for score in SCORES}
            for level in ("frame", "sequence")
        }

    folder, random = tmp_path_factory.mktemp("table1"), np.random.default_rng(1)
    fold_of = np.arange(280) // 14 % FOLDS
    answers, systems = {"fold_of": fold_of}, []
    for name, title in SYSTEMS.items():
        guesses = random.dirichlet(np.ones(7), 280) + random.uniform(0.5, 1) * np.eye(7)[faces.labels]
        answers[name] = (guesses / guesses.sum(axis=1, keepdims=True)).astype("float32")
        folds = [figures(fold_of == fold) for fold in range(FOLDS)]
        pooled = figures(slice(None))
        pooled["confidence"] = subject_intervals(faces.labels, answers[name], faces.subjects, faces.sequences)
        systems.append(
            {
                "name": name,
                "title": title,
                "kind": "peer" if name in ("audn", "derl") else "group",
                "what": "from scratch",
                "paper": "",
                "printed": {"ck_plus": 97.14, "mmi": 78.68},
                "config": {"metric_weight": 0.0 if name == "softmax" else 0.01},
                "parameters": 1234567,
                "multiply_adds": 20123456,
                "seconds": 12.5,
                "mean": over_folds(np.mean),
                "std": over_folds(lambda values: np.std(values, ddof=1)),
                "pooled": pooled,
                "folds": folds,
                "histories": [[{"epoch": n, "loss": 3 / n, "test_accuracy": 0.2, "metric_loss": 3.0} for n in (1, 2)]]
                * 4,
            }
        )
    for name in ("pre", "softmax"):
        model = AlexNetEmotion(NAMES, width=0.25, angle_map=True, metric_loss="island" if name == "pre" else None)
        model.save_to_preset(folder / "systems" / name / "model-of-fold-0")
    np.savez(folder / "answers.npz", **answers)
    comparisons = []
    for a, b in itertools.combinations(systems[:4], 2):
        names = (a["title"], b["title"])
        mcnemar = mcnemar_test(faces.labels, answers[a["name"]], answers[b["name"]], faces.sequences, names)
        t = corrected_t_test(*([fold["sequence"]["accuracy"] for fold in one["folds"]] for one in (a, b)), names=names)
        tests = {"mcnemar": mcnemar, "corrected_t": t}
        plain = {test: {**vars(found), "verdict": found.verdict} for test, found in tests.items()}
        comparisons.append({"a": a["name"], "b": b["name"], **plain})
    results = {
        "experiment": "table1",
        "corpus": "ck_plus",
        "built_in": False,
        "data": "/data/<CK+>",
        "fingerprint": "ab12" * 16,
        "label_names": list(NAMES),
        "folds": FOLDS,
        "fold_rule": "published",
        "seed": 0,
        "epochs": 2,
        "quick": False,
        "faces": len(faces),
        "subjects": 20,
        "sequences": 140,
        "remarks": [],
        "records": {"faces-00000-of-00001.tfrecord.gz": "cd34" * 16},
        "command": "fer-keras experiment table1 --data '/data/<CK+>'",
        "versions": {"python": "3.10.12", "keras": "3.12.0"},
        "cores": 2,
        "seconds": 75.0,
        "systems": systems,
        "comparisons": comparisons,
    }
    return json.loads(json.dumps(results)), folder


SCORES = ("accuracy", "uar", "macro_f1")


@pytest.fixture
def report(faces, tmp_path):
    """Writes a report and returns the page."""
    for package in ("jinja2", "matplotlib", "sklearn"):
        pytest.importorskip(package)
    from fer_keras.experiments.table1_report import write_report

    def write(results, folder):
        write_report(results, faces, folder, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text()

    return write


@pytest.fixture
def undrawn(monkeypatch):
    """Drawings are left empty, which saves seconds."""
    from fer_keras.experiments import drawings

    monkeypatch.setattr(drawings, "draw", lambda plot, *size: "<svg></svg>")


@pytest.mark.slow
def test_the_page_has_everything_and_asks_for_nothing(experiment, report):
    page = report(*experiment)
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [
        "In short",
        "Table 1, printed and measured",
        "Accuracy by fold",
        "Training by epoch",
        "Confusion: the groups",
        "Confusion: the peers",
        "Recall by class",
        "Calibration",
        "The features of FC7",
        "Where the model looks",
        "Subject by subject",
        "By what the corpus states of the faces",
        "Differences between systems",
        "Size and time",
        "How to make it again",
    ]
    assert re.findall(r'<li><a href="#section-\d+">(.*?)</a>', page) == headings
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|url\((?!#)|@import|<script""", page)
    identifiers = re.findall(r'<section id="(.*?)"', page)
    assert len(set(identifiers)) == len(identifiers)
    # 4 × folds, reliability and spread; 2 curves; 6 matrices; intervals, recalls; 2 planes; and faces of 7 classes
    assert page.count("<svg") == 12 + 2 + 6 + 2 + 2
    assert page.count("data:image/png") == 7
    assert page.count("<figure") == page.count("aria-label=") - 1 + page.count(' alt="')  # the contents have one too
    assert "not surely of the same protocol" in page
    assert "drawn by a program" not in page
    line = f"{'cd34' * 16}  faces-00000-of-00001.tfrecord.gz\n"  # as sha256sum prints
    assert hashlib.sha256(line.encode()).hexdigest() in page
    assert "The paper has 10 folds, this experiment 4." in page
    assert "&#39;/data/&lt;CK+&gt;&#39;" in page
    assert page.count("97.14") == len(SYSTEMS)
    assert "78.68" not in page
    assert "The attribute occlusion is “none” for every face." in page
    assert "The corpus does not state pose or ethnicity" in page
    assert re.search(r"<th[^>]*>20 to 29</th>", page)
    assert "Stars are the class centres" in page


def test_without_models_their_figures_are_left_out(experiment, report, undrawn, tmp_path):
    results, folder = experiment
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "answers.npz").write_bytes((folder / "answers.npz").read_bytes())
    page = report(results, alone)
    assert "of AlexNet-Emotion, pre and of AlexNet-Emotion, softmax loss is" not in page
    assert "its features are left out" in page
    assert "its maps are left out" in page
    assert "data:image/png" not in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"built_in": True}, "These faces were drawn by a program"),
        ({"corpus": "oulu_casia"}, "The paper measured on CK+ and MMI; this is oulu_casia"),
        ({"quick": True}, "A quick trial"),
        ({"remarks": ["fold 3 has all of the class fear: x"]}, "Fold 3 has all of the class fear: x."),
    ],
)
def test_what_cannot_be_compared_is_said(experiment, report, undrawn, tmp_path, changes, said):
    results, folder = experiment
    (tmp_path / "answers.npz").write_bytes((folder / "answers.npz").read_bytes())
    page = report({**results, **changes}, tmp_path)
    assert page.count(said) == 1
    comparable = not {"built_in", "corpus"} & set(changes)
    assert ("not surely of the same protocol" in page) == comparable
    if "corpus" in changes:  # of no corpus of the paper: both columns, and no marks in the drawing
        assert page.count("78.68") == len(SYSTEMS)
    assert ("printed 97.1 %" in page) == comparable


@pytest.mark.slow
def test_gaps_in_the_results_are_no_obstacle(experiment, report, tmp_path):
    results, folder = experiment
    results = copy.deepcopy(results)
    results["systems"] = results["systems"][4:]  # peers alone
    results["comparisons"] = []
    for system in results["systems"]:
        system["pooled"]["confidence"]["sequence"]["accuracy"] = {"low": None, "high": None}
        system["pooled"]["sequence"]["recall"][0] = None
        system.update(histories=[[], [], [], []], multiply_adds=None, printed={}, config=None)
    (tmp_path / "answers.npz").write_bytes((folder / "answers.npz").read_bytes())
    page = report(results, tmp_path)
    assert "No epoch was recorded." in page
    assert "No two systems were compared." in page
    assert "There is no model to take features from." in page


def test_answers_that_do_not_fit_are_named(experiment, report, undrawn, faces, tmp_path):
    results, folder = experiment
    with pytest.raises(InputError, match=r"answers\.npz: cannot be read"):
        report(results, tmp_path)
    (tmp_path / "answers.npz").write_bytes((folder / "answers.npz").read_bytes()[:500])
    with pytest.raises(InputError, match=r"answers\.npz: cannot be read"):
        report(results, tmp_path)
    np.savez(tmp_path / "answers.npz", fold_of=np.zeros(280, int), init=np.zeros((280, 6)))
    with pytest.raises(InputError, match=r"init: expected an array of shape \(280, 7\) .* found \(280, 6\)"):
        report(results, tmp_path)
    with pytest.raises(InputError, match="no system"):
        report({**results, "systems": []}, tmp_path)


def test_without_the_extra_one_line_says_so(experiment, faces, tmp_path, monkeypatch):
    from fer_keras.experiments.table1_report import write_report

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"pip install 'fer-keras\[report\]'"):
        write_report(experiment[0], faces, experiment[1], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_compactness_of_two_classes_by_hand():
    features = np.array([[0.0, 0], [2, 0], [10, 0], [10, 4]])
    found = compactness(features, np.array([0, 0, 3, 3]))  # means (1, 0) and (10, 2)
    assert found["within"] == pytest.approx(1.5)
    assert found["between"] == pytest.approx(np.sqrt(85))
    assert found["ratio"] == pytest.approx(1.5 / np.sqrt(85))


def test_everybody_is_shown_before_anybody_twice():
    labels = np.array([0, 0, 0, 0, 1])
    subjects = np.array(["a", "a", "b", "c", "a"])
    assert faces_to_show(labels, subjects, per_class=3) == {0: [3, 2, 1], 1: [4]}
    assert faces_to_show(labels, subjects, per_class=4)[0] == [3, 2, 1, 0]
