"""What a gate decided, as the service answers it and the command line reads it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from heliscore.domain.gate.checks import OnTooFew, Outcome

_EXIT_CODES: Final[dict[Outcome, int]] = {"pass": 0, "fail": 1, "inconclusive": 2}


class GroupSummary(msgspec.Struct, frozen=True):
    """The scores of the candidate or the base; of pairs, the items' means."""

    n: int
    mean: float | None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of one check in one group."""

    score: str
    check: str
    """The rule: `notWorseBy 2`."""

    group: str | None = None
    """The value of `groupBy`; null without it, and for requests without a value."""

    result: Literal["pass", "fail", "inconclusive", "skipped"]
    reason: str
    """One sentence, with the numbers."""

    value: float | None = None
    """Candidate minus base; of bounds, the candidate's number."""

    interval: tuple[float, float] | None = None
    base: GroupSummary | None = None
    candidate: GroupSummary | None = None
    p: float | None = None
    """Of a difference; for `better`, corrected."""

    needed_more: int | None = None
    """How many more scores of each group, or pairs, show the margin kept in four of five cases, where the
    groups are alike."""

    pairs: int | None = None
    left_out: int = 0
    """How many scores have no unit or item."""

    @property
    def title(self) -> str:
        """`accuracy notWorseBy 2`"""
        return (
            f"{self.score} {self.check}"
            if self.group is None
            else f"{self.score} {self.check} [{self.group}]"
        )


class GateReport(msgspec.Struct, frozen=True, rename="camel"):
    """The result of a gate: fail if a check fails, else inconclusive if one is, else pass."""

    name: str
    result: Outcome
    on_too_few: OnTooFew
    exit_code: int
    """0 pass, 1 fail, 2 inconclusive; `onTooFew` says for which an inconclusive result counts."""

    checks: list[CheckResult]

    @property
    def counts_as(self) -> Outcome:
        return self.on_too_few if self.result == "inconclusive" else self.result

    @property
    def conclusion(self) -> str:
        """`inconclusive, counts as fail`"""
        return self.result if self.counts_as == self.result else f"{self.result}, counts as {self.counts_as}"


def make_report(name: str, on_too_few: OnTooFew, checks: list[CheckResult]) -> GateReport:
    """Put the results together; skipped checks count for nothing."""
    results = {check.result for check in checks}
    result: Outcome = "fail" if "fail" in results else "inconclusive" if "inconclusive" in results else "pass"
    code = _EXIT_CODES[on_too_few if result == "inconclusive" else result]
    return GateReport(name, result, on_too_few, code, checks)
