"""Trained models as files that run without Keras: SavedModel, TensorFlow Lite, ONNX. One file, one format."""

from fer_keras.export.checked_file import ExportedFile
from fer_keras.export.onnx import export_onnx
from fer_keras.export.representative import representative_faces
from fer_keras.export.saved_model import export_saved_model, export_version, newest_version, publish_version
from fer_keras.export.tflite import export_tflite

__all__ = [
    "ExportedFile",
    "export_onnx",
    "export_saved_model",
    "export_tflite",
    "export_version",
    "newest_version",
    "publish_version",
    "representative_faces",
]
