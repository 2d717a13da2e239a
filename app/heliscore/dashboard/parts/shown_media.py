"""Chooses how a picture, a sound or a file of a conversation is shown: on the page, as a link, or by a note.

On the page are only formats that run nothing: no SVG.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from heliscore.providers.turns import Media

MOST_CHARACTERS: Final = 8 << 20
"""The largest `data:` URL that is put on a page: 6 MB of data in base64."""

_DATA_URL: Final = re.compile(r"data:([a-z]+/[a-z0-9.+-]+)(?:;[a-z0-9=._-]+)*;base64,", re.IGNORECASE)
_SHOWN: Final[dict[str, Literal["image", "audio"]]] = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/jpg", "image/gif"), "image"),
    **dict.fromkeys(("image/webp", "image/avif", "image/bmp"), "image"),
    **dict.fromkeys(("audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav", "audio/wave"), "audio"),
    **dict.fromkeys(("audio/ogg", "audio/opus", "audio/webm", "audio/mp4", "audio/m4a"), "audio"),
    **dict.fromkeys(("audio/x-m4a", "audio/aac", "audio/flac", "audio/x-flac"), "audio"),
}
_NOUNS: Final = {"image": "picture", "audio": "sound", "video": "video", "file": "file"}


class ShownMedia(msgspec.Struct, frozen=True):
    """A picture, a player, a link, or a note of what is not shown."""

    form: Literal["image", "audio", "link", "note"]
    url: str = ""
    text: str = ""
    """The name, the text of the link, or the note."""


def show_media(media: Media, most_characters: int = MOST_CHARACTERS) -> ShownMedia:
    """Choose the form; a `data:` URL of more than `most_characters` is left out."""
    noun = f"{_NOUNS[media.kind]} {media.name}".strip()
    if media.url.startswith(("http://", "https://")):
        return ShownMedia("link", media.url, noun)
    if not media.url.startswith("data:"):
        return ShownMedia("note", text=f"{noun} {media.url}".strip())
    head = _DATA_URL.match(media.url)
    if head is None:
        return ShownMedia("note", text=f"{noun}, not shown here")
    format_, size = head[1].lower(), (len(media.url) - head.end()) * 3 // 4
    form = _SHOWN.get(format_)
    if form is None:
        return ShownMedia("note", text=f"{noun} ({format_}, {size:,} bytes), not shown here")
    if len(media.url) > min(most_characters, MOST_CHARACTERS):
        return ShownMedia("note", text=f"{noun} ({format_}, {size:,} bytes), too large to be shown here")
    return ShownMedia(form, f"data:{format_};base64,{media.url[head.end() :]}", media.name or noun)
