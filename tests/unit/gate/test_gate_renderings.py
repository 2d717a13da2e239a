"""A gate's report as JUnit XML and as Markdown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from heliscore.domain.gate.checks import OnTooFew
from heliscore.domain.gate.gate_markdown import render_markdown
from heliscore.domain.gate.gate_report import CheckResult, GateReport, make_report
from heliscore.domain.gate.junit import render_junit

ODD = "<a & \"b\" | `c` 'd' *e*\x00\x1b\ufffe\n::error::"


def report(on_too_few: OnTooFew = "fail", name: str = "release") -> GateReport:
    checks = [
        CheckResult(score="ok", check="atLeast 0.9", result="pass", reason="fine"),
        CheckResult(score="accuracy", check="notWorseBy 2", group="m-1", result="fail", reason="fell"),
        CheckResult(score=ODD, check="better", group=ODD, result="inconclusive", reason=ODD),
        CheckResult(score="tone", check="skip", result="skipped", reason="skipped"),
    ]
    return make_report(name, on_too_few, checks)


def outcome(case: ElementTree.Element) -> tuple[str, dict[str, str]]:
    [child] = case
    return child.tag, child.attrib


CLEAN = "<a & \"b\" | `c` 'd' *e*::error::"


@pytest.mark.parametrize(
    ("on_too_few", "counts", "inconclusive"),
    [
        ("fail", ("1", "1", "1"), ("error", {"message": CLEAN, "type": "gate"})),
        ("inconclusive", ("1", "1", "1"), ("error", {"message": CLEAN, "type": "gate"})),
        ("pass", ("1", "0", "2"), ("skipped", {"message": CLEAN})),
    ],
)
def test_junit_has_a_test_a_check(
    on_too_few: OnTooFew, counts: tuple[str, str, str], inconclusive: tuple[str, dict[str, str]]
) -> None:
    text = render_junit(report(on_too_few, "release <1>"))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')
    suites = ElementTree.fromstring(text)  # noqa: S314
    [suite] = suites
    totals = dict(zip(("failures", "errors", "skipped"), counts, strict=True)) | {"tests": "4", "time": "0"}
    assert (suites.tag, suites.attrib) == ("testsuites", totals)
    assert (suite.tag, suite.attrib) == ("testsuite", totals | {"name": "release <1>"})
    assert [case.attrib for case in suite] == [
        {"classname": "heliscore.release <1>", "name": name, "time": "0"}
        for name in (
            "ok atLeast 0.9",
            "accuracy notWorseBy 2 [m-1]",
            f"{CLEAN} better [{CLEAN}]",
            "tone skip",
        )
    ]
    assert [outcome(case) for case in suite] == [
        ("system-out", {}),
        ("failure", {"message": "fell", "type": "gate"}),
        inconclusive,
        ("skipped", {"message": "skipped"}),
    ]


def test_markdown_has_a_row_a_check() -> None:
    odd = r"\<a \& " + r'"b" \| \`c\` ' + r"'d' \*e\*" + "\x00\x1b\ufffe ::error::"
    assert render_markdown(report()) == (
        "## release: fail\n"
        "\n"
        "| Result | Check | Reason |\n"
        "| --- | --- | --- |\n"
        "| pass | ok atLeast 0.9 | fine |\n"
        "| fail | accuracy notWorseBy 2 \\[m-1\\] | fell |\n"
        f"| inconclusive | {odd} better \\[{odd}\\] | {odd} |\n"
        "| skipped | tone skip | skipped |\n"
    )
