"""Strings that say where a next call goes on: clients hand them back as they got them."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

T = TypeVar("T")


def to_opaque(content: msgspec.Struct) -> str:
    """Make a string of what is to come back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()


def from_opaque(text: object, type_: type[T]) -> T | None:
    """Return what came back; None where it is nothing that `to_opaque` made."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(str(text)), type=type_)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        return None
