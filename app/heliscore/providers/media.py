"""Pictures, sounds, videos and files in the content of messages, in all spellings."""

from __future__ import annotations

import re
from typing import Final, Literal

from heliscore.providers.turns import Media
from heliscore.providers.usage import mapping

_HOLDERS: Final = (
    "image_url",
    "input_audio",
    "video_url",
    "audio_url",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "media",
    "image",
    "audio",
    "video",
    "document",
    "file",
    "source",
)
"""Keys under which a part keeps the data, as an object or as text."""

_MIMES: Final = ("media_type", "mimeType", "mime_type", "mediaType", "image_mimetype", "audio_mimetype")
_DATA: Final = ("data", "bytes", "b64_json", "base64", "file_data", "image", "audio", "video", "file")
_ADDRESSES: Final = ("url", "uri", "image_url", "file_url", "fileUri", "file_uri", "image", "file")
_NAMES: Final = ("filename", "file_name", "name", "title", "displayName", "display_name", "file_id")

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-=\s]{4,}")
_TESTED: Final = 64
"""Characters from the beginning that must be base64."""

_SIGNATURES: Final = {
    "iVBORw0KG": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}
"""How files of a type begin in base64."""

_FORMATS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "jpg": "image/jpeg", "pdf": "application/pdf"}
_FALLBACK: Final = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
_URL_SAFE: Final = str.maketrans("-_", "+/")

Kind = Literal["image", "audio", "video", "file"]


def read_media(part: dict[str, object]) -> Media | None:
    """The picture, sound, video or file that a part of a message is; None where it is none. Nulls are out."""
    kind = _named_kind(part)
    if kind is None:
        return None
    for key in _HOLDERS:
        match part.get(key):
            case dict(held):
                inner = mapping(held.get("source")) or held
                if media := _made(kind, {**part, **held, **inner}):
                    return media
            case str(held) if media := _made(kind, {**part, "url" if _is_address(held) else "data": held}):
                return media
    return _made(kind, part)


def image_from(base64_or_url: str) -> Media | None:
    """A picture that stands in a list of mere texts."""
    key = "url" if _is_address(base64_or_url) else "data"
    return _made("image", {key: base64_or_url})


def _named_kind(part: dict[str, object]) -> Kind | None:
    """What the part's type, or the one key it has, says that it is."""
    match part.get("type", part.get("block_type")):
        case "image" | "image_url" | "input_image" | "output_image":
            return "image"
        case "audio" | "input_audio" | "output_audio" | "audio_url":
            return "audio"
        case "video" | "video_url" | "input_video":
            return "video"
        case "file" | "input_file" | "document" | "document_url" | "media" | "container_upload":
            return "file"
        case None:
            for key in ("image", "audio", "video"):
                if isinstance(part.get(key), dict):
                    return key
            keys = ("inlineData", "inline_data", "fileData", "file_data", "document")
            if any(isinstance(part.get(key), dict) for key in keys):
                return "file"
    return None


def _made(kind: Kind, held: dict[str, object]) -> Media | None:
    name = _first_text(held, _NAMES)
    mime = _first_text(held, _MIMES)
    for key in _ADDRESSES + _DATA:
        value = held.get(key)
        if isinstance(value, str) and _is_address(value):
            if value.startswith("data:"):
                mime = value[5:].split(";", 1)[0].split(",", 1)[0] or mime
            return Media(_kind_of(mime, kind), value, name)
    for key in _DATA:
        value = held.get(key)
        if isinstance(value, str) and _BASE64.fullmatch(value, 0, _TESTED):
            mime = mime if "/" in mime else _guessed(kind, value, held.get("format"))
            if "-" in value or "_" in value:
                value = value.translate(_URL_SAFE)
            return Media(_kind_of(mime, kind), f"data:{mime};base64,{value}", name)
    return (
        Media(kind, "", name) if (name and kind == "file") or isinstance(held.get("file_id"), str) else None
    )


def _first_text(held: dict[str, object], names: tuple[str, ...]) -> str:
    return next((value for name in names if isinstance(value := held.get(name), str) and value), "")


def _is_address(value: str) -> bool:
    return value.startswith(("data:", "http://", "https://", "gs://", "s3://"))


def _kind_of(mime: str, kind: Kind) -> Kind:
    match mime.partition("/")[0]:
        case "image" | "audio" | "video" as known:
            return known
    return "file" if "/" in mime else kind


def _guessed(kind: Kind, data: str, form: object) -> str:
    for beginning, mime in _SIGNATURES.items() if kind in ("image", "file") else ():
        if data.startswith(beginning):
            return mime
    if isinstance(form, str) and form.isalnum():
        return _FORMATS.get(form) or (f"application/{form}" if kind == "file" else f"{kind}/{form}")
    return _FALLBACK.get(kind, "application/octet-stream")
