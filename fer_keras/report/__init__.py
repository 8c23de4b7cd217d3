"""Reports: one self-contained HTML page, readable anywhere, that asks nothing of the network."""

from fer_keras.report.page import INK, Page, draw
from fer_keras.report.parts import Bullets, Code, Figure, Gallery, Note, Table

__all__ = ["INK", "Bullets", "Code", "Figure", "Gallery", "Note", "Page", "Table", "draw"]
