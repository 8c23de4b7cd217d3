import numpy as np
import pytest

from fer_keras.faces import FaceMesh, alignment_matrix, transform_points
from fer_keras.faces.face_mesh import IBUG_68, mesh_to_landmarks


def test_map_has_68_vertices():
    assert IBUG_68.shape == (68,)
    assert len(set(IBUG_68.tolist())) == 68
    assert IBUG_68.min() >= 0
    assert IBUG_68.max() < 468
    mesh = np.random.default_rng(0).normal(size=(468, 2))
    np.testing.assert_array_equal(mesh_to_landmarks(mesh)[8], mesh[152])


def test_no_face():
    mesh, confidence = FaceMesh()(np.full((100, 100, 3), 128, np.uint8), (20, 20, 80, 80), [[35, 40], [65, 40]])
    assert mesh.shape == (468, 2)
    assert confidence < 0.1


# Of the 189-point template of london_faces, the point that marks the same place as one of ours.
TEMPLATE = {"left mouth corner": (48, 87), "right mouth corner": (54, 93), "chin": (8, 129)}


@pytest.mark.parametrize(
    "back_end",
    ["detector", "thorough_detector", pytest.param("mtcnn_detector", marks=pytest.mark.slow)],
    indirect=True,
)
def test_landmarks_agree_with_hand_placed_ones(back_end, london_faces):
    errors = []
    for row in london_faces:
        if not row["landmarks"]:
            continue
        template = np.loadtxt(row["folder"] / row["landmarks"], delimiter=",")
        ((face, *_),) = back_end.detect([row["image"]])
        apart = [*(face.eyes - template[:2])]  # pupils, people looking straight ahead
        apart += [face.landmarks[ours] - template[theirs] for ours, theirs in TEMPLATE.values()]
        errors.append(np.hypot(*np.transpose(apart)) / np.hypot(*(template[1] - template[0])))
    errors = np.array(errors)
    assert errors.shape == (60, 5)
    pupils, mouth, chin = errors[:, :2].mean(), errors[:, 2:4].mean(), errors[:, 4].mean()
    print(f"pupils {pupils:.4f}, mouth corners {mouth:.4f}, chin {chin:.4f}, all {errors.mean():.4f} eye distances")
    assert errors.mean() < 0.05
    assert max(pupils, mouth) < 0.04
    assert chin < 0.09  # the mesh draws the lower face too small, docs/guides/faces.md
    assert errors.mean(axis=1).max() < 0.1


@pytest.mark.parametrize("corpus", ["london_faces", "cmu_faces"])
def test_landmarks_have_a_face_s_order(detector, corpus, request):
    rows = [row for row in request.getfixturevalue(corpus) if row.get("pose", "straight") == "straight"]
    for ((face, *_),) in (detector.detect([row["image"]]) for row in rows[::6]):
        x, y = transform_points(face.landmarks, alignment_matrix(face.eyes, 100)).T
        assert (np.diff(x[:17]) > 0)[2:14].all()  # jaw from left to right
        assert (np.diff(x[17:27]) > 0).all()  # brows
        assert (np.diff(y[27:31]) > 0).all()  # down the nose
        assert (np.diff(x[31:36]) > 0).all()  # nostrils
        assert (y[17:27] < 26).all()
        assert 26 < y[33] < y[51] < y[57] < y[8] < 100
        assert x[48] < x[60] < x[64] < x[54]
        assert y[51] < y[62] < y[66] + 2  # the lips of a closed mouth may cross a little
