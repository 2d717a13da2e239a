"""A gate's report as Markdown, for the summary of a CI run or a comment."""

from __future__ import annotations

import re
from typing import Final

from heliscore.domain.gate.gate_report import GateReport

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>|~&]")
_BLANK: Final = re.compile(r"\s+")


def render_markdown(report: GateReport) -> str:
    """A heading and a table, a row a check."""
    lines = [
        f"## {_escape(report.name)}: {report.conclusion}",
        "",
        "| Result | Check | Reason |",
        "| --- | --- | --- |",
        *(
            f"| {check.result} | {_escape(check.title)} | {_escape(check.reason)} |"
            for check in report.checks
        ),
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Let names be themselves, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", _BLANK.sub(" ", text))
