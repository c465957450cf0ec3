"""What a condition says of one quantity: the ranges in which it holds. For finding conditions that never or always hold.

A quantity is whatever stands on one side of a comparison with a number, by its canonical text: `v`, `mean(v, 300s)`, `v - w`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from rules.language.canonical import text_of
from rules.language.tree import Binary, Call, Literal, Node, Unary

_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Bound(NamedTuple):
    """An end of a range: just below (-1), at (0) or just above (1) a number."""

    at: float
    side: int


Range = tuple[Bound, Bound]
_LOW: Final = Bound(-inf, 1)
_HIGH: Final = Bound(inf, -1)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where a quantity may be: ranges in order, none touching the next."""

    parts: tuple[Range, ...]

    def __and__(self, other: Ranges) -> Ranges:
        found = [(max(a[0], b[0]), min(a[1], b[1])) for a in self.parts for b in other.parts]
        return _joined([each for each in found if each[0] <= each[1]])

    def __or__(self, other: Ranges) -> Ranges:
        return _joined([*self.parts, *other.parts])

    def __invert__(self) -> Ranges:
        found, begin = [], _LOW
        for low, high in self.parts:
            if begin <= (before := _before(low)):
                found.append((begin, before))
            begin = _after(high)
        if begin <= _HIGH:
            found.append((begin, _HIGH))
        return Ranges(tuple(found))

    def is_within(self, other: Ranges) -> bool:
        """Whether whatever is here is there."""
        return not (self & ~other).parts


ALL: Final = Ranges(((_LOW, _HIGH),))


@dataclass(frozen=True, slots=True)
class Demands:
    """A condition as parts that must all hold: ranges of quantities, and whatever else, by its canonical text."""

    ranges: dict[str, Ranges]
    others: frozenset[str]

    @property
    def is_never(self) -> bool:
        """Whether no value can meet it."""
        return any(not each.parts for each in self.ranges.values())

    @property
    def is_always(self) -> bool:
        """Whether every known value meets it."""
        return not self.others and bool(self.ranges) and all(each == ALL for each in self.ranges.values())

    def implies(self, other: Demands) -> bool:
        """Whether where this holds the other one holds too; False where that cannot be seen."""
        return other.others <= self.others and all(
            self.ranges.get(key, ALL).is_within(ranges) for key, ranges in other.ranges.items()
        )

    def excludes(self, other: Demands) -> bool:
        """Whether both can be seen never to hold together."""
        return any(not (self.ranges[key] & ranges).parts for key, ranges in other.ranges.items() if key in self.ranges)


def demands(node: Node) -> Demands:
    """What a resolved condition demands."""
    ranges: dict[str, Ranges] = {}
    others: set[str] = set()
    for part in _conjuncts(node):
        if found := _of_one(part):
            key, where = found
            ranges[key] = ranges.get(key, ALL) & where
        else:
            others.add(text_of(part))
    return Demands(ranges, frozenset(others))


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.operator == "&&":
        return _conjuncts(node.left) + _conjuncts(node.right)
    return [node]


def _of_one(node: Node) -> tuple[str, Ranges] | None:
    """The ranges of a condition that is about one quantity only."""
    match node:
        case Unary(operator="!"):
            inner = _of_one(node.operand)
            return (inner[0], ~inner[1]) if inner else None
        case Binary(operator="&&" | "||"):
            left, right = _of_one(node.left), _of_one(node.right)
            if left is None or right is None or left[0] != right[0]:
                return None
            return left[0], left[1] & right[1] if node.operator == "&&" else left[1] | right[1]
        case Binary(right=Literal(value=float(limit))) if node.operator in _FLIPPED:
            return _compared(node.left, node.operator, limit)
        case Binary(left=Literal(value=float(limit))) if node.operator in _FLIPPED:
            return _compared(node.right, _FLIPPED[node.operator], limit)
        case _:
            return None


def _compared(node: Node, sign: str, limit: float) -> tuple[str, Ranges]:
    match node:
        case Call(function="abs", arguments=(inner,)):
            # |x| < 3 is -3 < x < 3; |x| is never below 0.
            here = _compare(sign, limit) & _compare(">=", 0.0)
            mirrored = Ranges(tuple(sorted((_mirror(high), _mirror(low)) for low, high in here.parts)))
            return text_of(inner), here | mirrored
        case Unary(operator="-"):
            return _compared(node.operand, _FLIPPED[sign], -limit)
        case _:
            return text_of(node), _compare(sign, limit)


def _compare(sign: str, limit: float) -> Ranges:
    match sign:
        case "<":
            return Ranges(((_LOW, Bound(limit, -1)),))
        case "<=":
            return Ranges(((_LOW, Bound(limit, 0)),))
        case ">":
            return Ranges(((Bound(limit, 1), _HIGH),))
        case ">=":
            return Ranges(((Bound(limit, 0), _HIGH),))
        case "==":
            return Ranges(((Bound(limit, 0), Bound(limit, 0)),))
        case _:
            return ~_compare("==", limit)


def _mirror(bound: Bound) -> Bound:
    return Bound(-bound.at, -bound.side)


def _before(bound: Bound) -> Bound:
    """The last place below a low end: before `at 3` is `just below 3`, before `just above 3` is `at 3`."""
    return Bound(bound.at, bound.side - 1)


def _after(bound: Bound) -> Bound:
    return Bound(bound.at, bound.side + 1)


def _joined(parts: list[Range]) -> Ranges:
    found: list[Range] = []
    for low, high in sorted(parts):
        if found and low <= _after(found[-1][1]):
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return Ranges(tuple(found))
