"""Random variation of faces in training: one file, one effect."""

from fer_keras.augmentation.augment_clips import augment_clips
from fer_keras.augmentation.augment_faces import augment_faces
from fer_keras.augmentation.face_augmentation import FaceAugmentation
from fer_keras.augmentation.occlude_faces import occlude_faces
from fer_keras.augmentation.strength import AugmentationStrength

__all__ = [
    "AugmentationStrength",
    "FaceAugmentation",
    "augment_clips",
    "augment_faces",
    "occlude_faces",
]
