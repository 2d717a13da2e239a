"""A PostgreSQL server for tests and benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.store.embedded import EmbeddedPostgres


@contextmanager
def temporary_server() -> Iterator[str]:
    """Run an embedded server on a folder that goes away with it; yields its address."""
    with tempfile.TemporaryDirectory(prefix="heliscore-test-") as folder:
        Path(folder).chmod(0o755)  # where tests run as root, the server runs as nobody
        with EmbeddedPostgres(Path(folder)) as dsn:
            yield dsn
