"""The sections of the settings, for their side navigation and for the search."""

from __future__ import annotations

from typing import Final

PATH: Final = "/settings"
KEYS: Final = f"{PATH}/keys"
DESTINATIONS: Final = f"{PATH}/destinations"
USAGE: Final = f"{PATH}/usage"
ABOUT: Final = f"{PATH}/about"

SECTIONS: Final = (
    ("API keys", KEYS),
    ("Score definitions", "/scores"),
    ("Monitors", "/monitors"),
    ("Destinations", DESTINATIONS),
    ("Usage", USAGE),
    ("About", ABOUT),
)
"""Title and path of each."""
