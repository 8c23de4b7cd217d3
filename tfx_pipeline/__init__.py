"""The TFX pipeline: from a corpus on disk to a pushed model."""
