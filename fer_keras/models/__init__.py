"""Keras 3 models: one file, one model."""

from fer_keras.models import backbones, baselines
from fer_keras.models.alexnet_emotion import AlexNetEmotion, alexnet_emotion_backbone
from fer_keras.models.joint_supervision import JointSupervision
from fer_keras.models.video_emotion import VideoEmotion

__all__ = ["AlexNetEmotion", "JointSupervision", "VideoEmotion", "alexnet_emotion_backbone", "backbones", "baselines"]
