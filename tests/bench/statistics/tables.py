"""Tables of figures as Markdown."""

from __future__ import annotations

import msgspec


class Table(msgspec.Struct, frozen=True):
    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return f"{self.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figure(share: float) -> str:
    return f"{share:.3f}"
