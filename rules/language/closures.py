"""Resolved tree -> closure over a row of values: `closure(values) -> value or None`.

Each name, each history and the quality of an input has a slot in the row. The commonest shapes, an input against a literal, have
a closure of their own: an evaluation costs about as many Python calls as the expression has operators.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import fmod, inf
from typing import Any, Final

from rules.language.functions import FUNCTIONS
from rules.language.quality import BAD
from rules.language.tree import Binary, Call, Literal, Named, Node, Past, QualityIs, Scaled, Ternary, Unary, parts
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


def slots(node: Node) -> list[str]:
    """The slots that a resolved tree reads, each once, in the order of the text."""
    match node:
        case Named():
            return [node.name]
        case Past() | QualityIs():
            return [node.slot]
        case _:
            return list(dict.fromkeys(slot for part in parts(node) for slot in slots(part)))


def build(node: Node, places: dict[str, int]) -> Closure:  # noqa: C901, PLR0911, PLR0912  # one case a kind of node
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
            return _call(FUNCTIONS[node.function].compute, [build(argument, places) for argument in node.arguments])
        case Past():
            return _truth(places[node.slot]) if node.kind.is_boolean else operator.itemgetter(places[node.slot])
        case QualityIs():
            return _quality(places[node.slot], node.word, node.is_negated)
        case Scaled():
            return _scaled(build(node.operand, places), node.factor, node.add)
        case _:
            raise AssertionError("the checker lets no bare duration through")


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
    if isinstance(node.right, Literal):
        match node.left:
            case Named(name=slot):
                return _slot_against(node.operator, places[slot], node.right.value)
            case Past(slot=slot):
                return _slot_against(node.operator, places[slot], node.right.value)
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


def _call(compute: Callable[..., float], arguments: list[Closure]) -> Closure:
    def call(values: Values) -> float | None:
        given = [argument(values) for argument in arguments]
        if None in given:
            return None
        try:
            result = compute(*given)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        return result if -inf < result < inf else None

    return call


def _truth(slot: int) -> Closure:
    """A history that answers a question: 1.0 or 0.0 in its slot."""
    return lambda values: None if (x := values[slot]) is None else x != 0


def _quality(slot: int, word: str, is_negated: bool) -> Closure:
    if word == BAD:
        return lambda values: None if (x := values[slot]) is None else (x == BAD) is not is_negated
    return lambda values: None if (x := values[slot]) is None or x == BAD else (x == word) is not is_negated


def _scaled(operand: Closure, factor: float, add: float) -> Closure:
    def scaled(values: Values) -> float | None:
        x = operand(values)
        if x is None:
            return None
        result: float = x * factor + add
        return result if -inf < result < inf else None

    return scaled
