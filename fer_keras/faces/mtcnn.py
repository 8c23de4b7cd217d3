"""MTCNN, the cascade of three networks over an image pyramid, as an alternative to BlazeFace.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks"
(arXiv:1604.02878), as the package `mtcnn` implements it in Keras. TensorFlow is imported at the first use.
"""

import importlib.resources
import importlib.util
import os
import pathlib
import tempfile
import threading

import cv2
import numpy as np

from fer_keras.errors import InputError
from fer_keras.faces.align import landmarks_to_eyes
from fer_keras.faces.face import Face, FaceDetector, box_overlap, check_image
from fer_keras.faces.face_mesh import FaceMesh, level_eyes
from fer_keras.faces.image import resize_image

_SMALLEST = 20  # pixels; with any other `min_face_size` the package builds pyramids with missing or impossible levels
_SAME_FACE = 0.3  # intersection over union
_MARGIN = 0.1  # of the longer side, on every side: the cascade does not look beyond the border
_INSTALL = "install it: pip install 'fer-keras[mtcnn]'"


class MTCNN(FaceDetector):
    """Finds faces with MTCNN and their 68 landmarks. Safe to share between threads, which wait for each other.

    A face that the face mesh recognises has landmarks, and its eyes come from them, as with `BlazeFace`: what was
    trained on the crops of one back end takes those of the other. Without the mesh a face counts if a second look, at
    half the size, finds it as well; it then has no landmarks, and level eyes around the middle of MTCNN's. One look
    alone would take every fortieth patch of smooth noise for a face.

    A picture of any size is brought to one working size, so that time and memory depend on `min_face` alone. Can be
    pickled; the networks are made again where it arrives.

    Args:
        min_score: confidence, in (0, 1), that the last network must have.
        min_face: side of the smallest face looked for, as a fraction of the picture's longer side, in [0.02, 0.5].
            Half of it takes four times as long.

    Raises:
        InputError: the package mtcnn, of the extra of that name, is missing, or an argument is out of its range.

    Example:
        image = fer_keras.faces.read_image("group.jpg")
        for face in fer_keras.faces.MTCNN().detect([image])[0]:
            crop = fer_keras.faces.align_face(image, face.eyes)
    """

    def __init__(self, min_score=0.7, min_face=0.04):
        if not 0.0 < min_score < 1.0:
            raise InputError(f"min_score must be in (0, 1). Received: min_score={min_score}")
        if not 0.02 <= min_face <= 0.5:
            raise InputError(f"min_face must be in [0.02, 0.5]. Received: min_face={min_face}")
        if importlib.util.find_spec("mtcnn") is None:
            raise InputError(f"the package mtcnn is missing; {_INSTALL}")
        self.min_score = min_score
        self.min_face = min_face
        self._mesh = FaceMesh()
        self._cascade = None
        self._lock = threading.Lock()

    def __getstate__(self):
        return {"min_score": self.min_score, "min_face": self.min_face}

    def __setstate__(self, state):
        self.__init__(**state)

    def detect(self, images):
        """Finds the faces in pictures.

        Args:
            images: list of uint8 arrays of shape `(height, width, 3)`, RGB; sizes may differ.

        Returns:
            One list of `Face` a picture, most confident first; empty where no face was found. Coordinates are
            continuous, (0, 0) being the picture's corner.

        Raises:
            ValueError: a picture is not such an array.
        """
        return [self._detect_one(image) for image in images]

    def _detect_one(self, image):
        check_image(image)
        side = round(_SMALLEST / self.min_face)
        faces, second = [], None
        for box, eyes, score in self._look(image, side):
            landmarks = self._mesh.landmarks(image, _like_blaze_face(box), eyes)
            if landmarks is not None:
                eyes = landmarks_to_eyes(landmarks)
            else:
                second = self._look(image, side // 2) if second is None else second
                if not _is_among(box, second):
                    continue
                eyes = level_eyes(_like_blaze_face(box), eyes)
            faces.append(Face(tuple(box.ravel().tolist()), score, eyes, landmarks))
        return faces

    def _look(self, image, side):
        """Runs the cascade on a picture brought to a longer side of `side`.

        Returns a list of `(box, eyes, score)`, best first; box and eyes, of shape `(2, 2)`, in pixels of the picture.
        """
        pixels, matrix = _to_working_size(image, side)
        with self._lock:
            if self._cascade is None:
                self._cascade = _load_cascade()
            # Picture by picture: in a batch the package gives faces to the wrong picture where another has none.
            found = self._cascade.detect_faces(
                pixels,
                fit_to_image=False,
                box_format="xyxy",
                output_type="numpy",  # the other type rounds to whole pixels
                threshold_onet=self.min_score,
            )
        looks = []
        for row in found[np.argsort(-found[:, 5], kind="stable")]:
            # Picture, left, top, right, bottom, score, x of five points, y of five; the eyes lead, image-left first.
            points = np.concatenate([row[1:5].reshape(2, 2), np.column_stack([row[6:8], row[11:13]])])
            points = (points - matrix[:, 1]) / matrix[:, 0]
            if (points[1] > points[0]).all() and not _is_among(points[:2], looks):
                looks.append((points[:2], points[2:], float(row[5])))
        return looks


def _is_among(box, looks):
    return any(box_overlap(box, other) > _SAME_FACE for other, _, _ in looks)


def _like_blaze_face(box):
    """The square that BlazeFace draws around a face with the given box: smaller and nearer to the chin.

    The shares are means over London and CMU faces, straight ahead, where they vary by 0.04.
    """
    height = box[1, 1] - box[0, 1]
    middle = box.mean(axis=0) + [0.0, 0.11 * height]
    half = 0.81 * height / 2
    return np.concatenate([middle - half, middle + half])


def _to_working_size(image, side):
    """Brings a picture to a longer side of `side`, black around it; returns also scale and offset of x and y."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    inner = np.maximum(1, np.round([width * scale, height * scale])).astype(int)
    margin = round(_MARGIN * side)
    resized = resize_image(image, *inner.tolist())
    framed = cv2.copyMakeBorder(resized, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    return framed, np.column_stack([inner / [width, height], [margin, margin]])


def _load_cascade():
    try:
        import lz4.frame
        import mtcnn
        from mtcnn.stages import StageONet, StagePNet, StageRNet
    except ImportError as error:
        raise InputError(f"the package mtcnn cannot be imported ({error}); {_INSTALL}") from None
    # The package would prefer a file `pnet.lz4` of the working directory and unpickle it, and its way of reading
    # compressed files makes Python 3.13 complain on stderr.
    weights = importlib.resources.files("mtcnn") / "assets" / "weights"
    stages = []
    with tempfile.TemporaryDirectory() as folder:
        for stage, name in ((StagePNet, "pnet"), (StageRNet, "rnet"), (StageONet, "onet")):
            plain = pathlib.Path(folder, name)
            plain.write_bytes(lz4.frame.decompress((weights / f"{name}.lz4").read_bytes()))
            stages.append(stage(weights=os.fspath(plain)))
    return mtcnn.MTCNN(stages=stages)
