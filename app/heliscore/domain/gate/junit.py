"""A gate's report as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from heliscore.domain.gate.gate_report import CheckResult, GateReport

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_SHOWN: Final = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: GateReport) -> str:
    """A test a check: fail is a failure, inconclusive an error, or skipped where it counts as a pass."""
    tags = [_tag(check, report) for check in report.checks]
    counts = {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": "0",
    }
    suites = Element("testsuites", counts)
    suite = SubElement(suites, "testsuite", {"name": _clean(report.name), **counts})
    for check, tag in zip(report.checks, tags, strict=True):
        names = {"classname": _clean(f"heliscore.{report.name}"), "name": _clean(check.title), "time": "0"}
        case = SubElement(suite, "testcase", names)
        reason = _clean(check.reason)
        if tag is None:
            SubElement(case, "system-out").text = reason
        else:
            type_ = {} if tag == "skipped" else {"type": "gate"}
            SubElement(case, tag, {"message": reason, **type_})
    return f"{_DECLARATION}\n{tostring(suites, encoding='unicode')}\n"


def _tag(check: CheckResult, report: GateReport) -> str | None:
    match check.result:
        case "pass":
            return None
        case "fail":
            return "failure"
        case "inconclusive" if report.on_too_few != "pass":
            return "error"
        case _:
            return "skipped"


def _clean(text: str) -> str:
    """Drop control characters, most of which XML cannot hold."""
    return _NOT_SHOWN.sub("", text)
