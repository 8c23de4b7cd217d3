import dataclasses
import hashlib
import re

import cv2
import numpy as np
import pytest

from fer_keras.corpora import synthetic
from fer_keras.corpora.synthetic_expressions import PROTOTYPES, activation, choose_units
from fer_keras.corpora.synthetic_face import ACTION_UNITS, Pose, make_person, move_points, project
from fer_keras.emotions import EMOTIONS, LABEL_SETS
from fer_keras.errors import InputError

TINY = dataclasses.replace(
    synthetic.SIZES["small"], subjects=2, frames=3, width=96, height=96, eye_distance=30.0, turn=3.0
)


def tree(directory):
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    # Five subjects: the fourth has an unlabelled sequence, the fifth is in colour.
    return synthetic.write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck", dataclasses.replace(TINY, subjects=5))


def frames_of(subject, emotion, size=TINY, sequence=1, seed=0, **options):
    return list(synthetic.draw_sequence(size, seed, subject, sequence, emotion, **options))


def brightness(image, point, radius=1):
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    x, y = np.round(point).astype(int)
    return grey[y - radius : y + radius + 1, x - radius : x + radius + 1].mean()


class TestDeterminism:
    def test_same_seed_gives_same_bytes(self, tmp_path, corpus):
        again = synthetic.write_ck_plus(tmp_path / "again", dataclasses.replace(TINY, subjects=5))
        assert tree(again) == tree(corpus)

    def test_other_seed_gives_other_pictures(self):
        one, other = frames_of(0, "fear", seed=1)[-1], frames_of(0, "fear", seed=2)[-1]
        assert not np.array_equal(one.image, other.image)
        assert not np.allclose(one.landmarks, other.landmarks)

    def test_a_subject_does_not_depend_on_the_others(self, tmp_path, corpus):
        fewer = tree(synthetic.write_ck_plus(tmp_path / "fewer", TINY))
        del fewer["synthetic.json"]
        assert len(fewer) == 2 * 7 * (3 * 2 + 2)
        assert fewer.items() <= tree(corpus).items()

    def test_order_of_drawing_does_not_matter(self):
        forwards = [frames_of(subject, "anger")[-1].image for subject in (0, 1)]
        backwards = [frames_of(subject, "anger")[-1].image for subject in (1, 0)]
        np.testing.assert_array_equal(forwards, backwards[::-1])
        assert not np.array_equal(*forwards)


class TestLayout:
    def test_files_of_a_subject(self, corpus):
        found = {name for name in tree(corpus) if "/S005/" in name}
        expected = set()
        for sequence in range(1, 8):
            place, last = f"S005/{sequence:03d}", f"S005_{sequence:03d}_00000003"
            for frame in range(1, 4):
                stem = f"S005_{sequence:03d}_{frame:08d}"
                expected |= {f"cohn-kanade-images/{place}/{stem}.png", f"Landmarks/{place}/{stem}_landmarks.txt"}
            expected |= {f"Emotion/{place}/{last}_emotion.txt", f"FACS/{place}/{last}_facs.txt"}
        assert found == expected
        assert {path.name for path in (corpus / "Emotion").iterdir()} == {f"S{n:03d}" for n in range(5, 10)}

    def test_unlabelled_sequence_has_an_empty_label_folder(self, corpus):
        assert (corpus / "Emotion/S008/008").is_dir()
        assert not any((corpus / "Emotion/S008/008").iterdir())
        assert len(list((corpus / "cohn-kanade-images/S008/008").iterdir())) == TINY.frames
        assert not (corpus / "Emotion/S005/008").exists()

    def test_labels(self, corpus):
        texts = [path.read_text() for path in sorted((corpus / "Emotion/S005").rglob("*.txt"))]
        assert texts == [f"   {code}.0000000e+00\n" for code in range(1, 8)]

    def test_landmarks_form(self, corpus):
        for path in (corpus / "Landmarks/S006").rglob("*.txt"):
            lines = path.read_text().splitlines()
            assert len(lines) == 68
            assert all(re.fullmatch(r"(   \d\.\d{7}e[+-]\d{2}){2}", line) for line in lines)

    def test_facs_form(self, corpus):
        rows = {}
        for path in sorted((corpus / "FACS").rglob("*.txt")):
            for line in path.read_text().splitlines():
                assert re.fullmatch(r"(   \d\.\d{7}e[+-]\d{2}){2}", line)
                unit, intensity = (float(word) for word in line.split())
                rows.setdefault(int(unit), set()).add(int(intensity))
        assert set(rows) <= set(ACTION_UNITS)
        assert len(rows) > 10
        for unit, intensities in rows.items():
            assert intensities <= ({0} if unit in (25, 26, 27) else {1, 2, 3, 4, 5})

    def test_pictures(self, corpus):
        grey = cv2.imread(str(corpus / "cohn-kanade-images/S005/001/S005_001_00000001.png"), cv2.IMREAD_UNCHANGED)
        colour = cv2.imread(str(corpus / "cohn-kanade-images/S009/001/S009_001_00000001.png"), cv2.IMREAD_UNCHANGED)
        assert grey.shape == (96, 96)
        assert colour.shape == (96, 96, 3)
        assert grey.dtype == np.uint8
        assert grey.std() > 15


class TestWriting:
    def test_reuses_the_same_corpus(self, corpus):
        calls = []
        picture = corpus / "cohn-kanade-images/S005/001/S005_001_00000001.png"
        before = picture.stat().st_mtime_ns
        size = dataclasses.replace(TINY, subjects=5)
        assert synthetic.write_ck_plus(corpus, size, progress=lambda *call: calls.append(call)) == corpus
        assert calls == []
        assert picture.stat().st_mtime_ns == before

    def test_refuses_another_corpus(self, corpus):
        with pytest.raises(InputError, match=rf"{re.escape(str(corpus))} holds another built-in corpus"):
            synthetic.write_ck_plus(corpus, dataclasses.replace(TINY, subjects=5), seed=1)
        with pytest.raises(InputError, match="another built-in corpus"):
            synthetic.write_ck_plus(corpus, TINY)

    @pytest.mark.parametrize("mark", [None, "not json", "[]"])
    def test_refuses_a_foreign_directory(self, tmp_path, mark):
        (tmp_path / "notes.txt").write_text("mine")
        if mark is not None:
            (tmp_path / "synthetic.json").write_text(mark)
        with pytest.raises(InputError, match=f"{re.escape(str(tmp_path))} holds something else"):
            synthetic.write_ck_plus(tmp_path, TINY)
        assert (tmp_path / "notes.txt").read_text() == "mine"

    def test_refuses_a_file(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(InputError, match="something else"):
            synthetic.write_ck_plus(tmp_path / "file", TINY)

    def test_an_empty_directory_is_free(self, tmp_path):
        one = dataclasses.replace(TINY, subjects=1)
        (tmp_path / "empty").mkdir()
        calls = []
        synthetic.write_ck_plus(tmp_path / "empty", one, progress=lambda done, total: calls.append((done, total)))
        assert calls == [(done, 7) for done in range(1, 8)]
        assert len(list((tmp_path / "empty").rglob("*.png"))) == 21
        assert [path.name for path in tmp_path.iterdir()] == ["empty"]

    def test_a_stopped_run_leaves_nothing(self, tmp_path):
        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            synthetic.write_ck_plus(tmp_path / "ck", TINY, progress=stop)
        assert list(tmp_path.iterdir()) == []

    def test_bad_input(self, tmp_path):
        with pytest.raises(InputError, match=r"unknown size 'huge'.*small, standard"):
            synthetic.write_ck_plus(tmp_path / "ck", "huge")
        with pytest.raises(InputError, match="seed=-1"):
            synthetic.write_ck_plus(tmp_path / "ck", TINY, seed=-1)
        with pytest.raises(InputError, match="frames=2"):
            synthetic.write_ck_plus(tmp_path / "ck", dataclasses.replace(TINY, frames=2))
        assert list(tmp_path.iterdir()) == []


class TestDrawing:
    @pytest.mark.parametrize("name", ["small", "standard"])
    def test_landmarks_lie_inside_the_picture(self, name):
        size = dataclasses.replace(synthetic.SIZES[name], frames=3)
        for subject in range(0, size.subjects, 3):
            for frame in frames_of(subject, "surprise", size):
                assert frame.landmarks.shape == (68, 2)
                assert (frame.landmarks >= 0).all()
                assert (frame.landmarks <= (size.width - 1, size.height - 1)).all()

    def test_landmarks_lie_on_the_drawn_features(self):
        size = dataclasses.replace(synthetic.SIZES["small"], frames=3, turn=2.0)
        for subject in range(12):
            image, marks = (
                frames_of(subject, "neutral", size)[0].image,
                frames_of(subject, "neutral", size)[0].landmarks,
            )
            for eye, wing, jaw in ((marks[36:42], marks[31], marks[2]), (marks[42:48], marks[35], marks[14])):
                cheek = 0.5 * wing + 0.5 * jaw
                assert brightness(image, eye.mean(axis=0)) < 0.75 * brightness(image, cheek)
            for brow, down in ((marks[19], 8), (marks[24], 8)):
                assert brightness(image, brow) < 0.9 * brightness(image, brow - (0, down))
            line = brightness(image, marks[[62, 66]].mean(axis=0), 0)
            assert line < brightness(image, marks[57] + (0, 4))

    def test_an_open_mouth_is_dark_between_the_inner_lips(self):
        size = dataclasses.replace(synthetic.SIZES["small"], frames=3, noise=(0.0, 0.1))
        seen = 0
        for subject in range(8):
            frame = frames_of(subject, "surprise", size)[-1]
            gap = frame.landmarks[66, 1] - frame.landmarks[62, 1]
            if 27 in frame.intensities and gap > 8:
                seen += 1
                middle = frame.landmarks[[62, 66]].mean(axis=0)
                assert brightness(frame.image, middle) < 0.75 * brightness(frame.image, frame.landmarks[30] + (8, 0))
        assert seen

    def test_sequence_goes_from_neutral_to_apex(self):
        first, *_, last = frames_of(0, "happiness")
        assert all(sides == (0, 0) for sides in first.intensities.values())
        assert last.intensities[12][0] > 1

        def lift(frame):
            return (frame.landmarks[[48, 54], 1].mean() - frame.landmarks[33, 1]) / TINY.eye_distance

        assert lift(last) < lift(first) - 0.03

    def test_sequence_with_offset_relaxes(self):
        frames = frames_of(0, "anger", dataclasses.replace(TINY, frames=5), offset=True)
        strength = [max(max(sides) for sides in frame.intensities.values()) for frame in frames]
        assert strength[0] == strength[-1] == 0
        assert strength[2] == max(strength) > 1

    def test_unknown_emotion(self):
        with pytest.raises(InputError, match="unknown emotion 'boredom'"):
            frames_of(0, "boredom")


class TestFace:
    person = make_person(np.random.default_rng(0))

    @pytest.mark.parametrize("unit", ACTION_UNITS)
    def test_every_unit_moves_the_landmarks_of_its_side(self, unit):
        neutral = move_points(self.person, {})
        both = move_points(self.person, {unit: (5, 5)}) - neutral
        left = move_points(self.person, {unit: (5, 0)}) - neutral
        assert np.abs(both[:68]).max() > 0.04
        right_side = neutral[:68, 0] > 0.05
        moved = np.abs(left[:68]).max(axis=1)
        assert moved[right_side].max() < 0.5 * moved[~right_side].max()

    def test_directions(self):
        neutral = move_points(self.person, {})

        def moved(unit):
            return (move_points(self.person, {unit: (5, 5)}) - neutral)[:, 1]

        assert (moved(1)[[21, 22]] < -0.1).all()
        assert (moved(2)[[18, 25]] < -0.1).all()
        assert (moved(4)[[21, 22]] > 0.1).all()
        assert (moved(12)[[48, 54]] < -0.1).all()
        assert (moved(15)[[48, 54]] > 0.1).all()
        assert (moved(26)[[8, 57]] > 0.1).all()

    def test_lids_and_lips_never_cross(self):
        rng = np.random.default_rng(1)
        for _ in range(100):
            person = make_person(rng)
            points = move_points(person, {unit: rng.uniform(0, 5, 2) for unit in ACTION_UNITS})
            for upper, lower in (
                (37, 41),
                (38, 40),
                (43, 47),
                (44, 46),
                (61, 67),
                (62, 66),
                (63, 65),
                (51, 62),
                (66, 57),
            ):
                assert points[upper, 1] <= points[lower, 1] + 1e-9

    def test_unknown_unit(self):
        with pytest.raises(InputError, match="action unit 99 cannot be drawn"):
            move_points(self.person, {99: (1, 1)})

    def test_projection(self):
        points = np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, 0.6, 0.5)])
        straight = project(points, Pose((50, 40), 20))
        assert abs(straight[0, 1] - straight[1, 1]) < 1e-9
        assert straight[0].sum() < straight[1].sum()
        assert np.linalg.norm(straight[1] - straight[0]) == pytest.approx(20, rel=0.01)
        rolled = project(points, Pose((50, 40), 20, roll=30))
        across = rolled[1] - rolled[0]
        assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(30)
        turned = project(points, Pose((50, 40), 20, yaw=20))
        assert turned[2, 0] > straight[2, 0] + 1
        nodded = project(points, Pose((50, 40), 20, pitch=20))
        assert nodded[2, 1] > straight[2, 1] + 1


class TestExpressions:
    def test_every_emotion_has_a_prototype(self):
        assert tuple(PROTOTYPES) == EMOTIONS

    @pytest.mark.parametrize("emotion", EMOTIONS)
    def test_units_meet_the_criteria_of_ck_plus(self, emotion):
        # Lucey et al. 2010, Table 2.
        criteria = {
            "neutral": lambda units: not units,
            "anger": lambda units: bool(units & {23, 24}),
            "contempt": lambda units: 14 in units,
            "disgust": lambda units: bool(units & {9, 10}),
            "fear": lambda units: units >= {1, 2, 4},
            "happiness": lambda units: 12 in units,
            "sadness": lambda units: units >= {1, 4, 15},
            "surprise": lambda units: units >= {1, 2},
        }
        drawn = [choose_units(emotion, (1.0, 5.0), 0.0, np.random.default_rng(seed)) for seed in range(200)]
        assert all(criteria[emotion](set(units)) for units in drawn)
        assert len({tuple(units) for units in drawn}) >= (1 if emotion == "neutral" else 2)
        assert all(0 <= level <= 5 for units in drawn for sides in units.values() for level in sides)
        if emotion == "surprise":
            assert max(max(units.get(5, (0,))) for units in drawn) <= 2.5
        if emotion == "contempt":
            assert all(min(sides) < 0.4 * max(sides) for units in drawn for sides in units.values())
            assert {units[14][0] > units[14][1] for units in drawn} == {True, False}

    def test_stray_units_are_faint(self):
        drawn = [choose_units("neutral", (4, 5), 2.0, np.random.default_rng(seed)) for seed in range(50)]
        assert np.mean([len(units) for units in drawn]) > 1
        assert max(max(sides) for units in drawn for sides in units.values()) <= 1.5

    def test_nameless_displays_have_units(self):
        drawn = [choose_units("", (2, 4), 0.0, np.random.default_rng(seed)) for seed in range(50)]
        assert {1, 2, 3} <= {len(units) for units in drawn}

    def test_activation(self):
        onset = activation(6)
        assert onset[0] == 0
        assert onset[-1] == 1
        assert (np.diff(onset) >= 0).all()
        assert onset[-3] > 0.7  # the last three frames carry the label
        whole = activation(9, offset=True)
        assert whole[0] == whole[-1] == 0
        assert whole.max() == 1
        np.testing.assert_allclose(whole, whole[::-1], atol=1e-12)


def test_label_set_is_covered(corpus):
    codes = {path.read_text().strip() for path in (corpus / "Emotion").rglob("*.txt")}
    assert len(codes) == len(LABEL_SETS["ck_plus"])
