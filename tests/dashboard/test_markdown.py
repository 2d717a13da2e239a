from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from heliscore.dashboard.parts.markdown import has_syntax, render_markdown, render_plain
from hypothesis import given
from hypothesis import strategies as st

LINK = '<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>'


def paragraph(inside: str) -> str:
    return f'<p class="turn-text">{inside}</p>\n'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo", paragraph("one\ntwo")),
        ("**a** and `b<c`", paragraph("<strong>a</strong> and <code>b&lt;c</code>")),
        ("# Gate", "<h3>Gate</h3>\n"),
        (
            "|a|b|\n|--|--:|",
            '<table>\n<thead>\n<tr>\n<th>a</th>\n<th class="num">b</th>\n</tr>\n</thead>\n</table>\n',
        ),
        ("## A\n#### B\n# C\n### D", "<h3>A</h3>\n<h4>B</h4>\n<h3>C</h3>\n<h4>D</h4>\n"),
        ("```py\na < b\n```", '<pre class="code" tabindex="0"><code>a &lt; b\n</code></pre>\n'),
        ("[map](https://a.example?b=1&c=2)", paragraph(LINK.format("https://a.example?b=1&amp;c=2", "map"))),
        ("![cat](https://a.example/c.png)", paragraph(LINK.format("https://a.example/c.png", "cat"))),
        ("![](https://a.example/c)", paragraph(LINK.format("https://a.example/c", "https://a.example/c"))),
        ("a &lt; b \\(x\\)", paragraph("a &amp;lt; b \\(x\\)")),
        ("[1]: https://a.example", paragraph("[1]: https://a.example")),
    ],
)
def test_markdown_is_rendered(text: str, html: str) -> None:
    assert render_markdown(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "<div onclick='alert(1)'>x</div>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](data:image/png;base64,iVBORw0KGgo=)",
        "[x](vbscript:x)",
        "[x](/sign-out)",
        "[x](//evil.example)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        '![x](https://a.example/"onerror="alert(1))',
        '[x](https://a.example "title\\" onclick=\\"alert(1)")',
        "[![a](https://a.example/a.png)](javascript:alert(1))",
        '```"onload=alert(1)\nx\n```',
        "<svg/onload=alert(1)>",
    ],
)
def test_markdown_runs_and_loads_nothing(text: str) -> None:
    assert_harmless(render_markdown(text))
    assert_harmless(render_plain(text))


@given(st.text("<>\"'()[]!`*_#-|\n &;:/javscriptonerlhf=x.", max_size=200))
def test_any_text_is_rendered_harmlessly(text: str) -> None:
    assert_harmless(render_markdown(text))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(html: str) -> None:
    parser = _Tags()
    parser.feed(html)
    for tag, attributes in parser.tags:
        assert tag not in ("script", "img", "svg", "iframe", "div", "style")
        assert attributes.keys() <= {"class", "href", "target", "rel", "tabindex", "start"}
        if tag == "a" and "href" in attributes:
            assert re.match(r"(https?://|https?:|mailto:)", attributes["href"] or "", re.IGNORECASE)
            assert attributes["rel"] == "noopener noreferrer"


def test_plain_texts_are_known_as_such() -> None:
    assert not has_syntax("Where is it? Here, I think - or (there).\n\nIn 1986.")
    assert all(
        map(has_syntax, ["- a", "1. a", "a\n2) b", "**a**", "    code", "|a|", "<b>", "`a`", "# a", "---"])
    )
