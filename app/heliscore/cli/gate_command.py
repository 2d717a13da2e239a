"""`heliscore gate`: ask a service whether a release may go on, for a CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from heliscore.cli.gate_question import ask
from heliscore.cli.service_client import read_object, say, url_option
from heliscore.domain.errors import NotAsked
from heliscore.domain.gate.gate_markdown import render_markdown
from heliscore.domain.gate.gate_report import CheckResult, GateReport
from heliscore.domain.gate.junit import render_junit
from heliscore.domain.messages import on_one_line

_RESULT_WIDTH: Final = len("inconclusive")


class _GateCommand(click.Command):
    """A call that is wrong is no failed gate, and has another exit status."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **more)
        except click.UsageError as error:
            raise NotAsked(error.format_message()) from None


@click.command(cls=_GateCommand, short_help="Ask whether a candidate may be released.")
@click.argument("file")
@url_option
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a Markdown table.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="Wait at most so long until --expect requests of the candidate have all scores.",
)
@click.option("--expect", type=click.IntRange(1), metavar="N", help="The requests that --wait waits for.")
def gate(
    file: str,
    url: str | None,
    junit: Path | None,
    markdown: Path | None,
    wait: float | None,
    expect: int | None,
) -> None:
    """Ask whether a candidate's scores pass the checks of FILE (JSON or TOML; - for stdin).

    The API key is in HELISCORE_API_KEY. Exit status: 0 pass, 1 fail, 2 inconclusive, 3 could not ask.
    """
    if (wait is None) != (expect is None):
        raise NotAsked("--wait and --expect go together")
    report = ask(url, read_object(file), wait, expect)
    _write(junit, render_junit(report))
    _write(markdown, render_markdown(report))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary), render_markdown(report), mode="a")
    _show(report)
    sys.exit(report.exit_code)


def _show(report: GateReport) -> None:
    """The result comes last, and says what the exit status says."""
    for check in report.checks:
        say(f"{check.result:<{_RESULT_WIDTH}}  {check.title}: {check.reason}")
    if os.environ.get("GITHUB_ACTIONS"):
        for check in report.checks:
            if check.result in ("fail", "inconclusive"):
                say(_annotation(report, check))
    say(f"{report.name}: {report.conclusion}")


def _annotation(report: GateReport, check: CheckResult) -> str:
    """The command by which GitHub shows a check beside the run."""
    is_harmless = check.result == "inconclusive" and report.on_too_few == "pass"
    title = _escape(check.title).replace(":", "%3A").replace(",", "%2C")
    return f"::{'warning' if is_harmless else 'error'} title={title}::{_escape(check.reason)}"


def _escape(text: str) -> str:
    return on_one_line(text).replace("%", "%25")


def _write(file: Path | None, text: str, mode: str = "w") -> None:
    if file is None:
        return
    try:
        with file.open(mode, encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise NotAsked(f"{file}: {error.strerror}") from None
