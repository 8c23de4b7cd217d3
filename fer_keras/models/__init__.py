"""Keras 3 models: one file, one model."""

from fer_keras.models import backbones, baselines
from fer_keras.models.alexnet_emotion import AlexNetEmotion, alexnet_emotion_backbone
from fer_keras.models.face_restorer import FaceRestorer
from fer_keras.models.joint_supervision import JointSupervision
from fer_keras.models.occluded_emotion import OccludedEmotion
from fer_keras.models.restoration_gan import RestorationGAN
from fer_keras.models.video_emotion import VideoEmotion

__all__ = [
    "AlexNetEmotion",
    "FaceRestorer",
    "JointSupervision",
    "OccludedEmotion",
    "RestorationGAN",
    "VideoEmotion",
    "alexnet_emotion_backbone",
    "backbones",
    "baselines",
]
