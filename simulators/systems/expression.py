"""`$filter` of OData, V2 and V4: clauses of a dialect, joined by `and` and `or`, in brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Predicate = Callable[[Mapping[str, Any]], bool]


class Part(NamedTuple):
    """A part of an expression: what it says of a row, and the properties that it names."""

    meets: Predicate
    names: frozenset[str]


class Dialect(NamedTuple):
    """How a system writes a clause, and how it refuses what is none.

    `clause` matches one, its group 1 is the property's name; `read` makes a predicate of the match. `invalid` is for an expression
    that is none, at a position; `distinct` for `or` between different properties (None: the system takes that).
    """

    clause: re.Pattern[str]
    read: Callable[[re.Match[str]], Predicate]
    invalid: Callable[[int], Exception]
    distinct: Callable[[], Exception] | None = None


def parse(text: str, dialect: Dialect) -> Predicate:
    """What the whole expression says of a row; an empty one is met by every row."""
    if not text:
        return lambda _: True
    reader = _Reader(text, dialect)
    part = reader.alternatives()
    if reader.at != len(text):
        raise dialect.invalid(reader.at)
    return part.meets


class _Reader:
    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text, self._dialect = text, dialect
        self.at = 0

    def alternatives(self) -> Part:
        parts = [self._conjunction()]
        while self._takes(" or "):
            parts.append(self._conjunction())
        names = frozenset[str]().union(*(part.names for part in parts))
        if len(parts) > 1 and len(names) > 1 and self._dialect.distinct is not None:
            raise self._dialect.distinct()
        return Part(lambda row: any(part.meets(row) for part in parts), names)

    def _conjunction(self) -> Part:
        parts = [self._factor()]
        while self._takes(" and "):
            parts.append(self._factor())
        return Part(
            lambda row: all(part.meets(row) for part in parts), frozenset[str]().union(*(part.names for part in parts))
        )

    def _factor(self) -> Part:
        if self._takes("("):
            part = self.alternatives()
            if not self._takes(")"):
                raise self._dialect.invalid(self.at)
            return part
        match = self._dialect.clause.match(self._text, self.at)
        if match is None:
            raise self._dialect.invalid(self.at)
        self.at = match.end()
        return Part(self._dialect.read(match), frozenset({match[1]}))

    def _takes(self, word: str) -> bool:
        found = self._text.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found
