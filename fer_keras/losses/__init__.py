"""Losses beside the paper's own: one file, one loss. Heads and metric losses go into `JointSupervision`."""

from fer_keras.losses.a_softmax import ASoftmax
from fer_keras.losses.am_softmax import AMSoftmax
from fer_keras.losses.arcface import ArcFace
from fer_keras.losses.cosface import CosFace
from fer_keras.losses.focal import FocalLoss
from fer_keras.losses.l_softmax import LSoftmax
from fer_keras.losses.margin_head import CosineHead, MarginHead
from fer_keras.losses.triplet import TripletLoss
from fer_keras.losses.verification import VerificationLoss

__all__ = [
    "AMSoftmax",
    "ASoftmax",
    "ArcFace",
    "CosFace",
    "CosineHead",
    "FocalLoss",
    "LSoftmax",
    "MarginHead",
    "TripletLoss",
    "VerificationLoss",
]
