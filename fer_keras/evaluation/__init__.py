"""Figures and protocols."""
