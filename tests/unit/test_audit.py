from __future__ import annotations

import json

from tests.audit import read_report

STARLETTE = {"name": "starlette", "version": "1.10.0", "vulns": []}
UNKNOWN = {"name": "uvloop", "skip_reason": "Dependency not found on PyPI and could not be audited"}
FAULTY = {
    "name": "jinja2",
    "version": "3.1.6",
    "vulns": [
        {"id": "PYSEC-2027-1", "fix_versions": ["3.1.7", "3.2"], "description": "…"},
        {"id": "PYSEC-2027-2", "fix_versions": [], "description": "…"},
    ],
}


def report(*dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_nothing_found_passes() -> None:
    assert read_report(report(STARLETTE), "") == (["1 of 1 locked packages audited"], False)


def test_vulnerability_fails_and_is_named() -> None:
    assert read_report(report(STARLETTE, FAULTY), "Found 2 known vulnerabilities in 1 package") == (
        [
            "2 of 2 locked packages audited",
            "jinja2 3.1.6: PYSEC-2027-1, mended in 3.1.7, 3.2",
            "jinja2 3.1.6: PYSEC-2027-2, mended in no version yet",
        ],
        True,
    )


def test_unknown_package_is_not_called_audited() -> None:
    assert read_report(report(STARLETTE, UNKNOWN), "No known vulnerabilities found") == (
        [
            "1 of 2 locked packages audited",
            "not audited: the package index, or what answers for it, does not know uvloop",
        ],
        False,
    )


def test_missing_network_passes_and_is_told() -> None:
    last = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='advisories.example', port=443)"
    assert read_report("", f"Traceback (most recent call last):\n  …\n{last}\n") == (
        [f"not audited: {last}"],
        False,
    )


def test_anything_else_fails() -> None:
    errors = "ERROR:pip_audit._cli:requirements.lock: hashes are missing\n"
    assert read_report("", errors) == ([errors], True)
