"""What a page says: to tests that compare whole tables, not markup."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

Table = list[list[str]]
"""Rows of cells, heads included, each cell the text that a screen reader finds, on one line. (Dashes are all
one here: linters take them for a mistake.)"""


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def read_tables(page: str) -> list[Table]:
    """Every table of a page."""
    parser = _Tables()
    parser.feed(page)
    return [[[_on_one_line(cell) for cell in row] for row in table] for table in parser.tables]


def _on_one_line(text: str) -> str:
    return " ".join(text.replace("\N{EN DASH}", "-").replace("\N{MINUS SIGN}", "-").split())


def read_text(markup: str) -> str:
    """A piece of a page without its tags, on one line."""
    return _on_one_line(unescape(re.sub("<[^>]*>", " ", markup)))


def read_list(page: str, name: str) -> list[str]:
    """The items of the first list in the section of that class."""
    section = page.partition(f'class="{name}"')[2].partition("</section>")[0]
    return [read_text(item) for item in re.findall(r"<li\b.*?</li>", section, re.DOTALL)]


def read_charts(page: str) -> list[list[str]]:
    """The texts of each chart, from left to right, or of bars across from the top down."""
    charts = re.findall(r'<svg class="targets" aria-hidden="true">(.*?)</svg>', page, re.DOTALL)
    return [
        [_on_one_line(unescape(text)) for text in re.findall(r"<title>(.*?)</title>", chart, re.DOTALL)]
        for chart in charts
    ]


def read_cards(page: str) -> list[str]:
    """The text of each card of the overview, what only screen readers get included."""
    return [read_text(card) for card in re.findall(r'<li class="card stat">.*?</li>', page, re.DOTALL)]


def read_panels(page: str) -> list[str]:
    """The names of the scores that are charted."""
    return [unescape(name) for name in re.findall(r'<section class="charted" aria-label="(.*?)">', page)]
