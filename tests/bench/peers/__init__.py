"""Arize Phoenix and MLflow beside the service, on the same work: `make bench-peers`.

Each has the defaults of its package, and a PostgreSQL of its own with the settings of our embedded one. They
live in a virtual environment of their own, .venv/peers, and are used over HTTP only.
"""

from __future__ import annotations
