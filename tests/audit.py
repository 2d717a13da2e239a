"""Look the locked versions up among the known vulnerabilities; `make check` runs this.

pip-audit asks the public package index, whatever pip itself is told to ask. Where nobody answers, or a mirror
without advisories does, the output says what was not audited; what was found is a failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
_FLAGS = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--timeout=10", "--format=json"]


def read_report(report: str, errors: str) -> tuple[list[str], bool]:
    """What to print of what pip-audit wrote, and whether it is a failure."""
    if not report:
        reason = errors.strip().rpartition("\n")[2]
        unanswered = "requests.exceptions." in reason or "ServiceError" in reason
        return ([f"not audited: {reason}"], False) if unanswered else ([errors], True)
    dependencies = json.loads(report)["dependencies"]
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, mended in"
        f" {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for each in dependencies
        for vulnerability in each.get("vulns", ())
    ]
    lines = [f"{len(dependencies) - len(skipped)} of {len(dependencies)} locked packages audited"]
    if skipped:
        lines.append(
            f"not audited: the package index, or what answers for it, does not know {', '.join(skipped)}"
        )
    return [*lines, *found], bool(found)


def main() -> None:
    command: list[str | Path] = [_PIP_AUDIT, *_FLAGS, "--requirement", "requirements.lock"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines, failed = read_report(run.stdout, run.stderr)
    print(*lines, sep="\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
