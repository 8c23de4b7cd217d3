"""Expressions in clips and streams: frames in, who showed what when out."""

from fer_keras.video.annotated_video import AnnotatedVideo
from fer_keras.video.camera_frames import CameraFrames
from fer_keras.video.clip_frames import ClipFrames
from fer_keras.video.face_tracker import FaceTracker
from fer_keras.video.folder_frames import FolderFrames
from fer_keras.video.frame import Frame, FrameSource
from fer_keras.video.open_source import is_picture, open_source
from fer_keras.video.read_video import read_video
from fer_keras.video.stream import FaceReading, Stream
from fer_keras.video.timeline import Timeline, Track
from fer_keras.video.timeline_plot import plot_timeline

__all__ = [
    "AnnotatedVideo",
    "CameraFrames",
    "ClipFrames",
    "FaceReading",
    "FaceTracker",
    "FolderFrames",
    "Frame",
    "FrameSource",
    "Stream",
    "Timeline",
    "Track",
    "is_picture",
    "open_source",
    "plot_timeline",
    "read_video",
]
