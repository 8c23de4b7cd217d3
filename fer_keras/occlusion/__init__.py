"""Occluders drawn on pictures of faces, with exact masks: one file, one occluder."""

from fer_keras.occlusion.occlude import OCCLUDERS, SIZED, occlude, occluder_layer

__all__ = ["OCCLUDERS", "SIZED", "occlude", "occluder_layer"]
