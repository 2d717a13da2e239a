"""What a statement about scores reads of each beside its value."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.domain.filter_tree import Cases, Column, GroupBy, Property
from heliscore.store.search.covariates import Covariate


class ScoreColumns(msgspec.Struct, frozen=True, kw_only=True):
    """None: not read."""

    group_by: GroupBy | None = None
    groups: tuple[Column | Property, ...] = ()
    """Instead of `group_by`, several at once: the group is the array of their values."""

    unit: Column | Property | None = None
    """What counts as one case: the user, or the item of a data set, of a request."""

    covariate: Covariate | None = None
    raters: int = 0
    """How many scores of a request are read together."""

    @property
    def need_request(self) -> bool:
        """Whether one of them is in the request's row."""
        return (
            isinstance(self.group_by, Column | Property | Cases)
            or self.groups != ()
            or self.unit is not None
            or isinstance(self.covariate, Column)
        )

    @property
    def need_more_than_group(self) -> bool:
        """Whether more than the value and the group is read of each score."""
        return self.groups != () or self.unit is not None or self.covariate is not None or self.raters > 0


NO_COLUMNS: Final = ScoreColumns()
