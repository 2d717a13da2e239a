"""Renders Markdown as HTML that runs and loads nothing: no raw HTML, no pictures, links to the web only.

Line breaks stay line breaks: the style sheet keeps them. Rules that would change plain text are off:
entities, backslashes (LaTeX's), definitions of links, headings by underlining.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup, escape

_SYNTAX: Final = re.compile(r"[*_`#\[\]<>|~]|^[ \t]*(?:[-+]|\d+[.)])[ \t]|^(?: {4}|\t)|^ *---", re.MULTILINE)
"""A text without a match is rendered as it is: it need not be parsed, which takes 3 to 6 µs a character."""

_TEXT_TAGS: Final = frozenset(("a", "br", "code", "em", "h3", "h4", "h5", "h6", "p", "pre", "s", "strong"))
_BLOCK_TAGS: Final = frozenset(
    ("blockquote", "hr", "li", "ol", "table", "tbody", "td", "th", "thead", "tr", "ul")
)

_CLEANER: Final = nh3.Cleaner(
    tags=_TEXT_TAGS | _BLOCK_TAGS,
    attributes={"*": set(), "a": {"href"}, "ol": {"start"}, "pre": {"tabindex"}},
    allowed_classes={"p": {"turn-text"}, "pre": {"code"}, "th": {"num"}, "td": {"num"}},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)


def render_plain(text: str) -> Markup:
    """Render a text as it is, in one paragraph."""
    return Markup('<p class="turn-text">{}</p>').format(text)


def has_syntax(text: str) -> bool:
    """Whether Markdown could render the text in another way than `render_plain`."""
    return _SYNTAX.search(text) is not None


def render_markdown(text: str) -> Markup:
    """Render CommonMark with tables and strikethrough."""
    return Markup(_CLEANER.clean(_PARSER.render(text)))  # noqa: S704 -- cleaned


def _adapt(state: StateCore) -> None:
    """Give paragraphs and aligned cells classes, and put headings below the page's, without gaps."""
    above: list[str] = []
    for token in state.tokens:
        if token.type == "paragraph_open":
            token.attrSet("class", "turn-text")
        elif token.attrs.get("style") == "text-align:right":
            token.attrSet("class", "num")
        elif token.type == "heading_open":
            above = [*(tag for tag in above if tag < token.tag), token.tag]
            token.tag = f"h{min(len(above) + 2, 6)}"
        elif token.type == "heading_close":
            token.tag = f"h{min(len(above) + 2, 6)}"


def _render_code(_: Any, tokens: Sequence[Token], index: int, *__: object) -> str:
    return f'<pre class="code" tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'


def _render_image(_: Any, tokens: Sequence[Token], index: int, *__: object) -> str:
    """A link to the picture: loading it would tell its host who reads the page."""
    source = tokens[index].attrGet("src") or ""
    return f'<a href="{escape(source)}">{escape(tokens[index].content or source)}</a>'


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["entity", "escape", "reference", "lheading"])
    parser.core.ruler.push("adapt", _adapt)
    for kind, render in (("fence", _render_code), ("code_block", _render_code), ("image", _render_image)):
        parser.add_render_rule(kind, render)
    return parser


_PARSER: Final = _make_parser()
