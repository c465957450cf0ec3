"""The canonical text of a tree: the same for every way to write the same thing, so that it can be a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bridge.model.production import MachineState
from rules.language.tree import Binary, Call, Duration, Literal, Named, Node, Past, QualityIs, Scaled, Ternary, Unary

_RANKS: Final = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
}
_UNARY: Final = 6
_SECOND: Final = 1_000_000


def text_of(node: Node) -> str:
    """The tree as text, brackets only where they are needed."""
    return _text(node, 0)


def number_text(value: float) -> str:
    """A number as people write it: 2, 2.5, 1e-07."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(float(value))


def duration_text(us: float) -> str:
    """A duration in seconds: 300s, 0.5s."""
    return f"{number_text(us / _SECOND)}s"


def call_text(function: str, arguments: Iterable[str], where: frozenset[MachineState] = frozenset()) -> str:
    """`mean(v, 300s)`, with the states of the machine that it is about where there are any."""
    states = f" where {','.join(sorted(where))}" if where else ""
    return f"{function}({', '.join(arguments)}){states}"


def _text(node: Node, outer: int) -> str:  # noqa: PLR0911  # one case a kind of node
    match node:
        case Literal(value=bool(value)):
            return str(value).lower()
        case Literal(value=str(value)):
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case Literal(value=value):
            return "unknown" if value is None else number_text(float(value))
        case Duration():
            return duration_text(node.us)
        case Named():
            return node.name
        case Past():
            return node.slot
        case Call():
            return call_text(node.function, map(text_of, node.arguments), node.where)
        case QualityIs():
            return _wrapped(f"{node.slot} {'!=' if node.is_negated else '=='} {node.word}", 3, outer)
        case Unary():
            return _wrapped(node.operator + _text(node.operand, _UNARY), _UNARY, outer)
        case _:
            return _of_several(node, outer)


def _of_several(node: Binary | Ternary | Scaled, outer: int) -> str:
    match node:
        case Binary():
            rank = _RANKS[node.operator]
            # The right side of the same rank needs brackets: a - (b - c); so does the left one of a comparison.
            left, right = _text(node.left, rank + (rank == 3)), _text(node.right, rank + 1)
            return _wrapped(f"{left} {node.operator} {right}", rank, outer)
        case Ternary():
            inner = f"{_text(node.condition, 1)} ? {text_of(node.then)} : {text_of(node.otherwise)}"
            return _wrapped(inner, 0, outer) if outer else inner
        case Scaled():
            add = f" + {number_text(node.add)}" if node.add else ""
            scaled = f"{_text(node.operand, 5)} * {number_text(node.factor)}{add}"
            return _wrapped(scaled, 4 if add else 5, outer)


def _wrapped(text: str, rank: int, outer: int) -> str:
    return f"({text})" if rank < outer else text
