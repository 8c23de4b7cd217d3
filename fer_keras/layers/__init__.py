"""Keras 3 layers: one file, one layer."""

from fer_keras.layers.attention_pooling import AttentionPooling
from fer_keras.layers.center_loss import CenterLoss
from fer_keras.layers.frame_encoder import FrameEncoder
from fer_keras.layers.frame_mask import FrameMask
from fer_keras.layers.frame_pooling import FramePooling
from fer_keras.layers.hole_fill import HoleFill
from fer_keras.layers.hole_window import HoleWindow
from fer_keras.layers.irnn import IRNN, IRNNCell, SpectralBound
from fer_keras.layers.island_loss import IslandLoss
from fer_keras.layers.key_point_angles import KEY_POINT_TRIPLETS, KeyPointAngles
from fer_keras.layers.metric_loss import MetricLoss
from fer_keras.layers.pixel_standardization import PixelStandardization

__all__ = [
    "IRNN",
    "KEY_POINT_TRIPLETS",
    "AttentionPooling",
    "CenterLoss",
    "FrameEncoder",
    "FrameMask",
    "FramePooling",
    "HoleFill",
    "HoleWindow",
    "IRNNCell",
    "IslandLoss",
    "KeyPointAngles",
    "MetricLoss",
    "PixelStandardization",
    "SpectralBound",
]
