"""axe-core looks at a page: labels, contrast, landmarks, and the other rules of WCAG 2.2 AA that a machine
can check. Its script is put in as a debugger would, past the page's own policy, which stays in force."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

_HERE: Final = Path(__file__).parent
_FILES: Final = (".npmrc", "package.json", "package-lock.json")

_RUN: Final = """
async (runOnly) =>
    (await axe.run(document, {runOnly, resultTypes: ["violations"]})).violations
"""

_ALL: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def install(folder: Path) -> str:
    """Install the locked axe-core into a folder and return its script."""
    for name in _FILES:
        shutil.copy(_HERE / name, folder)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        check=True,
        timeout=300,
    )
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


CONTRAST: Final = ("color-contrast",)
"""Of the rules, this one alone looks at colours, and takes as long as all others."""

OF_WIDTH: Final = ("target-size", "scrollable-region-focusable", "meta-viewport", "region", "skip-link")
"""The rules that a narrower window can break, and what is hidden or shown there."""


async def find_violations(page: Page, source: str, rules: tuple[str, ...] = ()) -> list[str]:
    """A line for each rule that the page breaks, and where: of some rules, or of all."""
    await page.evaluate(source)
    which = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": _ALL}
    violations: list[dict[str, Any]] = await page.evaluate(_RUN, which)
    return [
        f"{found['id']}: {found['help']}: {', '.join(str(node['target']) for node in found['nodes'])}"
        for found in violations
    ]
