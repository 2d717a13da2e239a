"""Heliscore: score maps in, filtered requests out."""

__version__ = "0.1.0"
