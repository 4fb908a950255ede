"""What is looked at: sort, filters and threshold, as they stand in a permalink.

?run=ID&sort=raw&up=1&decision=undecided&show=flagged&p=0.01&find=scan&stratum=CT&item=NAME
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oddpixel.errors import UsageError
from oddpixel.forensics.runs.table import DECISION, Filter

from .tags import Tags

SORTS = ("raw", "p_value", "q_value", "item", "group", "stratum", DECISION, "width")
SHOWN = ("all", "flagged", "unflagged", "errors")
QUEUE = ("sort", "up", "decision", "show", "p", "range", "find", "stratum", "tag")  # parameters of a view
RANGES = ("p_value", "raw")  # columns that a range may be of
LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class Query:
    """The sort order, filters and threshold of a view.

    Arguments:
        sort: a column; empty is the order of the inputs.
        up: ascending.
        decision: all, undecided, decided, or one of the decisions.
        show: `SHOWN`.
        p: only items at least as rare.
        range: only items whose value of a column is at least the first number and below the second, as `p_value:0.01:0.02`;
            either may be missing. A bar of a histogram is one.
        find: text in the item's name.
        stratum: only this one.
        tag: only items with this tag, which the run's `tags` know.
    """

    sort: str = "raw"
    up: bool = False
    decision: str = "all"
    show: str = "all"
    p: float | None = None
    range: tuple[str, float | None, float | None] | None = None
    find: str = ""
    stratum: str = ""
    tag: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Query:
        """The view that a URL's parameters describe; missing ones take their defaults.

        Raises: UsageError for what makes no sense.
        """
        sort, show = given.get("sort", "raw"), given.get("show", "all")
        if sort and sort not in SORTS:
            raise UsageError(f"cannot sort by {sort[:40]!r}; there are {', '.join(SORTS)}")
        if show not in SHOWN:
            raise UsageError(f"cannot show {show[:40]!r}; there are {', '.join(SHOWN)}")
        try:
            p = float(given["p"]) if given.get("p") else None
        except ValueError as error:
            raise UsageError("p must be a number between 0 and 1") from error
        texts = {name: given.get(name, "")[:LONGEST] for name in ("find", "stratum", "tag")}
        decision = given.get("decision", "all")[:LONGEST]
        within = _range(given["range"]) if given.get("range") else None
        return cls(sort=sort, up=given.get("up") == "1", show=show, decision=decision, p=p, range=within, **texts)

    @property
    def filters(self) -> list[Filter]:
        """The conditions of the view for `RunTable`."""
        filters = []
        if self.decision == "undecided":
            filters.append(Filter(DECISION, "is null"))
        elif self.decision == "decided":
            filters.append(Filter(DECISION, "is not null"))
        elif self.decision != "all":
            filters.append(Filter(DECISION, "=", self.decision))
        if self.show in ("flagged", "unflagged"):
            filters.append(Filter("flagged", "=", self.show == "flagged"))
        elif self.show == "errors":
            filters.append(Filter("error", "is not null"))
        if self.p is not None:
            filters.append(Filter("p_value", "<=", self.p))
        if self.range is not None:
            column, low, high = self.range
            filters += [Filter(column, ">=", low)] if low is not None else []
            filters += [Filter(column, "<", high)] if high is not None else []
        if self.find:
            filters.append(Filter("item", "contains", self.find))
        if self.stratum:
            filters.append(Filter("stratum", "=", self.stratum))
        return filters

    def filters_in(self, tags: Tags) -> list[Filter]:
        """The conditions of the view, with that of its tag. Raises: RunError where the tags are damaged."""
        return [*self.filters, Filter("item", "in", tags.all().get(self.tag, []))] if self.tag else self.filters

    @property
    def order_by(self) -> str | None:
        """The column to sort by; None is the order of the inputs."""
        return self.sort or None


def range_of(column: str, low: float | None, high: float | None) -> str:
    """A range as it stands in an address."""
    return ":".join([column, *("" if end is None else repr(float(end)) for end in (low, high))])


def _range(text: str) -> tuple[str, float | None, float | None]:
    """Inverse of `range_of`. Raises: UsageError."""
    column, _, ends = text[:LONGEST].partition(":")
    try:
        low, high = (float(end) if end else None for end in ends.split(":"))
    except ValueError as error:
        raise UsageError("a range is COLUMN:FROM:TO, such as p_value:0.01:0.02") from error
    if column not in RANGES:
        raise UsageError(f"no range of {column[:40]!r}; there are {', '.join(RANGES)}")
    return column, low, high
