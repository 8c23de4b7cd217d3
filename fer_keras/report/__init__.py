"""Reports: one self-contained HTML page, readable anywhere, that asks nothing of the network."""

from fer_keras.report.page import Figure, Page, Table, draw

__all__ = ["Figure", "Page", "Table", "draw"]
