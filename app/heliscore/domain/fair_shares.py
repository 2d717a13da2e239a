"""The share of a common resource that one organization may take, so that something is left for the others.

Dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
1998): nobody may hold more than a multiple of what is free. One organization alone gets two thirds; while
others use it too, each gets less, and there is always something left for the next that comes.
"""

from __future__ import annotations

from typing import Final

_OF_FREE: Final = 2


def may_take(held: int, more: int, free: int) -> bool:
    """Whether somebody who holds that much may take more of what is free."""
    return more <= free and held + more <= _OF_FREE * free
