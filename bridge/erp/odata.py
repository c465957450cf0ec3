"""What OData V2 and V4 have in common: texts in filters, and filters that name many records within the length of an address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

# Servers and what stands before them take addresses of 8 kB and less; the rest of one stays far below 2 kB.
LONGEST_FILTER: Final = 1800


def literal(text: str) -> str:
    """A text in a filter: quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


def any_of(field: str, values: Iterable[str], *rest: str) -> Iterator[str]:
    """Filters of bounded length for the records of which `field` is one of the values and `rest` holds; none without values.

    Each value stands in one of them. The values of one filter stand in a list of their own field: Business Central takes `or` between no others.
    """
    some: list[str] = []
    length = sum(len(quote(part, safe="")) + len("%20and%20") for part in rest)
    room = LONGEST_FILTER - length
    for value in dict.fromkeys(values):
        clause = f"{field} eq {literal(value)}"
        needed = len(quote(clause, safe="")) + len("%20or%20")
        if some and needed > room:
            yield _joined(some, rest)
            some, room = [], LONGEST_FILTER - length
        some.append(clause)
        room -= needed
    if some:
        yield _joined(some, rest)


def _joined(some: list[str], rest: tuple[str, ...]) -> str:
    alternatives = " or ".join(some)
    return " and ".join([f"({alternatives})" if rest and len(some) > 1 else alternatives, *rest])
