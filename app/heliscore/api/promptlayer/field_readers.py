"""What several of PromptLayer's calls carry, and how strictly each is read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.api.http.body_fields import Fields, decode_object
from heliscore.api.shared.logged_bodies import decode_logged, storable
from heliscore.api.shared.score_maps import read_name
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.score import MAX_VALUE, Score
from heliscore.domain.times import EPOCH, read_time, storable_time

MAX_TEXT: Final = 512
MAX_SCORE: Final = 100
DEFAULT_SCORE: Final = "default"

GROUP: Final = "promptlayer_group_id"
"""The property in which a request's group is kept."""

_DIGITS: Final = re.compile(r"\d{1,19}", re.ASCII)


def decode_call(body: bytes) -> Fields:
    """Decode a body. The key in it is taken out: it must reach no table and no message. Keys that are not
    known are left alone."""
    fields = decode_object(body)
    fields.raw.pop("api_key", None)
    return fields


def decode_log(body: bytes) -> tuple[Fields, dict[str, msgspec.Raw]]:
    """Decode the body of a log call, in which a broken character is replaced, also byte for byte."""
    fields, body = decode_logged(body)
    fields.raw.pop("api_key", None)
    return fields, decode_raw(body)


def decode_raw(body: bytes) -> dict[str, msgspec.Raw]:
    """The values of a JSON object byte for byte, as decoding would round their numbers; without the key."""
    sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    sent.pop("api_key", None)
    return sent


def read_integer(fields: Fields, key: str, minimum: int = 1, *, required: bool = False) -> int | None:
    """An integer, or a text of its digits, as the samples in PromptLayer's documentation quote ids."""
    value = fields.raw.get(key)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        fields.raw[key] = int(value)
    return fields.integer(key, minimum, MAX_VALUE, required=required, hint=" or a text of its digits")


def read_request_id(fields: Fields) -> str:
    return str(read_integer(fields, "request_id", 0, required=True))


def read_text(fields: Fields, key: str, *, required: bool = False) -> str | None:
    """A text of 1 to 512 characters."""
    text = fields.text(key, required=required)
    if text is not None and not 1 <= len(text) <= MAX_TEXT:
        fields.reject(key, f"expected 1 to {MAX_TEXT} characters, got {len(text)}")
    return None if text is None else storable(text)


def read_score(fields: Fields, *name_keys: str, required: bool) -> dict[str, Score]:
    """The score under the first of those names that is there, `default` where none is; empty where there is
    no score."""
    value = fields.integer("score", 0, MAX_SCORE, required=required)
    sent = ((key, name) for key in name_keys if (name := fields.text(key)))
    key, sent_name = next(sent, (name_keys[0], DEFAULT_SCORE))
    name, only_boolean = read_name(sent_name)
    if error := find_name_error(name):
        fields.reject(key, error)
    if only_boolean and value not in (None, 0, 1):
        fields.reject("score", f"expected 0 or 1 under the name {shortened(sent_name)}, got {value}")
    return {} if value is None else {name: Score(value, only_boolean)}


def read_properties(fields: Fields, key: str, *, required: bool = False) -> dict[str, str]:
    """An object of any values; one that is no text becomes its JSON text."""
    sent = fields.object(key, required=required)
    properties = {}
    for sent_name, value in sent.raw.items():
        name = storable(sent_name)
        if error := find_name_error(name):
            sent.reject(sent_name, f"the key {error}")
        properties[name] = storable(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return properties


def read_tags(fields: Fields) -> list[str] | None:
    """A list of texts without control characters; None where there is none."""
    raw = fields.raw.get("tags")
    if raw is None:
        return None
    if not isinstance(raw, list):
        fields.reject("tags", f"expected a list of texts, got {described(raw)}")
        return None
    tags = []
    for index, tag in enumerate(raw):
        error = (
            find_name_error(storable(tag))
            if isinstance(tag, str)
            else f"expected a text, got {described(tag)}"
        )
        if error:
            fields.reject(f"tags[{index}]", error)
        else:
            tags.append(storable(tag))
    return tags


def read_moment(fields: Fields, key: str, *, required: bool = False) -> datetime | None:
    """An ISO 8601 text, UTC where no zone is given, or seconds since 1970; to the millisecond, of the years
    1000 to 9999."""
    raw = fields.raw.get(key)
    if raw is None and not (required and key in fields.raw):
        if required:
            fields.reject(key, "missing")
        return None
    time = None
    if isinstance(raw, str):
        time = read_time(raw)
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        time = _after_epoch(raw)
    if (moment := storable_time(time)) is None:
        fields.reject(key, f"expected an ISO 8601 time or seconds since 1970, got {described(raw)}")
    return moment


def _after_epoch(seconds: int | float) -> datetime | None:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
