from __future__ import annotations

import os

import pytest

from tests.store import schema


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="the dump of another version looks different")
def test_schema_file_is_what_the_migrations_make(dsn: str) -> None:
    assert schema.PATH.read_text(encoding="utf-8") == schema.dump(dsn), "run: make schema"
