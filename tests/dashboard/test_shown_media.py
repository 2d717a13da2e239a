from __future__ import annotations

import pytest
from heliscore.dashboard.parts.shown_media import MOST_CHARACTERS, ShownMedia, show_media
from heliscore.providers.turns import Media


def image(url: str, name: str = "") -> Media:
    return Media("image", url, name)


@pytest.mark.parametrize(
    ("media", "shown"),
    [
        (image("data:image/png;base64,AAAA"), ShownMedia("image", "data:image/png;base64,AAAA", "picture")),
        (
            Media("audio", "data:audio/ogg;codecs=opus;base64,AAAA", "a.ogg"),
            ShownMedia("audio", "data:audio/ogg;base64,AAAA", "a.ogg"),
        ),
        (image("https://a.example/b.png"), ShownMedia("link", "https://a.example/b.png", "picture")),
        (
            image("data:image/svg+xml;base64,AAAA"),
            ShownMedia("note", text="picture (image/svg+xml, 3 bytes), not shown here"),
        ),
        (
            Media("file", "data:application/pdf;base64,AAAA", "a.pdf"),
            ShownMedia("note", text="file a.pdf (application/pdf, 3 bytes), not shown here"),
        ),
        (image("data:image/svg+xml,<svg/>"), ShownMedia("note", text="picture, not shown here")),
        (
            image("data:text/html;base64,AAAA"),
            ShownMedia("note", text="picture (text/html, 3 bytes), not shown here"),
        ),
        (image("javascript:alert(1)"), ShownMedia("note", text="picture javascript:alert(1)")),
        (image("gs://bucket/a"), ShownMedia("note", text="picture gs://bucket/a")),
        (Media("file", "", "file-abc"), ShownMedia("note", text="file file-abc")),
    ],
)
def test_media_are_shown_linked_or_named(media: Media, shown: ShownMedia) -> None:
    assert show_media(media) == shown


def test_large_media_are_left_out() -> None:
    url = "data:image/png;base64," + "A" * 400
    assert show_media(image(url), len(url)).form == "image"
    left_out = ShownMedia("note", text="picture (image/png, 300 bytes), too large to be shown here")
    assert show_media(image(url), len(url) - 1) == left_out
    assert show_media(image("data:image/png;base64," + "A" * MOST_CHARACTERS)).form == "note"
