"""Reads exports of other services: files into rows, and rows into lines of our own export."""
