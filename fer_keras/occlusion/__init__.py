"""Occluders drawn on pictures of faces, with exact masks: one file, one occluder."""

from fer_keras.occlusion.occlude import OCCLUDERS, occlude

__all__ = ["OCCLUDERS", "occlude"]
