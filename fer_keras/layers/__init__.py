"""Keras 3 layers: one file, one layer."""

from fer_keras.layers.center_loss import CenterLoss
from fer_keras.layers.island_loss import IslandLoss
from fer_keras.layers.metric_loss import MetricLoss
from fer_keras.layers.pixel_standardization import PixelStandardization

__all__ = ["CenterLoss", "IslandLoss", "MetricLoss", "PixelStandardization"]
