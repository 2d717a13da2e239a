"""The README says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from heliscore.settings import PREFIX, Settings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_table_of_settings_is_complete() -> None:
    listed = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", README, re.MULTILINE)
    assert [name.lower() for name, _ in listed] == list(Settings.__struct_fields__)


def test_defaults_of_settings_are_right() -> None:
    settings = Settings()
    listed = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", README, re.MULTILINE))
    assert {name.lower(): default for name, default in listed.items()} == {
        name: shown(getattr(settings, name)) if name != "data_dir" else "see above"
        for name in Settings.__struct_fields__
    }


def shown(value: object) -> str:
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
