"""Typed tree -> closure over a row of values: `closure(values) -> value or None`.

Each name (and each derived function of a name) has a slot in the row. The commonest shapes, an input against a literal, have
a closure of their own: an evaluation costs about as many Python calls as the expression has operators.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import fmod, inf
from typing import Any, Final

from rules.language.functions import FUNCTIONS
from rules.language.tree import Binary, Call, Literal, Named, Node, Ternary, Unary
from rules.language.types import Value

Values = Sequence[Value]
Closure = Callable[[Values], Any]  # a Value; the checker has proved its type

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": fmod,
}


def slot_name(node: Named | Call) -> str:
    """What the slot of a name or of a derived function is called: `v`, `delta(v)`."""
    if isinstance(node, Named):
        return node.name
    argument = node.arguments[0]
    assert isinstance(argument, Named), "the checker lets only names through"
    return f"{node.function}({argument.name})"


def slots(node: Node) -> list[str]:
    """The slots that a tree reads, each once, in the order of the text."""
    match node:
        case Literal():
            return []
        case Named():
            return [node.name]
        case Call() if FUNCTIONS[node.function].is_derived:
            return [slot_name(node)]
        case _:
            return list(dict.fromkeys(slot for part in _parts(node) for slot in slots(part)))


def build(node: Node, places: dict[str, int]) -> Closure:  # noqa: PLR0911  # one case a kind of node
    """The closure of a checked tree; `places` gives the index of each slot."""
    match node:
        case Literal():
            return _constant(node.value)
        case Named():
            return operator.itemgetter(places[node.name])
        case Unary():
            return _unary(node.operator, build(node.operand, places))
        case Binary(operator="&&"):
            return _and(build(node.left, places), build(node.right, places))
        case Binary(operator="||"):
            return _or(build(node.left, places), build(node.right, places))
        case Binary() if node.operator in _COMPARE:
            return _comparison(node, places)
        case Binary():
            return _arithmetic(_ARITHMETIC[node.operator], build(node.left, places), build(node.right, places))
        case Ternary():
            return _ternary(*(build(part, places) for part in (node.condition, node.then, node.otherwise)))
        case Call():
            return _call(node, places)


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Ternary():
            return (node.condition, node.then, node.otherwise)
        case Call():
            return node.arguments
        case _:
            return ()


def _constant(value: Value) -> Closure:
    return lambda _values: value


def _unary(sign: str, operand: Closure) -> Closure:
    if sign == "!":
        return lambda values: None if (x := operand(values)) is None else not x
    return lambda values: None if (x := operand(values)) is None else -x


def _and(left: Closure, right: Closure) -> Closure:
    def both(values: Values) -> bool | None:
        x: bool | None = left(values)
        if x is False:
            return False
        y: bool | None = right(values)
        return y if x or y is False else None

    return both


def _or(left: Closure, right: Closure) -> Closure:
    def either(values: Values) -> bool | None:
        x: bool | None = left(values)
        if x:
            return True
        y: bool | None = right(values)
        return y if x is False or y else None

    return either


def _comparison(node: Binary, places: dict[str, int]) -> Closure:
    if isinstance(node.left, Named) and isinstance(node.right, Literal):
        return _slot_against(node.operator, places[node.left.name], node.right.value)
    compare, left, right = _COMPARE[node.operator], build(node.left, places), build(node.right, places)

    def comparison(values: Values) -> bool | None:
        x, y = left(values), right(values)
        return None if x is None or y is None else compare(x, y)

    return comparison


def _slot_against(sign: str, slot: int, limit: Any) -> Closure:
    """An input against a literal: written out, because a call of `operator.gt` costs as much as all the rest."""
    shapes: dict[str, Closure] = {
        "<": lambda values: None if (x := values[slot]) is None else x < limit,
        "<=": lambda values: None if (x := values[slot]) is None else x <= limit,
        ">": lambda values: None if (x := values[slot]) is None else x > limit,
        ">=": lambda values: None if (x := values[slot]) is None else x >= limit,
        "==": lambda values: None if (x := values[slot]) is None else x == limit,
        "!=": lambda values: None if (x := values[slot]) is None else x != limit,
    }
    return shapes[sign]


def _arithmetic(compute: Callable[[float, float], float], left: Closure, right: Closure) -> Closure:
    def arithmetic(values: Values) -> float | None:
        x, y = left(values), right(values)
        if x is None or y is None:
            return None
        try:
            result = compute(x, y)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None  # what cannot be computed is unknown, never an error in the middle of a plant
        return result if -inf < result < inf else None

    return arithmetic


def _ternary(condition: Closure, then: Closure, otherwise: Closure) -> Closure:
    def ternary(values: Values) -> Value:
        chosen = condition(values)
        if chosen is None:
            return None
        result: Value = then(values) if chosen else otherwise(values)
        return result

    return ternary


def _call(node: Call, places: dict[str, int]) -> Closure:
    function = FUNCTIONS[node.function]
    compute = function.compute
    if compute is None:
        return operator.itemgetter(places[slot_name(node)])
    arguments = [build(argument, places) for argument in node.arguments]

    def call(values: Values) -> float | None:
        given = [argument(values) for argument in arguments]
        return None if None in given else compute(*given)

    return call
