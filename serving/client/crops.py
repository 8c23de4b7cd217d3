"""Face crops of pictures and clips, as models take them: finding faces is the client's part."""

import functools

from fer_keras.faces import BlazeFace, align_face, read_image
from fer_keras.video import ClipFrames


def face_crops(picture):
    """Finds the faces in a picture.

    Args:
        picture: path of a file.

    Returns:
        A list of uint8 arrays, aligned crops, for `Client.predict`.

    Raises:
        InputError: the file is no picture.
    """
    image = read_image(picture)
    return [align_face(image, face.eyes) for face in _detector().detect([image])[0]]


def clip_crops(video):
    """Finds the face of one person in a clip: of every frame in which there is one, the largest.

    Args:
        video: path of a file.

    Returns:
        A list of uint8 arrays, aligned crops in order, for `Client.predict_clip`.

    Raises:
        InputError: the file is no video.
    """
    crops, frames = [], ClipFrames(video)
    try:
        for frame in frames:
            faces = _detector().detect([frame.image])[0]
            if faces:
                crops.append(align_face(frame.image, max(faces, key=_area).eyes))
    finally:
        frames.close()
    return crops


def _area(face):
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


@functools.cache
def _detector():
    return BlazeFace()
